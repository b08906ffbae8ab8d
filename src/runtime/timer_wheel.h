// A hierarchical timer wheel: many timers, most of them cancelled or moved before they fire.
//
// Pure: it knows no clock; time arrives as a tick count (the event loop uses one tick per
// millisecond). add() and cancel() are O(1) and allocate nothing, because a timer is a node inside
// its owner. Each level has 64 slots, each 64 times as long as those of the level below:
//
//   level 0   64 slots of 1 tick      level 1   64 slots of 64 ticks      ...      level 10
//
// A timer sits on the level of the highest bit group in which its deadline differs from now, so the
// lowest occupied slot of the lowest occupied level always comes next.
//
//   1. A timer never fires before its deadline, and fires in the first advance() at or after it.
//   2. Timers of different deadlines fire in the order of their deadlines.
//   3. A timer is in at most one wheel; when it fires it is out already and may be added again.
//   4. fire() may add and cancel any timer, its own too, and may destroy it.
//
// A timer moves down at most once per level in its life; eleven levels cover all deadlines. One thread.
// After Varghese and Lauck (SOSP 1987); a bit map per level finds the next slot without a walk.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace strata {

struct TimerLink {
  TimerLink* next = nullptr;
  TimerLink* previous = nullptr;
};

class TimerNode : public TimerLink {
 public:
  TimerNode() = default;
  TimerNode(const TimerNode&) = delete;
  TimerNode& operator=(const TimerNode&) = delete;
  virtual ~TimerNode();  // must not be in a wheel any more
  virtual void fire() = 0;
  virtual void discard() {}  // the wheel was cleared before the deadline

  bool is_scheduled() const { return next != nullptr; }
  uint64_t deadline() const { return deadline_; }

 private:
  friend class TimerWheel;
  uint64_t deadline_ = 0;
  uint8_t level_ = 0;
  uint8_t slot_ = 0;
};

inline constexpr int kTimerLevels = 11;
inline constexpr int kTimerSlotBits = 6;
static_assert(kTimerLevels * kTimerSlotBits >= 64, "every deadline has a level");
inline constexpr uint64_t kNoTimer = UINT64_MAX;

class TimerWheel {
 public:
  explicit TimerWheel(uint64_t now);
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;

  // The node must not be scheduled. A deadline that has passed becomes the next tick.
  void add(TimerNode& node, uint64_t deadline);
  void cancel(TimerNode& node);  // nothing happens when it is not scheduled
  void clear();                  // takes out every timer and discards it

  // Fires everything due at or before `now`; returns how many fired.
  size_t advance(uint64_t now);

  uint64_t now() const { return now_; }
  size_t size() const { return size_; }
  // When advance() should be called next: the earliest deadline, or an earlier tick at which
  // timers move down a level; kNoTimer when the wheel is empty.
  uint64_t next_event() const;

 private:
  static constexpr int kSlots = 1 << kTimerSlotBits;

  struct NextSlot {
    int level;
    int slot;
    uint64_t tick;  // when it begins
  };
  NextSlot next_slot() const;  // the wheel must not be empty
  void place(TimerNode& node);
  void take_slot(int level, int slot, TimerLink& out);
  size_t fire_all(TimerLink& due);

  uint64_t now_;
  size_t size_ = 0;
  std::array<uint64_t, kTimerLevels> occupied_{};
  std::array<std::array<TimerLink, kSlots>, kTimerLevels> slots_;
};

}  // namespace strata

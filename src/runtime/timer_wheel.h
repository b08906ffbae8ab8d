// A hierarchical timer wheel: many timers, most of them cancelled or moved before they fire.
//
// Pure: it knows no clock; time arrives as a tick count (the event loop uses one tick per
// millisecond). add() and cancel() are O(1) and allocate nothing, because a timer is a node inside
// its owner. Each level has 64 slots, each 64 times as long as those of the level below:
//
//   level 0   64 slots of 1 tick      level 1   64 slots of 64 ticks      ...      level 6
//
//   1. A timer never fires before its deadline, and fires in the first advance() at or after it.
//   2. Timers of different deadlines fire in the order of their deadlines.
//   3. A timer is in at most one wheel; when it fires it is out already and may be added again.
//   4. fire() may add and cancel any timer, its own too, and may destroy it.
//
// A timer moves down a level at most six times in its life. Deadlines further away than
// kTimerRangeTicks (139 years of milliseconds) are clamped to it. One thread.
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

  bool is_scheduled() const { return next != nullptr; }
  uint64_t deadline() const { return deadline_; }

 private:
  friend class TimerWheel;
  uint64_t deadline_ = 0;
  uint8_t level_ = 0;
  uint8_t slot_ = 0;
};

inline constexpr int kTimerLevels = 7;
inline constexpr int kTimerSlotBits = 6;
inline constexpr uint64_t kTimerRangeTicks = (uint64_t{1} << (kTimerLevels * kTimerSlotBits)) - 1;
inline constexpr uint64_t kNoTimer = UINT64_MAX;

class TimerWheel {
 public:
  explicit TimerWheel(uint64_t now);
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;

  // A deadline that has passed fires in the next advance() to a later tick.
  void add(TimerNode& node, uint64_t deadline);
  void cancel(TimerNode& node);  // nothing happens when it is not scheduled

  // Fires everything due at or before `now`; returns how many fired.
  size_t advance(uint64_t now);

  uint64_t now() const { return now_; }
  size_t size() const { return size_; }
  // When advance() should be called next: the earliest deadline, or an earlier tick at which
  // timers move down a level; kNoTimer when the wheel is empty.
  uint64_t next_event() const;

 private:
  static constexpr int kSlots = 1 << kTimerSlotBits;

  void place(TimerNode& node);
  void take_slot(int level, int slot, TimerLink& out);
  void cascade(int level, int slot);
  size_t fire_slot(int slot);

  uint64_t now_;
  size_t size_ = 0;
  std::array<uint64_t, kTimerLevels> occupied_{};
  std::array<std::array<TimerLink, kSlots>, kTimerLevels> slots_;
};

}  // namespace strata

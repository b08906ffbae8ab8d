// When which entry expires: a hierarchical timing wheel over links that the entries carry.
//
// 64 slots a level, 1 ms a tick: level 0 holds the current 64 ms, level 1 the current 4 s, and so on. Adding
// and removing are O(1) and touch two neighbours; an entry moves down at most seven times in its life.
// advance() works in slices: a million entries with one deadline come out a few hundred at a time, and
// the wheel's clock does not pass a slot before it is empty; over empty slots it jumps. (Varghese and Lauck,
// SOSP 1987.)
//
//   1. A link lies on the level of the highest digit (base 64) in which its deadline differs from the clock,
//   so every
//      slot before the clock is empty, and so is the current one of each level but the lowest.
//   2. An occupied bit may be stale (its slot has been emptied by remove()), never missing.
//
// Deadlines are absolute wall-clock milliseconds. What is overdue when it is added sits in the current slot.
// When the wall clock is set back by more than a second, the wheel follows: all links are placed again, in
// slices. Used inside the shard only, but for count(). The slot array (4 KiB) is allocated with the first
// deadline.

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "base/function_ref.h"
#include "keyspace/entry.h"

namespace strata {

class ExpiryWheel {
 public:
  ExpiryWheel() = default;
  ExpiryWheel(const ExpiryWheel&) = delete;
  ExpiryWheel& operator=(const ExpiryWheel&) = delete;

  // `now_ms` is where the wheel's clock starts when the first link is added to an empty wheel.
  void add(ExpiryLink& link, int64_t now_ms);
  // The same, but the link comes up at `until_ms`, whatever its deadline.
  void postpone(ExpiryLink& link, int64_t until_ms);
  void remove(ExpiryLink& link);
  // A link has been copied to another place.
  static void relocate(ExpiryLink& to);

  // Hands out links whose deadline is <= now_ms, already removed, until `budget` steps (a link handed out or
  // moved down) are spent. True when nothing is due any more. expire() may add and remove links.
  bool advance(int64_t now_ms, size_t budget, FunctionRef<void(ExpiryLink&)> expire);

  // Any thread.
  size_t count() const { return count_.load(std::memory_order_relaxed); }
  // advance() has nothing to do before this; INT64_MAX when empty, 0 when a slice has left work behind. Never
  // later than the first deadline, unless that was overdue when it was added: then it is the wheel's clock.
  // Earlier by up to a slot of the link's level.
  int64_t next_due_ms() const;
  // Between the last two times told it, or up to a second ahead of the last. For tests.
  int64_t clock_ms() const { return clock_ms_; }
  // Forgets every link. The entries are about to be freed.
  void clear();

 private:
  static constexpr int kSlotBits = 6;
  static constexpr int kSlots = 1 << kSlotBits;
  static constexpr int kLevels = 8;
  // Deadlines further away wait in the last slot of the highest level and are placed again from there.
  static constexpr int64_t kHorizonMs = (int64_t{1} << (kSlotBits * kLevels)) - 1;
  // The threads that enter a shard read their clocks at different moments. Up to here that is no setting
  // back.
  static constexpr int64_t kClockSlackMs = 1000;

  struct NextSlot {
    int level;  // kLevels: none
    int index;
    int64_t begins_ms;
  };

  NextSlot next_slot() const;
  void place(ExpiryLink& link, int64_t at_ms);
  void rewind(int64_t now_ms);
  void take_rewound();
  bool drain_moving(int64_t now_ms, size_t& budget, FunctionRef<void(ExpiryLink&)> expire);
  void take(ExpiryLink*& slot);
  void set_count(size_t count) { count_.store(count, std::memory_order_relaxed); }

  std::unique_ptr<ExpiryLink*[]> slots_;    // kLevels times kSlots
  std::unique_ptr<ExpiryLink*[]> rewound_;  // those from before the clock was set back
  int rewound_next_ = 0;
  uint64_t occupied_[kLevels] = {};
  ExpiryLink* moving_ = nullptr;  // one slot's links on their way out or down
  int64_t clock_ms_ = 0;
  std::atomic<size_t> count_{0};
};

}  // namespace strata

// When which entry expires: a hierarchical timing wheel over links that the entries carry.
//
// 64 slots a level, 1 ms a tick: level 0 holds the next 64 ms, level 1 the next 4 s, and so on. Adding and
// removing are O(1) and touch two neighbours; an entry moves down at most seven times in its life.
// advance() works in slices: a million entries with one deadline come out a few hundred at a time, and
// the wheel's clock does not pass a slot before it is empty. (Varghese and Lauck, SOSP 1987.)
//
// Deadlines are absolute wall-clock milliseconds. What is overdue when it is added sits in the current slot.
// Used inside the shard only. The slot arrays (4 KiB) are allocated with the first deadline.

#pragma once

#include <cstdint>
#include <memory>

#include "base/function_ref.h"
#include "keyspace/entry.h"

namespace strata {

class ExpiryWheel {
 public:
  // `now_ms` is where the wheel's clock starts when the first link is added to an empty wheel.
  void add(ExpiryLink& link, int64_t now_ms);
  // The same, but the link comes up at `until_ms`, whatever its deadline.
  void postpone(ExpiryLink& link, int64_t until_ms);
  void remove(ExpiryLink& link);
  // A link has been copied to another place.
  static void relocate(ExpiryLink& to);

  // Hands out links whose deadline is <= now_ms, already removed, until `budget` steps (a link handed out or
  // moved down) are spent. True when nothing is due any more.
  bool advance(int64_t now_ms, size_t budget, FunctionRef<void(ExpiryLink&)> expire);

  size_t count() const { return count_; }
  // No link is due before this; INT64_MAX when empty. Exact for what is due within 64 ms.
  int64_t next_due_ms() const;
  // Forgets every link. The entries are about to be freed.
  void clear();

 private:
  static constexpr int kSlotBits = 6;
  static constexpr int kSlots = 1 << kSlotBits;
  static constexpr int kLevels = 8;
  // Deadlines further away wait in the last slot that can hold them and move down from there.
  static constexpr int64_t kHorizonMs = (int64_t{1} << (kSlotBits * kLevels)) - 1;

  struct Level {
    uint64_t occupied = 0;
    ExpiryLink* slots[kSlots] = {};
  };

  void place(ExpiryLink& link, int64_t at_ms);
  static void push(ExpiryLink*& head, ExpiryLink& link);
  bool drain(ExpiryLink*& head, int64_t now_ms, size_t& budget, FunctionRef<void(ExpiryLink&)> expire);

  std::unique_ptr<Level[]> levels_;
  ExpiryLink* moving_[kLevels] = {};  // slots of higher levels on their way down
  int64_t clock_ms_ = 0;          // every slot before this one is empty
  size_t count_ = 0;
};

}  // namespace strata

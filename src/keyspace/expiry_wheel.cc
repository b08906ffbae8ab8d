#include "keyspace/expiry_wheel.h"

#include <algorithm>
#include <bit>

namespace strata {

void ExpiryWheel::push(ExpiryLink*& head, ExpiryLink& link) {
  link.next = head;
  link.previous_next = &head;
  if (head) head->previous_next = &link.next;
  head = &link;
}

void ExpiryWheel::relocate(ExpiryLink& to) {
  *to.previous_next = &to;
  if (to.next) to.next->previous_next = &to.next;
}

void ExpiryWheel::place(ExpiryLink& link, int64_t at_ms) {
  int64_t tick = std::clamp(at_ms, clock_ms_, clock_ms_ + kHorizonMs);
  uint64_t differing = static_cast<uint64_t>(tick ^ clock_ms_);
  int level = differing == 0 ? 0 : (std::bit_width(differing) - 1) / kSlotBits;
  if (level >= kLevels) level = kLevels - 1;
  int slot = static_cast<int>(tick >> (level * kSlotBits)) & (kSlots - 1);
  levels_[level].occupied |= uint64_t{1} << slot;
  push(levels_[level].slots[slot], link);
}

void ExpiryWheel::add(ExpiryLink& link, int64_t now_ms) {
  if (!levels_) levels_ = std::make_unique<Level[]>(kLevels);
  if (count_ == 0) clock_ms_ = now_ms;
  ++count_;
  place(link, link.deadline_ms);
}

void ExpiryWheel::postpone(ExpiryLink& link, int64_t until_ms) {
  ++count_;
  place(link, until_ms);
}

void ExpiryWheel::remove(ExpiryLink& link) {
  *link.previous_next = link.next;
  if (link.next) link.next->previous_next = link.previous_next;
  --count_;  // the occupied bit of an emptied slot is cleared when the clock comes by
}

// Empties a list: what is due is handed out, what is not finds its new place.
bool ExpiryWheel::drain(ExpiryLink*& head, int64_t now_ms, size_t& budget, FunctionRef<void(ExpiryLink&)> expire) {
  while (head) {
    if (budget == 0) return false;
    --budget;
    ExpiryLink& link = *head;
    if (link.next) __builtin_prefetch(link.next);
    head = link.next;
    if (head) head->previous_next = &head;
    if (link.deadline_ms <= now_ms) {
      --count_;
      expire(link);
    } else {
      place(link, link.deadline_ms);
    }
  }
  return true;
}

bool ExpiryWheel::advance(int64_t now_ms, size_t budget, FunctionRef<void(ExpiryLink&)> expire) {
  while (count_ > 0) {
    for (ExpiryLink*& moving : moving_) {
      if (!drain(moving, now_ms, budget, expire)) return false;
    }
    // The rest of the current level-0 turn.
    Level& ticks = levels_[0];
    int slot = static_cast<int>(clock_ms_) & (kSlots - 1);
    uint64_t ahead = ticks.occupied >> slot;
    int64_t turn_end = clock_ms_ | (kSlots - 1);
    if (ahead) {
      int64_t next = clock_ms_ + std::countr_zero(ahead);
      if (next > now_ms) return clock_ms_ = std::max(clock_ms_, now_ms), true;
      clock_ms_ = next;
      int index = static_cast<int>(next) & (kSlots - 1);
      if (!drain(ticks.slots[index], now_ms, budget, expire)) return false;
      ticks.occupied &= ~(uint64_t{1} << index);
      continue;
    }
    if (turn_end >= now_ms) return clock_ms_ = std::max(clock_ms_, now_ms), true;
    // The turn is over: the clock enters the next one, and the slots of higher levels that begin
    // exactly there move down, the highest first.
    clock_ms_ = turn_end + 1;
    int level = 1;
    while (level < kLevels - 1 && ((clock_ms_ >> (level * kSlotBits)) & (kSlots - 1)) == 0) ++level;
    for (; level >= 1; --level) {
      int index = static_cast<int>(clock_ms_ >> (level * kSlotBits)) & (kSlots - 1);
      Level& upper = levels_[level];
      if (!(upper.occupied >> index & 1)) continue;
      upper.occupied &= ~(uint64_t{1} << index);
      ExpiryLink*& from = upper.slots[index];
      if (!from) continue;
      moving_[level] = from;
      from->previous_next = &moving_[level];
      from = nullptr;
    }
  }
  return true;
}

int64_t ExpiryWheel::next_due_ms() const {
  if (count_ == 0) return INT64_MAX;
  for (const ExpiryLink* moving : moving_) {
    if (moving) return clock_ms_;
  }
  for (int level = 0; level < kLevels; ++level) {
    int shift = level * kSlotBits;
    int current = static_cast<int>(clock_ms_ >> shift) & (kSlots - 1);
    // On higher levels the current slot has already moved down.
    uint64_t ahead = levels_[level].occupied >> current;
    if (level > 0) ahead &= ~uint64_t{1};
    if (!ahead) continue;
    int64_t base = clock_ms_ >> shift;
    return level == 0 ? clock_ms_ + std::countr_zero(ahead) : (base + std::countr_zero(ahead)) << shift;
  }
  return clock_ms_ + kSlots * kSlots;  // only slots beyond the horizon: look again in a few seconds
}

void ExpiryWheel::clear() {
  levels_.reset();
  std::fill(std::begin(moving_), std::end(moving_), nullptr);
  count_ = 0;
}

}  // namespace strata

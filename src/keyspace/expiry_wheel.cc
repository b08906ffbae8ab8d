#include "keyspace/expiry_wheel.h"

#include <algorithm>
#include <bit>

#include "base/assert.h"

namespace strata {
namespace {

void push(ExpiryLink*& head, ExpiryLink& link) {
  link.next = head;
  link.previous_next = &head;
  if (head) head->previous_next = &link.next;
  head = &link;
}

}  // namespace

void ExpiryWheel::relocate(ExpiryLink& to) {
  *to.previous_next = &to;
  if (to.next) to.next->previous_next = &to.next;
}

void ExpiryWheel::place(ExpiryLink& link, int64_t at_ms) {
  int64_t tick = std::clamp(at_ms, clock_ms_, clock_ms_ | kHorizonMs);
  uint64_t differing = static_cast<uint64_t>(tick ^ clock_ms_);
  int level = differing == 0 ? 0 : (std::bit_width(differing) - 1) / kSlotBits;
  int index = static_cast<int>(tick >> (level * kSlotBits)) & (kSlots - 1);
  occupied_[level] |= uint64_t{1} << index;
  push(slots_[level * kSlots + index], link);
}

void ExpiryWheel::add(ExpiryLink& link, int64_t now_ms) {
  if (!slots_) slots_.reset(new ExpiryLink*[kLevels * kSlots]());
  if (count() == 0) {
    clock_ms_ = now_ms;
    std::fill(std::begin(occupied_), std::end(occupied_), 0);
    rewound_.reset();
  } else if (now_ms < clock_ms_ - kClockSlackMs) {
    rewind(now_ms);
  }
  set_count(count() + 1);
  place(link, link.deadline_ms);
}

void ExpiryWheel::postpone(ExpiryLink& link, int64_t until_ms) {
  set_count(count() + 1);
  place(link, until_ms);
}

void ExpiryWheel::remove(ExpiryLink& link) {
  *link.previous_next = link.next;
  if (link.next) link.next->previous_next = link.previous_next;
  set_count(count() - 1);
}

void ExpiryWheel::take(ExpiryLink*& slot) {
  moving_ = slot;
  slot = nullptr;
  if (moving_) moving_->previous_next = &moving_;
}

// The links stay where they are; the old slots are emptied into the new ones by advance(). A second setting
// back waits for the end of that.
void ExpiryWheel::rewind(int64_t now_ms) {
  if (rewound_) return;
  rewound_ = std::move(slots_);
  rewound_next_ = 0;
  slots_.reset(new ExpiryLink*[kLevels * kSlots]());
  std::fill(std::begin(occupied_), std::end(occupied_), 0);
  clock_ms_ = now_ms;
}

void ExpiryWheel::take_rewound() {
  while (rewound_next_ < kLevels * kSlots) {
    take(rewound_[rewound_next_++]);
    if (moving_) return;
  }
  rewound_.reset();
}

// What is due is handed out, what is not finds its new place.
bool ExpiryWheel::drain_moving(int64_t now_ms, size_t& budget, FunctionRef<void(ExpiryLink&)> expire) {
  while (moving_) {
    if (budget == 0) return false;
    --budget;
    ExpiryLink& link = *moving_;
    if (link.next) {
      __builtin_prefetch(link.next);
      link.next->previous_next = &moving_;
    }
    moving_ = link.next;
    if (link.deadline_ms <= now_ms) {
      set_count(count() - 1);
      expire(link);
    } else {
      place(link, link.deadline_ms);
    }
  }
  return true;
}

// The earliest slot that may hold links: a lower level's slots all lie before the next slot of a higher one.
ExpiryWheel::NextSlot ExpiryWheel::next_slot() const {
  for (int level = 0; level < kLevels; ++level) {
    int shift = level * kSlotBits;
    int64_t position = clock_ms_ >> shift;
    int current = static_cast<int>(position & (kSlots - 1));
    uint64_t ahead = occupied_[level] & (~uint64_t{0} << current);
    if (level > 0) ahead &= ~(uint64_t{1} << current);
    if (!ahead) continue;
    int index = std::countr_zero(ahead);
    return {level, index, ((position & ~int64_t{kSlots - 1}) | index) << shift};
  }
  return {kLevels, 0, INT64_MAX};
}

bool ExpiryWheel::advance(int64_t now_ms, size_t budget, FunctionRef<void(ExpiryLink&)> expire) {
  while (count() > 0) {
    if (!drain_moving(now_ms, budget, expire)) return false;
    if (now_ms < clock_ms_ - kClockSlackMs) rewind(now_ms);
    if (rewound_) {
      take_rewound();
      continue;
    }
    NextSlot next = next_slot();
    if (next.level == kLevels) {
      STRATA_ASSERT(count() == 0, "an expiry link lies in no slot");
      break;
    }
    // The levels below hold nothing; what their bits still say is stale.
    std::fill(occupied_, occupied_ + next.level, 0);
    if (next.begins_ms > now_ms) {
      clock_ms_ = std::max(clock_ms_, now_ms);
      return true;
    }
    clock_ms_ = next.begins_ms;
    occupied_[next.level] &= ~(uint64_t{1} << next.index);
    take(slots_[next.level * kSlots + next.index]);
  }
  return true;
}

int64_t ExpiryWheel::next_due_ms() const {
  if (count() == 0) return INT64_MAX;
  return moving_ || rewound_ ? 0 : next_slot().begins_ms;
}

void ExpiryWheel::clear() {
  slots_.reset();
  rewound_.reset();
  std::fill(std::begin(occupied_), std::end(occupied_), 0);
  moving_ = nullptr;
  set_count(0);
}

}  // namespace strata

#include "runtime/timer_wheel.h"

#include <bit>

#include "base/assert.h"

namespace strata {

namespace {

void make_empty(TimerLink& head) { head.next = head.previous = &head; }
bool is_empty(const TimerLink& head) { return head.next == &head; }

void append(TimerLink& head, TimerLink& link) {
  link.next = &head;
  link.previous = head.previous;
  head.previous->next = &link;
  head.previous = &link;
}

void unlink(TimerLink& link) {
  link.previous->next = link.next;
  link.next->previous = link.previous;
  link.next = link.previous = nullptr;
}

TimerNode& first(TimerLink& head) { return static_cast<TimerNode&>(*head.next); }

}  // namespace

TimerNode::~TimerNode() { STRATA_ASSERT(!is_scheduled(), "a timer died while it was scheduled"); }

TimerWheel::TimerWheel(uint64_t now) : now_(now) {
  for (auto& level : slots_) {
    for (TimerLink& head : level) make_empty(head);
  }
}

void TimerWheel::add(TimerNode& node, uint64_t deadline) {
  STRATA_ASSERT(!node.is_scheduled());
  node.deadline_ = deadline > now_ ? deadline : now_ + 1;
  ++size_;
  place(node);
}

void TimerWheel::cancel(TimerNode& node) {
  if (!node.is_scheduled()) return;
  unlink(node);
  --size_;
  if (is_empty(slots_[node.level_][node.slot_])) occupied_[node.level_] &= ~(uint64_t{1} << node.slot_);
}

void TimerWheel::clear() {
  while (size_ > 0) {
    const NextSlot next = next_slot();
    TimerNode& node = first(slots_[next.level][next.slot]);
    cancel(node);
    node.discard();
  }
}

size_t TimerWheel::advance(uint64_t now) {
  size_t fired = 0;
  while (size_ > 0) {
    const NextSlot next = next_slot();
    if (next.tick > now) break;
    now_ = next.tick;
    TimerLink taken;
    take_slot(next.level, next.slot, taken);
    if (next.level == 0) {
      fired += fire_all(taken);
      continue;
    }
    while (!is_empty(taken)) {
      TimerNode& node = first(taken);
      unlink(node);
      place(node);
    }
  }
  if (now > now_) now_ = now;
  return fired;
}

uint64_t TimerWheel::next_event() const { return size_ == 0 ? kNoTimer : next_slot().tick; }

TimerWheel::NextSlot TimerWheel::next_slot() const {
  int level = 0;
  while (occupied_[level] == 0) {
    ++level;
    STRATA_DASSERT(level < kTimerLevels);
  }
  const int slot = std::countr_zero(occupied_[level]);
  const int shift = level * kTimerSlotBits;
  const uint64_t below = (uint64_t{1} << shift) - 1;                // ticks inside one slot
  const uint64_t window = below | (uint64_t{kSlots - 1} << shift);  // ticks inside the level
  return {level, slot, (now_ & ~window) | (static_cast<uint64_t>(slot) << shift)};
}

void TimerWheel::place(TimerNode& node) {
  const uint64_t difference = node.deadline_ ^ now_;
  const int level = difference == 0 ? 0 : (std::bit_width(difference) - 1) / kTimerSlotBits;
  const int slot = static_cast<int>((node.deadline_ >> (level * kTimerSlotBits)) & (kSlots - 1));
  node.level_ = static_cast<uint8_t>(level);
  node.slot_ = static_cast<uint8_t>(slot);
  append(slots_[level][slot], node);
  occupied_[level] |= uint64_t{1} << slot;
}

void TimerWheel::take_slot(int level, int slot, TimerLink& out) {
  TimerLink& head = slots_[level][slot];
  out = head;
  out.next->previous = &out;
  out.previous->next = &out;
  make_empty(head);
  occupied_[level] &= ~(uint64_t{1} << slot);
}

size_t TimerWheel::fire_all(TimerLink& due) {
  // A callback may cancel another timer of `due`: so take one at a time.
  size_t fired = 0;
  while (!is_empty(due)) {
    TimerNode& node = first(due);
    unlink(node);
    --size_;
    ++fired;
    node.fire();
  }
  return fired;
}

}  // namespace strata

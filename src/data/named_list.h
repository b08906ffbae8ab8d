// Few things with names, in the order of their names: the groups of a stream, the consumers of a group.
//
// An array of pointers, searched by halves. Owns the array, not the things, which have a name(). Inserting
// and removing move the pointers behind: some microseconds for ten thousand of them.

#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/bytes.h"
#include "memory/heap.h"

namespace strata {

template <typename Item>
class NamedList {
 public:
  uint32_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::span<Item* const> items() const { return {items_, size_}; }
  Item* const* begin() const { return items_; }
  Item* const* end() const { return items_ + size_; }

  // Null when there is none.
  Item* find(Bytes name) const {
    Item* const* at = lower_bound(name);
    return at != end() && (*at)->name() == name ? *at : nullptr;
  }
  // The name must not be there. False when out of memory.
  [[nodiscard]] bool insert(Heap& heap, Item* item) {
    auto index = static_cast<uint32_t>(lower_bound(item->name()) - items_);
    if (!reserve(heap)) return false;
    std::memmove(items_ + index + 1, items_ + index, (size_ - index) * sizeof(Item*));
    items_[index] = item;
    ++size_;
    return true;
  }
  // The item must be there.
  void remove(Item* item) {
    auto index = static_cast<uint32_t>(lower_bound(item->name()) - items_);
    --size_;
    std::memmove(items_ + index, items_ + index + 1, (size_ - index) * sizeof(Item*));
  }
  // The last one, taken out; null when there is none.
  Item* take_last() { return size_ == 0 ? nullptr : items_[--size_]; }
  // Frees the array; the items are the caller's.
  void clear(Heap& heap) {
    heap.free(items_);
    items_ = nullptr;
    size_ = capacity_ = 0;
  }
  size_t memory() const { return items_ == nullptr ? 0 : Heap::usable_size(items_); }

 private:
  Item* const* lower_bound(Bytes name) const {
    return std::lower_bound(items_, items_ + size_, name,
                            [](const Item* item, Bytes wanted) { return item->name() < wanted; });
  }
  bool reserve(Heap& heap) {
    if (size_ < capacity_) return true;
    constexpr uint32_t kFirstCapacity = 2;
    uint32_t capacity = std::max(kFirstCapacity, capacity_ * 2);
    void* grown = heap.reallocate(items_, capacity * sizeof(Item*));
    if (grown == nullptr) return false;
    items_ = static_cast<Item**>(grown);
    capacity_ = capacity;
    return true;
  }

  Item** items_ = nullptr;
  uint32_t size_ = 0;
  uint32_t capacity_ = 0;
};

}  // namespace strata

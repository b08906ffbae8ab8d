// Objects of one type, allocated in slabs from a heap and reused through a free list.
//
// For nodes that come and go fast and die together: timers, waiters, cursors. create() and destroy() are
// a handful of instructions and touch only the object. The pool's slabs go back to the heap when
// the pool dies, and not before; objects still alive then are not destructed. Same thread rules as the heap.

#pragma once

#include <cstddef>
#include <new>
#include <utility>

#include "memory/heap.h"
#include "memory/poison.h"

namespace strata {

template <typename T>
class Pool {
 public:
  explicit Pool(Heap& heap) : heap_(heap) {}
  ~Pool() {
    while (slabs_ != nullptr) {
      Slab* slab = std::exchange(slabs_, slabs_->next);
      STRATA_UNPOISON(slab, Heap::usable_size(slab));
      heap_.free(slab);
    }
  }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // Null when out of memory.
  template <typename... Arguments>
  [[nodiscard]] T* create(Arguments&&... arguments) {
    if (free_ == nullptr && !add_slab()) return nullptr;
    Slot* slot = free_;
    STRATA_UNPOISON(slot, sizeof(Slot));
    free_ = slot->next;
    ++size_;
    return new (slot) T(std::forward<Arguments>(arguments)...);
  }

  void destroy(T* object) {
    object->~T();
    auto* slot = reinterpret_cast<Slot*>(object);
    slot->next = free_;
    free_ = slot;
    STRATA_POISON(slot, sizeof(Slot));
    --size_;
  }

  size_t size() const { return size_; }  // live objects

 private:
  union Slot {
    Slot* next;
    alignas(T) unsigned char object[sizeof(T)];
  };
  struct Slab {
    Slab* next;
  };
  static_assert(alignof(T) <= 8, "a heap aligns to 8 bytes");
  static constexpr size_t kSlabBytesMin = 512;
  static constexpr size_t kSlabBytesMax = 16 << 10;

  bool add_slab() {
    size_t one = sizeof(Slab) + sizeof(Slot);
    void* memory = heap_.allocate(slab_bytes_ > one ? slab_bytes_ : one);
    if (memory == nullptr) return false;
    if (slab_bytes_ < kSlabBytesMax) slab_bytes_ *= 2;
    auto* slab = static_cast<Slab*>(memory);
    slab->next = slabs_;
    slabs_ = slab;
    auto* slots = reinterpret_cast<Slot*>(slab + 1);
    for (size_t i = (Heap::usable_size(slab) - sizeof(Slab)) / sizeof(Slot); i-- > 0;) {
      slots[i].next = free_;
      free_ = &slots[i];
      STRATA_POISON(&slots[i], sizeof(Slot));
    }
    return true;
  }

  Heap& heap_;
  Slot* free_ = nullptr;
  Slab* slabs_ = nullptr;
  size_t slab_bytes_ = kSlabBytesMin;
  size_t size_ = 0;
};

}  // namespace strata

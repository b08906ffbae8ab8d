#include "data/blob.h"

#include <algorithm>
#include <cstring>
#include <new>

namespace strata {

namespace {

constexpr size_t kGrowExactlyBytes = 512;

size_t allocation_bytes(size_t capacity) { return capacity + Blob::kHeaderBytes; }

// A copy with room for `capacity`, to which the owner's reference moves.
Blob* replace_pinned(Heap& heap, Blob* blob, size_t capacity) {
  Blob* copy = Blob::create(heap, capacity);
  if (copy == nullptr) return nullptr;
  copy->size = blob->size;
  std::memcpy(copy->bytes, blob->bytes, blob->size);
  Blob::destroy(heap, blob);
  return copy;
}

}  // namespace

Blob* Blob::create(Heap& heap, size_t capacity) {
  if (capacity > kMaxBytes) return nullptr;
  void* block = heap.allocate(allocation_bytes(capacity));
  if (block == nullptr) return nullptr;
  auto* blob = static_cast<Blob*>(block);
  new (&blob->references) std::atomic<uint32_t>(1);
  blob->size = 0;
  return blob;
}

void Blob::destroy(Heap& heap, Blob* blob) {
  // A count of one cannot rise again: only the owner pins. So it needs no atomic subtraction.
  if (!blob->pinned() || blob->references.fetch_sub(1, std::memory_order_acq_rel) == 1) heap.free(blob);
}

Blob* Blob::writable(Heap& heap, Blob* blob, size_t capacity) {
  if (capacity > kMaxBytes) return nullptr;
  size_t wanted = std::max<size_t>(capacity, blob->size);
  if (blob->pinned()) return replace_pinned(heap, blob, wanted);
  size_t has = blob->capacity();
  if (capacity <= has) return blob;
  // Half as much again, so that n appends cost O(n) copied bytes. Small ones grow by what is needed: there
  // are many of them, they are copied in no time, and a third of slack in each is what memory is then spent
  // on. The exact size when memory is short, too.
  size_t slack = has < kGrowExactlyBytes ? 0 : has / 2;
  size_t generous = std::clamp(has + slack, wanted, kMaxBytes);
  void* block = heap.reallocate(blob, allocation_bytes(generous));
  if (block == nullptr && generous > wanted) block = heap.reallocate(blob, allocation_bytes(wanted));
  return static_cast<Blob*>(block);
}

Blob* Blob::extended(Heap& heap, Blob* blob, size_t to) {
  Blob* extended = writable(heap, blob, to);
  if (extended == nullptr) return nullptr;
  if (to > extended->size) Heap::clear(extended, kHeaderBytes + extended->size, kHeaderBytes + to);
  extended->size = static_cast<uint32_t>(to);
  return extended;
}

Blob* Blob::shrink(Heap& heap, Blob* blob) {
  if (blob->pinned()) return replace_pinned(heap, blob, blob->size);
  if (Heap::good_size(allocation_bytes(blob->size)) == Heap::usable_size(blob)) return blob;
  return static_cast<Blob*>(heap.reallocate(blob, allocation_bytes(blob->size)));
}

void Blob::unpin(Blob* blob) {
  if (blob->references.fetch_sub(1, std::memory_order_acq_rel) == 1) Heap::release(blob);
}

}  // namespace strata

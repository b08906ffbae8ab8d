// A block of bytes that may be pinned by readers outside its shard.
//
// Large strings and every packed node live in a Blob. Its owner (an entry or a node list) holds one
// reference; a socket or the log that still reads the bytes holds further ones ("pins"). A pinned
// blob is immutable: who wants to change it calls writable(), which copies only when pinned.
//
//   offset  size  field
//      0      4   references (atomic); 1 = owned and not pinned
//      4      4   size in use
//      8      …   bytes, up to capacity()
//
// pin() happens inside the shard; unpin() anywhere, on any thread. The last one returns the block
// to its heap (through the remote-free list when outside).

#pragma once

#include <atomic>
#include <cstdint>

#include "base/bytes.h"
#include "memory/heap.h"

namespace strata {

struct Blob {
  std::atomic<uint32_t> references;
  uint32_t size;
  char bytes[];

  static constexpr size_t kHeaderBytes = 8;
  static constexpr size_t kMaxBytes = UINT32_MAX - 64;

  // size = 0, capacity >= `capacity`. Null when out of memory.
  [[nodiscard]] static Blob* create(Heap& heap, size_t capacity);
  // Drops the owner's reference, inside the shard.
  static void destroy(Heap& heap, Blob* blob);
  // The same bytes in a blob that may be written: this one when not pinned, a copy otherwise (the
  // owner's reference moves to the copy). Has at least `capacity`; large ones grow geometrically when asked
  // for more than it has. Null when out of memory; the old one is then untouched and still owned.
  [[nodiscard]] static Blob* writable(Heap& heap, Blob* blob, size_t capacity);
  // Like writable(), with `to` bytes in use, of which those from the old size on are zero.
  [[nodiscard]] static Blob* extended(Heap& heap, Blob* blob, size_t to);
  // Like writable(), and gives back what exceeds size where that saves at least a size class.
  [[nodiscard]] static Blob* shrink(Heap& heap, Blob* blob);

  bool pinned() const { return references.load(std::memory_order_acquire) > 1; }
  void pin() { references.fetch_add(1, std::memory_order_relaxed); }
  static void unpin(Blob* blob);  // any thread

  size_t capacity() const { return Heap::usable_size(this) - kHeaderBytes; }
  Bytes view() const { return {bytes, size}; }
};
static_assert(sizeof(Blob) == Blob::kHeaderBytes);

}  // namespace strata

// A heap for one owner at a time: size classes on pages inside aligned segments.
//
// Shards allocate everything they hold from their own Heap. It is externally synchronized: exactly
// one thread is inside a shard, so allocate(), free() and the others take no lock and no atomic
// operation. The one exception is release(): any thread may give a block back, to whichever heap it
// came from, through that heap's remote-free list; the owner takes it in later.
//
//   1. A block belongs to the heap it came from for life; Heap::owner(block) finds it from the address.
//   2. used() is exact: the sum of usable_size over blocks that were allocated and not yet freed
//      or taken in from the remote list.
//   3. All addresses are below 2^47 (entries keep 48-bit pointers), and blocks are 8-byte aligned,
//      16-byte aligned when their size is a multiple of 16.
//   4. Out of memory is a value: allocate() returns null and changes nothing.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace strata {

struct HeapStats {
  size_t used = 0;       // bytes in live blocks (usable sizes)
  size_t resident = 0;   // bytes the operating system has given and not got back
  size_t wasted = 0;     // resident - used: free blocks, page headers, unfilled pages
};

class Heap {
 public:
  // limit_bytes bounds `resident`; allocate() returns null beyond it. 0: no bound.
  explicit Heap(size_t limit_bytes = 0);
  ~Heap();  // gives every segment back, whatever is still allocated
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;

  [[nodiscard]] void* allocate(size_t bytes);
  // Null frees nothing. A block of another heap is handed to that heap's remote-free list.
  void free(void* block);
  // As realloc; on null the old block is untouched. In place when the size class stays the same. The block
  // may belong to another heap; the new one belongs to this.
  [[nodiscard]] void* reallocate(void* block, size_t bytes);

  // From any thread, inside a shard or not.
  static void release(void* block);
  static size_t usable_size(const void* block);
  static Heap* owner(const void* block);
  // The usable size that allocate(bytes) would give.
  static size_t good_size(size_t bytes);

  // Takes in remotely freed blocks and gives empty pages back to the operating system. Bounded work:
  // returns false when there is more to do.
  bool collect();

  size_t used() const;      // exact inside; a recent value when read by other threads
  HeapStats stats() const;  // the same
  // True when the page of this block is so empty that moving the block would help to free the page.
  bool in_sparse_page(const void* block) const;
};

}  // namespace strata

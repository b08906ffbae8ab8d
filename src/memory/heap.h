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
//
// How blocks lie in memory is told in page.h. Each class has a list of pages with room, and allocates from
// the first; when that is full, from the fullest of the next few, so that sparse pages get emptier. A page
// without blocks goes back to its segment, where its memory stays for the next page until collect() gives
// it up; a segment without pages goes back to the operating system, except one.
//
// Cost: allocate() and free() are about 15 instructions, and touch the block and one line of its page's
// bookkeeping. A heap without blocks is this object alone; the first block costs 4 KiB of bookkeeping,
// and the first of each class 4 KiB. Blocks above 1 MiB are mapped for themselves, one system call each.
//
// In debug builds free() asserts that the block is live and some heap's. Under the address sanitizer free
// blocks are poisoned.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "memory/page.h"
#include "memory/poison.h"
#include "memory/size_class.h"

namespace strata {

class SegmentStock;

struct HeapStats {
  size_t used = 0;      // bytes in live blocks (usable sizes)
  size_t resident = 0;  // bytes the operating system has given and not got back
  size_t wasted = 0;    // resident - used: free blocks, page headers, unfilled pages
};

class Heap {
 public:
  // limit_bytes bounds `resident`; allocate() returns null beyond it. 0: no bound.
  explicit Heap(size_t limit_bytes = 0);
  void set_limit(size_t limit_bytes);  // a limit below `resident` takes nothing away
  // Segments of huge pages come from there first. The stock must outlive the heap.
  void use_stock(SegmentStock* stock) { stock_ = stock; }
  ~Heap();  // gives every segment back, whatever is still allocated
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;

  // A block of 0 bytes is a block like any other.
  [[nodiscard]] void* allocate(size_t bytes);
  // Null frees nothing. A block of another heap is handed to that heap's remote-free list.
  void free(void* block);
  // As realloc; on null the old block is untouched. In place when the size class stays the same. The block
  // may belong to another heap; the new one belongs to this.
  [[nodiscard]] void* reallocate(void* block, size_t bytes);

  // Zeros in bytes [from, to) of a block. Much of a block that is mapped for itself is not written but
  // exchanged for fresh pages.
  static void clear(void* block, size_t from, size_t to);

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

 private:
  void* take(Page* page);
  void put(Page* page, void* block);
  void* allocate_slow(size_t size_class);
  void* allocate_huge(size_t bytes);
  void* reallocate_huge(Page* page, size_t bytes);
  void free_huge(Page* page);
  void page_changed(Page* page);
  static void push_remote(Page* page, void* block);
  bool take_in_remote(size_t blocks_max);

  Page* open_page(size_t size_class);
  Page* new_page(size_t size_class, BlockKind kind);
  Page* carved_or_retired(Page* page);
  bool carve(Page* page);
  bool commit(Page* page, size_t bytes);
  void retire(Page* page);
  void retire_empty_pages();
  void count_slack(Page* page);

  Segment* fresh_segment(BlockKind kind);
  void announce_next_segment(const Segment* segment);
  Segment* segment_with_run(BlockKind kind, size_t slices, bool may_grow);
  LinkedList<Segment>& available_like(const Segment* segment) { return available_[segment->kind]; }
  void segment_emptied(Segment* segment);
  void release_segment(Segment* segment);
  size_t decommit_free_slices(Segment* segment, size_t slices_max);
  bool decommit_some(size_t segments_max, size_t slices_max);
  bool reclaim();

  bool fits(size_t bytes) const;
  // Written by the owner only, so plain loads and stores of a relaxed atomic are enough.
  static void add(std::atomic<size_t>& counter, size_t bytes) {
    counter.store(counter.load(std::memory_order_relaxed) + bytes, std::memory_order_relaxed);
  }

  LinkedList<Page> pages_[kSizeClasses];  // those with room; blocks are allocated from the first
  std::atomic<size_t> used_{0};
  std::atomic<size_t> resident_{0};
  size_t limit_bytes_;
  SegmentStock* stock_ = nullptr;
  LinkedList<Segment> available_[kBlockKinds];  // with free slices
  LinkedList<Segment> full_;
  LinkedList<Segment> huge_;
  Segment* spare_ = nullptr;  // without pages, kept against churn
  size_t dirty_slices_ = 0;   // free slices that still have memory, in all segments
  size_t slack_bytes_ = 0;    // memory behind the last block of pages, left by earlier pages
  void* pending_ = nullptr;   // taken from remote_, not yet freed

  // The remote-free list: others push, the owner takes the whole.
  alignas(64) std::atomic<void*> remote_{nullptr};
};

inline void* Heap::take(Page* page) {
  void* block = page->free;
  STRATA_UNPOISON(block, page->block_bytes);
  page->free = *static_cast<void**>(block);
  mark_used(block, page->block_bytes);
  ++page->used;
  add(used_, page->block_bytes);
  return block;
}

inline void* Heap::allocate(size_t bytes) {
  if (bytes > kLargestClassBytes) [[unlikely]]
    return allocate_huge(bytes);
  size_t size_class = size_class_of(bytes);
  Page* page = pages_[size_class].head;
  if (page == nullptr || page->free == nullptr) [[unlikely]]
    return allocate_slow(size_class);
  return take(page);
}

inline void Heap::put(Page* page, void* block) {
  void* next = page->free;
  *static_cast<void**>(block) = next;
  mark_free(block, page->block_bytes);
  STRATA_POISON(block, page->block_bytes);
  page->free = block;
  add(used_, -page->block_bytes);
  if (--page->used == 0 || next == nullptr) [[unlikely]]
    page_changed(page);
}

inline void Heap::free(void* block) {
  if (block == nullptr) return;
  check_block(block);
  Page* page = page_of(block);
  if (page->heap != this) [[unlikely]]
    return push_remote(page, block);
  put(page, block);
}

inline void Heap::release(void* block) {
  if (block == nullptr) return;
  check_block(block);
  push_remote(page_of(block), block);
}

inline size_t Heap::usable_size(const void* block) { return page_of(block)->block_bytes; }
inline Heap* Heap::owner(const void* block) { return page_of(block)->heap; }

inline size_t Heap::good_size(size_t bytes) {
  if (bytes > kLargestClassBytes) [[unlikely]]
    return (bytes + kCommitBytes - 1) & ~(kCommitBytes - 1);
  return size_class_bytes(size_class_of(bytes));
}

inline size_t Heap::used() const { return used_.load(std::memory_order_relaxed); }

}  // namespace strata

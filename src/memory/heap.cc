// The slow paths that deal in blocks and pages; those that deal in segments are in heap_segments.cc.

#include "memory/heap.h"

#include <cstring>

#include "base/assert.h"
#include "platform/memory_map.h"

namespace strata {

namespace {

// Remotely freed blocks taken in on the way; the rest waits, so that no allocation pays for a flush.
constexpr size_t kRemoteBlocksPerAllocate = 128;
// When a page is full, the next is the fullest of so many.
constexpr size_t kPagesCompared = 4;
// From here on exchanging pages costs less than writing them.
constexpr size_t kClearedInPages = size_t{256} << 10;
// Larger requests are refused unseen; no system maps so much.
constexpr size_t kHugeBytesMax = size_t{1} << 46;

size_t commit_units(size_t bytes) { return (bytes + kCommitBytes - 1) / kCommitBytes; }

Page* fullest_with_free_block(Page* page) {
  Page* best = nullptr;
  for (size_t i = 0; i < kPagesCompared && page != nullptr; ++i, page = page->next) {
    if (page->free == nullptr) continue;
    if (best == nullptr || page->used > best->used) best = page;
  }
  return best;
}

}  // namespace

Heap::Heap(size_t limit_bytes) : limit_bytes_(limit_bytes) {}

void Heap::set_limit(size_t limit_bytes) { limit_bytes_ = limit_bytes; }

bool Heap::fits(size_t bytes) const {
  size_t resident = resident_.load(std::memory_order_relaxed);
  return limit_bytes_ == 0 || (resident <= limit_bytes_ && bytes <= limit_bytes_ - resident);
}

HeapStats Heap::stats() const {
  size_t used = used_.load(std::memory_order_relaxed);
  size_t resident = resident_.load(std::memory_order_relaxed);
  // Read by another thread, the two need not be of one moment.
  return {used, resident, resident > used ? resident - used : 0};
}

// --- Allocation ---------------------------------------------------------------------------------

void* Heap::allocate_slow(size_t size_class) {
  take_in_remote(kRemoteBlocksPerAllocate);
  Page* page = open_page(size_class);
  if (page == nullptr && reclaim()) page = open_page(size_class);
  return page != nullptr ? take(page) : nullptr;
}

// Puts a page that has a free block at the front of its class. At most one page of a class still has blocks
// to carve; existing free blocks are used up before it grows.
Page* Heap::open_page(size_t size_class) {
  LinkedList<Page>& pages = pages_[size_class];
  Page* page = pages.head;
  if (page != nullptr && page->free != nullptr) return page;
  if (page != nullptr && page->carved == page->capacity) {
    pages.remove(page);
    page->listed = false;
  }
  if (Page* best = fullest_with_free_block(pages.head)) {
    pages.remove(best);
    pages.push_front(best);
    return best;
  }
  const BlockKind kind = kind_of(size_class_bytes(size_class));
  if (Page* carved = carved_or_retired(pages.head != nullptr ? pages.head : new_page(size_class, kind)))
    return carved;
  // There is no more to be had: what lies free among blocks of the other kind serves as well.
  return carved_or_retired(new_page(size_class, kind == kPackedBlocks ? kScatteredBlocks : kPackedBlocks));
}

// The page with a free block; null when there is no memory for one.
Page* Heap::carved_or_retired(Page* page) {
  if (page == nullptr || carve(page)) return page;
  if (page->used == 0) retire(page);
  return nullptr;
}

Page* Heap::new_page(size_t size_class, BlockKind kind) {
  size_t block_bytes = size_class_bytes(size_class);
  size_t slices = slices_for(block_bytes);
  Segment* segment = segment_with_run(kind, slices, kind == kind_of(block_bytes));
  if (segment == nullptr) return nullptr;
  // Slices that still have memory first: they cost no page fault and are counted already.
  size_t first = find_run(segment->free_slices & segment->dirty_slices, slices);
  if (first == kSlices) first = find_run(segment->free_slices, slices);
  uint64_t bits = slice_bits(first, slices);
  dirty_slices_ -= static_cast<size_t>(std::popcount(segment->dirty_slices & bits));
  int free_before = std::popcount(segment->free_slices);
  segment->free_slices &= ~bits;
  segment->dirty_slices &= ~bits;
  constexpr int kHalf = kSlices / 2;
  if (free_before >= kHalf && std::popcount(segment->free_slices) < kHalf) announce_next_segment(segment);
  if (segment->free_slices == 0) {
    available_like(segment).remove(segment);
    full_.push_back(segment);
  }

  Page* page = segment->page(first);
  page->heap = this;
  page->free = nullptr;
  page->block_bytes = block_bytes;
  page->used = 0;
  page->carved = 0;
  page->capacity = static_cast<uint16_t>(slices * kSliceBytes / block_bytes);
  page->size_class = static_cast<uint8_t>(size_class);
  page->slices = static_cast<uint8_t>(slices);
  for (size_t i = 0; i < slices; ++i) page[i].back = static_cast<uint8_t>(i);
  count_slack(page);
  page->listed = true;
  pages_[size_class].push_front(page);
  return page;
}

// Makes the free blocks that lie within the next kCommitBytes, and one at least.
bool Heap::carve(Page* page) {
  size_t bytes = page->block_bytes;
  size_t reach = commit_units((page->carved + size_t{1}) * bytes) * kCommitBytes;
  size_t carved = reach / bytes < page->capacity ? reach / bytes : page->capacity;
  if (!commit(page, carved * bytes)) return false;
  char* blocks = first_block(page);
  void* next = page->free;
  for (size_t i = carved; i-- > page->carved;) {
    char* block = blocks + i * bytes;
    STRATA_UNPOISON(block, bytes);  // an earlier page's blocks may lie here
    *reinterpret_cast<void**>(block) = next;
    mark_free(block, bytes);
    STRATA_POISON(block, bytes);
    next = block;
  }
  page->free = next;
  page->carved = static_cast<uint16_t>(carved);
  return true;
}

// Counts the first `bytes` of the page as resident, and asks the system for what it has not given yet.
bool Heap::commit(Page* page, size_t bytes) {
  size_t units = commit_units(bytes);
  auto wanted = [&](size_t slice) {
    size_t before = slice * kSliceUnits;
    return units - before < kSliceUnits ? units - before : kSliceUnits;
  };
  size_t slices = (units + kSliceUnits - 1) / kSliceUnits;
  size_t added = 0;
  for (size_t i = 0; i < slices; ++i) {
    if (wanted(i) > page[i].committed) added += wanted(i) - page[i].committed;
  }
  if (added == 0) return true;
  if (!fits(added * kCommitBytes)) return false;
  if (!commit_memory(first_block(page), units * kCommitBytes)) return false;
  for (size_t i = 0; i < slices; ++i) {
    if (wanted(i) > page[i].committed) page[i].committed = static_cast<uint8_t>(wanted(i));
  }
  add(resident_, added * kCommitBytes);
  return true;
}

// --- Freeing ------------------------------------------------------------------------------------

// The page has become empty, or has its first free block.
void Heap::page_changed(Page* page) {
  if (page->size_class == kHugeClass) return free_huge(page);
  LinkedList<Page>& pages = pages_[page->size_class];
  if (!page->listed) {
    // At the end, where it gathers more free blocks before its turn comes.
    pages.push_back(page);
    page->listed = true;
  }
  // The first page of a class stays, or one block that comes and goes would carve a page each time. For large
  // blocks there is nothing to carve, and much to keep.
  if (page->used == 0 && (page != pages.head || page->block_bytes > kSliceBytes / 2)) retire(page);
}

void Heap::push_remote(Page* page, void* block) {
  mark_free(block, page->block_bytes);
  STRATA_POISON(static_cast<char*>(block) + sizeof(void*), page->block_bytes - sizeof(void*));
  std::atomic<void*>& remote = page->heap->remote_;
  void* next = remote.load(std::memory_order_relaxed);
  do {
    *static_cast<void**>(block) = next;
  } while (!remote.compare_exchange_weak(next, block, std::memory_order_release, std::memory_order_relaxed));
}

// Frees what others have given back; false when more is waiting.
bool Heap::take_in_remote(size_t blocks_max) {
  for (size_t i = 0; i < blocks_max; ++i) {
    if (pending_ == nullptr) {
      if (remote_.load(std::memory_order_relaxed) == nullptr) return true;
      pending_ = remote_.exchange(nullptr, std::memory_order_acquire);
    }
    void* block = pending_;
    Page* page = page_of(block);
    STRATA_DASSERT(page->heap == this);
    STRATA_UNPOISON(block, page->block_bytes);
    pending_ = *static_cast<void**>(block);
    put(page, block);
  }
  return pending_ == nullptr && remote_.load(std::memory_order_relaxed) == nullptr;
}

// --- Blocks larger than any class ---------------------------------------------------------------

void* Heap::allocate_huge(size_t bytes) {
  if (bytes > kHugeBytesMax) return nullptr;
  size_t block_bytes = good_size(bytes);
  size_t resident = kCommitBytes + block_bytes;
  take_in_remote(kRemoteBlocksPerAllocate);
  if (!fits(resident) && (!reclaim() || !fits(resident))) return nullptr;
  size_t segment_bytes = kSliceBytes + block_bytes;
  Segment* segment = map_segment(this, segment_bytes, HugePages::kPrefer);
  if (segment == nullptr && reclaim()) segment = map_segment(this, segment_bytes, HugePages::kPrefer);
  if (segment == nullptr) return nullptr;
  if (!commit_memory(segment->slice(1), block_bytes)) {
    unmap_segment(segment);
    return nullptr;
  }
  huge_.push_back(segment);
  Page* page = segment->page(1);
  page->heap = this;
  page->block_bytes = block_bytes;
  page->used = 1;
  page->carved = page->capacity = 1;
  page->size_class = kHugeClass;
  add(used_, block_bytes);
  add(resident_, resident);
  return segment->slice(1);
}

void Heap::free_huge(Page* page) {
  Segment* segment = segment_of(page);
  add(resident_, -(kCommitBytes + page->block_bytes));
  huge_.remove(segment);
  unmap_segment(segment);
}

// Moves the pages, not the bytes.
void* Heap::reallocate_huge(Page* page, size_t bytes) {
  if (bytes > kHugeBytesMax) return nullptr;
  size_t old_bytes = page->block_bytes;
  size_t new_bytes = good_size(bytes);
  if (new_bytes > old_bytes) {
    size_t added = new_bytes - old_bytes;
    if (!fits(added) && (!reclaim() || !fits(added))) return nullptr;
  }
  Segment* old = segment_of(page);
  auto moved = resize_memory(old, old->bytes, kSliceBytes + new_bytes, kSegmentBytes);
  if (!moved) return nullptr;
  auto* segment = static_cast<Segment*>(*moved);
  moved_segment(old, segment);
  segment->bytes = kSliceBytes + new_bytes;
  segment->page(1)->block_bytes = new_bytes;
  (segment->prev != nullptr ? segment->prev->next : huge_.head) = segment;
  (segment->next != nullptr ? segment->next->prev : huge_.tail) = segment;
  add(used_, new_bytes - old_bytes);
  add(resident_, new_bytes - old_bytes);
  return segment->slice(1);
}

void* Heap::reallocate(void* block, size_t bytes) {
  if (block == nullptr) return allocate(bytes);
  check_block(block);
  Page* page = page_of(block);
  if (page->heap == this) {
    if (page->block_bytes == good_size(bytes)) return block;
    if (page->size_class == kHugeClass && bytes > kLargestClassBytes) return reallocate_huge(page, bytes);
  }
  size_t old_bytes = page->block_bytes;
  void* copy = allocate(bytes);
  if (copy == nullptr) return nullptr;
  std::memcpy(copy, block, old_bytes < bytes ? old_bytes : bytes);
  free(block);
  return copy;
}

void Heap::clear(void* block, size_t from, size_t to) {
  char* begin = static_cast<char*>(block) + from;
  char* end = static_cast<char*>(block) + to;
  if (page_of(block)->size_class == kHugeClass && to - from >= kClearedInPages) {
    auto up = [](char* at) { return at + (-reinterpret_cast<uintptr_t>(at) & (kCommitBytes - 1)); };
    char* first = up(begin);
    char* last = up(end) - (up(end) == end ? 0 : kCommitBytes);
    clear_memory(first, static_cast<size_t>(last - first));
    std::memset(last, 0, static_cast<size_t>(end - last));
    end = first;
  }
  std::memset(begin, 0, static_cast<size_t>(end - begin));
}

bool Heap::in_sparse_page(const void* block) const {
  const Page* page = page_of(block);
  if (page->heap != this || page->capacity == 1) return false;
  // The page that new blocks come from would be their destination as well.
  if (page == pages_[page->size_class].head) return false;
  return size_t{page->used} * 4 < size_t{page->capacity} * 3;
}

}  // namespace strata

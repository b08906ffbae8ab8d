// The parts of Heap that take segments from the operating system and give memory back.

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "memory/heap.h"
#include "memory/segment_stock.h"
#include "platform/memory_map.h"

namespace strata {

namespace {

// Segments looked at for a run of free slices before a new one is mapped. What is passed over costs only
// address space: its memory is still there for shorter runs, and for collect().
constexpr size_t kSegmentsSearched = 32;
// What one collect() does at most, some 100 µs of work: a slice takes the system 8 µs. (The spare segment
// goes at once, which may take it 300.)
constexpr size_t kSegmentsPerCollect = 64;
constexpr size_t kSlicesPerCollect = 12;
constexpr size_t kRemoteBlocksPerCollect = 4096;
// A heap of this size asks for huge pages for its scattered blocks: filling 100 MB then takes 6 ms instead of
// 47, and random access misses fewer address translations. A smaller one would pay too much for the last,
// unfilled 2 MiB, which `resident` counts only as they are filled: 3 % here. GET over 3 M keys costs 0.57 us
// instead of 0.76 with all of it huge. Packed blocks gain less by it (SET of 4,000 bytes costs 1.03 us with
// huge pages, 1.13 without) than they lose where the system must look for 2 MiB and clear them while a page
// of 4 KiB is at hand: RPUSH of 64 bytes took 0.60 us of CPU time with huge pages and 0.48 without, XADD 0.74
// and 0.60.
constexpr size_t kHugePagesFromBytes = size_t{64} << 20;
// Slack may be 1/32 of what is resident before a page gives its own back at birth; doing so always made a
// value that grows by appends to 1 MB three times as slow.
constexpr size_t kSlackShare = 32;

// What the page's last slice has behind the last block; the same from the page's birth to its end.
size_t slack_units(Page* page) {
  size_t units = (page->capacity * page->block_bytes + kCommitBytes - 1) / kCommitBytes;
  size_t needed = units - (page->slices - 1u) * kSliceUnits;
  size_t committed = page[page->slices - 1].committed;
  return committed > needed ? committed - needed : 0;
}

size_t committed_bytes(Segment* segment) {
  size_t units = 0;
  for (size_t i = 1; i < kSlices; ++i) units += segment->page(i)->committed;
  return (1 + units) * kCommitBytes;
}

}  // namespace

Heap::~Heap() {
  for (LinkedList<Segment>* list :
       {&available_[kScatteredBlocks], &available_[kPackedBlocks], &full_, &huge_}) {
    while (Segment* segment = list->head) {
      list->remove(segment);
      unmap_segment(segment);
    }
  }
  if (spare_ != nullptr) unmap_segment(spare_);
}

Segment* Heap::fresh_segment(BlockKind kind) {
  bool huge = kind == kScatteredBlocks && resident_.load(std::memory_order_relaxed) >= kHugePagesFromBytes;
  if (huge && stock_ != nullptr) {
    auto [memory, is_coming] = stock_->take();
    if (memory != nullptr) return make_segment(memory, this, kSegmentBytes, HugePages::kPrefer);
    // Faster than the system can find huge pages: to touch one here would be the wait that the stock avoids.
    // XREADGROUP of a million entries is that fast.
    huge = !is_coming;
  }
  return map_segment(this, kSegmentBytes, huge ? HugePages::kPrefer : HugePages::kAvoid);
}

Segment* Heap::segment_with_run(BlockKind kind, size_t slices, bool may_grow) {
  Segment* segment = available_[kind].head;
  for (size_t i = 0; i < kSegmentsSearched && segment != nullptr; ++i, segment = segment->next) {
    if (find_run(segment->free_slices, slices) != kSlices) return segment;
  }
  if (!may_grow) return nullptr;
  if (spare_ != nullptr) {
    segment = std::exchange(spare_, nullptr);
  } else {
    if (!fits(kCommitBytes)) return nullptr;
    segment = fresh_segment(kind);
    if (segment == nullptr) return nullptr;
    add(resident_, kCommitBytes);
  }
  segment->kind = kind;
  available_[kind].push_front(segment);
  return segment;
}

// The next segment will be one of huge pages: it had better be there by then.
void Heap::announce_next_segment(const Segment* segment) {
  if (stock_ == nullptr || segment->kind != kScatteredBlocks) return;
  if (resident_.load(std::memory_order_relaxed) + kSegmentBytes < kHugePagesFromBytes) return;
  stock_->prepare();
}

// A new page may lie over memory of earlier pages that reaches beyond its own last block.
void Heap::count_slack(Page* page) {
  size_t bytes = slack_units(page) * kCommitBytes;
  if (bytes == 0) return;
  slack_bytes_ += bytes;
  if (slack_bytes_ <= resident_.load(std::memory_order_relaxed) / kSlackShare) return;
  Page* last = page + page->slices - 1;
  last->committed = static_cast<uint8_t>(last->committed - bytes / kCommitBytes);
  decommit_memory(first_block(last) + last->committed * kCommitBytes, bytes);
  add(resident_, -bytes);
  slack_bytes_ -= bytes;
}

// Takes a page without blocks out of its class and gives its slices back to the segment.
void Heap::retire(Page* page) {
  STRATA_DASSERT(page->used == 0);
  if (page->listed) pages_[page->size_class].remove(page);
  slack_bytes_ -= slack_units(page) * kCommitBytes;
  page->listed = false;
  page->heap = nullptr;
  page->block_bytes = 0;
  page->free = nullptr;

  Segment* segment = segment_of(page);
  if (segment->free_slices == 0) {
    full_.remove(segment);
  } else {
    available_like(segment).remove(segment);
  }
  size_t first = static_cast<size_t>(page - segment->page(0));
  for (size_t i = 0; i < page->slices; ++i) {
    page[i].back = 0;
    if (page[i].committed == 0) continue;
    segment->dirty_slices |= uint64_t{1} << (first + i);
    ++dirty_slices_;
  }
  segment->free_slices |= slice_bits(first, page->slices);
  if (segment->free_slices == kAllSlices) return segment_emptied(segment);
  // At the front, where the next page finds its memory before it takes fresh one.
  available_like(segment).push_front(segment);
}

void Heap::segment_emptied(Segment* segment) {
  if (spare_ != nullptr) return release_segment(segment);
  spare_ = segment;
}

void Heap::release_segment(Segment* segment) {
  dirty_slices_ -= static_cast<size_t>(std::popcount(segment->dirty_slices));
  add(resident_, -committed_bytes(segment));
  unmap_segment(segment);
}

void Heap::retire_empty_pages() {
  for (LinkedList<Page>& pages : pages_) {
    if (pages.head != nullptr && pages.head->used == 0) retire(pages.head);
  }
}

// Gives the memory of free slices back, a run at a time; returns of how many.
size_t Heap::decommit_free_slices(Segment* segment, size_t slices_max) {
  if (segment->dirty_slices != 0 && segment->huge_pages) {
    // Otherwise the system would make a whole huge page again from the rest, behind our back.
    hint_huge_pages(segment, segment->bytes, HugePages::kAvoid);
    segment->huge_pages = false;
  }
  size_t count = 0;
  while (segment->dirty_slices != 0 && count < slices_max) {
    size_t first = static_cast<size_t>(std::countr_zero(segment->dirty_slices));
    size_t run = static_cast<size_t>(std::countr_one(segment->dirty_slices >> first));
    size_t length = std::min(run, slices_max - count);
    size_t units = 0;
    for (size_t i = first; i < first + length; ++i) {
      units += std::exchange(segment->page(i)->committed, uint8_t{0});
    }
    decommit_memory(segment->slice(first), length * kSliceBytes);
    add(resident_, -(units * kCommitBytes));
    segment->dirty_slices &= ~slice_bits(first, length);
    count += length;
  }
  dirty_slices_ -= count;
  return count;
}

// Goes round the segments that have free slices; true when none of those has memory left.
bool Heap::decommit_some(size_t segments_max, size_t slices_max) {
  for (LinkedList<Segment>& available : available_) {
    // Each kind has this many segments to itself, or one that has nothing to give would take the other's
    // turn.
    Segment* last = available.tail;
    for (size_t i = 0; dirty_slices_ > 0 && i < segments_max && available.head != nullptr; ++i) {
      Segment* segment = available.head;
      slices_max -= decommit_free_slices(segment, slices_max);
      if (segment->dirty_slices != 0) return false;
      available.remove(segment);
      available.push_back(segment);
      if (segment == last) break;
    }
  }
  return dirty_slices_ == 0;
}

bool Heap::collect() {
  bool all_taken = take_in_remote(kRemoteBlocksPerCollect);
  retire_empty_pages();
  if (spare_ != nullptr) release_segment(std::exchange(spare_, nullptr));
  return decommit_some(kSegmentsPerCollect, kSlicesPerCollect) && all_taken;
}

// Before an allocation fails, everything that can be given back is. True when that made any difference.
bool Heap::reclaim() {
  size_t used = used_.load(std::memory_order_relaxed);
  size_t resident = resident_.load(std::memory_order_relaxed);
  take_in_remote(SIZE_MAX);
  retire_empty_pages();
  if (spare_ != nullptr) release_segment(std::exchange(spare_, nullptr));
  decommit_some(SIZE_MAX, SIZE_MAX);
  return used != used_.load(std::memory_order_relaxed) ||
         resident != resident_.load(std::memory_order_relaxed);
}

}  // namespace strata

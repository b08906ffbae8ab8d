// Segments, slices and pages: where a heap's blocks lie and how a block finds its page.
//
// A segment is 4 MiB at a multiple of 4 MiB, divided into 64 slices. Slice 0 holds only the bookkeeping, in
// its first 4 KiB; the rest of it is never touched. A page is a run of slices with blocks of one size class.
//
//   segment   +0      Segment: owner, links, maps of free slices                (64 bytes)
//             +64·i   Page i: describes the page that begins at slice i         (63 × 64 bytes)
//             +64 KiB·i   slice i
//
// A block's address, masked, gives the segment and the slice; slices inside a page lead `back` to its first.
// So free() reads one line of bookkeeping, and lines of different pages do not share a cache line. A huge
// block is alone in a segment of its own length, and starts at slice 1, within the reach of the mask.
//
// A page's memory is touched front to back, 4 KiB at a time, as blocks are carved; `committed` counts what
// each slice has of it. That is what keeps a heap with few blocks small.
//
// Everything here belongs to the heap's current owner, except Page::heap, back and block_bytes, which do not
// change while a block of the page lives and are read by any thread.

#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "memory/size_class.h"
#include "platform/memory_map.h"

namespace strata {

class Heap;

inline constexpr size_t kSegmentBytes = size_t{4} << 20;
inline constexpr size_t kSliceBytes = size_t{64} << 10;
inline constexpr size_t kSlices = kSegmentBytes / kSliceBytes;
inline constexpr size_t kCommitBytes =
    4096;  // memory is counted, and touched for the first time, in this unit
inline constexpr size_t kSliceUnits = kSliceBytes / kCommitBytes;
inline constexpr uint64_t kAllSlices = ~uint64_t{1};  // slice 0 is the bookkeeping
inline constexpr uint8_t kHugeClass = 255;            // in Page::size_class

struct alignas(64) Page {
  Heap* heap;
  void* free;          // carved blocks that are not in use, linked through their first word
  size_t block_bytes;  // 0: no page begins here
  Page* next;          // the pages of a class that have room
  Page* prev;
  uint32_t used;      // blocks in use
  uint16_t carved;    // blocks that exist: in use or in `free`
  uint16_t capacity;  // blocks that fit
  uint8_t size_class;
  uint8_t slices;
  uint8_t back;       // distance to the page's first slice
  uint8_t committed;  // of this slice alone, in units of kCommitBytes
  bool listed;        // among the pages of its class that have room
};
static_assert(sizeof(Page) == 64);

// A segment has blocks of one kind, unless memory is short: then each kind takes what lies free among the
// other. Scattered ones are found at random, one by one: entries, parts of tables. Packed ones, the nodes of
// lists and streams, are read front to back.
enum BlockKind : uint8_t { kScatteredBlocks, kPackedBlocks, kBlockKinds };

struct alignas(64) Segment {
  Heap* heap;
  Segment* next;
  Segment* prev;
  uint64_t free_slices;   // one bit for each slice
  uint64_t dirty_slices;  // the free ones that still have memory
  size_t bytes;           // kSegmentBytes, or what a huge block needs
  bool huge_pages;        // the system was asked for them
  BlockKind kind;         // of all its pages

  Page* page(size_t slice) { return reinterpret_cast<Page*>(this) + slice; }
  char* slice(size_t index) { return reinterpret_cast<char*>(this) + index * kSliceBytes; }
};
static_assert(sizeof(Segment) == 64 && kSlices * sizeof(Page) == kCommitBytes);

// A doubly linked list of segments, or of pages; the links are the element's own.
template <typename T>
struct LinkedList {
  T* head = nullptr;
  T* tail = nullptr;

  void push_front(T* item) {
    item->prev = nullptr;
    item->next = head;
    (head != nullptr ? head->prev : tail) = item;
    head = item;
  }
  void push_back(T* item) {
    item->next = nullptr;
    item->prev = tail;
    (tail != nullptr ? tail->next : head) = item;
    tail = item;
  }
  void remove(T* item) {
    (item->prev != nullptr ? item->prev->next : head) = item->next;
    (item->next != nullptr ? item->next->prev : tail) = item->prev;
  }
};

inline Segment* segment_of(const void* block) {
  return reinterpret_cast<Segment*>(reinterpret_cast<uintptr_t>(block) & ~(kSegmentBytes - 1));
}

inline Page* page_of(const void* block) {
  size_t slice = (reinterpret_cast<uintptr_t>(block) & (kSegmentBytes - 1)) / kSliceBytes;
  Page* page = segment_of(block)->page(slice);
  return page - page->back;
}

inline char* first_block(Page* page) {
  Segment* segment = segment_of(page);
  return segment->slice(static_cast<size_t>(page - segment->page(0)));
}

// Slices for a page of a class: at least eight blocks where these are moderate, so that the page's end is not
// wasted; blocks above half a slice have their page to themselves, or nearly so.
constexpr size_t slices_for(size_t block_bytes) {
  if (block_bytes <= kSliceBytes / 8) return 1;
  size_t blocks = block_bytes <= kSliceBytes / 2 ? 8 : 1;
  return (blocks * block_bytes + kSliceBytes - 1) / kSliceBytes;
}

// The lowest slice at which `count` bits in a row are set, or kSlices.
inline size_t find_run(uint64_t slices, size_t count) {
  for (size_t i = 1; i < count; ++i) slices &= slices >> 1;
  return static_cast<size_t>(std::countr_zero(slices));
}

constexpr uint64_t slice_bits(size_t first, size_t count) { return ((uint64_t{1} << count) - 1) << first; }

BlockKind kind_of(size_t block_bytes);

// Maps a segment with all slices free; null when the system has no memory. Its header is committed.
Segment* map_segment(Heap* heap, size_t bytes, HugePages wish);
// Makes one of committed memory that reads as zero.
Segment* make_segment(void* memory, Heap* heap, size_t bytes, HugePages hinted);
void unmap_segment(Segment* segment);
// Keeps the debug builds' record of segments right when a huge block has moved.
void moved_segment(Segment* from, Segment* to);

// Debug builds: asserts that `block` is one that some heap gave out and has not got back. A block that is
// free carries a mark in its second word, by which a second free is known (not those of 8 bytes).
#ifdef STRATA_DEBUG_CHECKS
void check_block(const void* block);
void mark_free(void* block, size_t bytes);
void mark_used(void* block, size_t bytes);
#else
inline void check_block(const void*) {}
inline void mark_free(void*, size_t) {}
inline void mark_used(void*, size_t) {}
#endif

}  // namespace strata

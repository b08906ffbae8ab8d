// Mapping and unmapping of segments, and the debug builds' checks of addresses.

#include <atomic>

#include "base/assert.h"
#include "memory/page.h"
#include "memory/poison.h"
#include "platform/memory_map.h"

namespace strata {

namespace {

constexpr uintptr_t kAddressLimit = uintptr_t{1} << 47;

// Nodes of lists and streams have sizes in between, and so have few others: the entries and tree nodes that
// lie below are reached at random, and so are the tables of keys above, in parts of 64 KiB.
constexpr size_t kPackedFromBytes = size_t{2} << 10;
constexpr size_t kPackedToBytes = size_t{16} << 10;

#ifdef STRATA_DEBUG_CHECKS
// One bit for each possible segment: 4 MiB of address space, of which only what is used is touched.
// Relaxed, so that the thread sanitizer sees no order that release builds would not have.
constexpr size_t kPossibleSegments = kAddressLimit / kSegmentBytes;
std::atomic<uint64_t> segment_map[kPossibleSegments / 64];

void record_segment(const Segment* segment, bool exists) {
  size_t index = reinterpret_cast<uintptr_t>(segment) / kSegmentBytes;
  uint64_t bit = uint64_t{1} << (index % 64);
  if (exists) {
    segment_map[index / 64].fetch_or(bit, std::memory_order_relaxed);
  } else {
    segment_map[index / 64].fetch_and(~bit, std::memory_order_relaxed);
  }
}

bool is_segment(const Segment* segment) {
  size_t index = reinterpret_cast<uintptr_t>(segment) / kSegmentBytes;
  if (index >= kPossibleSegments) return false;
  return (segment_map[index / 64].load(std::memory_order_relaxed) >> (index % 64) & 1) != 0;
}

constexpr uint64_t kFreeMark = 0x9e3779b97f4a7c15;  // arbitrary

uint64_t* mark_of(void* block) { return static_cast<uint64_t*>(block) + 1; }
uint64_t free_mark(const void* block) { return reinterpret_cast<uintptr_t>(block) ^ kFreeMark; }
#else
void record_segment(const Segment*, bool) {}
#endif

}  // namespace

BlockKind kind_of(size_t block_bytes) {
  bool packed = block_bytes >= kPackedFromBytes && block_bytes <= kPackedToBytes;
  return packed ? kPackedBlocks : kScatteredBlocks;
}

Segment* map_segment(Heap* heap, size_t bytes, HugePages wish) {
  auto memory = reserve_memory(bytes, kSegmentBytes);
  if (!memory) return nullptr;
  if (!commit_memory(*memory, kCommitBytes)) {
    release_memory(*memory, bytes);
    return nullptr;
  }
  hint_huge_pages(*memory, bytes, wish);
  return make_segment(*memory, heap, bytes, wish);
}

Segment* make_segment(void* memory, Heap* heap, size_t bytes, HugePages hinted) {
  STRATA_ASSERT(reinterpret_cast<uintptr_t>(memory) + bytes <= kAddressLimit, "entries keep 48-bit pointers");
  auto* segment = static_cast<Segment*>(memory);
  segment->heap = heap;
  segment->free_slices = kAllSlices;
  segment->bytes = bytes;
  segment->huge_pages = hinted == HugePages::kPrefer;
  record_segment(segment, true);
  return segment;
}

void unmap_segment(Segment* segment) {
  record_segment(segment, false);
  // The next mapping at this address may be anybody's.
  STRATA_UNPOISON(segment, segment->bytes);
  release_memory(segment, segment->bytes);
}

void moved_segment(Segment* from, Segment* to) {
  record_segment(from, false);
  record_segment(to, true);
}

#ifdef STRATA_DEBUG_CHECKS
void check_block(const void* block) {
  Segment* segment = segment_of(block);
  STRATA_ASSERT(is_segment(segment), "this address belongs to no heap");
  auto address = reinterpret_cast<uintptr_t>(block);
  STRATA_ASSERT(address % kSegmentBytes >= kSliceBytes, "this address is not a block's");
  Page* page = page_of(block);
  STRATA_ASSERT(page->block_bytes != 0, "this block's page was freed before");
  size_t offset = address - reinterpret_cast<uintptr_t>(first_block(page));
  STRATA_ASSERT(offset % page->block_bytes == 0, "this address is not a block's beginning");
  STRATA_ASSERT(offset / page->block_bytes < page->capacity, "this address is not a block's");
  if (page->block_bytes < 16) return;
  STRATA_ASSERT(static_cast<const uint64_t*>(block)[1] != free_mark(block), "this block was freed before");
}

void mark_free(void* block, size_t bytes) {
  if (bytes >= 16) *mark_of(block) = free_mark(block);
}

void mark_used(void* block, size_t bytes) {
  if (bytes >= 16) *mark_of(block) = 0;
}
#endif

}  // namespace strata

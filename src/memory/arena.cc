#include "memory/arena.h"

#include <algorithm>
#include <cstdlib>

#include "base/assert.h"
#include "memory/heap.h"

namespace strata {

namespace {
constexpr size_t kMallocAlignment = 16;
constexpr size_t kHeapAlignment = 8;
}  // namespace

Arena::~Arena() {
  while (chunks_ != nullptr) {
    Chunk* chunk = std::exchange(chunks_, chunks_->next);
    free_chunk(chunk);
  }
}

void* Arena::allocate_slow(size_t bytes, size_t alignment) {
  STRATA_ASSERT(alignment <= (heap_ != nullptr ? kHeapAlignment : kMallocAlignment));
  static_assert(sizeof(Chunk) % kMallocAlignment == 0, "the first allocation is aligned without padding");
  if (bytes > SIZE_MAX / 2) return nullptr;
  size_t last = chunks_ != nullptr ? chunks_->bytes : kChunkBytesMin / 2;
  size_t usual = std::min(last * 2, kChunkBytesMax);
  bool alone = bytes > usual - sizeof(Chunk);
  size_t wanted = alone ? bytes + sizeof(Chunk) : usual;
  auto* chunk = static_cast<Chunk*>(heap_ != nullptr ? heap_->allocate(wanted) : std::malloc(wanted));
  if (chunk == nullptr) return nullptr;
  chunk->bytes = heap_ != nullptr ? Heap::usable_size(chunk) : wanted;
  resident_bytes_ += chunk->bytes;
  if (alone && chunks_ != nullptr) {
    // Behind the chunk in use, whose rest is still good for small ones.
    chunk->next = chunks_->next;
    chunks_->next = chunk;
    return chunk + 1;
  }
  chunk->next = chunks_;
  chunks_ = chunk;
  use(chunk);
  void* result = reinterpret_cast<void*>(position_);
  position_ += bytes;
  return result;
}

void Arena::use(Chunk* chunk) {
  position_ = reinterpret_cast<uintptr_t>(chunk + 1);
  end_ = reinterpret_cast<uintptr_t>(chunk) + chunk->bytes;
}

void Arena::free_chunk(Chunk* chunk) {
  resident_bytes_ -= chunk->bytes;
  if (heap_ != nullptr) {
    heap_->free(chunk);
  } else {
    std::free(chunk);
  }
}

void Arena::reset() {
  if (chunks_ == nullptr) return;
  while (Chunk* chunk = chunks_->next) {
    chunks_->next = chunk->next;
    free_chunk(chunk);
  }
  if (chunks_->bytes > 2 * kChunkBytesMax) {  // one huge request is no reason to keep so much
    free_chunk(std::exchange(chunks_, nullptr));
    position_ = end_ = 0;
    return;
  }
  use(chunks_);
}

}  // namespace strata

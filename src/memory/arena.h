// Memory that is handed out by moving a pointer and given back all at once.
//
// For what is built up, used and dropped together: the copied arguments of a queued request, the pieces of
// one reply, an index under construction. Chunks come from a Heap, whose rules then hold for the
// arena too, or from malloc when there is none. One thread at a time. Destructors are not run.
//
// allocate() is a few instructions; a new chunk is twice as long as the last, up to kChunkBytesMax, and what
// does not fit into such a chunk gets one for itself. reset() keeps the newest chunk for the next round.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <type_traits>
#include <utility>

#include "base/bytes.h"

namespace strata {

class Heap;

class Arena {
 public:
  static constexpr size_t kChunkBytesMin = 512;
  static constexpr size_t kChunkBytesMax = 64 << 10;

  explicit Arena(Heap* heap = nullptr) : heap_(heap) {}
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Null when out of memory. `alignment` is a power of two, 8 at most unless the chunks come from malloc
  // (16).
  [[nodiscard]] void* allocate(size_t bytes, size_t alignment = 8) {
    size_t begin = (position_ + alignment - 1) & ~(alignment - 1);
    if (begin > end_ || bytes > end_ - begin) [[unlikely]]
      return allocate_slow(bytes, alignment);
    position_ = begin + bytes;
    return reinterpret_cast<void*>(begin);
  }

  template <typename T, typename... Arguments>
  [[nodiscard]] T* create(Arguments&&... arguments) {
    static_assert(std::is_trivially_destructible_v<T>, "an arena runs no destructors");
    void* place = allocate(sizeof(T), alignof(T));
    return place != nullptr ? new (place) T{std::forward<Arguments>(arguments)...} : nullptr;
  }

  // A copy that lives until reset(); its data() is null when out of memory.
  Bytes copy(Bytes bytes) {
    auto* place = static_cast<char*>(allocate(bytes.size(), 1));
    if (place == nullptr) return {};
    if (!bytes.empty()) std::memcpy(place, bytes.data(), bytes.size());
    return {place, bytes.size()};
  }

  // Everything that was allocated is gone.
  void reset();

  size_t resident_bytes() const { return resident_bytes_; }  // in chunks

 private:
  struct Chunk {
    Chunk* next;
    size_t bytes;  // this header included
  };

  void* allocate_slow(size_t bytes, size_t alignment);
  void free_chunk(Chunk* chunk);
  void use(Chunk* chunk);

  Heap* heap_;
  uintptr_t position_ = 0;
  uintptr_t end_ = 0;
  Chunk* chunks_ = nullptr;  // the one in use first
  size_t resident_bytes_ = 0;
};

}  // namespace strata

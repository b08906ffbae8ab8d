// Address space and the pages behind it.
//
// The memory layer builds its segments on these functions, the operation log its ring. Any thread may
// call them; they keep no state of their own.
//
//   reserve   address space, no memory yet; release gives both back
//   commit    makes a reserved range usable; it reads as zero (a no-op where the first touch does it)
//   decommit  gives the memory back and keeps the addresses; the range must be committed anew
//
// All sizes and addresses are multiples of page_size(). Failure is a value (kOutOfMemory), and leaves
// everything as it was.

#pragma once

#include <cstddef>

#include "base/result.h"

namespace strata {

size_t page_size();

// Address space that starts at a multiple of `alignment` (a power of two, at least page_size()).
Result<void*> reserve_memory(size_t bytes, size_t alignment);
void release_memory(void* address, size_t bytes);
Status commit_memory(void* address, size_t bytes);
void decommit_memory(void* address, size_t bytes);

// Committed memory reads as zero afterwards. Pages that nobody has touched cost nothing where the system can
// exchange pages, and others less than to be written.
void clear_memory(void* address, size_t bytes);

// Grows or shrinks a whole reservation, all of it committed, and keeps its contents without copying where
// the system can move pages. The result is aligned like the original. On failure the original is untouched.
Result<void*> resize_memory(void* address, size_t old_bytes, size_t new_bytes, size_t alignment);

// Whether the system should back this range with huge pages. Only a hint. Without one, a system may spend
// 2 MiB on the first byte that is touched.
enum class HugePages : unsigned char { kAvoid, kPrefer };
void hint_huge_pages(void* address, size_t bytes, HugePages wish);

// Bytes of this process that are in memory now, for tests and reports; 0 where the system does not say.
size_t resident_bytes();

// The same memory mapped twice in a row: data()[i] and data()[i + size()] are one byte. A ring buffer on
// it never has to split a record at its end.
class MirroredMemory {
 public:
  // size() is `bytes` rounded up to whole pages. The contents are zero.
  static Result<MirroredMemory> create(size_t bytes);

  MirroredMemory() = default;
  MirroredMemory(MirroredMemory&& other) noexcept;
  MirroredMemory& operator=(MirroredMemory&& other) noexcept;
  ~MirroredMemory();

  char* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  MirroredMemory(char* data, size_t size) : data_(data), size_(size) {}

  char* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace strata

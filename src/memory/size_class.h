// The sizes that small and medium blocks come in.
//
// Steps of 8 bytes up to 128, then 8 classes for each doubling, so that at most 1/9 of a block is lost to
// rounding. Pure arithmetic and no branch: a table would compete with the data for the cache.
//
//   class   0   1  …  15   16   17  …   23   24  …       119
//   bytes   8  16  … 128  144  160  …  256  288  … 1,048,576

#pragma once

#include <bit>
#include <cstddef>

namespace strata {

inline constexpr size_t kSizeClasses = 120;
inline constexpr size_t kLargestClassBytes = size_t{1} << 20;

constexpr size_t size_class_of(size_t bytes) {
  size_t last = bytes - (bytes != 0);
  size_t doubling = static_cast<size_t>(std::bit_width(last | 64)) - 7;
  return doubling * 8 + (last >> (doubling + 3));
}

constexpr size_t size_class_bytes(size_t size_class) {
  if (size_class < 16) return (size_class + 1) * 8;
  return (size_class % 8 + 9) << (size_class / 8 + 2);
}

static_assert(size_class_of(0) == 0 && size_class_of(8) == 0 && size_class_of(9) == 1);
static_assert(size_class_of(128) == 15 && size_class_of(129) == 16);
static_assert(size_class_bytes(15) == 128 && size_class_bytes(16) == 144 && size_class_bytes(24) == 288);
static_assert(size_class_of(kLargestClassBytes) == kSizeClasses - 1);
static_assert(size_class_bytes(kSizeClasses - 1) == kLargestClassBytes);

}  // namespace strata

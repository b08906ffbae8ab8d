// The sizes that small and medium blocks come in.
//
// Steps of 8 bytes up to 256, where small collections are, then 16 classes for each doubling, so that at most
// 1/17 of a larger block is lost to rounding. Pure arithmetic and no branch: a table would compete with the
// data for the cache.
//
//   class   0   1  …  31   32   33  …   47   48  …       223
//   bytes   8  16  … 256  272  288  …  512  544  … 1,048,576

#pragma once

#include <bit>
#include <cstddef>

namespace strata {

inline constexpr size_t kSizeClasses = 224;
inline constexpr size_t kLargestClassBytes = size_t{1} << 20;

constexpr size_t size_class_of(size_t bytes) {
  size_t last = bytes - (bytes != 0);
  size_t doubling = static_cast<size_t>(std::bit_width(last | 128)) - 8;
  return doubling * 16 + (last >> (doubling + 3));
}

constexpr size_t size_class_bytes(size_t size_class) {
  if (size_class < 32) return (size_class + 1) * 8;
  return (size_class % 16 + 17) << (size_class / 16 + 2);
}

static_assert(size_class_of(0) == 0 && size_class_of(8) == 0 && size_class_of(9) == 1);
static_assert(size_class_of(256) == 31 && size_class_of(257) == 32);
static_assert(size_class_bytes(31) == 256 && size_class_bytes(32) == 272 && size_class_bytes(48) == 544);
static_assert(size_class_of(kLargestClassBytes) == kSizeClasses - 1);
static_assert(size_class_bytes(kSizeClasses - 1) == kLargestClassBytes);

}  // namespace strata

// A sorted set of integers in one block, byte for byte Redis's intset.
//
//   offset  size  field
//      0      4   width of an element in bytes: 2, 4 or 8, little-endian like everything here
//      4      4   number of elements
//      8      …   the elements, ascending, each signed and `width` wide
//
// Sets of integers keep their small form here, inside the shard. The block is a Blob whose size is the
// set's; readers take blob->view() and trust it: bytes from outside pass validate() first. The width
// grows with the first element that needs it and never shrinks. Look-up is a binary search; adding and
// removing move the elements behind. Changes write to a copy when the blob is pinned; out of memory
// is a value, and the set is then untouched.

#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "data/blob.h"

namespace strata::intset {

inline constexpr uint32_t kHeaderBytes = 8;
// Beyond it add() reports kOutOfMemory: the block would not fit a Blob.
inline constexpr uint32_t kMaxElements = 1u << 28;

// True when the width is known, the size right, and the elements strictly ascending.
bool validate(Bytes set);

uint32_t count(Bytes set);
int64_t at(Bytes set, uint32_t index);  // index < count
bool contains(Bytes set, int64_t value);
// The element chosen by a random number: uniform as far as the number is.
int64_t random(Bytes set, uint64_t random_number);

[[nodiscard]] Blob* create(Heap& heap);  // null when out of memory

enum class Change : uint8_t { kDone, kNothing, kOutOfMemory };
[[nodiscard]] Change add(Heap& heap, Blob*& set, int64_t value);     // kNothing: was there already
[[nodiscard]] Change remove(Heap& heap, Blob*& set, int64_t value);  // kNothing: was not there

}  // namespace strata::intset

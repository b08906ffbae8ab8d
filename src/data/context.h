// What an operation needs besides the value: where to allocate, and how to hash.
//
// Who calls makes one per shard and passes it down. The seed is the process's one and outlives every
// value; tables remember where it is, so reading a value needs no context.

#pragma once

#include <cstddef>

namespace strata {

class Heap;
struct HashSeed;

struct DataContext {
  Heap& heap;
  const HashSeed& seed;
};

// Field values of at least this size get a Blob of their own, so that a reply can pin them; so the blob of an
// Element is set from here on.
inline constexpr size_t kPinThresholdBytes = 4096;

}  // namespace strata

// A key on its way to its shard: the name, its hash and the shard that owns it.

#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace strata {

struct Key {
  Bytes name;
  uint64_t hash = 0;   // of the whole name: chooses the bucket and the tag
  uint32_t shard = 0;  // from the hash of the {hash tag} where there is one
};

// Which bits of a key's hash choose what. They do not overlap, so that a shard's table sees well spread bits.
//   0..39   bucket     40..47  shard     48..63  tag
inline constexpr int kShardShift = 40;
inline constexpr int kTagShift = 48;
inline constexpr uint32_t kShardsMax = 256;

}  // namespace strata

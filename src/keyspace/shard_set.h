// A set of shard numbers, walked in ascending order: the order in which requests acquire shards.

#pragma once

#include <bit>
#include <cstdint>

#include "keyspace/key.h"

namespace strata {

class ShardSet {
 public:
  void add(uint32_t shard) { words_[shard / 64] |= uint64_t{1} << (shard % 64); }
  void add_all(const ShardSet& other) {
    for (uint32_t i = 0; i < kWords; ++i) words_[i] |= other.words_[i];
  }
  static ShardSet first(uint32_t count) {
    ShardSet set;
    for (uint32_t i = 0; i < count; ++i) set.add(i);
    return set;
  }
  bool contains(uint32_t shard) const { return words_[shard / 64] >> (shard % 64) & 1; }
  bool empty() const { return (words_[0] | words_[1] | words_[2] | words_[3]) == 0; }
  // The first shard >= from, or kEnd.
  uint32_t next(uint32_t from) const {
    if (from >= kShardsMax) return kEnd;
    uint32_t word = from / 64;
    uint64_t bits = words_[word] & (~uint64_t{0} << (from % 64));
    while (bits == 0) {
      if (++word == kWords) return kEnd;
      bits = words_[word];
    }
    return word * 64 + static_cast<uint32_t>(std::countr_zero(bits));
  }
  uint32_t count() const {
    uint32_t count = 0;
    for (uint64_t word : words_) count += static_cast<uint32_t>(std::popcount(word));
    return count;
  }
  bool operator==(const ShardSet&) const = default;

  static constexpr uint32_t kEnd = UINT32_MAX;

 private:
  static constexpr uint32_t kWords = kShardsMax / 64;
  static_assert(kWords == 4);
  uint64_t words_[kWords] = {};
};

}  // namespace strata

#include "base/hash.h"

#include <gtest/gtest.h>

#include <bit>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"

namespace strata {
namespace {

TEST(Hash, DependsOnBytesAndSecretOnly) {
  const HashSeed seed = HashSeed::fixed(1);
  const HashSeed other = HashSeed::fixed(2);
  const std::string text(600, 'x');
  for (size_t size = 0; size < text.size(); ++size) {
    const std::string copy = text.substr(0, size);
    EXPECT_EQ(hash_bytes(copy, seed), hash_bytes(Bytes(text).substr(0, size), HashSeed::fixed(1)));
    EXPECT_NE(hash_bytes(copy, seed), hash_bytes(copy, other)) << size;
  }
}

TEST(Hash, TakesRandomnessAsItIs) {
  std::string randomness(HashSeed::kSecretBytes, '\0');
  Random random(3);
  for (char& byte : randomness) byte = static_cast<char>(random.next());
  const HashSeed seed = HashSeed::from_randomness(randomness);
  EXPECT_EQ(hash_bytes("key", seed), hash_bytes("key", HashSeed::from_randomness(randomness)));
  // Every part of the secret counts for some length.
  randomness[100] ^= 1;
  const HashSeed other = HashSeed::from_randomness(randomness);
  EXPECT_NE(hash_bytes(std::string(1000, 'k'), seed), hash_bytes(std::string(1000, 'k'), other));
}

TEST(Hash, CountersSpreadOverBucketsAndTags) {
  const HashSeed seed = HashSeed::fixed(4);
  constexpr size_t kBuckets = 256;
  constexpr size_t kKeysEach = 64;
  std::vector<size_t> low(kBuckets);
  std::vector<size_t> high(kBuckets);
  std::set<uint64_t> all;
  for (size_t i = 0; i < kBuckets * kKeysEach; ++i) {
    const uint64_t hash = hash_bytes("key:" + std::to_string(1000000000000 + i).substr(1), seed);
    ++low[hash % kBuckets];
    ++high[hash >> 56];
    all.insert(hash);
  }
  EXPECT_EQ(all.size(), kBuckets * kKeysEach);
  for (size_t i = 0; i < kBuckets; ++i) {  // 64 expected, standard deviation 8
    EXPECT_LT(low[i], 120u);
    EXPECT_LT(high[i], 120u);
    EXPECT_GT(low[i], 20u);
    EXPECT_GT(high[i], 20u);
  }
}

// A bit of the key changes about half of the hash, for each of XXH3's ways by length.
TEST(Hash, EveryBitCounts) {
  const HashSeed seed = HashSeed::fixed(5);
  for (const size_t size : {1u, 3u, 4u, 8u, 9u, 16u, 17u, 64u, 128u, 129u, 240u, 241u, 600u}) {
    std::string key(size, '\0');
    const uint64_t before = hash_bytes(key, seed);
    for (size_t bit = 0; bit < 8 * size; ++bit) {
      key[bit / 8] ^= static_cast<char>(1 << bit % 8);
      const int changed = std::popcount(hash_bytes(key, seed) ^ before);
      EXPECT_GT(changed, 8) << size << " " << bit;
      EXPECT_LT(changed, 56) << size << " " << bit;
      key[bit / 8] ^= static_cast<char>(1 << bit % 8);
    }
  }
}

}  // namespace
}  // namespace strata

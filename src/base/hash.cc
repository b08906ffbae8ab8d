#define XXH_INLINE_ALL
#include "base/hash.h"

#include <xxhash.h>

#include <cstring>

#include "base/assert.h"
#include "base/endian.h"
#include "base/random.h"

namespace strata {

static_assert(HashSeed::kSecretBytes >= XXH3_SECRET_SIZE_MIN);

HashSeed HashSeed::from_randomness(Bytes randomness) {
  STRATA_ASSERT(randomness.size() == kSecretBytes);
  HashSeed seed;
  std::memcpy(seed.secret, randomness.data(), kSecretBytes);
  return seed;
}

HashSeed HashSeed::fixed(uint64_t number) {
  HashSeed seed;
  for (size_t i = 0; i < kSecretBytes; i += 8) store_le64(seed.secret + i, splitmix64(number));
  return seed;
}

namespace {

// Kept apart so that short keys save no registers for it: 25 instructions instead of 33 for 16 bytes.
[[gnu::noinline, gnu::flatten]] uint64_t hash_long(Bytes bytes, const HashSeed& seed) {
  return XXH3_64bits_withSecret(bytes.data(), bytes.size(), seed.secret, HashSeed::kSecretBytes);
}

}  // namespace

// Flattened, or GCC would share one copy of XXH3 between the two and save the registers again.
[[gnu::flatten]] uint64_t hash_bytes(Bytes bytes, const HashSeed& seed) {
  constexpr size_t kShortBytesMax = 16;  // XXH3 has a way of its own up to here
  if (bytes.size() > kShortBytesMax) [[unlikely]]
    return hash_long(bytes, seed);
  return XXH3_64bits_withSecret(bytes.data(), bytes.size(), seed.secret, HashSeed::kSecretBytes);
}

uint64_t value_digest(Bytes bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

}  // namespace strata

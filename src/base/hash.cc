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

uint64_t hash_bytes(Bytes bytes, const HashSeed& seed) {
  return XXH3_64bits_withSecret(bytes.data(), bytes.size(), seed.secret, HashSeed::kSecretBytes);
}

}  // namespace strata

// The keyed 64-bit hash of keys: XXH3 with a secret drawn at start.
//
// Who does not know the secret cannot build keys that collide, so a client cannot turn a hash table
// into a list. The hash is for memory only: it differs from start to start and is never stored or sent.

#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace strata {

// The secret. One for the whole process, filled before the first shard exists, then read by everybody.
struct HashSeed {
  static constexpr size_t kSecretBytes = 192;

  // From exactly kSecretBytes of the operating system's randomness.
  static HashSeed from_randomness(Bytes randomness);
  // The same secret for the same number: for tests and reproducible runs only.
  static HashSeed fixed(uint64_t number);

  alignas(64) unsigned char secret[kSecretBytes];
};

uint64_t hash_bytes(Bytes bytes, const HashSeed& seed);

// XXH3 without a secret, the same everywhere and for ever: what DIGEST replies. Not for tables.
uint64_t value_digest(Bytes bytes);

}  // namespace strata

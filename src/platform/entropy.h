// Randomness from the operating system: for seeds and keys, not for streams of numbers.

#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace strata {

// Cryptographically strong; blocks only before the system's pool is first seeded. Cannot fail: a
// system without randomness is not one this program may hash passwords or keys on, so it aborts.
void fill_random(MutableBytes out);
uint64_t random_u64();

}  // namespace strata

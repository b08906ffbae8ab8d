#include "platform/entropy.h"

#include <sys/random.h>

#include <cerrno>

#include "base/assert.h"

namespace strata {

void fill_random(MutableBytes out) {
  while (!out.empty()) {
    ssize_t got = ::getrandom(out.data(), out.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    STRATA_ASSERT(got > 0, "the operating system gives no randomness");
    out = out.subspan(static_cast<size_t>(got));
  }
}

uint64_t random_u64() {
  uint64_t value = 0;
  fill_random(MutableBytes(reinterpret_cast<char*>(&value), sizeof value));
  return value;
}

}  // namespace strata

// What must not happen is an assertion. STRATA_ASSERT stays on in release builds; STRATA_DASSERT is
// for costly checks and is on in the dev and sanitizer builds. A bad file, a bad client and a full
// disk are never assertions.

#pragma once

namespace strata {

// Prints where and what, then aborts. `detail` may be null.
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line, const char* detail);

}  // namespace strata

#define STRATA_ASSERT(expression, ...)                                             \
  do {                                                                             \
    if (!(expression)) [[unlikely]]                                                \
      ::strata::assertion_failed(#expression, __FILE__, __LINE__, "" __VA_ARGS__); \
  } while (false)

#ifdef STRATA_DEBUG_CHECKS
#define STRATA_DASSERT(...) STRATA_ASSERT(__VA_ARGS__)
#else
#define STRATA_DASSERT(expression, ...) \
  do {                                  \
  } while (false)
#endif

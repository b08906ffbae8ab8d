#include "base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace strata {

void assertion_failed(const char* expression, const char* file, int line, const char* detail) {
  std::fprintf(stderr, "%s:%d: assertion failed: %s%s%s\n", file, line, expression, *detail ? ": " : "",
               detail);
  std::fflush(stderr);
  std::abort();
}

}  // namespace strata

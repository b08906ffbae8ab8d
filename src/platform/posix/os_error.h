// errno values as error codes. For src/platform/posix only.

#pragma once

#include <cerrno>

#include "base/result.h"

namespace strata {

Errc errc_from_errno(int os_error);

// The error of the system call that just failed.
std::unexpected<Error> fail_errno(const char* what);

// Repeats a system call that a signal interrupted.
template <typename Call>
auto retry_interrupted(Call call) {
  for (;;) {
    auto result = call();
    if (result >= 0 || errno != EINTR) return result;
  }
}

}  // namespace strata

// Where the standard library's std::bad_alloc becomes a value.
//
// Containers throw when there is no memory; what a library throws must not leave the layer that called it.
// The entry points of long work wrap themselves:
//
//   Status rdb_load(...) {
//     return without_throwing("loading", [&] { return load(...); });
//   }
//
// What `work` holds is released by unwinding, so it must hold locks and files by objects.

#pragma once

#include <new>
#include <system_error>

#include "base/result.h"

namespace strata {

template <typename Work>
auto without_throwing(const char* what, Work&& work) -> decltype(work()) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return fail(Errc::kOutOfMemory, what);
  } catch (const std::system_error&) {  // of a thread that finds no memory for its stack
    return fail(Errc::kOutOfMemory, what);
  }
}

}  // namespace strata

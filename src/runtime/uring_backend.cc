#include "runtime/backend.h"
namespace strata {
Result<std::unique_ptr<Backend>> make_uring_backend(const BackendOptions&) {
  return fail(Errc::kUnsupported, "io_uring is not there");
}
}  // namespace strata

#include "base/errors.h"

#include <cstddef>

namespace strata {
namespace {

struct Row {
  const char* name;
  const char* text;
  const char* resp_prefix;
};

constexpr Row kRows[] = {
#define X(name, text, prefix) {#name, text, prefix},
    STRATA_ERROR_TABLE(X)
#undef X
};

const Row& row(Errc code) { return kRows[static_cast<size_t>(code)]; }

}  // namespace

const char* error_name(Errc code) { return row(code).name; }
const char* error_text(Errc code) { return row(code).text; }
const char* error_resp_prefix(Errc code) { return row(code).resp_prefix; }

}  // namespace strata

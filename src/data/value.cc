#include "data/value.h"

#include "text/numbers.h"

namespace strata {

static_assert(kIntegerTextBytes >= kI64TextBytes);

Bytes element_text(const Element& element, char (&scratch)[kIntegerTextBytes]) {
  if (!element.is_integer) return element.bytes;
  return {scratch, print_i64(element.integer, scratch)};
}

}  // namespace strata

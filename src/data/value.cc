#include "data/value.h"

#include <charconv>

namespace strata {

Bytes element_text(const Element& element, char (&scratch)[kIntegerTextBytes]) {
  if (!element.is_integer) return element.bytes;
  auto printed = std::to_chars(scratch, scratch + kIntegerTextBytes, element.integer);
  return {scratch, static_cast<size_t>(printed.ptr - scratch)};
}

}  // namespace strata

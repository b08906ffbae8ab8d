// Input: a byte of flags, the pattern up to the first newline, then the text.

#include <cstdint>
#include <cstdlib>

#include "text/glob.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const strata::Bytes input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const bool ignore_case = (data[0] & 1) != 0;
  const size_t cut = input.find('\n');
  if (cut == strata::Bytes::npos) return 0;
  const strata::Bytes pattern = input.substr(0, cut);
  const strata::Bytes text = input.substr(cut + 1);
  const bool matched = strata::glob_match(pattern, text, ignore_case);
  // A pattern without special bytes matches itself alone.
  if (strata::glob_is_literal(pattern)) {
    if (!ignore_case && matched != (pattern == text)) std::abort();
    if (!ignore_case && matched && !strata::glob_match(pattern, text, true)) std::abort();
  }
  return 0;
}

// Redis's glob patterns, as in KEYS, SCAN MATCH, PSUBSCRIBE, CONFIG GET and ACL rules.
//
//   *        any bytes, also none          [abc]  one of these     [^abc]  one byte that is not
//   ?        any one byte                  [a-z]  a range, in either order
//   \x       x itself, also within a class
//
// A class without its ] reaches to the end of the pattern. Empty text matches "" and "*" only. Both arguments
// are arbitrary bytes. Never recurses and never allocates; a hostile pattern costs at most pattern × text
// steps, because after a mismatch only the last * is tried again (an earlier one could gain nothing).

#pragma once

#include "base/bytes.h"

namespace strata {

bool glob_match(Bytes pattern, Bytes text, bool ignore_case);

// True when the pattern has no special byte, so that it matches only itself.
bool glob_is_literal(Bytes pattern);

}  // namespace strata

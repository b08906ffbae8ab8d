// Ziplists and zipmaps: the packed forms of Redis before 7.0, read element by element and never written.
//
//   ziplist   bytes(4) tail(4) count(2) entry… 0xFF          little-endian; count 65535 says "count them"
//   entry     length of the one before (1, or 0xFE +4)  encoding  data
//
//   encoding  00pppppp                string up to 63 bytes     0xC0 int16   0xD0 int32   0xE0 int64
//             01pppppp +1             up to 16383, big-endian   0xF0 int24   0xFE int8
//             10000000 +4             up to 2^32-1, big-endian  0xF1…0xFD    0…12
//
//   zipmap    count(1)  { length key  length free(1) value free bytes }…  0xFF
//   length    1 byte up to 253, or 0xFE +4
//
// The RDB decoder calls them. Every byte is checked on the way: offsets, counts, the backward lengths, the
// end. The visitor sees elements before the whole is known to be right, so its owner throws away what it has
// built when the call fails. Failure: kCorruption with the offset in the packed bytes, or the visitor's
// error.

#pragma once

#include "base/bytes.h"
#include "base/function_ref.h"
#include "base/result.h"
#include "data/value.h"

namespace strata {

// Elements are views into the bytes.
using RdbElementVisitor = FunctionRef<Status(const Element&)>;

[[nodiscard]] Status visit_ziplist(Bytes ziplist, RdbElementVisitor visit);
// Key, value, key, value…
[[nodiscard]] Status visit_zipmap(Bytes zipmap, RdbElementVisitor visit);

}  // namespace strata

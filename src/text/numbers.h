// Numbers as text, by exactly Redis's rules, whatever the locale.
//
// Parsers take the whole of their argument or nothing. Printers write to `out`, add no terminator and
// return the bytes written; the constants say how much room they need. Nothing here allocates, except the
// parsers of floating point for inputs longer than any sensible number.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.h"

namespace strata {

inline constexpr size_t kI64TextBytes = 21;     // any int64 or uint64
inline constexpr size_t kDoubleTextBytes = 32;  // print_double()
inline constexpr size_t kLongDoubleTextBytes =
    5120;  // print_long_double_human(): up to 4,933 digits before the point

// What Redis stores as an integer: an optional '-', digits without leading zeros, in range. No '+', no
// spaces, no "-0".
std::optional<int64_t> parse_i64(Bytes text);
// The same, for those who mostly see texts that are no integers: their length, first or last byte tells.
inline std::optional<int64_t> parse_i64_rare(Bytes text) {
  if (text.size() - 1 >= kI64TextBytes - 1) return std::nullopt;
  const auto is_digit = [](char c) { return static_cast<unsigned char>(c - '0') <= 9; };
  if (!is_digit(text.back()) || (!is_digit(text[0]) && text[0] != '-')) return std::nullopt;
  return parse_i64(text);
}
// Digits without leading zeros, in range.
std::optional<uint64_t> parse_u64(Bytes text);

// As ZADD, INCRBYFLOAT and the like accept: decimal or hexadecimal, with exponent, inf and infinity in any
// case and with a sign. Not: the empty string, spaces, trailing bytes, NaN, what overflows or underflows to
// 0. A long double's text is also refused above kLongDoubleTextBytes - 2 bytes, as INCRBYFLOAT does.
std::optional<double> parse_double(Bytes text);
std::optional<long double> parse_long_double(Bytes text);

// Memory sizes of redis.conf: digits and one of b, k, kb, m, mb, g, gb in any case; k is 1000 and kb is 1024.
// As in Redis, no digits mean 0 and digits beyond 64 bits mean the largest number; where the unit then
// overflows, Redis wraps around and this refuses.
std::optional<uint64_t> parse_memory(Bytes text);

size_t print_u64(uint64_t value, char* out);  // kI64TextBytes
size_t print_i64(int64_t value, char* out);   // kI64TextBytes

// As scores and RESP3 doubles are replied: integers plainly, others with 17 significant digits, inf and -inf.
size_t print_double(double value, char* out);  // kDoubleTextBytes

// As INCRBYFLOAT and HINCRBYFLOAT store and reply: 17 digits after the point, less trailing zeros; never
// an exponent.
size_t print_long_double_human(long double value, char* out);  // kLongDoubleTextBytes

}  // namespace strata

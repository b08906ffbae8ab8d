// The floating-point half of numbers.h. The general cases are the standard library's to_chars and
// from_chars, which are exact and know no locale; before them stand short ways for what scores and
// counters mostly are.

#include <cfloat>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <system_error>

#include "text/ascii.h"
#include "text/numbers.h"

namespace strata {

namespace {

template <typename Float>
std::optional<Float> parse_float(Bytes text) {
  const char* at = text.data();
  const char* const end = at + text.size();
  bool negative = false;
  if (at != end && (*at == '+' || *at == '-')) negative = *at++ == '-';
  auto format = std::chars_format::general;
  if (end - at > 2 && at[0] == '0' && ascii_lower(at[1]) == 'x') {
    // from_chars wants hexadecimal without its 0x, and would then also take "inf" and (libstdc++ 12, for
    // double) an exponent with two signs.
    format = std::chars_format::hex;
    at += 2;
    if (*at != '.' && ascii_hex_value(*at) < 0) return std::nullopt;
    if (text.find("+-") != Bytes::npos) return std::nullopt;
  }
  if (at == end || *at == '-') return std::nullopt;  // from_chars would take a second sign
  if (const char letter = ascii_lower(*at); letter == 'i' || letter == 'n') {
    // For these, libstdc++ 12's from_chars of long double looks for a zero byte, beyond the end of the text.
    const Bytes word(at, static_cast<size_t>(end - at));
    if (!iequals(word, "inf") && !iequals(word, "infinity")) return std::nullopt;
    return negative ? -std::numeric_limits<Float>::infinity() : std::numeric_limits<Float>::infinity();
  }
  Float value = 0;
  const std::from_chars_result result = std::from_chars(at, end, value, format);
  if (result.ec != std::errc() || result.ptr != end || std::isnan(value)) return std::nullopt;
  return negative ? -value : value;
}

// Exact powers of ten: 10^27 = 2^27 × 5^27 and 5^27 < 2^63, so they fit the 64-bit significand.
constexpr size_t kExactPowersOfTen = 28;
struct PowersOfTen {
  long double value[kExactPowersOfTen];
};
constexpr PowersOfTen make_powers_of_ten() {
  PowersOfTen powers{};
  powers.value[0] = 1;
  for (size_t i = 1; i < kExactPowersOfTen; ++i) powers.value[i] = powers.value[i - 1] * 10;
  return powers;
}
constexpr PowersOfTen kPowersOfTen = make_powers_of_ten();

// Digits with at most one point and no exponent, few enough that digits and scale are both exact: then one
// division rounds correctly (Clinger, 1990). Nothing when it is not of this shape.
std::optional<long double> parse_short_decimal(Bytes text) {
  constexpr size_t kExactDigits = 19;  // 10^19 < 2^64
  if (LDBL_MANT_DIG < 64 || text.size() > kExactDigits + 2) return std::nullopt;
  const bool negative = !text.empty() && text.front() == '-';
  if (negative) text.remove_prefix(1);
  uint64_t digits = 0;
  size_t count = 0;
  size_t behind_point = 0;
  bool point = false;
  for (const char c : text) {
    if (c == '.' && !point) {
      point = true;
    } else if (ascii_is_digit(c)) {
      digits = digits * 10 + static_cast<uint64_t>(c - '0');
      ++count;
      behind_point += point ? 1 : 0;
    } else {
      return std::nullopt;
    }
  }
  if (count == 0 || count > kExactDigits) return std::nullopt;
  const long double value = static_cast<long double>(digits) / kPowersOfTen.value[behind_point];
  return negative ? -value : value;
}

size_t print_infinity(bool negative, char* out) {
  const Bytes text = negative ? "-inf" : "inf";
  std::memcpy(out, text.data(), text.size());
  return text.size();
}

// Cuts the zeros at the end, and the point if nothing is left behind it.
size_t trim_fraction(const char* text, size_t size) {
  if (std::memchr(text, '.', size) == nullptr) return size;
  while (text[size - 1] == '0') --size;
  return text[size - 1] == '.' ? size - 1 : size;
}

constexpr int kFractionDigits = 17;
constexpr uint64_t kFractionScale = 100'000'000'000'000'000;  // 10^17

// value = whole + fraction / 10^17, rounded to nearest, ties to even, as printf does.
struct FixedPoint {
  uint64_t whole;
  uint64_t fraction;
};

// 0 <= value < 2^63, in integers only: significand × 2^exponent with a significand of 64 bits.
FixedPoint to_fixed_point(long double value) {
  __extension__ using Wide = unsigned __int128;
  int exponent;
  const auto significand = static_cast<uint64_t>(std::ldexp(std::frexp(value, &exponent), 64));
  const int shift = 64 - exponent;  // bits of the significand behind the point
  if (shift <= 0) return {significand, 0};
  const uint64_t whole = shift < 64 ? significand >> shift : 0;
  const uint64_t rest = shift < 64 ? significand & ((uint64_t{1} << shift) - 1) : significand;
  // rest × 10^17 is below 2^121, so from 122 bits on it rounds to nothing.
  if (shift > 121) return {whole, 0};
  const Wide scaled = static_cast<Wide>(rest) * kFractionScale;
  const Wide unit = static_cast<Wide>(1) << shift;
  auto fraction = static_cast<uint64_t>(scaled >> shift);
  const Wide left = scaled & (unit - 1);
  if (left > unit / 2 || (left == unit / 2 && (fraction & 1) != 0)) ++fraction;
  if (fraction == kFractionScale) return {whole + 1, 0};
  return {whole, fraction};
}

size_t print_fixed_point(FixedPoint fixed, char* out) {
  const size_t whole_size = print_u64(fixed.whole, out);
  if (fixed.fraction == 0) return whole_size;
  // Printed with a one before it, so that zeros at its front stay; the one then becomes the point.
  print_u64(fixed.fraction + kFractionScale, out + whole_size);
  out[whole_size] = '.';
  return trim_fraction(out, whole_size + 1 + kFractionDigits);
}

}  // namespace

std::optional<double> parse_double(Bytes text) { return parse_float<double>(text); }

std::optional<long double> parse_long_double(Bytes text) {
  if (const std::optional<long double> value = parse_short_decimal(text)) return value;
  if (text.size() > kLongDoubleTextBytes - 2) return std::nullopt;
  return parse_float<long double>(text);
}

size_t print_double(double value, char* out) {
  // Up to 17 digits %.17g prints an integer in full. Minus zero keeps its sign, so it goes the long way.
  constexpr double kPlainIntegerEnd = 1e17;
  if (std::fabs(value) < kPlainIntegerEnd) {
    const auto integer = static_cast<int64_t>(value);
    if (static_cast<double>(integer) == value && (integer != 0 || !std::signbit(value)))
      return print_i64(integer, out);
  }
  if (std::isinf(value)) return print_infinity(value < 0, out);
  const std::to_chars_result result =
      std::to_chars(out, out + kDoubleTextBytes, value, std::chars_format::general, 17);
  return static_cast<size_t>(result.ptr - out);
}

size_t print_long_double_human(long double value, char* out) {
  if (std::isinf(value)) return print_infinity(value < 0, out);
  const bool negative = std::signbit(value);
  const long double magnitude = negative ? -value : value;
  char* const number = negative ? out + 1 : out;
  size_t size;
  if (LDBL_MANT_DIG == 64 && magnitude < 0x1p63L) {
    size = print_fixed_point(to_fixed_point(magnitude), number);
  } else {
    const std::to_chars_result result = std::to_chars(number, out + kLongDoubleTextBytes, magnitude,
                                                      std::chars_format::fixed, kFractionDigits);
    size = trim_fraction(number, static_cast<size_t>(result.ptr - number));
  }
  if (!negative) return size;
  // What rounds to zero loses its sign.
  if (size == 1 && *number == '0') {
    *out = '0';
    return 1;
  }
  *out = '-';
  return size + 1;
}

}  // namespace strata

#include "text/numbers.h"

#include <cstring>

#include "text/ascii.h"

namespace strata {

namespace {

constexpr size_t kU64Digits = 20;

struct DigitPairs {
  char text[200];
};

constexpr DigitPairs make_digit_pairs() {
  DigitPairs pairs{};
  for (int i = 0; i < 100; ++i) {
    pairs.text[2 * i] = static_cast<char>('0' + i / 10);
    pairs.text[2 * i + 1] = static_cast<char>('0' + i % 10);
  }
  return pairs;
}
constexpr DigitPairs kDigitPairs = make_digit_pairs();

constexpr uint64_t kPowersOfTen[kU64Digits] = {1,
                                               10,
                                               100,
                                               1000,
                                               10000,
                                               100000,
                                               1000000,
                                               10000000,
                                               100000000,
                                               1000000000,
                                               10000000000,
                                               100000000000,
                                               1000000000000,
                                               10000000000000,
                                               100000000000000,
                                               1000000000000000,
                                               10000000000000000,
                                               100000000000000000,
                                               1000000000000000000,
                                               10000000000000000000u};

// 1233/4096 is log10(2), rounded up a little: right for every power of two below 2^64.
size_t digit_count(uint64_t value) {
  const unsigned bits = 64 - static_cast<unsigned>(__builtin_clzll(value | 1));
  const unsigned guess = bits * 1233 >> 12;
  return guess + (value >= kPowersOfTen[guess] ? 1 : 0) + (value == 0 ? 1 : 0);
}

// Digits without leading zeros, in range.
bool parse_digits(const char* at, const char* end, uint64_t& value) {
  const auto size = static_cast<size_t>(end - at);
  if (size == 0 || size > kU64Digits) return false;
  if (*at == '0' && size > 1) return false;
  uint64_t result = 0;
  const char* const safe_end = size < kU64Digits ? end : end - 1;
  for (; at != safe_end; ++at) {
    if (!ascii_is_digit(*at)) return false;
    result = result * 10 + static_cast<uint64_t>(*at - '0');
  }
  if (at != end) {  // the twentieth digit may be one too many
    if (!ascii_is_digit(*at)) return false;
    if (__builtin_mul_overflow(result, uint64_t{10}, &result)) return false;
    if (__builtin_add_overflow(result, static_cast<uint64_t>(*at - '0'), &result)) return false;
  }
  value = result;
  return true;
}

std::optional<uint64_t> memory_unit(Bytes name) {
  constexpr uint64_t kKilo = 1000;
  constexpr uint64_t kKibi = 1024;
  if (name.empty() || iequals(name, "b")) return 1;
  if (iequals(name, "k")) return kKilo;
  if (iequals(name, "kb")) return kKibi;
  if (iequals(name, "m")) return kKilo * kKilo;
  if (iequals(name, "mb")) return kKibi * kKibi;
  if (iequals(name, "g")) return kKilo * kKilo * kKilo;
  if (iequals(name, "gb")) return kKibi * kKibi * kKibi;
  return std::nullopt;
}

}  // namespace

std::optional<uint64_t> parse_u64(Bytes text) {
  uint64_t value;
  if (!parse_digits(text.data(), text.data() + text.size(), value)) return std::nullopt;
  return value;
}

std::optional<int64_t> parse_i64(Bytes text) {
  const char* at = text.data();
  const char* const end = at + text.size();
  const bool negative = at != end && *at == '-';
  if (negative) ++at;
  uint64_t magnitude;
  if (!parse_digits(at, end, magnitude)) return std::nullopt;
  const uint64_t limit = static_cast<uint64_t>(INT64_MAX) + (negative ? 1 : 0);
  if (magnitude > limit || (negative && magnitude == 0)) return std::nullopt;
  return static_cast<int64_t>(negative ? 0 - magnitude : magnitude);
}

std::optional<uint64_t> parse_memory(Bytes text) {
  constexpr size_t kMemoryDigitsMax = 127;
  size_t digits = 0;
  uint64_t count = 0;
  for (; digits < text.size() && ascii_is_digit(text[digits]); ++digits) {
    const auto digit = static_cast<uint64_t>(text[digits] - '0');
    if (__builtin_mul_overflow(count, uint64_t{10}, &count) || __builtin_add_overflow(count, digit, &count))
      count = UINT64_MAX;  // and stays there: the next digit overflows again
  }
  const std::optional<uint64_t> unit = memory_unit(text.substr(digits));
  uint64_t bytes;
  if (digits > kMemoryDigitsMax || !unit || __builtin_mul_overflow(count, *unit, &bytes)) return std::nullopt;
  return bytes;
}

size_t print_u64(uint64_t value, char* out) {
  const size_t size = digit_count(value);
  char* at = out + size;
  while (value >= 100) {
    at -= 2;
    std::memcpy(at, kDigitPairs.text + 2 * (value % 100), 2);
    value /= 100;
  }
  if (value >= 10)
    std::memcpy(out, kDigitPairs.text + 2 * value, 2);
  else
    *out = static_cast<char>('0' + value);
  return size;
}

size_t print_i64(int64_t value, char* out) {
  const auto bits = static_cast<uint64_t>(value);
  if (value >= 0) return print_u64(bits, out);
  *out = '-';
  return 1 + print_u64(0 - bits, out + 1);
}

}  // namespace strata

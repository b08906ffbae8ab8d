// Letter case of ASCII, whatever the locale. Bytes above 127 are left alone.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "base/bytes.h"

namespace strata {

constexpr char ascii_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }
constexpr char ascii_upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c & ~0x20) : c; }
constexpr bool ascii_is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool ascii_is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// The value of a hexadecimal digit, or -1.
constexpr int ascii_hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = ascii_lower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// Eight letters in one register, in lower case. Adding to seven-bit bytes cannot carry into the next.
constexpr uint64_t ascii_lower8(uint64_t word) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  const uint64_t low = word & (0x7f * kOnes);
  const uint64_t from_a = low + (128 - 'A') * kOnes;
  const uint64_t above_z = low + (127 - 'Z') * kOnes;
  const uint64_t upper = (from_a & ~above_z & ~word) & (0x80 * kOnes);
  return word | (upper >> 2);
}

// Equal but for the case of ASCII letters. Command and option names: one or two word compares.
inline bool iequals(Bytes a, Bytes b) {
  const size_t size = a.size();
  if (size != b.size()) return false;
  const auto load8 = [](const char* from) {
    uint64_t word;
    std::memcpy(&word, from, sizeof word);
    return word;
  };
  if (size >= 8) {
    for (size_t i = 0; i + 8 < size; i += 8)
      if (ascii_lower8(load8(a.data() + i)) != ascii_lower8(load8(b.data() + i))) return false;
    return ascii_lower8(load8(a.data() + size - 8)) == ascii_lower8(load8(b.data() + size - 8));
  }
  for (size_t i = 0; i < size; ++i)
    if (ascii_lower(a[i]) != ascii_lower(b[i])) return false;
  return true;
}

std::string to_lower(Bytes text);
std::string to_upper(Bytes text);

}  // namespace strata

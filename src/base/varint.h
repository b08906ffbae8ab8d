// Unsigned integers in one to ten bytes (LEB128): seven bits a byte, lowest first, the top bit set on
// all bytes but the last. Small numbers are short.

#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace strata {

inline constexpr size_t kVarintBytesMax = 10;

// Bytes that encode_varint(value) writes.
inline size_t varint_size(uint64_t value) {
  const unsigned bits = 64 - static_cast<unsigned>(__builtin_clzll(value | 1));
  return (bits + 6) / 7;
}

// Writes `value` to `out`, which has room for kVarintBytesMax; returns the bytes written.
inline size_t encode_varint(uint64_t value, char* out) {
  size_t size = 0;
  while (value >= 0x80) {
    out[size++] = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  out[size++] = static_cast<char>(value);
  return size;
}

// Reads one from the start of `in`; returns the bytes it took, or 0 (and leaves `value` alone) when it is
// cut off or does not fit 64 bits. Never reads beyond `in`.
inline size_t decode_varint(Bytes in, uint64_t& value) {
  uint64_t result = 0;
  const size_t limit = in.size() < kVarintBytesMax ? in.size() : kVarintBytesMax;
  for (size_t i = 0; i < limit; ++i) {
    const uint64_t byte = static_cast<unsigned char>(in[i]);
    if (i == kVarintBytesMax - 1 && byte > 1) return 0;  // the tenth byte holds the 64th bit alone
    result |= (byte & 0x7f) << (7 * i);
    if (byte < 0x80) {
      value = result;
      return i + 1;
    }
  }
  return 0;
}

}  // namespace strata

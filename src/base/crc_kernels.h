// What crc.cc computes with: tables for any machine, and kernels for processors that have more.
//
// All three wide checksums are "reflected": the lowest bit of the first byte is the highest power of x.
// States here are raw, without the inversion that the 32-bit ones do at both ends.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/endian.h"
#include "base/simd.h"

namespace strata::crc_detail {

inline constexpr uint32_t kCrc32cPolynomial = 0x82f63b78;
inline constexpr uint32_t kCrc32Polynomial = 0xedb88320;
inline constexpr uint64_t kCrc64Polynomial = 0x95ac9329ac4bc9b5;  // 0xad93d23594c935a9, reflected

// The state times x, modulo the polynomial.
template <typename Word>
constexpr Word times_x(Word value, Word polynomial) {
  return (value >> 1) ^ ((value & 1) != 0 ? polynomial : 0);
}

template <typename Word>
using SlicingTables = std::array<std::array<Word, 256>, 8>;

// tables[k][b]: what byte b contributes when k more bytes follow it.
template <typename Word>
constexpr SlicingTables<Word> make_tables(Word polynomial) {
  SlicingTables<Word> tables{};
  for (unsigned byte = 0; byte < 256; ++byte) {
    Word value = static_cast<Word>(byte);
    for (int bit = 0; bit < 8; ++bit) value = times_x(value, polynomial);
    tables[0][byte] = value;
  }
  for (unsigned k = 1; k < 8; ++k)
    for (unsigned byte = 0; byte < 256; ++byte) {
      const Word before = tables[k - 1][byte];
      tables[k][byte] = tables[0][before & 0xff] ^ (before >> 8);
    }
  return tables;
}

// Slicing by eight (Kounavis and Berry, 2005): eight table look-ups that do not wait for each other.
template <typename Word>
Word update_scalar(Word state, const char* data, size_t size, const SlicingTables<Word>& tables) {
  for (; size >= 8; data += 8, size -= 8) {
    const uint64_t word = load_le64(data) ^ state;
    state = tables[7][word & 0xff] ^ tables[6][(word >> 8) & 0xff] ^ tables[5][(word >> 16) & 0xff] ^
            tables[4][(word >> 24) & 0xff] ^ tables[3][(word >> 32) & 0xff] ^ tables[2][(word >> 40) & 0xff] ^
            tables[1][(word >> 48) & 0xff] ^ tables[0][word >> 56];
  }
  for (; size > 0; ++data, --size)
    state = tables[0][(state ^ static_cast<unsigned char>(*data)) & 0xff] ^ (state >> 8);
  return state;
}

// x^n modulo a polynomial, as carry-less multiplication wants its factor: in the upper bits of 64, for
// one power less, because the product of two reflected words comes out shifted by one.
template <typename Word>
constexpr uint64_t fold_constant(Word polynomial, unsigned n) {
  constexpr unsigned kBits = 8 * sizeof(Word);
  Word value = Word{1} << (kBits - 1);
  for (unsigned i = 0; i + 1 < n; ++i) value = times_x(value, polynomial);
  return static_cast<uint64_t>(value) << (64 - kBits);
}

// To move 16 bytes ahead by 64 or by 16 bytes; one factor for each half.
struct FoldConstants {
  uint64_t by_64_first;
  uint64_t by_64_second;
  uint64_t by_16_first;
  uint64_t by_16_second;
};

template <typename Word>
constexpr FoldConstants make_fold_constants(Word polynomial) {
  return {fold_constant(polynomial, 512 + 64), fold_constant(polynomial, 512),
          fold_constant(polynomial, 128 + 64), fold_constant(polynomial, 128)};
}

inline constexpr size_t kFoldBytesMin = 64;

#if STRATA_X86_64
// Replaces the first bytes of `data`, with `state` before them, by 16 bytes with the same remainder
// (start from state 0 there). size >= kFoldBytesMin; returns how many bytes that covers, a multiple of 16.
size_t fold_pclmul(uint64_t state, const char* data, size_t size, const FoldConstants& constants,
                   char (&remainder)[16]);

uint32_t update_crc32c_sse42(uint32_t state, const char* data, size_t size);
#endif

bool cpu_has_fold();    // fold_pclmul may be called
bool cpu_has_crc32c();  // update_crc32c_sse42 may be called

}  // namespace strata::crc_detail

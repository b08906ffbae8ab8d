// Strings as bits: counting, searching, combining, and integers of any width. Bit 0 is the highest of the
// first byte, as SETBIT counts.
//
// Pure functions over bytes; nothing allocates. Loops over long strings work on 16 bytes at a time in the
// vector registers that every machine has, at about the speed of memory.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/bytes.h"

namespace strata {

uint64_t count_bits(Bytes bytes);

// The first bit in [first, last) that has the value; bits beyond the bytes are not looked at.
std::optional<uint64_t> find_bit(Bytes bytes, uint64_t first, uint64_t last, bool value);

// What BITOP computes from its sources; X is the first of them, Y the others.
enum class BitOperation : uint8_t {
  kAnd,
  kOr,
  kXor,
  kNot,    // of the one source
  kDiff,   // in X and in no Y
  kDiff1,  // in a Y and not in X
  kAndOr,  // in X and in a Y
  kOne,    // in exactly one source
};
// Bytes [offset, offset + size) of the result. Sources that are shorter go on with zeros. There is at least
// one source; `out` overlaps none.
void combine_bits(BitOperation operation, std::span<const Bytes> sources, size_t offset, char* out,
                  size_t size);

// Integers of 1 to 64 bits at any bit, as BITFIELD has them. Reading beyond the bytes gives zeros; writing
// needs room.
uint64_t read_bits(Bytes bytes, uint64_t offset, unsigned width);
void write_bits(char* bytes, uint64_t offset, unsigned width, uint64_t value);

struct BitField {
  unsigned width;  // 1 to 64, unsigned ones to 63
  bool is_signed;
};
enum class BitOverflow : uint8_t { kWrap, kSaturate, kFail };
// base + increment as the field can hold it; nothing when it cannot and the policy is kFail. `base` is a
// value of the field; with `increment` 0 also any other, of which an unsigned field takes the 64 bits.
std::optional<int64_t> bit_field_sum(BitField field, int64_t base, int64_t increment, BitOverflow policy);
// The field's bits as a number.
int64_t bit_field_value(BitField field, uint64_t bits);

}  // namespace strata

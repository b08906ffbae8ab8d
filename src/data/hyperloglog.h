// HyperLogLog: how many different elements a string of some kilobytes has seen, byte for byte as Redis keeps
// it.
//
//   offset  size  field
//      0      4   "HYLL"
//      4      1   encoding: 0 dense, 1 sparse
//      5      3   zeros
//      8      8   the count as last computed, little-endian; its highest bit says that it is out of date
//     16      …   16,384 registers, each the longest run of zeros (plus one) among the hashes that fell to it
//
//   dense:   6 bits for each register, low bits of a byte first: 12,288 bytes
//   sparse:  runs of equal registers
//            00llllll           l + 1 registers of 0                                      "zero"
//            01llllll llllllll  l + 1 registers of 0, high byte first                     "xzero"
//            1vvvvvll           l + 1 registers of v + 1, so 1 to 4 registers of 1 to 32  "value"
//
// The element's hash is MurmurHash64A; the estimate is Ertl's (2017, "New cardinality estimation algorithms
// for HyperLogLog sketches", algorithm 6), which needs no tables of bias.
//
// Pure functions over bytes, used inside the shard. is_sketch() looks at the header only: sparse bytes come
// from anybody's SET, so whoever walks them checks each step, and says corrupt (kCorruption) where they end
// early or hold too many registers.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/function_ref.h"
#include "base/result.h"

namespace strata::hyperloglog {

inline constexpr size_t kRegisters = 16'384;
inline constexpr size_t kHeaderBytes = 16;
inline constexpr size_t kDenseBytes = kHeaderBytes + kRegisters * 6 / 8;
// No sketch needs more in sparse form: two bytes for each register. Longer ones are corrupt.
inline constexpr size_t kSparseBytesMax = kHeaderBytes + 2 * kRegisters;

// Where an element falls.
struct Place {
  uint32_t index;  // of the register
  uint8_t value;   // 1 to 51
};
Place place_of(Bytes element);

// The header is one, and the size fits a dense one.
bool is_sketch(Bytes bytes);
bool is_sparse(Bytes sketch);
// Sparse, of no elements.
std::string create();

// Raises a register; false: it was as high already. A sparse sketch that grows beyond `sparse_bytes_max` or
// gets a value above 32 becomes dense. What is_sketch() refuses must not come here.
[[nodiscard]] Result<bool> raise(std::string& sketch, Place place, size_t sparse_bytes_max);
// The same in a dense sketch, in place.
bool raise_dense(char* sketch, Place place);
uint8_t dense_register(Bytes sketch, uint32_t index);
// Makes a sparse sketch dense.
[[nodiscard]] Status make_dense(std::string& sketch);

// The cached count.
bool has_cached_count(Bytes sketch);
uint64_t cached_count(Bytes sketch);
void cache_count(char* sketch, uint64_t count);
void forget_count(char* sketch);

// Registers spread out: what many sketches together have seen.
class Union {
 public:
  [[nodiscard]] Status add(Bytes sketch);
  void raise(Place place) {
    uint8_t& value = registers_[place.index];
    if (place.value > value) value = place.value;
  }
  uint64_t count() const;
  const std::array<uint8_t, kRegisters>& registers() const { return registers_; }

 private:
  std::array<uint8_t, kRegisters> registers_{};
};

// The number of different elements, from the registers.
[[nodiscard]] Result<uint64_t> count(Bytes sketch);

// Calls visit(kind, value, length) for each run of a sparse sketch.
enum class Run : uint8_t { kZero, kXzero, kValue };
[[nodiscard]] Status visit_runs(Bytes sketch, FunctionRef<void(Run, uint8_t value, uint32_t length)> visit);

}  // namespace strata::hyperloglog

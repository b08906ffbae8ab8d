#include "data/hyperloglog.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/assert.h"
#include "base/endian.h"

namespace strata::hyperloglog {
namespace {

constexpr unsigned kIndexBits = 14;
constexpr unsigned kHashBits = 64 - kIndexBits;
constexpr uint8_t kDense = 0;
constexpr uint8_t kSparse = 1;
constexpr size_t kEncodingAt = 4;
constexpr size_t kCountAt = 8;
constexpr uint64_t kOutOfDate = uint64_t{1} << 63;

// MurmurHash64A by Austin Appleby, public domain; the seed is Redis's.
uint64_t murmur64(Bytes bytes) {
  constexpr uint64_t kMultiplier = 0xc6a4a7935bd1e995;
  constexpr uint64_t kSeed = 0xadc83b19;
  constexpr unsigned kShift = 47;
  uint64_t hash = kSeed ^ (bytes.size() * kMultiplier);
  size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) {
    uint64_t word = load_le64(bytes.data() + at) * kMultiplier;
    word = (word ^ word >> kShift) * kMultiplier;
    hash = (hash ^ word) * kMultiplier;
  }
  if (at < bytes.size()) {
    for (size_t i = 0; at + i < bytes.size(); ++i) {
      hash ^= static_cast<uint64_t>(static_cast<unsigned char>(bytes[at + i])) << (8 * i);
    }
    hash *= kMultiplier;
  }
  hash = (hash ^ hash >> kShift) * kMultiplier;
  return hash ^ hash >> kShift;
}

// How many registers have each value.
using Histogram = std::array<uint32_t, 64>;

double sigma(double x) {
  if (x == 1) return std::numeric_limits<double>::infinity();
  double y = 1;
  double z = x;
  for (double before = -1; before != z;) {
    x *= x;
    before = z;
    z += x * y;
    y += y;
  }
  return z;
}

double tau(double x) {
  if (x == 0 || x == 1) return 0;
  double y = 1;
  double z = 1 - x;
  for (double before = -1; before != z;) {
    x = std::sqrt(x);
    before = z;
    y *= 0.5;
    z -= (1 - x) * (1 - x) * y;
  }
  return z / 3;
}

uint64_t estimate(const Histogram& histogram) {
  constexpr double kAlpha = 0.721347520444481703680;  // 1 / (2 ln 2)
  const auto m = static_cast<double>(kRegisters);
  double z = m * tau((m - histogram[kHashBits + 1]) / m);
  for (unsigned value = kHashBits; value >= 1; --value) {
    z += histogram[value];
    z *= 0.5;
  }
  z += m * sigma(histogram[0] / m);
  return static_cast<uint64_t>(std::llround(kAlpha * m * m / z));
}

std::unexpected<Error> corrupt() { return fail(Errc::kCorruption, "corrupt HyperLogLog"); }

}  // namespace

Place place_of(Bytes element) {
  const uint64_t hash = murmur64(element);
  // A bit beyond the hash ends the run of zeros.
  const uint64_t rest = hash >> kIndexBits | uint64_t{1} << kHashBits;
  return {static_cast<uint32_t>(hash & (kRegisters - 1)), static_cast<uint8_t>(std::countr_zero(rest) + 1)};
}

bool is_sketch(Bytes bytes) {
  if (bytes.size() < kHeaderBytes || !bytes.starts_with("HYLL")) return false;
  const auto encoding = static_cast<uint8_t>(bytes[kEncodingAt]);
  return encoding == kDense ? bytes.size() == kDenseBytes : encoding == kSparse;
}

bool is_sparse(Bytes sketch) { return static_cast<uint8_t>(sketch[kEncodingAt]) == kSparse; }

std::string create() {
  std::string sketch("HYLL\1\0\0\0\0\0\0\0\0\0\0\0\x7f\xff", kHeaderBytes + 2);
  forget_count(sketch.data());
  return sketch;
}

bool has_cached_count(Bytes sketch) { return (load_le64(sketch.data() + kCountAt) & kOutOfDate) == 0; }
uint64_t cached_count(Bytes sketch) { return load_le64(sketch.data() + kCountAt); }
void cache_count(char* sketch, uint64_t count) { store_le64(sketch + kCountAt, count); }
void forget_count(char* sketch) { store_le64(sketch + kCountAt, load_le64(sketch + kCountAt) | kOutOfDate); }

uint8_t dense_register(Bytes sketch, uint32_t index) {
  const size_t bit = size_t{index} * 6;
  const size_t at = kHeaderBytes + bit / 8;
  unsigned word = static_cast<unsigned char>(sketch[at]);
  if (at + 1 < sketch.size()) word |= static_cast<unsigned>(static_cast<unsigned char>(sketch[at + 1])) << 8;
  return static_cast<uint8_t>(word >> bit % 8 & 63);
}

bool raise_dense(char* sketch, Place place) {
  if (dense_register({sketch, kDenseBytes}, place.index) >= place.value) return false;
  const size_t bit = size_t{place.index} * 6;
  const size_t at = kHeaderBytes + bit / 8;
  const bool has_next = at + 1 < kDenseBytes;
  unsigned word = static_cast<unsigned char>(sketch[at]);
  if (has_next) word |= static_cast<unsigned>(static_cast<unsigned char>(sketch[at + 1])) << 8;
  word = (word & ~(63U << bit % 8)) | static_cast<unsigned>(place.value) << bit % 8;
  sketch[at] = static_cast<char>(word);
  if (has_next) sketch[at + 1] = static_cast<char>(word >> 8);
  return true;
}

Status make_dense(std::string& sketch) {
  if (!is_sparse(sketch)) return {};
  std::string dense(kDenseBytes, '\0');
  std::memcpy(dense.data(), sketch.data(), kHeaderBytes);
  dense[kEncodingAt] = static_cast<char>(kDense);
  uint32_t index = 0;
  TRY(visit_runs(sketch, [&](Run run, uint8_t value, uint32_t length) {
    for (uint32_t i = 0; run == Run::kValue && i < length; ++i) raise_dense(dense.data(), {index + i, value});
    index += length;
  }));
  if (index != kRegisters) return corrupt();
  sketch = std::move(dense);
  return {};
}

Status Union::add(Bytes sketch) {
  if (!is_sparse(sketch)) {
    for (uint32_t i = 0; i < kRegisters; ++i) raise({i, dense_register(sketch, i)});
    return {};
  }
  uint32_t index = 0;
  TRY(visit_runs(sketch, [&](Run run, uint8_t value, uint32_t length) {
    for (uint32_t i = 0; run == Run::kValue && i < length; ++i) raise({index + i, value});
    index += length;
  }));
  return index == kRegisters ? Status() : corrupt();
}

uint64_t Union::count() const {
  Histogram histogram{};
  for (uint8_t value : registers_) ++histogram[value];
  return estimate(histogram);
}

Result<uint64_t> count(Bytes sketch) {
  Histogram histogram{};
  if (!is_sparse(sketch)) {
    for (uint32_t i = 0; i < kRegisters; ++i) ++histogram[dense_register(sketch, i)];
    return estimate(histogram);
  }
  uint32_t registers = 0;
  TRY(visit_runs(sketch, [&](Run, uint8_t value, uint32_t length) {
    histogram[value] += length;
    registers += length;
  }));
  if (registers != kRegisters) return corrupt();
  return estimate(histogram);
}

}  // namespace strata::hyperloglog

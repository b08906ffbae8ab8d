#include "data/bits.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/assert.h"

namespace strata {
namespace {

// 16 bytes in one register of SSE2 or NEON, by GCC's vector extension.
using Vector [[gnu::vector_size(16)]] = uint64_t;

Vector load(const char* from) {
  Vector value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}
void store(char* to, Vector value) { std::memcpy(to, &value, sizeof(value)); }

uint64_t load_word(const char* from, size_t bytes) {
  uint64_t word = 0;
  std::memcpy(&word, from, bytes);
  return word;
}

// A full adder of vectors: `high` and `low` are the two bits of a + b + c at each place.
void add(Vector& high, Vector& low, Vector a, Vector b, Vector c) {
  const Vector either = a ^ b;
  high = (a & b) | (either & c);
  low = either ^ c;
}

uint64_t count_words(Vector value) {
  return static_cast<uint64_t>(std::popcount(value[0])) + static_cast<uint64_t>(std::popcount(value[1]));
}

// Harley and Seal: adders carry the counts of eight vectors up, so that bits are counted in one of eight
// only. Returns the bytes that it has taken.
size_t count_blocks(Bytes bytes, uint64_t& count) {
  constexpr size_t kBlock = 8 * sizeof(Vector);
  Vector ones{}, twos{}, fours{}, twos_a{}, twos_b{}, fours_a{}, fours_b{}, eights{};
  uint64_t counted_eights = 0;
  size_t at = 0;
  for (; at + kBlock <= bytes.size(); at += kBlock) {
    const char* from = bytes.data() + at;
    add(twos_a, ones, ones, load(from), load(from + 16));
    add(twos_b, ones, ones, load(from + 32), load(from + 48));
    add(fours_a, twos, twos, twos_a, twos_b);
    add(twos_a, ones, ones, load(from + 64), load(from + 80));
    add(twos_b, ones, ones, load(from + 96), load(from + 112));
    add(fours_b, twos, twos, twos_a, twos_b);
    add(eights, fours, fours, fours_a, fours_b);
    counted_eights += count_words(eights);
  }
  count += 8 * counted_eights + 4 * count_words(fours) + 2 * count_words(twos) + count_words(ones);
  return at;
}

// Calls combine(a, b) for vectors of both, and stores what it gives in `a`.
template <typename Combine>
void fold(char* a, const char* b, size_t size, Combine combine) {
  size_t at = 0;
  for (; at + sizeof(Vector) <= size; at += sizeof(Vector))
    store(a + at, combine(load(a + at), load(b + at)));
  for (; at < size; at += sizeof(uint64_t)) {
    const size_t bytes = std::min(sizeof(uint64_t), size - at);
    const Vector result = combine(Vector{load_word(a + at, bytes)}, Vector{load_word(b + at, bytes)});
    std::memcpy(a + at, &result, bytes);
  }
}

constexpr auto kAnd = [](Vector a, Vector b) { return a & b; };
constexpr auto kOr = [](Vector a, Vector b) { return a | b; };
constexpr auto kXor = [](Vector a, Vector b) { return a ^ b; };

// Source bytes are combined block by block, so that blocks in work stay in the innermost cache.
constexpr size_t kBlockBytes = 4096;

// A block of a source, padded with zeros.
class Block {
 public:
  Block(Bytes source, size_t offset, size_t size) {
    const size_t there = source.size() > offset ? std::min(size, source.size() - offset) : 0;
    if (there == size) {
      bytes_ = source.data() + offset;
      return;
    }
    if (there > 0) std::memcpy(padded_, source.data() + offset, there);
    std::memset(padded_ + there, 0, size - there);
    bytes_ = padded_;
  }
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;
  const char* bytes() const { return bytes_; }

 private:
  const char* bytes_;
  char padded_[kBlockBytes];
};

void gather_or(std::span<const Bytes> sources, size_t offset, char* out, size_t size) {
  std::memset(out, 0, size);
  for (Bytes source : sources) fold(out, Block(source, offset, size).bytes(), size, kOr);
}

// `out` has what is in exactly one source; `often` collects what is in more.
void gather_one(std::span<const Bytes> sources, size_t offset, char* out, size_t size) {
  char often[kBlockBytes] = {};
  std::memset(out, 0, size);
  for (Bytes source : sources) {
    const Block block(source, offset, size);
    char twice[kBlockBytes];
    std::memcpy(twice, out, size);
    fold(twice, block.bytes(), size, kAnd);
    fold(often, twice, size, kOr);
    fold(out, block.bytes(), size, kOr);
  }
  fold(out, often, size, [](Vector a, Vector b) { return a & ~b; });
}

void combine_block(BitOperation operation, std::span<const Bytes> sources, size_t offset, char* out,
                   size_t size) {
  if (operation == BitOperation::kOne) return gather_one(sources, offset, out, size);
  const Block first(sources[0], offset, size);
  const auto rest = sources.subspan(1);
  const bool is_fold =
      operation == BitOperation::kAnd || operation == BitOperation::kOr || operation == BitOperation::kXor;
  if (is_fold || operation == BitOperation::kNot) {
    std::memcpy(out, first.bytes(), size);
  } else {
    gather_or(rest, offset, out, size);
  }
  switch (operation) {
    case BitOperation::kAnd:
      for (Bytes source : rest) fold(out, Block(source, offset, size).bytes(), size, kAnd);
      break;
    case BitOperation::kOr:
      for (Bytes source : rest) fold(out, Block(source, offset, size).bytes(), size, kOr);
      break;
    case BitOperation::kXor:
      for (Bytes source : rest) fold(out, Block(source, offset, size).bytes(), size, kXor);
      break;
    case BitOperation::kNot:
      fold(out, out, size, [](Vector a, Vector) { return ~a; });
      break;
    case BitOperation::kDiff:
      fold(out, first.bytes(), size, [](Vector any, Vector x) { return x & ~any; });
      break;
    case BitOperation::kDiff1:
      fold(out, first.bytes(), size, [](Vector any, Vector x) { return any & ~x; });
      break;
    case BitOperation::kAndOr:
      fold(out, first.bytes(), size, kAnd);
      break;
    case BitOperation::kOne:
      break;
  }
}

bool bit_at(Bytes bytes, uint64_t at) {
  return static_cast<unsigned char>(bytes[at / 8]) >> (7 - at % 8) & 1;
}

}  // namespace

uint64_t count_bits(Bytes bytes) {
  uint64_t count = 0;
  size_t at = count_blocks(bytes, count);
  for (; at < bytes.size(); at += sizeof(uint64_t)) {
    const size_t left = std::min(sizeof(uint64_t), bytes.size() - at);
    count += static_cast<uint64_t>(std::popcount(load_word(bytes.data() + at, left)));
  }
  return count;
}

std::optional<uint64_t> find_bit(Bytes bytes, uint64_t first, uint64_t last, bool value) {
  last = std::min<uint64_t>(last, bytes.size() * 8);
  for (; first < last && first % 8 != 0; ++first) {
    if (bit_at(bytes, first) == value) return first;
  }
  // Whole words without such a bit.
  const uint64_t empty = value ? 0 : ~uint64_t{0};
  while (first + 64 <= last && load_word(bytes.data() + first / 8, 8) == empty) first += 64;
  for (; first < last; ++first) {
    if (bit_at(bytes, first) == value) return first;
  }
  return std::nullopt;
}

void combine_bits(BitOperation operation, std::span<const Bytes> sources, size_t offset, char* out,
                  size_t size) {
  for (size_t at = 0; at < size; at += kBlockBytes) {
    combine_block(operation, sources, offset + at, out + at, std::min(kBlockBytes, size - at));
  }
}

uint64_t read_bits(Bytes bytes, uint64_t offset, unsigned width) {
  uint64_t value = 0;
  for (unsigned done = 0; done < width;) {
    const uint64_t byte = (offset + done) / 8;
    const auto skipped = static_cast<unsigned>((offset + done) % 8);
    const unsigned taken = std::min(8 - skipped, width - done);
    const unsigned bits = byte < bytes.size() ? static_cast<unsigned char>(bytes[byte]) : 0;
    value = value << taken | ((bits >> (8 - skipped - taken)) & ((1U << taken) - 1));
    done += taken;
  }
  return value;
}

void write_bits(char* bytes, uint64_t offset, unsigned width, uint64_t value) {
  for (unsigned done = 0; done < width;) {
    const uint64_t byte = (offset + done) / 8;
    const auto skipped = static_cast<unsigned>((offset + done) % 8);
    const unsigned taken = std::min(8 - skipped, width - done);
    const unsigned shift = 8 - skipped - taken;
    const unsigned mask = ((1U << taken) - 1) << shift;
    const auto bits = static_cast<unsigned>(value >> (width - done - taken)) << shift;
    bytes[byte] = static_cast<char>((static_cast<unsigned char>(bytes[byte]) & ~mask) | (bits & mask));
    done += taken;
  }
}

int64_t bit_field_value(BitField field, uint64_t bits) {
  const unsigned unused = 64 - field.width;
  return field.is_signed ? static_cast<int64_t>(bits << unused) >> unused : static_cast<int64_t>(bits);
}

std::optional<int64_t> bit_field_sum(BitField field, int64_t base, int64_t increment, BitOverflow policy) {
  STRATA_ASSERT(field.width >= 1 && field.width <= (field.is_signed ? 64U : 63U));
  __extension__ using Wide = __int128;
  const Wide max = (Wide{1} << (field.is_signed ? field.width - 1 : field.width)) - 1;
  const Wide min = field.is_signed ? -max - 1 : 0;
  const Wide start = field.is_signed ? Wide{base} : static_cast<Wide>(static_cast<uint64_t>(base));
  const Wide sum = start + increment;
  if (sum >= min && sum <= max) return static_cast<int64_t>(sum);
  switch (policy) {
    case BitOverflow::kFail:
      return std::nullopt;
    case BitOverflow::kSaturate: {
      // Redis subtracts in 64 bits: what is set far enough below a field's least value counts as too large.
      const bool wraps = field.is_signed && field.width < 64 && max - start > INT64_MAX;
      return static_cast<int64_t>(sum > max || wraps ? max : min);
    }
    case BitOverflow::kWrap:
      break;
  }
  const uint64_t mask = ~uint64_t{0} >> (64 - field.width);
  return bit_field_value(field, static_cast<uint64_t>(sum) & mask);
}

}  // namespace strata

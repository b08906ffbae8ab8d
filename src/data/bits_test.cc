#include "data/bits.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/random.h"
#include "data/value_test_tools.h"

namespace strata {
namespace {

using testing_tools::test_seed;

bool bit(const std::string& bytes, uint64_t at) {
  if (at / 8 >= bytes.size()) return false;
  return static_cast<unsigned char>(bytes[at / 8]) >> (7 - at % 8) & 1;
}

std::string random_bytes(Random& random, size_t size) {
  std::string bytes(size, '\0');
  const uint64_t kind = random.below(4);  // all zeros, all ones, anything
  for (char& byte : bytes) byte = kind == 0 ? '\0' : static_cast<char>(kind == 1 ? 0xFF : random.next());
  return bytes;
}

TEST(BitsTest, CountsAndFindsAsBitByBit) {
  Random random(test_seed(20241127));
  for (int round = 0; round < 2000; ++round) {
    std::string bytes = random_bytes(random, random.below(400));
    if (!bytes.empty() && random.one_in(2)) bytes[random.below(bytes.size())] ^= 4;
    uint64_t count = 0;
    for (uint64_t i = 0; i < bytes.size() * 8; ++i) count += bit(bytes, i);
    ASSERT_EQ(count_bits(bytes), count);
    const uint64_t first = random.below(bytes.size() * 8 + 1);
    const uint64_t last = random.below(bytes.size() * 8 + 20);
    const bool value = random.one_in(2);
    std::optional<uint64_t> expected;
    for (uint64_t i = first; i < std::min<uint64_t>(last, bytes.size() * 8) && !expected; ++i) {
      if (bit(bytes, i) == value) expected = i;
    }
    ASSERT_EQ(find_bit(bytes, first, last, value), expected) << first << " " << last << " " << value;
  }
}

bool combined(BitOperation operation, const std::vector<std::string>& sources, uint64_t at) {
  const bool x = bit(sources[0], at);
  size_t others = 0;
  for (size_t i = 1; i < sources.size(); ++i) others += bit(sources[i], at);
  switch (operation) {
    case BitOperation::kAnd:
      return x && others == sources.size() - 1;
    case BitOperation::kOr:
      return x || others > 0;
    case BitOperation::kXor:
      return (x + others) % 2 == 1;
    case BitOperation::kNot:
      return !x;
    case BitOperation::kDiff:
      return x && others == 0;
    case BitOperation::kDiff1:
      return !x && others > 0;
    case BitOperation::kAndOr:
      return x && others > 0;
    case BitOperation::kOne:
      return x + others == 1;
  }
  return false;
}

TEST(BitsTest, CombinesAsBitByBit) {
  Random random(test_seed(20241128));
  for (int round = 0; round < 600; ++round) {
    const auto operation = static_cast<BitOperation>(round % 8);
    std::vector<std::string> sources;
    const size_t count = operation == BitOperation::kNot ? 1 : 1 + random.below(4);
    size_t size = 0;
    for (size_t i = 0; i < count; ++i) {
      sources.push_back(random_bytes(random, random.one_in(50) ? 4096 + random.below(99) : random.below(80)));
      size = std::max(size, sources.back().size());
    }
    const size_t offset = size == 0 ? 0 : random.below(size);
    std::string out(size - offset, 'x');
    combine_bits(operation, std::vector<Bytes>(sources.begin(), sources.end()), offset, out.data(),
                 out.size());
    for (uint64_t i = 0; i < out.size() * 8; ++i) {
      ASSERT_EQ(bit(out, i), combined(operation, sources, offset * 8 + i)) << "operation " << round % 8;
    }
  }
}

TEST(BitsTest, FieldsOfEveryWidthComeBackAndLeaveTheirNeighbours) {
  Random random(test_seed(20241129));
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = random_bytes(random, 20);
    const std::string before = bytes;
    const auto width = static_cast<unsigned>(1 + random.below(64));
    const uint64_t offset = random.below(160 - width + 1);
    const uint64_t value = random.next() >> (64 - width);
    write_bits(bytes.data(), offset, width, value);
    ASSERT_EQ(read_bits(bytes, offset, width), value);
    for (uint64_t i = 0; i < 160; ++i) {
      if (i < offset || i >= offset + width) {
        ASSERT_EQ(bit(bytes, i), bit(before, i));
      }
    }
  }
  EXPECT_EQ(read_bits("\xFF", 4, 8), 0xF0u);  // beyond the end are zeros
  EXPECT_EQ(read_bits("", uint64_t{1} << 62, 64), 0u);
}

// Class 3 of the past security holes: arithmetic at the limits of every width.
TEST(BitsTest, SumsAtTheLimitsOfEveryWidth) {
  for (unsigned width = 1; width <= 64; ++width) {
    const BitField field{width, true};
    const auto max = static_cast<int64_t>((uint64_t{1} << (width - 1)) - 1);
    const int64_t min = -max - 1;
    EXPECT_EQ(bit_field_sum(field, max, 1, BitOverflow::kFail), std::nullopt);
    EXPECT_EQ(bit_field_sum(field, max, 1, BitOverflow::kSaturate), max);
    EXPECT_EQ(bit_field_sum(field, max, 1, BitOverflow::kWrap), min);
    EXPECT_EQ(bit_field_sum(field, min, -1, BitOverflow::kFail), std::nullopt);
    EXPECT_EQ(bit_field_sum(field, min, -1, BitOverflow::kSaturate), min);
    EXPECT_EQ(bit_field_sum(field, min, -1, BitOverflow::kWrap), max);
    EXPECT_EQ(bit_field_sum(field, min, INT64_MIN, BitOverflow::kSaturate), min);
    EXPECT_EQ(bit_field_sum(field, max, INT64_MAX, BitOverflow::kSaturate), max);
    EXPECT_EQ(bit_field_sum(field, min, 0, BitOverflow::kFail), min);
  }
  for (unsigned width = 1; width <= 63; ++width) {
    const BitField field{width, false};
    const auto max = static_cast<int64_t>(~uint64_t{0} >> (64 - width));
    EXPECT_EQ(bit_field_sum(field, max, 1, BitOverflow::kFail), std::nullopt);
    EXPECT_EQ(bit_field_sum(field, max, 1, BitOverflow::kSaturate), max);
    EXPECT_EQ(bit_field_sum(field, max, 1, BitOverflow::kWrap), 0);
    EXPECT_EQ(bit_field_sum(field, 0, -1, BitOverflow::kFail), std::nullopt);
    EXPECT_EQ(bit_field_sum(field, 0, -1, BitOverflow::kSaturate), 0);
    EXPECT_EQ(bit_field_sum(field, 0, -1, BitOverflow::kWrap), max);
    EXPECT_EQ(bit_field_sum(field, 0, INT64_MIN, BitOverflow::kSaturate), 0);
    EXPECT_EQ(bit_field_sum(field, -1, 0, BitOverflow::kSaturate), max);  // SET -1
  }
  // As Redis has it: SET i63 0 -9223372036854775808.
  EXPECT_EQ(bit_field_sum({63, true}, INT64_MIN, 0, BitOverflow::kSaturate), (int64_t{1} << 62) - 1);
  EXPECT_EQ(bit_field_sum({8, true}, INT64_MIN + 200, 0, BitOverflow::kSaturate), -128);
}

}  // namespace
}  // namespace strata

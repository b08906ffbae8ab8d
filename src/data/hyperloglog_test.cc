#include "data/hyperloglog.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"
#include "data/value_test_tools.h"

namespace strata {
namespace {

using hyperloglog::Place;
using hyperloglog::Union;
using testing_tools::test_seed;

constexpr size_t kSparseMax = 3000;

std::string with(std::initializer_list<Bytes> elements) {
  std::string sketch = hyperloglog::create();
  for (Bytes element : elements) {
    EXPECT_TRUE(hyperloglog::raise(sketch, hyperloglog::place_of(element), kSparseMax).has_value());
  }
  return sketch;
}

std::string sparse(Bytes runs) { return hyperloglog::create().substr(0, 16).append(runs); }

// Bytes that redis-server 7.0.15 made.
TEST(HyperLogLogTest, SparseBytesAreThoseOfRedis) {
  EXPECT_EQ(with({}), Bytes("HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80\x7f\xff", 18));
  EXPECT_EQ(with({"a"}), Bytes("HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80q\xa6\x84NW", 21));
  std::string sketch = hyperloglog::create();
  for (int i = 1; i <= 30; ++i) {
    ASSERT_TRUE(hyperloglog::raise(sketch, hyperloglog::place_of(std::to_string(i)), kSparseMax).value());
  }
  EXPECT_EQ(sketch.substr(16),
            "A\xee\x84"
            "D\x11\x80"
            "D\x10\x80"
            "D>\x80@\xe2\x80@\xbc\x8c"
            "7\x88"
            "B\x10\x80"
            "B\xdc\x80"
            "A\xf6\x80"
            "Eq\x90@\xdb\x80"
            "B\x11\x84"
            "AB\x80"
            "B\xc1\x84@\x8e\x8c@\xe6\x8c(\x80"
            "E$\x80@\x92\x80"
            "C\xe2\x84"
            "A$\x84"
            "C\xdd\x80"
            "CV\x80"
            "B]\x80@x\x80"
            "B\x12\x8c@\xb8\x80\x15\x84"
            "A\xbb\x80"
            "Ae");
  EXPECT_EQ(hyperloglog::count(sketch).value(), 30u);
}

TEST(HyperLogLogTest, EveryFormHasTheRegistersOfAModel) {
  Random random(test_seed(20241130));
  for (int round = 0; round < 60; ++round) {
    std::string sketch = hyperloglog::create();
    Union model;
    const uint64_t spread = 1 + random.below(hyperloglog::kRegisters);
    const uint64_t value_max = random.one_in(4) ? 51 : 1 + random.below(5);
    for (int i = 0; i < 3000; ++i) {
      const Place place{static_cast<uint32_t>(random.below(spread)),
                        static_cast<uint8_t>(1 + random.below(value_max))};
      const bool is_higher = model.registers()[place.index] < place.value;
      ASSERT_EQ(hyperloglog::raise(sketch, place, kSparseMax).value(), is_higher);
      model.raise(place);
      ASSERT_TRUE(hyperloglog::is_sketch(sketch));
      if (hyperloglog::is_sparse(sketch)) {
        ASSERT_LE(sketch.size(), kSparseMax);
      }
    }
    Union read;
    ASSERT_TRUE(read.add(sketch).has_value());
    ASSERT_EQ(read.registers(), model.registers());
    ASSERT_EQ(hyperloglog::count(sketch).value(), model.count());
    ASSERT_TRUE(hyperloglog::make_dense(sketch).has_value());
    for (uint32_t i = 0; i < hyperloglog::kRegisters; ++i) {
      ASSERT_EQ(hyperloglog::dense_register(sketch, i), model.registers()[i]);
    }
  }
}

TEST(HyperLogLogTest, EstimatesWithinItsError) {
  Union sketch;
  uint64_t added = 0;
  for (uint64_t until : {10u, 100u, 1000u, 10'000u, 100'000u, 1'000'000u}) {
    for (; added < until; ++added) sketch.raise(hyperloglog::place_of("element " + std::to_string(added)));
    // The standard error is 1.04 / sqrt(16384), 0.8 %.
    EXPECT_NEAR(static_cast<double>(sketch.count()), static_cast<double>(until),
                0.03 * static_cast<double>(until));
  }
}

TEST(HyperLogLogTest, CachedCounts) {
  std::string sketch = with({"a"});
  EXPECT_FALSE(hyperloglog::has_cached_count(sketch));
  hyperloglog::cache_count(sketch.data(), 1);
  EXPECT_TRUE(hyperloglog::has_cached_count(sketch));
  EXPECT_EQ(hyperloglog::cached_count(sketch), 1u);
  ASSERT_TRUE(hyperloglog::raise(sketch, hyperloglog::place_of("b"), kSparseMax).value());
  EXPECT_FALSE(hyperloglog::has_cached_count(sketch));
}

// Class 4 of the past security holes: sparse strings that anybody can SET (CVE-2025-32023, CVE-2019-10192).
TEST(HyperLogLogTest, CorruptSparseStringsAreRefusedWhereverTheyAreWalked) {
  const std::string too_many = sparse("\x7f\xff\x80");
  const std::string far_too_many = sparse(std::string(300, '\x7f'));
  const std::string too_few = sparse("\x10");
  const std::string cut = sparse("\x7f");
  const std::string empty = sparse("");
  const std::string all_values = sparse(std::string(20'000, '\xff'));
  for (const std::string& bytes : {too_many, far_too_many, too_few, cut, empty, all_values}) {
    ASSERT_TRUE(hyperloglog::is_sketch(bytes));
    EXPECT_FALSE(hyperloglog::count(bytes).has_value());
    EXPECT_FALSE(Union().add(bytes).has_value());
    std::string changed = bytes;
    EXPECT_FALSE(hyperloglog::make_dense(changed).has_value());
    EXPECT_EQ(changed, bytes);
    EXPECT_FALSE(hyperloglog::raise(changed, {16'000, 40}, kSparseMax).has_value());
    EXPECT_EQ(changed, bytes);
  }
  std::string cut_copy = cut;
  EXPECT_FALSE(hyperloglog::raise(cut_copy, {0, 1}, kSparseMax).has_value());
  std::string huge = sparse(std::string(100'000, '\x00'));
  EXPECT_FALSE(hyperloglog::raise(huge, {0, 1}, kSparseMax).has_value());
  EXPECT_FALSE(hyperloglog::is_sketch("HYLL"));
  EXPECT_FALSE(hyperloglog::is_sketch(std::string("HYLL\2\0\0\0\0\0\0\0\0\0\0\0\x7f\xff", 18)));
  EXPECT_FALSE(hyperloglog::is_sketch(std::string("HYLL\0\0\0\0\0\0\0\0\0\0\0\0\x7f\xff", 18)));
}

}  // namespace
}  // namespace strata

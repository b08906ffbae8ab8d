#include "base/random.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace strata {
namespace {

TEST(Random, SameSeedSameNumbers) {
  Random a(42);
  Random b(42);
  Random c(43);
  int equal = 0;
  for (int i = 0; i < 1000; ++i) {
    const uint64_t number = a.next();
    EXPECT_EQ(number, b.next());
    equal += number == c.next() ? 1 : 0;
  }
  EXPECT_EQ(equal, 0);
}

// The published first value of splitmix64 from state 0.
TEST(Random, Splitmix64) {
  uint64_t state = 0;
  EXPECT_EQ(splitmix64(state), 0xe220a8397b1dcdafu);
}

TEST(Random, BelowStaysBelowAndIsFair) {
  Random random(1);
  EXPECT_EQ(random.below(0), 0u);
  EXPECT_EQ(random.below(1), 0u);
  std::vector<int> counts(6);
  for (int i = 0; i < 60000; ++i) ++counts[random.below(6)];
  for (const int count : counts) EXPECT_NEAR(count, 10000, 500);
  const uint64_t large = (uint64_t{1} << 63) + 1;
  for (int i = 0; i < 1000; ++i) EXPECT_LT(random.below(large), large);
}

TEST(Random, UnitInterval) {
  Random random(2);
  double sum = 0;
  for (int i = 0; i < 100000; ++i) {
    const double value = random.unit();
    ASSERT_GE(value, 0);
    ASSERT_LT(value, 1);
    sum += value;
  }
  EXPECT_NEAR(sum / 100000, 0.5, 0.01);
}

}  // namespace
}  // namespace strata

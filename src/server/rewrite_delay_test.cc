#include "server/rewrite_delay.h"

#include <gtest/gtest.h>

namespace strata {
namespace {

// What redis-server 7.0.15 waits after so many failures in a row.
TEST(RewriteDelay, IsThatOfRedis) {
  constexpr int64_t kMinutes[] = {0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60};
  for (uint64_t failures = 0; failures < std::size(kMinutes); ++failures)
    EXPECT_EQ(rewrite_delay_s(failures), kMinutes[failures] * 60) << failures;
  EXPECT_EQ(rewrite_delay_s(UINT64_MAX), 3600);
}

}  // namespace
}  // namespace strata

#include "runtime/nap_policy.h"

#include <gtest/gtest.h>

namespace strata {
namespace {

constexpr size_t kMany = NapPolicy::kMinStreams;
constexpr int64_t kForEver = -1;

TEST(NapPolicy, GoesOnWhileNapsGather) {
  NapPolicy policy;
  EXPECT_FALSE(policy.wants_nap(kMany, kForEver)) << "nothing has come yet";
  policy.on_ready(1);
  for (int turn = 0; turn < 100; ++turn) {
    EXPECT_TRUE(policy.wants_nap(kMany, kForEver));
    policy.on_ready(NapPolicy::kWorthEvents);
  }
}

TEST(NapPolicy, PausesAfterANapInVain) {
  NapPolicy policy;
  policy.on_ready(1);
  ASSERT_TRUE(policy.wants_nap(kMany, kForEver));
  policy.on_ready(NapPolicy::kWorthEvents - 1);
  for (uint32_t turn = 0; turn < NapPolicy::kPauseTurns; ++turn) {
    ASSERT_FALSE(policy.wants_nap(kMany, kForEver));
    policy.on_ready(1);
  }
  EXPECT_TRUE(policy.wants_nap(kMany, kForEver));
}

TEST(NapPolicy, NeverForFewStreamsIdleLoopsOrTimersThatAreDue) {
  NapPolicy policy;
  policy.on_ready(5);
  EXPECT_FALSE(policy.wants_nap(kMany - 1, kForEver));
  EXPECT_FALSE(policy.wants_nap(kMany, NapPolicy::kShortestSleepUs - 1));
  EXPECT_TRUE(policy.wants_nap(kMany, NapPolicy::kShortestSleepUs));
  policy.on_ready(0);
  EXPECT_FALSE(policy.wants_nap(kMany, kForEver));
}

}  // namespace
}  // namespace strata

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

// Turns without a nap until there is one; that gathers `ready`.
uint32_t pause_before_nap(NapPolicy& policy, size_t ready) {
  uint32_t turns = 0;
  for (; !policy.wants_nap(kMany, kForEver); ++turns) policy.on_ready(1);
  policy.on_ready(ready);
  return turns;
}

TEST(NapPolicy, PausesLongerAfterEachNapInVain) {
  NapPolicy policy;
  policy.on_ready(1);
  constexpr size_t kFew = NapPolicy::kWorthEvents - 1;
  EXPECT_EQ(pause_before_nap(policy, kFew), 0u);
  uint32_t pause = 0;
  for (uint32_t wanted = NapPolicy::kPauseTurns; wanted <= NapPolicy::kPauseTurnsMax; wanted *= 2) {
    pause = pause_before_nap(policy, kFew);
    EXPECT_EQ(pause, wanted);
  }
  EXPECT_EQ(pause, NapPolicy::kPauseTurnsMax);
  EXPECT_EQ(pause_before_nap(policy, NapPolicy::kWorthEvents), NapPolicy::kPauseTurnsMax);
  EXPECT_EQ(pause_before_nap(policy, kFew), 0u) << "one that gathered is followed by the next";
  EXPECT_EQ(pause_before_nap(policy, kFew), NapPolicy::kPauseTurns) << "and the pauses begin anew";
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

#include "keyspace/ownership.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "base/random.h"
#include "data/value_test_tools.h"

namespace strata {
namespace {

struct Waiter final : ShardWaiter {
  std::atomic<bool> granted{false};
};

Waiter* next(Ownership& ownership) { return static_cast<Waiter*>(ownership.leave()); }

class OwnershipModes : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(SharedOrNot, OwnershipModes, ::testing::Bool());

TEST_P(OwnershipModes, EnterAndLeave) {
  Ownership ownership(GetParam());
  EXPECT_FALSE(ownership.held());
  EXPECT_TRUE(ownership.try_enter());
  EXPECT_TRUE(ownership.held());
  EXPECT_FALSE(ownership.contended());
  EXPECT_FALSE(ownership.try_enter());
  EXPECT_FALSE(ownership.try_enter_for_a_while());
  EXPECT_EQ(next(ownership), nullptr);
  EXPECT_FALSE(ownership.held());
  Waiter waiter;
  EXPECT_TRUE(ownership.enter_or_queue(waiter));
  EXPECT_EQ(next(ownership), nullptr);
}

// Also those who come while earlier ones are being served.
TEST_P(OwnershipModes, WaitersAreServedInTheOrderOfTheirArrival) {
  Ownership ownership(GetParam());
  constexpr size_t kCount = 300;
  std::vector<Waiter> waiters(kCount);
  ASSERT_TRUE(ownership.try_enter());
  Random random(testing_tools::test_seed(1));
  size_t queued = 0;
  size_t served = 0;
  while (served < kCount) {
    for (uint64_t more = random.below(5); more > 0 && queued < kCount; --more) {
      ASSERT_FALSE(ownership.enter_or_queue(waiters[queued++]));
      ASSERT_TRUE(ownership.contended());
    }
    if (queued == served) continue;
    ASSERT_EQ(next(ownership), &waiters[served++]);
    ASSERT_TRUE(ownership.held());
    ASSERT_EQ(ownership.contended(), served < queued);
    ASSERT_FALSE(ownership.try_enter()) << "nobody overtakes";
  }
  EXPECT_EQ(next(ownership), nullptr);
  EXPECT_FALSE(ownership.held());
}

// A plain counter, protected by nothing else. A lost wake-up would hang.
TEST(OwnershipTest, ManyThreads) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 6'000;
  Ownership ownership(true);
  int64_t counter = 0;
  std::atomic<int> inside{0};
  std::atomic<int64_t> waits{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      Random random(static_cast<uint64_t>(t));
      int64_t waited = 0;
      for (int i = 0; i < kRounds; ++i) {
        Waiter waiter;
        bool entered = random.one_in(2) ? ownership.try_enter_for_a_while() : ownership.try_enter();
        if (!entered && !ownership.enter_or_queue(waiter)) {
          ++waited;
          while (!waiter.granted.load(std::memory_order_acquire)) std::this_thread::yield();
        }
        EXPECT_EQ(inside.fetch_add(1, std::memory_order_relaxed), 0);
        ++counter;
        // Somebody else gets the processor while this one is inside.
        if (random.one_in(16)) std::this_thread::yield();
        inside.fetch_sub(1, std::memory_order_relaxed);
        if (Waiter* successor = next(ownership)) successor->granted.store(true, std::memory_order_release);
      }
      waits += waited;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counter, int64_t{kThreads} * kRounds);
  EXPECT_FALSE(ownership.held());
  EXPECT_GT(waits.load(), 0);
}

}  // namespace
}  // namespace strata

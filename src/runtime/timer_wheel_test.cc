#include "runtime/timer_wheel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <vector>

namespace strata {
namespace {

class TestTimer final : public TimerNode {
 public:
  ~TestTimer() override = default;
  void fire() override {
    ++fired;
    if (on_fire) on_fire();
  }
  void discard() override { ++discarded; }
  int fired = 0;
  int discarded = 0;
  std::function<void()> on_fire;
};

TEST(TimerWheel, FiresAtItsTick) {
  TimerWheel wheel(1000);
  TestTimer timer;
  wheel.add(timer, 1005);
  EXPECT_EQ(wheel.next_event(), 1005u);
  EXPECT_EQ(wheel.advance(1004), 0u);
  EXPECT_EQ(wheel.advance(1005), 1u);
  EXPECT_EQ(timer.fired, 1);
  EXPECT_FALSE(timer.is_scheduled());
  EXPECT_EQ(wheel.next_event(), kNoTimer);
}

TEST(TimerWheel, PassedDeadlineIsTheNextTick) {
  TimerWheel wheel(1000);
  TestTimer timer;
  wheel.add(timer, 3);
  EXPECT_EQ(wheel.advance(1000), 0u);
  EXPECT_EQ(wheel.advance(1001), 1u);
}

TEST(TimerWheel, FarDeadlinesAndJumps) {
  TimerWheel wheel(0);
  TestTimer far, farther, farthest;
  wheel.add(far, uint64_t{1} << 40);
  wheel.add(farther, (uint64_t{1} << 62) + 17);
  wheel.add(farthest, UINT64_MAX - 1);
  EXPECT_EQ(wheel.advance((uint64_t{1} << 40) - 1), 0u);
  EXPECT_EQ(wheel.advance(uint64_t{1} << 40), 1u);
  EXPECT_EQ(wheel.advance(uint64_t{1} << 63), 1u);
  EXPECT_EQ(farther.fired, 1);
  wheel.cancel(farthest);
  EXPECT_EQ(wheel.size(), 0u);
}

TEST(TimerWheel, CallbacksMayCancelAddAndDestroy) {
  TimerWheel wheel(0);
  TestTimer first, again;
  auto victim = std::make_unique<TestTimer>();
  wheel.add(first, 10);
  wheel.add(*victim, 10);
  wheel.add(again, 10);
  first.on_fire = [&] {
    if (first.fired > 1) return;
    wheel.cancel(*victim);
    victim.reset();
    wheel.add(first, 80);
  };
  again.on_fire = [&] {
    if (again.fired == 1) wheel.add(again, 74);
  };
  EXPECT_EQ(wheel.advance(10), 2u);
  EXPECT_EQ(wheel.advance(73), 0u);
  EXPECT_EQ(wheel.advance(1000), 2u);
}

TEST(TimerWheel, ClearDiscards) {
  TimerWheel wheel(5);
  TestTimer timers[3];
  wheel.add(timers[0], 6);
  wheel.add(timers[1], 600);
  wheel.add(timers[2], 600);
  wheel.clear();
  for (TestTimer& timer : timers) {
    EXPECT_EQ(timer.discarded, 1);
    EXPECT_FALSE(timer.is_scheduled());
  }
}

// Random adds, cancels, moves and advances against a map; order by deadline, and never late or early.
TEST(TimerWheel, BehavesAsAModel) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 20; ++round) {
    uint64_t now = random() >> (random() % 60 + 1);
    TimerWheel wheel(now);
    std::vector<TestTimer> timers(200);
    std::map<const TestTimer*, uint64_t> model;
    std::vector<uint64_t> fired;
    for (TestTimer& timer : timers) {
      timer.on_fire = [&] {
        ASSERT_TRUE(model.contains(&timer));
        fired.push_back(model[&timer]);
        model.erase(&timer);
      };
    }
    for (int step = 0; step < 2000; ++step) {
      TestTimer& timer = timers[random() % timers.size()];
      if (random() % 3 != 0) {
        wheel.cancel(timer);
        model.erase(&timer);
      }
      if (!timer.is_scheduled() && random() % 4 != 0) {
        const uint64_t delay = random() >> (random() % 50 + 14);
        const uint64_t deadline = now + delay < now ? now : now + delay;
        wheel.add(timer, deadline);
        model[&timer] = deadline > now ? deadline : now + 1;
      }
      if (random() % 4 == 0) {
        const uint64_t jump = random() % 3 == 0 ? wheel.next_event() - now : random() >> (random() % 40 + 24);
        if (!model.empty()) {
          uint64_t earliest = UINT64_MAX;
          for (const auto& [node, deadline] : model) earliest = std::min(earliest, deadline);
          ASSERT_LE(wheel.next_event(), earliest);
          ASSERT_GT(wheel.next_event(), now);
        } else {
          ASSERT_EQ(wheel.next_event(), kNoTimer);
          continue;
        }
        if (now + jump < now) continue;
        now += jump;
        fired.clear();
        wheel.advance(now);
        ASSERT_TRUE(std::is_sorted(fired.begin(), fired.end()));
        for (uint64_t deadline : fired) ASSERT_LE(deadline, now);
        for (const auto& [node, deadline] : model) ASSERT_GT(deadline, now);
        ASSERT_EQ(wheel.size(), model.size());
      }
    }
    wheel.clear();
  }
}

}  // namespace
}  // namespace strata

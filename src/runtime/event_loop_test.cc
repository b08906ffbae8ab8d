#include "runtime/event_loop.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "platform/thread.h"
#include "runtime/test_support.h"

namespace strata {
namespace {

class EventLoopTest : public testing::TestWithParam<IoBackend> {};
INSTANTIATE_TEST_SUITE_P(Backends, EventLoopTest, testing::Values(IoBackend::kEpoll, IoBackend::kUring),
                         backend_test_name);

TEST_P(EventLoopTest, StopBeforeRunAndFromAnotherThread) {
  auto loop = make_loop(GetParam());
  loop->stop();
  loop->run();
  EXPECT_TRUE(loop->is_loop_thread());
  std::thread stopper([&] {
    while (!loop->sleeping()) yield_thread();
    EXPECT_FALSE(loop->is_loop_thread());
    loop->stop();
  });
  loop->run();
  stopper.join();
}

struct CountedWork final : PostedWork {
  void run() override {
    EXPECT_EQ(EventLoop::current(), loop);
    EXPECT_EQ(number, ++*last);
  }
  EventLoop* loop = nullptr;
  int number = 0;
  int* last = nullptr;
};

// Posted work of each thread runs in its order, all of it, whether the loop sleeps or not.
TEST_P(EventLoopTest, PostsFromManyThreads) {
  constexpr int kThreads = 4, kPosts = 5'000;
  auto loop = make_loop(GetParam());
  int last[kThreads] = {};
  std::atomic<int> functions_run{0};
  std::vector<CountedWork> work(kThreads * kPosts);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kPosts; ++i) {
        CountedWork& item = work[size_t{kPosts} * t + i];
        item.loop = loop.get();
        item.number = i + 1;
        item.last = &last[t];
        loop->post(&item);
        if (i % 64 == 0) loop->post([&] { ++functions_run; });
        if (i % 256 == 0) yield_thread();
      }
    });
  }
  const int functions = kThreads * ((kPosts + 63) / 64);
  loop->run_until([&] {
    for (int count : last) {
      if (count != kPosts) return false;
    }
    return functions_run == functions;
  });
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(loop->stats().wakes, loop->stats().sleeps);
}

// Two loops that post to each other; each turn of an expectant one expects the answer.
void play_ping_pong(IoBackend backend, bool is_expectant) {
  constexpr int kRounds = 2'000;
  auto first = make_loop(backend);
  auto second = make_loop(backend);
  for (EventLoop* loop : {first.get(), second.get()}) {
    loop->set_turn_end([loop, is_expectant] {
      if (is_expectant) loop->expect_post();
      return false;
    });
  }
  std::thread other([&] { second->run(); });
  int rounds = 0;
  std::function<void()> ping = [&] {
    if (++rounds == kRounds) return first->stop();
    second->post([&] { first->post([&] { ping(); }); });
  };
  first->post([&] { ping(); });
  first->run();
  second->stop();
  other.join();
  EXPECT_EQ(rounds, kRounds);
}

TEST_P(EventLoopTest, PingPongBetweenLoops) { play_ping_pong(GetParam(), false); }
TEST_P(EventLoopTest, PingPongBetweenLoopsThatStayAwake) { play_ping_pong(GetParam(), true); }

TEST_P(EventLoopTest, SleepsWhenWhatItExpectsDoesNotCome) {
  auto loop = make_loop(GetParam());
  loop->post([&] { loop->expect_post(); });
  std::thread stopper([&] {
    while (!loop->sleeping()) yield_thread();
    loop->stop();
  });
  loop->run();
  stopper.join();
  EXPECT_GE(loop->stats().sleeps, 1u);
}

TEST_P(EventLoopTest, DiscardsWhatNeverRan) {
  auto loop = make_loop(GetParam());
  auto kept = std::make_shared<int>(1);
  loop->post([kept] {});
  loop->call_after(1'000'000, [kept] {});
  loop.reset();
  EXPECT_EQ(kept.use_count(), 1);
}

TEST_P(EventLoopTest, TimersFireAndCancel) {
  auto loop = make_loop(GetParam());
  std::vector<int> order;
  Timer never(*loop, [&] { order.push_back(-1); });
  never.start(2);
  Timer moved(*loop, [&] { order.push_back(3); });
  moved.start(1);
  moved.start(12);
  loop->call_after(6, [&] {
    order.push_back(2);
    EXPECT_GE(loop->now_us(), 0);
  });
  loop->call_after(0, [&] {
    order.push_back(1);
    never.cancel();
  });
  const int64_t began_us = loop->now_us();
  loop->run_until([&] { return order.size() == 3; });
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
  EXPECT_GE(loop->now_us() - began_us, 12'000);
  EXPECT_LE(loop->stats().turns, 100u) << "the loop sleeps between timers";
}

TEST_P(EventLoopTest, TurnEndKeepsTheLoopAwakeAndLimitsSleep) {
  auto loop = make_loop(GetParam());
  int calls = 0;
  loop->set_turn_end([&] {
    ++calls;
    if (calls < 5) return true;
    if (calls < 8) loop->limit_sleep(loop->now_us() + 300);
    if (calls == 8) loop->stop();
    return false;
  });
  loop->limit_sleep(loop->now_us());
  loop->run();
  EXPECT_EQ(calls, 8);
  EXPECT_EQ(loop->turns(), 8u);
  EXPECT_LE(loop->stats().sleeps, 3u);
}

TEST_P(EventLoopTest, SlowTurnsAreSeen) {
  auto loop = make_loop(GetParam());
  loop->post([] {
    const int64_t began_us = thread_cpu_us();
    while (thread_cpu_us() - began_us < 3'000) continue;
  });
  turn_times(*loop, 2);
  EXPECT_GE(loop->stats().longest_turn_cpu_us, 3'000);
  EXPECT_GE(loop->stats().slow_turns, 1u);
}

TEST_P(EventLoopTest, WallClockFollowsTheMonotonicOne) {
  ManualClock clock;
  EventLoopOptions options;
  options.backend = GetParam();
  options.clock = &clock;
  auto loop = must(EventLoop::create(options));
  const int64_t wall_ms = loop->wall_ms();
  for (int i = 0; i < 10; ++i) {
    clock.advance_us(500);
    loop->refresh_now();
  }
  EXPECT_EQ(loop->wall_ms(), wall_ms + 5);
}

struct DeferAgain final : PostedWork {
  void run() override {
    if (++runs < 10) loop->defer(this);
  }
  EventLoop* loop = nullptr;
  int runs = 0;
};

TEST_P(EventLoopTest, DeferredWorkThatDefersItselfWaitsForTheNextTurn) {
  auto loop = make_loop(GetParam());
  DeferAgain work;
  work.loop = loop.get();
  loop->defer(&work);
  loop->run_until([&] { return work.runs == 10; });
  EXPECT_EQ(loop->turns(), 10u);
}

}  // namespace
}  // namespace strata

#include "keyspace/shard_job.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/random.h"
#include "data/value_test_tools.h"
#include "platform/clock.h"

namespace strata {
namespace {

Keyspace::Options options(uint32_t shards, uint32_t threads) {
  Keyspace::Options options;
  options.shard_count = shards;
  options.thread_count = threads;
  options.database_count = 1;
  options.seed = HashSeed::fixed(1);
  return options;
}

// Notes what happens to it; "home" is the list that it is put on.
struct NotedJob final : ShardJob {
  explicit NotedJob(int number_, std::vector<int>& order_, std::vector<ShardJob*>& home_)
      : number(number_), order(order_), home(home_) {}
  bool execute() override {
    order.push_back(number);
    const int64_t began_us = system_clock().monotonic_us();
    while (system_clock().monotonic_us() - began_us < busy_us) {
    }
    return true;
  }
  void finished() override { ++finished_count; }
  void send_home() override { home.push_back(this); }
  bool may_run_here() const override { return may_run; }

  int number;
  std::vector<int>& order;
  std::vector<ShardJob*>& home;
  int64_t busy_us = 0;
  bool may_run = true;
  int finished_count = 0;
};

class ShardJobTest : public ::testing::TestWithParam<uint32_t> {
 protected:
  NotedJob& job(std::initializer_list<uint32_t> shards) {
    NotedJob& job =
        *jobs_.emplace_back(std::make_unique<NotedJob>(static_cast<int>(jobs_.size()), order_, home_));
    for (uint32_t shard : shards) job.shards.add(shard);
    return job;
  }
  Ownership& ownership(uint32_t shard) { return keyspace_.shard(shard).ownership; }
  std::vector<int> up_to(int count) {
    std::vector<int> numbers;
    for (int i = 0; i < count; ++i) numbers.push_back(i);
    return numbers;
  }
  void expect_all_free() {
    for (uint32_t s = 0; s < keyspace_.shard_count(); ++s) EXPECT_FALSE(ownership(s).held()) << s;
    for (const auto& job : jobs_) EXPECT_EQ(job->finished_count, 1) << job->number;
  }

  Keyspace keyspace_{options(8, GetParam())};  // threads: with one, nothing is shared
  JobRunner runner_{keyspace_};
  std::vector<int> order_;
  std::vector<ShardJob*> home_;
  std::vector<std::unique_ptr<NotedJob>> jobs_;
};
INSTANTIATE_TEST_SUITE_P(Threads, ShardJobTest, ::testing::Values(1, 4));

TEST_P(ShardJobTest, RunsAtOnceWhereShardsAreFree) {
  runner_.start(job({}));
  runner_.start(job({3}));
  runner_.start(job({0, 3, 7}));
  EXPECT_EQ(order_, up_to(3));
  expect_all_free();
}

TEST_P(ShardJobTest, WaitsInOrderAndRunsWhenTheShardIsLeft) {
  ASSERT_TRUE(ownership(2).try_enter());
  for (int i = 0; i < 10; ++i) runner_.start(job({2}));
  EXPECT_TRUE(order_.empty());
  runner_.leave(keyspace_.shard(2));
  EXPECT_EQ(order_, up_to(10));
  expect_all_free();
}

TEST_P(ShardJobTest, HoldsLowerShardsWhileItWaits) {
  ASSERT_TRUE(ownership(5).try_enter());
  runner_.start(job({1, 5, 6}));
  EXPECT_TRUE(ownership(1).held());
  EXPECT_FALSE(ownership(6).held());
  runner_.start(job({1}));
  runner_.start(job({6}));
  EXPECT_EQ(order_, (std::vector<int>{2}));
  runner_.leave(keyspace_.shard(5));
  EXPECT_EQ(order_, (std::vector<int>{2, 0, 1}));
  expect_all_free();
}

TEST_P(ShardJobTest, StartsFromWhatTheCallerHolds) {
  ASSERT_TRUE(ownership(0).try_enter());
  ASSERT_TRUE(ownership(4).try_enter());
  runner_.start_from(job({0, 4}), 4);
  EXPECT_TRUE(order_.empty());
  runner_.leave(keyspace_.shard(4));
  EXPECT_EQ(order_, up_to(1));
  expect_all_free();
}

TEST_P(ShardJobTest, AJobThatMayOnlyRunAtHomeGoesThereWithItsShards) {
  NotedJob& picky = job({2, 3});
  picky.may_run = false;
  runner_.start(picky);
  ASSERT_EQ(home_, std::vector<ShardJob*>{&picky});
  EXPECT_TRUE(ownership(2).held() && ownership(3).held());
  runner_.start(job({3}));
  EXPECT_TRUE(order_.empty());
  picky.may_run = true;
  runner_.resume(picky);
  EXPECT_EQ(order_, up_to(2));
  expect_all_free();
}

// Nobody becomes the captive of a hot shard: after 64 jobs the next one goes home, shard in hand.
TEST_P(ShardJobTest, StaysForABoundedNumberOfJobs) {
  ASSERT_TRUE(ownership(2).try_enter());
  for (int i = 0; i < 200; ++i) runner_.start(job({2}));
  size_t ran = 0;
  runner_.leave(keyspace_.shard(2));
  size_t resumed = 0;
  for (; ran < order_.size(); ++resumed) {
    EXPECT_LE(order_.size() - ran, 64u);
    ran = order_.size();
    if (home_.empty()) break;
    ASSERT_EQ(home_.size(), 1u);
    EXPECT_TRUE(ownership(2).held());
    ShardJob* next = home_.back();
    home_.clear();
    runner_.resume(*next);
  }
  EXPECT_GE(resumed, 3u);
  EXPECT_EQ(order_, up_to(200));
  expect_all_free();
}

TEST_P(ShardJobTest, StaysForABoundedTime) {
  ASSERT_TRUE(ownership(2).try_enter());
  for (int i = 0; i < 5; ++i) runner_.start(job({2}));
  jobs_[1]->busy_us = 500;
  runner_.leave(keyspace_.shard(2));
  ASSERT_LE(order_.size(), 2u);
  while (!home_.empty()) {
    ShardJob* next = home_.back();
    home_.pop_back();
    runner_.resume(*next);
  }
  EXPECT_EQ(order_, up_to(5));
  expect_all_free();
}

// A thread with a queue of jobs to resume, as an event loop has.
class Home {
 public:
  void post(ShardJob* job) {
    std::lock_guard lock(mutex_);
    queue_.push_back(job);
    changed_.notify_one();
  }
  void wake() {
    std::lock_guard lock(mutex_);
    ++wakes_;
    changed_.notify_one();
  }
  // Null after wake().
  ShardJob* wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !queue_.empty() || wakes_ > 0; });
    if (queue_.empty()) return --wakes_, nullptr;
    return take();
  }
  ShardJob* poll() {
    std::lock_guard lock(mutex_);
    return queue_.empty() ? nullptr : take();
  }

 private:
  ShardJob* take() {
    ShardJob* job = queue_.front();
    queue_.pop_front();
    return job;
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<ShardJob*> queue_;
  int wakes_ = 0;
};

constexpr uint32_t kThreads = 4;
constexpr uint32_t kShards = 8;
constexpr int kJobsPerThread = 6000;
constexpr int kOutstandingMax = 16;

struct World {
  Keyspace keyspace{options(kShards, kThreads)};
  Home homes[kThreads];
  // Protected by the shards and nothing else.
  int64_t counters[kShards] = {};
  bool inside[kShards] = {};
  uint64_t last_ticket[kShards] = {};
  std::atomic<int64_t> ran_abroad{0};
  std::atomic<int64_t> sent_home{0};
};

thread_local uint32_t current_thread = 0;

struct CountingJob final : ShardJob {
  CountingJob(World& world_, uint32_t home_, std::atomic<int>& outstanding_)
      : world(world_), home(home_), outstanding(outstanding_) {}
  bool execute() override {
    EXPECT_EQ(std::exchange(has_run, true), false);
    EXPECT_TRUE(!only_home || current_thread == home);
    if (current_thread != home) world.ran_abroad.fetch_add(1, std::memory_order_relaxed);
    for (uint32_t s = 0; (s = shards.next(s)) != ShardSet::kEnd; ++s) {
      EXPECT_FALSE(std::exchange(world.inside[s], true));
      ++world.counters[s];
    }
    if (slow) std::this_thread::yield();
    for (uint32_t s = 0; (s = shards.next(s)) != ShardSet::kEnd; ++s) world.inside[s] = false;
    return true;
  }
  void finished() override {
    std::atomic<int>& mine = outstanding;
    Home& thread = world.homes[home];
    delete this;
    mine.fetch_sub(1, std::memory_order_release);
    thread.wake();
  }
  void send_home() override {
    world.sent_home.fetch_add(1, std::memory_order_relaxed);
    world.homes[home].post(this);
  }
  bool may_run_here() const override { return !only_home || current_thread == home; }

  World& world;
  const uint32_t home;
  std::atomic<int>& outstanding;
  bool only_home = false;
  bool slow = false;
  bool has_run = false;
};

// Random jobs over hot and cold shards from several threads, beside requests that enter directly. No update
// is lost, nobody is inside twice, and everything ends.
TEST(ShardJobStressTest, ManyThreadsHotShards) {
  const uint64_t seed = testing_tools::test_seed(1);
  World world;
  std::atomic<int64_t> expected[kShards] = {};
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      current_thread = t;
      Random random(seed * kThreads + t);
      JobRunner runner(world.keyspace);
      Home& home = world.homes[t];
      std::atomic<int> outstanding{0};
      for (int i = 0; i < kJobsPerThread; ++i) {
        while (ShardJob* job = home.poll()) runner.resume(*job);
        while (outstanding.load(std::memory_order_acquire) >= kOutstandingMax) {
          if (ShardJob* job = home.wait()) runner.resume(*job);
        }
        if (random.one_in(3)) {
          const auto s = static_cast<uint32_t>(random.below(2));
          Shard& shard = world.keyspace.shard(s);
          if (shard.ownership.try_enter_for_a_while()) {
            EXPECT_FALSE(std::exchange(world.inside[s], true));
            ++world.counters[s];
            if (random.one_in(8)) std::this_thread::yield();
            world.inside[s] = false;
            expected[s].fetch_add(1, std::memory_order_relaxed);
            runner.leave(shard);
            continue;
          }
        }
        auto* job = new CountingJob(world, t, outstanding);
        if (random.one_in(50)) {
          job->shards = world.keyspace.all_shards();
        } else {
          for (uint64_t n = 1 + random.below(4); n > 0; --n) {
            job->shards.add(static_cast<uint32_t>(random.below(random.one_in(3) ? kShards : 2)));
          }
        }
        job->only_home = random.one_in(4);
        job->slow = random.one_in(20);
        for (uint32_t s = 0; s < kShards; ++s) {
          if (job->shards.contains(s)) expected[s].fetch_add(1, std::memory_order_relaxed);
        }
        outstanding.fetch_add(1, std::memory_order_relaxed);
        runner.start(*job);
      }
      while (outstanding.load(std::memory_order_acquire) > 0) {
        if (ShardJob* job = home.wait()) runner.resume(*job);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (uint32_t s = 0; s < kShards; ++s) {
    EXPECT_EQ(world.counters[s], expected[s].load()) << s;
    EXPECT_FALSE(world.keyspace.shard(s).ownership.held());
  }
  std::cout << world.ran_abroad.load() << " jobs ran abroad, " << world.sent_home.load()
            << " were sent home\n";
}

struct OrderedJob final : ShardJob {
  OrderedJob(Home& home_, std::vector<int>& order_, int number_, std::atomic<int>& left_)
      : home(home_), order(order_), number(number_), left(left_) {}
  bool execute() override {
    order.push_back(number);
    return true;
  }
  void finished() override {
    Home& thread = home;
    std::atomic<int>& counter = left;
    delete this;
    counter.fetch_sub(1, std::memory_order_release);
    thread.wake();
  }
  void send_home() override { home.post(this); }

  Home& home;
  std::vector<int>& order;  // protected by the shard
  int number;
  std::atomic<int>& left;
};

// What one thread queues at one shard runs in the order in which it was queued, whoever runs it.
TEST(ShardJobStressTest, OneThreadsJobsKeepTheirOrder) {
  constexpr int kJobs = 5000;
  Keyspace keyspace(options(1, kThreads));
  std::vector<std::vector<int>> orders(kThreads);
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      JobRunner runner(keyspace);
      Home home;
      std::atomic<int> left{0};
      for (int i = 0; i < kJobs; ++i) {
        left.fetch_add(1, std::memory_order_relaxed);
        runner.start(*new OrderedJob(home, orders[t], i, left));
        while (ShardJob* job = home.poll()) runner.resume(*job);
        while (left.load(std::memory_order_acquire) > 20) {
          if (ShardJob* job = home.wait()) runner.resume(*job);
        }
      }
      while (left.load(std::memory_order_acquire) > 0) {
        if (ShardJob* job = home.wait()) runner.resume(*job);
      }
      // finished() of the last job may still be on its way to wake(): leave with the shard.
      while (!keyspace.shard(0).ownership.try_enter()) std::this_thread::yield();
      runner.leave(keyspace.shard(0));
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::vector<int>& order : orders) {
    ASSERT_EQ(order.size(), static_cast<size_t>(kJobs));
    for (int i = 0; i < kJobs; ++i) ASSERT_EQ(order[static_cast<size_t>(i)], i);
  }
}

}  // namespace
}  // namespace strata

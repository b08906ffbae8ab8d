#include "keyspace/expiry_wheel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "data/value_test_tools.h"

namespace strata {
namespace {

using testing_tools::test_seed;

constexpr int64_t kStart = 1'750'000'000'000;
constexpr int64_t kYearMs = 365LL * 24 * 3600 * 1000;

struct Item {
  ExpiryLink link{};
  std::multimap<int64_t, Item*>::iterator place;
};
Item* item_of(ExpiryLink& link) { return reinterpret_cast<Item*>(&link); }

// The wheel, and a multimap of deadlines that it must agree with.
class ExpiryWheelTest : public ::testing::Test {
 protected:
  Item* add(int64_t deadline_ms, int64_t now_ms) {
    Item* item = items_.emplace_back(std::make_unique<Item>()).get();
    item->link.deadline_ms = deadline_ms;
    item->place = model_.emplace(deadline_ms, item);
    wheel_.add(item->link, now_ms);
    return item;
  }
  void remove(Item* item) {
    wheel_.remove(item->link);
    model_.erase(item->place);
  }
  // The entry has moved, and its old place is full of rubbish.
  void relocate(Item* item) {
    auto fresh = std::make_unique<Item>(*item);
    fresh->place->second = fresh.get();
    ExpiryWheel::relocate(fresh->link);
    item->link = {-77, nullptr, nullptr};
    items_.push_back(std::move(fresh));
  }
  Item* any(Random& random) {
    auto it = model_.lower_bound(kStart + static_cast<int64_t>(random.below(1u << 20)));
    return it == model_.end() ? model_.begin()->second : it->second;
  }
  bool advance(int64_t now_ms, size_t budget) {
    size_t handed_out = 0;
    bool done = wheel_.advance(now_ms, budget, [&](ExpiryLink& link) {
      EXPECT_LE(link.deadline_ms, now_ms);
      model_.erase(item_of(link)->place);
      ++handed_out;
    });
    EXPECT_LE(handed_out, budget);
    if (done && !model_.empty()) {
      // The wheel does not follow the clock back by less than a second.
      bool lags = now_ms < wheel_.clock_ms();
      EXPECT_TRUE(lags || model_.begin()->first > now_ms);
      EXPECT_LE(wheel_.clock_ms(), now_ms + 1000);
    }
    return done;
  }
  void check() const {
    ASSERT_EQ(wheel_.count(), model_.size());
    if (model_.empty()) {
      ASSERT_EQ(wheel_.next_due_ms(), INT64_MAX);
    } else {
      ASSERT_LE(wheel_.next_due_ms(), std::max(model_.begin()->first, wheel_.clock_ms()));
    }
  }

  ExpiryWheel wheel_;
  std::multimap<int64_t, Item*> model_;
  std::vector<std::unique_ptr<Item>> items_;
};

int64_t random_delay(Random& random) {
  return static_cast<int64_t>(random.next() >> (23 + random.below(41)));
}

TEST_F(ExpiryWheelTest, AgreesWithAMultimap) {
  Random random(test_seed(1));
  int64_t now = kStart;
  for (int i = 0; i < 200'000; ++i) {
    const uint64_t dice = random.below(100);
    if (dice < 45) {
      add(now + random_delay(random), now);
    } else if (dice < 50) {
      add(now - random_delay(random), now);  // overdue
    } else if (dice < 65 && !model_.empty()) {
      remove(any(random));
    } else if (dice < 75 && !model_.empty()) {
      relocate(any(random));
    } else {
      if (dice < 95) now += static_cast<int64_t>(random.below(100));
      if (dice == 95) now += random_delay(random) >> 8;
      if (dice == 96) now -= static_cast<int64_t>(random.below(900));
      if (dice == 97 && random.one_in(100)) now -= random_delay(random) % kYearMs;
      if (dice == 98 && random.one_in(100)) now += random_delay(random) % kYearMs;
      if (dice == 99 && random.one_in(1000)) now = kStart;
      advance(now, random.one_in(3) ? random.below(4) : random.below(5000));
    }
    check();
    if (HasFailure()) FAIL() << "step " << i;
  }
  while (!advance(now + 600 * kYearMs, 1000)) {
  }
  EXPECT_TRUE(model_.empty());
  check();
}

// Whoever sleeps until next_due_ms() each time deletes every key in its millisecond.
TEST_F(ExpiryWheelTest, FollowingNextDueIsExact) {
  Random random(test_seed(2));
  for (int i = 0; i < 3000; ++i) add(kStart + random_delay(random) % kYearMs, kStart);
  size_t wakes = 0;
  while (!model_.empty()) {
    const int64_t due = wheel_.next_due_ms();
    const int64_t first = model_.begin()->first;
    ASSERT_LE(due, first);
    const size_t before = model_.size();
    ASSERT_TRUE(advance(due, SIZE_MAX));
    ASSERT_EQ(model_.size() < before, due == first);
    ++wakes;
  }
  EXPECT_LT(wakes, 3000u * 8);
}

TEST_F(ExpiryWheelTest, ManyWithOneDeadlineComeOutInSlices) {
  constexpr size_t kCount = 1'000'000;
  constexpr size_t kSlice = 256;
  std::vector<ExpiryLink> links(kCount);
  for (ExpiryLink& link : links) {
    link.deadline_ms = kStart + 5000;
    wheel_.add(link, kStart);
  }
  size_t out = 0;
  size_t slices = 0;
  for (bool done = false; !done; ++slices) {
    const size_t before = out;
    done = wheel_.advance(kStart + 6000, kSlice, [&](ExpiryLink&) { ++out; });
    ASSERT_LE(out - before, kSlice);
    ASSERT_TRUE(done || wheel_.next_due_ms() <= kStart + 6000);
    ASSERT_EQ(wheel_.count(), kCount - out);
  }
  EXPECT_EQ(out, kCount);
  EXPECT_GE(slices, kCount / kSlice);
}

TEST_F(ExpiryWheelTest, AddedAndRemovedBetweenSlices) {
  Random random(test_seed(3));
  for (int i = 0; i < 20'000; ++i) add(kStart + 100'000 + static_cast<int64_t>(random.below(3)), kStart);
  bool done = false;
  while (!done) {
    done = advance(kStart + 100'001, 37);
    if (model_.size() > 100) {
      remove(model_.begin()->second);  // one that is on its way out
      remove(model_.rbegin()->second);
      relocate(model_.begin()->second);
    }
    if (random.one_in(4)) add(kStart + 100'000, kStart + 100'001);
    check();
  }
}

TEST_F(ExpiryWheelTest, HostileDeadlines) {
  for (int64_t deadline :
       {INT64_MAX, INT64_MAX - 1, int64_t{0}, int64_t{-1}, INT64_MIN, int64_t{1} << 47, int64_t{1} << 62}) {
    add(deadline, kStart);
  }
  EXPECT_LE(wheel_.next_due_ms(), kStart);
  EXPECT_TRUE(advance(kStart, 100));
  EXPECT_EQ(wheel_.count(), 4u);
  EXPECT_TRUE(advance(kStart + 1000 * kYearMs, 100));
  EXPECT_EQ(wheel_.count(), 4u);
  EXPECT_TRUE(advance((int64_t{1} << 47) + 1, 100));
  EXPECT_EQ(wheel_.count(), 3u);
  check();
  add(5, kStart);  // a clock that goes back thousands of years
  while (!advance(kStart, 1)) {
  }
  EXPECT_EQ(wheel_.count(), 3u);
  check();
}

// A server that has slept for years does not walk through every millisecond of them.
TEST_F(ExpiryWheelTest, JumpsOverEmptyTime) {
  add(kStart + 3000 * kYearMs, kStart);
  for (int64_t years : {1, 100, 2999}) EXPECT_TRUE(advance(kStart + years * kYearMs, 10));
  EXPECT_EQ(wheel_.count(), 1u);
  EXPECT_TRUE(advance(kStart + 3000 * kYearMs, 10));
  EXPECT_EQ(wheel_.count(), 0u);
}

// The wall clock was an hour fast, and is corrected: short deadlines set afterwards are met in time.
TEST_F(ExpiryWheelTest, ClockSetBack) {
  constexpr int64_t kHour = 3'600'000;
  for (int i = 0; i < 1000; ++i) add(kStart + 2 * kHour + i, kStart);
  EXPECT_TRUE(advance(kStart + kHour, 10));
  add(kStart + 50, kStart);
  while (!advance(kStart + 49, 10)) check();
  EXPECT_EQ(wheel_.count(), 1001u);
  EXPECT_EQ(wheel_.next_due_ms(), kStart + 50);
  EXPECT_TRUE(advance(kStart + 50, 10));
  EXPECT_EQ(wheel_.count(), 1000u);
  while (!advance(kStart + 3 * kHour, 10)) check();
  EXPECT_EQ(wheel_.count(), 0u);
}

// expire() may put a link back and take it out, as Shard does, also when it was the last.
TEST_F(ExpiryWheelTest, ReentrantExpire) {
  std::vector<ExpiryLink> links(10);
  for (int round = 0; round < 3; ++round) {
    const int64_t now = kStart + round * 77'777;
    for (size_t i = 0; i < links.size(); ++i) {
      links[i].deadline_ms = now + 10 * static_cast<int64_t>(i);
      wheel_.add(links[i], now);
    }
    size_t out = 0;
    EXPECT_TRUE(wheel_.advance(now + 1000, 100, [&](ExpiryLink& link) {
      wheel_.add(link, now + 1000);
      wheel_.remove(link);
      ++out;
    }));
    EXPECT_EQ(out, links.size());
    EXPECT_EQ(wheel_.next_due_ms(), INT64_MAX);
  }
}

TEST_F(ExpiryWheelTest, Clear) {
  for (int i = 0; i < 100; ++i) add(kStart + i * 1000, kStart);
  advance(kStart + 50'000, 3);
  wheel_.clear();
  model_.clear();
  check();
  add(kStart + 60, kStart);
  EXPECT_TRUE(advance(kStart + 60, 10));
  check();
}

}  // namespace
}  // namespace strata

#include "persistence/log_ring.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "base/random.h"

namespace strata {
namespace {

LogRingOptions small_ring() {
  return {.ring_bytes = kRingBytesMin, .margin_bytes = kInlineRecordBytes, .large_bytes_max = 1 << 20};
}

std::string take_one(LogRing& ring) {
  LogRing::Record record;
  if (!ring.peek(record)) return "(none)";
  std::string payload(record.payload);
  ring.take(record);
  ring.free_large(record);
  ring.release_to(ring.taken());
  return payload;
}

TEST(LogRing, GivesBackWhatWasAppendedInOrder) {
  LogRing ring = LogRing::create(small_ring()).value();
  EXPECT_EQ(take_one(ring), "(none)");
  const uint64_t first = ring.append(0, 0, "one");
  const uint64_t second = ring.append(3, 5, "two");
  EXPECT_LT(first, second);
  EXPECT_EQ(ring.reserved(), second);
  EXPECT_EQ(take_one(ring), "one");
  EXPECT_EQ(ring.taken(), first);
  LogRing::Record record;
  ASSERT_TRUE(ring.peek(record));
  EXPECT_EQ(record.first_db, 3);
  EXPECT_EQ(record.last_db, 5);
  EXPECT_EQ(take_one(ring), "two");
  EXPECT_EQ(ring.outstanding_bytes(), 0u);
}

TEST(LogRing, GoesAroundManyTimesWithAnySize) {
  LogRing ring = LogRing::create(small_ring()).value();
  Random random(1);
  for (int i = 0; i < 20'000; ++i) {
    const std::string text(1 + random.below(random.one_in(50) ? kInlineRecordBytes : 300),
                           char('a' + i % 26));
    ring.append(0, 0, text);
    ASSERT_EQ(take_one(ring), text) << i;
  }
  EXPECT_EQ(ring.overflow_count(), 0u);
}

TEST(LogRing, LargeRecordsTakeABlockAndCount) {
  LogRing ring = LogRing::create(small_ring()).value();
  const std::string value(kInlineRecordBytes, 'v');
  const std::vector<Bytes> args = {"SET", "k", value};
  ring.append_command(0, args);
  EXPECT_GT(ring.outstanding_bytes(), kInlineRecordBytes);
  EXPECT_LT(ring.reserved(), 100u) << "only a pointer is in the ring";
  LogRing::Record record;
  ASSERT_TRUE(ring.peek(record));
  EXPECT_TRUE(record.large);
  std::string expected;
  append_command_to(expected, args);
  EXPECT_EQ(take_one(ring), expected);
  EXPECT_EQ(ring.outstanding_bytes(), 0u);
  ring.append(0, 0, value + value);  // still in the ring when it dies: no leak
}

TEST(LogRing, CreditEndsAtTheMarginAndWithLargeBytes) {
  LogRing ring = LogRing::create(small_ring()).value();
  const std::string text(1000, 'x');
  while (ring.has_credit()) ring.append(0, 0, text);
  EXPECT_GT(ring.reserved(), ring.capacity() - kInlineRecordBytes);
  EXPECT_LT(ring.reserved() + kInlineRecordBytes - 2000, ring.capacity());
  while (take_one(ring) != "(none)") continue;
  EXPECT_TRUE(ring.has_credit());
  ring.append(0, 0, std::string((1 << 20) + 1, 'y'));
  EXPECT_FALSE(ring.has_credit());
  take_one(ring);
  EXPECT_TRUE(ring.has_credit());
}

TEST(LogRing, OverrunningTheCreditAsksTheHandlerAndLosesNothing) {
  LogRing ring = LogRing::create(small_ring()).value();
  std::vector<std::string> taken;
  ring.set_overflow_handler([&] { taken.push_back(take_one(ring)); });
  const int count = 2000;
  for (int i = 0; i < count; ++i) ring.append(0, 0, std::to_string(i) + std::string(1000, '.'));
  EXPECT_GT(ring.overflow_count(), 0u);
  for (std::string next = take_one(ring); next != "(none)"; next = take_one(ring)) taken.push_back(next);
  ASSERT_EQ(taken.size(), static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) EXPECT_TRUE(taken[i].starts_with(std::to_string(i) + "."));
}

// Four appenders, one taker; each appender's records arrive whole and in its order.
TEST(LogRing, StressManyAppendersOneTaker) {
  constexpr int kThreads = 4;
  constexpr int kEach = 20'000;
  LogRing ring = LogRing::create(small_ring()).value();
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&ring, t] {
      Random random(t);
      for (int i = 0; i < kEach; ++i) {
        while (!ring.has_credit()) std::this_thread::yield();
        std::string text = std::to_string(t) + ":" + std::to_string(i) + ":";
        text.append(random.below(random.one_in(1000) ? 2 * kInlineRecordBytes : 60), char('a' + i % 26));
        ring.append(static_cast<uint16_t>(t), 0, text);
      }
    });
  std::map<int, int> next;
  for (int seen = 0; seen < kThreads * kEach;) {
    LogRing::Record record;
    if (!ring.peek(record)) {
      std::this_thread::yield();
      continue;
    }
    const int t = record.first_db;
    const int i = next[t]++;
    const std::string prefix = std::to_string(t) + ":" + std::to_string(i) + ":";
    ASSERT_TRUE(record.payload.starts_with(prefix));
    const Bytes rest = record.payload.substr(prefix.size());
    ASSERT_EQ(rest.find_first_not_of(char('a' + i % 26)), Bytes::npos);
    ring.take(record);
    ring.free_large(record);
    ring.release_to(ring.taken());
    ++seen;
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(ring.outstanding_bytes(), 0u);
}

}  // namespace
}  // namespace strata

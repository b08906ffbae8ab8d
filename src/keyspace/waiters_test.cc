#include "keyspace/waiters.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace strata {
namespace {

struct Plain final : KeyWaiter {};

std::vector<const KeyWaiter*> queued(WaiterTable& table, uint16_t db, Bytes key) {
  std::vector<const KeyWaiter*> found;
  if (WaiterTable::Queue* queue = table.find(db, key)) {
    for (auto& registration : queue->registrations()) found.push_back(registration.waiter.get());
  }
  return found;
}

TEST(Waiters, AreKeptInTheOrderOfArrivalByDatabaseAndKey) {
  WaiterTable table;
  auto a = std::make_shared<Plain>(), b = std::make_shared<Plain>();
  EXPECT_TRUE(table.empty());
  table.add(0, "k", {Type::kList}, a);
  table.add(0, "k", {Type::kList}, b);
  table.add(1, "k", {Type::kList}, b);
  EXPECT_EQ(table.key_count(), 2u);
  EXPECT_EQ(queued(table, 0, "k"), (std::vector<const KeyWaiter*>{a.get(), b.get()}));
  EXPECT_EQ(queued(table, 1, "k"), (std::vector<const KeyWaiter*>{b.get()}));
  EXPECT_EQ(queued(table, 0, "other"), std::vector<const KeyWaiter*>{});
  table.remove(0, "k", *a);
  table.remove(0, "k", *a);  // again: nothing happens
  EXPECT_EQ(queued(table, 0, "k"), (std::vector<const KeyWaiter*>{b.get()}));
  table.remove(0, "k", *b);
  table.remove(1, "k", *b);
  EXPECT_TRUE(table.empty());
  EXPECT_EQ(table.key_count(), 0u);
}

TEST(Waiters, NamingAKeyTwiceRegistersOnce) {
  WaiterTable table;
  auto a = std::make_shared<Plain>();
  table.add(0, "k", {Type::kList}, a);
  table.add(0, "k", {Type::kList}, a);
  EXPECT_EQ(queued(table, 0, "k").size(), 1u);
}

TEST(Waiters, AQueueKnowsWhatItsWaitersWant) {
  WaiterTable table;
  auto list = std::make_shared<Plain>(), stream = std::make_shared<Plain>();
  table.add(0, "k", {Type::kList}, list);
  table.add(0, "k", {.type = Type::kStream, .on_deletion = true}, stream);
  WaiterTable::Queue& queue = *table.find(0, "k");
  EXPECT_TRUE(queue.wants(Type::kList));
  EXPECT_TRUE(queue.wants(Type::kStream));
  EXPECT_TRUE(queue.wants(Type::kZset)) << "the stream has gone, whatever came";
  EXPECT_TRUE(queue.wants(std::nullopt));
  table.remove(0, "k", *stream);
  EXPECT_TRUE(queue.wants(Type::kList));
  EXPECT_FALSE(queue.wants(Type::kStream));
  EXPECT_FALSE(queue.wants(Type::kZset));
  EXPECT_FALSE(queue.wants(std::nullopt));
}

TEST(Waiters, KeysThatExpireAreRememberedWhereSomebodyWaitsForThat) {
  WaiterTable table;
  table.add(0, "list", {Type::kList}, std::make_shared<Plain>());
  table.add(2, "stream", {.type = Type::kStream, .on_deletion = true}, std::make_shared<Plain>());
  table.note_gone(0, "list");
  table.note_gone(0, "stream");
  table.note_gone(0, "other");
  EXPECT_FALSE(table.has_gone());
  table.note_gone(2, "stream");
  EXPECT_TRUE(table.has_gone());
  const auto gone = table.take_gone();
  ASSERT_EQ(gone.size(), 1u);
  EXPECT_EQ(gone[0].first, 2);
  EXPECT_EQ(gone[0].second, "stream");
  EXPECT_FALSE(table.has_gone());
}

TEST(Waiters, OneOfManyClaims) {
  constexpr int kRounds = 300, kThreads = 3;
  for (int round = 0; round < kRounds; ++round) {
    Plain waiter;
    std::atomic<int> won{0};
    std::atomic<bool> go{false};
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&] {
        while (!go.load(std::memory_order_acquire)) {
        }
        if (waiter.claim()) won.fetch_add(1);
      });
    }
    EXPECT_TRUE(waiter.is_waiting());
    go.store(true, std::memory_order_release);
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(won.load(), 1);
    EXPECT_FALSE(waiter.is_waiting());
    if (won.load() != 1) return;
  }
}

}  // namespace
}  // namespace strata

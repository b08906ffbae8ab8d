#include "keyspace/shard.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "data/hash.h"
#include "keyspace/keyspace.h"
#include "keyspace/keyspace_test_tools.h"

namespace strata {
namespace {

using testing_tools::RecordingSink;
using testing_tools::test_seed;
using testing_tools::text;

constexpr int64_t kNow = 1'750'000'000'000;

class ShardTest : public ::testing::Test {
 protected:
  static Keyspace::Options options() {
    Keyspace::Options options;
    options.database_count = 4;
    options.seed = HashSeed::fixed(1);
    return options;
  }
  ShardTest() { shard_.set_now(kNow); }

  Key key(Bytes name) { return keyspace_.key(name); }
  void set(uint16_t db, Bytes name, Bytes value, int64_t deadline_ms = kNoDeadline) {
    ASSERT_TRUE(shard_.database(db).set_string(key(name), value, deadline_ms));
  }
  Value make_hash(int fields) {
    Value hash = *hash_create(shard_.data());
    for (int i = 0; i < fields; ++i)
      EXPECT_TRUE(hash_set(shard_.data(), {}, hash, std::to_string(i), "value"));
    return hash;
  }

  Keyspace keyspace_{options()};
  Shard& shard_ = keyspace_.shard(0);
  RecordingSink sink_;
};

TEST_F(ShardTest, DatabasesAreMadeOnFirstUse) {
  EXPECT_EQ(shard_.peek(3), nullptr);
  Database& database = shard_.database(3);
  EXPECT_EQ(shard_.peek(3), &database);
  EXPECT_EQ(&shard_.database(3), &database);
  EXPECT_EQ(shard_.peek(0), nullptr);
}

TEST_F(ShardTest, FindLiveDeletesAndLogsWhatIsOver) {
  set(2, "k", "v", kNow + 10);
  ASSERT_NE(shard_.find_live(2, key("k"), kNow + 9, &sink_), nullptr);
  EXPECT_TRUE(sink_.lines.empty());
  EXPECT_EQ(shard_.find_live(2, key("k"), kNow + 10, &sink_), nullptr);
  EXPECT_EQ(sink_.lines, std::vector<std::string>{"2: DEL k"});
  EXPECT_EQ(shard_.last_sequence, sink_.sequence);
  EXPECT_EQ(shard_.expired_count.load(), 1u);
  EXPECT_EQ(shard_.database(2).count(), 0u);
  EXPECT_EQ(shard_.database(2).deadline_count(), 0u);
  EXPECT_TRUE(shard_.needs_cleaning());
  EXPECT_EQ(shard_.find_live(2, key("k"), kNow + 11, &sink_), nullptr);
  EXPECT_EQ(shard_.find_live(1, key("never there"), kNow, nullptr), nullptr);
  EXPECT_EQ(sink_.lines.size(), 1u);
}

TEST_F(ShardTest, WhileLoadingNothingExpires) {
  keyspace_.enable_expiry(false);
  set(0, "k", "v", kNow - 1000);
  EXPECT_NE(shard_.find_live(0, key("k"), kNow, &sink_), nullptr);
  keyspace_.enable_expiry(true);
  EXPECT_EQ(shard_.find_live(0, key("k"), kNow, nullptr), nullptr);
  EXPECT_TRUE(sink_.lines.empty());
}

TEST_F(ShardTest, ExpireDueWorksInSlicesOverAllDatabases) {
  for (int i = 0; i < 300; ++i) {
    set(0, "a" + std::to_string(i), "v", kNow + 5);
    set(3, "b" + std::to_string(i), "v", kNow + 6);
  }
  set(0, "stays", "v");
  set(0, "later", "v", kNow + 100'000);
  EXPECT_LE(shard_.next_due_ms(), kNow + 5);
  EXPECT_TRUE(shard_.expire_due(kNow + 4, 50, &sink_));
  EXPECT_EQ(shard_.next_due_ms(), kNow + 5);
  EXPECT_EQ(sink_.lines.size(), 0u);
  size_t slices = 0;
  for (bool done = false; !done; ++slices) {
    const size_t before = sink_.lines.size();
    done = shard_.expire_due(kNow + 9, 50, &sink_);
    EXPECT_LE(sink_.lines.size() - before, 100u);
    if (!done) {
      EXPECT_LE(shard_.next_due_ms(), kNow + 9);
    }
  }
  EXPECT_GE(slices, 6u);
  EXPECT_EQ(sink_.lines.size(), 600u);
  EXPECT_EQ(shard_.expired_count.load(), 600u);
  EXPECT_EQ(shard_.expiry_lag_ms_max.load(), 4);
  EXPECT_EQ(shard_.database(0).count(), 2u);
  EXPECT_GT(shard_.next_due_ms(), kNow + 9);
  EXPECT_LE(shard_.next_due_ms(), kNow + 100'000);
  EXPECT_TRUE(shard_.expire_due(kNow + 100'000, 50, &sink_));
  EXPECT_EQ(sink_.lines.back(), "0: DEL later");
  EXPECT_EQ(shard_.next_due_ms(), INT64_MAX);
  EXPECT_EQ(shard_.database(0).deadline_sum_ms(), 0);
}

TEST_F(ShardTest, HostileDeadlinesExpire) {
  for (int64_t deadline : {int64_t{0}, int64_t{-2}, INT64_MIN}) {
    set(0, "k", "v", deadline);
    EXPECT_TRUE(shard_.expire_due(kNow, 10, &sink_));
    EXPECT_EQ(shard_.database(0).count(), 0u);
  }
  set(0, "k", "v", INT64_MAX);
  EXPECT_TRUE(shard_.expire_due(kNow, 10, &sink_));
  EXPECT_EQ(shard_.database(0).count(), 1u);
}

// A command works on it in slices: it expires when that is over.
TEST_F(ShardTest, LatchedKeysDoNotExpire) {
  set(0, "k", "v", kNow + 5);
  Latch& latch = shard_.latches().add(0, "k", true);
  EXPECT_TRUE(shard_.expire_due(kNow + 5, 10, &sink_));
  EXPECT_EQ(shard_.find_live(0, key("k"), kNow + 5, &sink_), nullptr);
  EXPECT_TRUE(sink_.lines.empty());
  EXPECT_EQ(shard_.database(0).count(), 1u);
  EXPECT_GT(shard_.next_due_ms(), kNow + 5);
  EXPECT_LT(shard_.next_due_ms(), kNow + 1000);
  EXPECT_TRUE(shard_.expire_due(shard_.next_due_ms(), 10, &sink_));
  EXPECT_TRUE(sink_.lines.empty());
  EXPECT_TRUE(shard_.latches().remove(latch).empty());
  EXPECT_TRUE(shard_.expire_due(shard_.next_due_ms(), 10, &sink_));
  EXPECT_EQ(sink_.lines.size(), 1u);
  EXPECT_EQ(shard_.next_due_ms(), INT64_MAX);
}

TEST_F(ShardTest, ExpiryTouchesWatches) {
  WatchMark by_look_up, by_clock, other;
  set(0, "a", "v", kNow + 1);
  set(0, "b", "v", kNow + 1);
  shard_.watches().add(0, "a", &by_look_up);
  shard_.watches().add(0, "b", &by_clock);
  shard_.watches().add(1, "a", &other);
  shard_.find_live(0, key("a"), kNow + 1, &sink_);
  EXPECT_TRUE(by_look_up.touched);
  EXPECT_FALSE(by_clock.touched);
  shard_.expire_due(kNow + 1, 10, &sink_);
  EXPECT_TRUE(by_clock.touched);
  EXPECT_FALSE(other.touched);
}

TEST_F(ShardTest, SwapDatabases) {
  set(0, "k", "zero", kNow + 50);
  set(1, "k", "one");
  shard_.swap_databases(0, 1);
  EXPECT_EQ(text(shard_.database(1).find(key("k"))->string()), "zero");
  EXPECT_EQ(text(shard_.database(0).find(key("k"))->string()), "one");
  EXPECT_TRUE(shard_.expire_due(kNow + 50, 10, &sink_));
  EXPECT_EQ(sink_.lines, std::vector<std::string>{"1: DEL k"});
  shard_.swap_databases(0, 3);  // with one that nobody has used
  EXPECT_EQ(shard_.peek(0), nullptr);
  EXPECT_EQ(text(shard_.database(3).find(key("k"))->string()), "one");
  shard_.swap_databases(3, 3);
  EXPECT_EQ(keyspace_.key_count(3), 1u);
}

TEST_F(ShardTest, CleanWorksInSlicesAndComesToAnEnd) {
  for (int i = 0; i < 20; ++i)
    ASSERT_TRUE(shard_.database(0).put(key(std::to_string(i)), make_hash(500), kNoDeadline));
  for (int i = 0; i < 2000; ++i) set(1, std::to_string(i), "value");
  for (int i = 0; i < 20; ++i) shard_.database(0).erase(key(std::to_string(i)));
  shard_.database(1).flush(false);
  shard_.database(0).flush(true);
  const size_t before = shard_.heap().used();
  EXPECT_GT(before, 0u);
  EXPECT_FALSE(shard_.clean(100));
  EXPECT_TRUE(shard_.needs_cleaning());
  EXPECT_LT(shard_.heap().used(), before);
  EXPECT_GT(shard_.heap().used(), before / 2);
  int slices = 1;
  while (!shard_.clean(100)) ASSERT_LT(++slices, 100'000);
  EXPECT_FALSE(shard_.needs_cleaning());
  EXPECT_EQ(shard_.heap().used(), 0u);
}

// With several threads what a table leaves behind waits for their turns.
TEST(ShardCleaningTest, WaitsForEveryThreadsTurn) {
  Keyspace::Options options;
  options.thread_count = 2;
  options.database_count = 1;
  options.seed = HashSeed::fixed(1);
  Keyspace keyspace(options);
  Shard& shard = keyspace.shard(0);
  keyspace.turn_gate().pass(0);
  for (int i = 0; i < 1000; ++i) {
    const std::string name = std::to_string(i);
    ASSERT_TRUE(shard.database(0).set_string(keyspace.key(name), "v", kNoDeadline));
  }
  shard.database(0).flush(true);
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(shard.clean(1000));
  EXPECT_GT(shard.heap().used(), 0u);
  keyspace.turn_gate().sleep(0);
  while (!shard.clean(1000)) {
  }
  EXPECT_EQ(shard.heap().used(), 0u);
}

}  // namespace
}  // namespace strata

#include "keyspace/latch.h"

#include <gtest/gtest.h>

namespace strata {
namespace {

TEST(LatchTableTest, ReadersShareWritersDoNot) {
  LatchTable table;
  EXPECT_EQ(table.find(0, "k", true), nullptr);
  Latch& reading = table.add(0, "k", false);
  EXPECT_EQ(table.find(0, "k", false), nullptr);
  EXPECT_EQ(table.find(0, "k", true), &reading);
  EXPECT_EQ(table.find(1, "k", true), nullptr);
  EXPECT_EQ(table.find_any(false), nullptr);
  EXPECT_EQ(table.find_any(true), &reading);
  EXPECT_TRUE(table.holds(0, "k"));
  // Behind a waiting writer readers wait, too.
  reading.waiters.push_back(nullptr);
  EXPECT_EQ(table.find(0, "k", false), &reading);
  EXPECT_EQ(table.remove(reading).size(), 1u);
  EXPECT_TRUE(table.empty());
  EXPECT_FALSE(table.holds(0, "k"));

  Latch& writing = table.add(2, "k", true);
  EXPECT_EQ(table.find(2, "k", false), &writing);
  EXPECT_EQ(table.find_any(false), &writing);
  EXPECT_TRUE(table.remove(writing).empty());
}

TEST(LatchTableTest, WholeLatchStandsForEveryKeyOfItsDatabase) {
  LatchTable table;
  Latch& whole = table.add_whole(1, 1000);
  EXPECT_EQ(table.find(1, "any", true), &whole);
  EXPECT_EQ(table.find(1, "any", false), nullptr);
  EXPECT_EQ(table.find(0, "any", true), nullptr);
  EXPECT_EQ(table.find(LatchTable::kAnyDatabase, "any", true), &whole);
  EXPECT_FALSE(table.holds(1, "any"));
  // What it sees as alive outlives its deadline; what was dead before may go.
  EXPECT_TRUE(table.hold_back_expiry(1, "any", 1001));
  EXPECT_FALSE(table.hold_back_expiry(1, "any", 1000));
  EXPECT_FALSE(table.hold_back_expiry(0, "any", 1001));
  Latch& named = table.add(1, "named", false);
  EXPECT_TRUE(table.hold_back_expiry(1, "named", 1000));
  EXPECT_EQ(table.find(LatchTable::kAnyDatabase, "named", true), &whole);
  EXPECT_TRUE(table.remove(whole).empty());
  EXPECT_EQ(table.find(LatchTable::kAnyDatabase, "named", true), &named);
}

}  // namespace
}  // namespace strata

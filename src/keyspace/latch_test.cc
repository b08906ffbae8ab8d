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

}  // namespace
}  // namespace strata

#include "keyspace/watch.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace strata {
namespace {

TEST(WatchTableTest, TouchesTheMarksOfTheKeyInItsDatabase) {
  WatchTable table;
  WatchMark a, b, elsewhere;
  table.touch(0, "k");  // nobody watches
  table.add(0, "k", &a);
  table.add(0, "k", &a);  // twice is once
  table.add(0, "k", &b);
  table.add(1, "k", &elsewhere);
  EXPECT_EQ(table.key_count(), 2u);
  table.touch(0, "other");
  EXPECT_FALSE(a.touched);
  table.touch(0, "k");
  EXPECT_TRUE(a.touched && b.touched);
  EXPECT_FALSE(elsewhere.touched);
}

TEST(WatchTableTest, RemovedMarksAreForgotten) {
  WatchTable table;
  WatchMark a, b;
  table.add(0, "k", &a);
  table.add(0, "k", &b);
  table.remove(0, "k", &a);
  table.remove(0, "k", &a);
  table.remove(0, "never watched", &a);
  table.touch(0, "k");
  EXPECT_FALSE(a.touched);
  EXPECT_TRUE(b.touched);
  table.remove(0, "k", &b);
  EXPECT_TRUE(table.empty());
}

TEST(WatchTableTest, KeysAreBytesAndDatabasesNumbers) {
  WatchTable table;
  WatchMark a, b, c;
  const std::string zeros(3, '\0');
  table.add(0, zeros, &a);
  table.add(0, Bytes(zeros).substr(1), &b);
  table.add(256, "", &c);
  table.touch(0, "");
  table.touch(1, "");
  EXPECT_FALSE(a.touched || b.touched || c.touched);
  table.touch(256, "");
  table.touch(0, zeros);
  EXPECT_TRUE(a.touched && c.touched);
  EXPECT_FALSE(b.touched);
}

TEST(WatchTableTest, ForEachVisitsOneDatabase) {
  WatchTable table;
  WatchMark a, b;
  table.add(0, "x", &a);
  table.add(0, "y", &a);
  table.add(0, "y", &b);
  table.add(5, "z", &a);
  std::multiset<std::string> seen;
  table.for_each(0, [&](Bytes key, WatchMark&) { seen.emplace(key); });
  EXPECT_EQ(seen, (std::multiset<std::string>{"x", "y", "y"}));
  seen.clear();
  table.for_each(5, [&](Bytes key, WatchMark& mark) {
    seen.emplace(key);
    mark.touched = true;
  });
  EXPECT_EQ(seen, (std::multiset<std::string>{"z"}));
  EXPECT_TRUE(a.touched);
}

}  // namespace
}  // namespace strata

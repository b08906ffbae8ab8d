#include <gtest/gtest.h>

#include "commands/groups.h"
#include "commands/test_fixture.h"

namespace strata {
namespace {

class ListsTest : public ::testing::TestWithParam<uint32_t> {
 protected:
  TestDatabase db{{&kListGroup, &kStringGroup}, GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Shards, ListsTest, ::testing::Values(1, 8));

TEST_P(ListsTest, PushesAndPopsAtBothEnds) {
  EXPECT_EQ(db.run("RPUSH l a b"), ":2\r\n");
  EXPECT_EQ(db.run("LPUSH l 1 2"), ":4\r\n");
  EXPECT_EQ(db.run("LRANGE l 0 -1"), "*4\r\n$1\r\n2\r\n$1\r\n1\r\n$1\r\na\r\n$1\r\nb\r\n");
  EXPECT_EQ(db.run("LPOP l"), "$1\r\n2\r\n");
  EXPECT_EQ(db.run("RPOP l 2"), "*2\r\n$1\r\nb\r\n$1\r\na\r\n");
  EXPECT_EQ(db.run("LPOP l 5"), "*1\r\n$1\r\n1\r\n");
  EXPECT_EQ(db.entry("l"), nullptr);
  EXPECT_EQ(db.run("LPOP l"), "$-1\r\n");
  EXPECT_EQ(db.run("LPOP l 1"), "*-1\r\n");
}

TEST_P(ListsTest, LogsWhatChanges) {
  db.run("RPUSH l a b c d");
  db.run("LPUSHX none a");
  db.run("LSET l 0 A");
  db.run("LSET l 9 x");
  db.run("LINSERT l BEFORE none x");
  db.run("LTRIM l 0 -1");
  db.run("LREM l 0 none");
  db.run("LMPOP 2 none l RIGHT COUNT 2");
  db.run("LMPOP 1 none LEFT");
  db.run("LMOVE l m LEFT RIGHT");
  db.run("RPOPLPUSH l m");
  db.run("RPOPLPUSH l m");
  db.run("RPOPLPUSH m m");
  EXPECT_EQ(db.logged(),
            "RPUSH l a b c d\nLSET l 0 A\nRPOP l 2\nLMOVE l m LEFT RIGHT\nRPOPLPUSH l m\nRPOPLPUSH m m\n");
  EXPECT_EQ(db.entry("l"), nullptr);
  EXPECT_EQ(db.run("LRANGE m 0 -1"), "*2\r\n$1\r\nA\r\n$1\r\nb\r\n");
}

TEST_P(ListsTest, MovingKeepsTheSourceWhenTheTargetIsOfAnotherType) {
  db.run("RPUSH l a");
  db.run("SET s x");
  EXPECT_TRUE(db.run("LMOVE l s LEFT LEFT").starts_with("-WRONGTYPE"));
  EXPECT_EQ(db.run("LMOVE none s LEFT LEFT"), "$-1\r\n");
  EXPECT_EQ(db.run("LLEN l"), ":1\r\n");
}

TEST_P(ListsTest, LargeElementsMoveAndLeaveWhole) {
  std::string large(100'000, 'x');
  db.run("RPUSH l " + large + " b");
  std::string bulk = "$100000\r\n" + large + "\r\n";
  EXPECT_EQ(db.run("LRANGE l 0 -1"), "*2\r\n" + bulk + "$1\r\nb\r\n");
  EXPECT_EQ(db.run("LMOVE l l LEFT RIGHT"), bulk);
  EXPECT_EQ(db.run("LMOVE l m RIGHT LEFT"), bulk);
  EXPECT_EQ(db.run("LINDEX m 0"), bulk);
  EXPECT_EQ(db.run("LMPOP 1 m LEFT"), "*2\r\n$1\r\nm\r\n*1\r\n" + bulk);
}

TEST_P(ListsTest, LmpopWithABadCountOfKeysTouchesNoKey) {
  EXPECT_EQ(db.run("LMPOP 0 l LEFT"), "-ERR numkeys should be greater than 0\r\n");
  EXPECT_EQ(db.run("LMPOP 2 l LEFT"), "-ERR syntax error\r\n");
  EXPECT_EQ(db.run("LMPOP 9223372036854775807 l LEFT"), "-ERR syntax error\r\n");
}

}  // namespace
}  // namespace strata

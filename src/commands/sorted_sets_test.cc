#include <gtest/gtest.h>

#include "commands/groups.h"
#include "commands/test_fixture.h"

namespace strata {
namespace {

class SortedSetsTest : public ::testing::Test {
 protected:
  TestDatabase db{{&kSortedSetGroup, &kStringGroup}};
};

TEST_F(SortedSetsTest, AddsWithConditions) {
  EXPECT_EQ(db.run("ZADD z 1 a 2 b"), ":2\r\n");
  EXPECT_EQ(db.run("ZADD z CH 5 a 3 c"), ":2\r\n");
  EXPECT_EQ(db.run("ZADD z NX 9 a"), ":0\r\n");
  EXPECT_EQ(db.run("ZADD z XX GT INCR 1 a"), "$1\r\n6\r\n");
  EXPECT_EQ(db.run("ZADD z LT INCR 1 a"), "$-1\r\n");
  EXPECT_EQ(db.run("ZADD none XX 1 a"), ":0\r\n");
  EXPECT_EQ(db.entry("none"), nullptr);
  EXPECT_EQ(db.logged(), "ZADD z 1 a 2 b\nZADD z CH 5 a 3 c\nZADD z XX GT INCR 1 a\n");
}

TEST_F(SortedSetsTest, AllScoresAreCheckedBeforeTheFirstIsUsed) {
  std::string line = "ZADD z";
  for (int i = 0; i < 20; ++i) line += " 1 m" + std::to_string(i);
  EXPECT_EQ(db.run(line + " x bad"), "-ERR value is not a valid float\r\n");
  EXPECT_EQ(db.entry("z"), nullptr);
  EXPECT_EQ(db.run(line), ":20\r\n");
}

TEST_F(SortedSetsTest, RanksWithScores) {
  db.run("ZADD z 1 a 2.5 b");
  EXPECT_EQ(db.run("ZRANK z b WITHSCORE"), "*2\r\n:1\r\n$3\r\n2.5\r\n");
  EXPECT_EQ(db.run("ZREVRANK z b"), ":0\r\n");
  EXPECT_EQ(db.run("ZRANK z c WITHSCORE"), "*-1\r\n");
  EXPECT_EQ(db.run("ZRANK z b WITHSCORE x"), "-ERR wrong number of arguments for 'zrank' command\r\n");
  db.resp3 = true;
  EXPECT_EQ(db.run("ZREVRANK z a WITHSCORE"), "*2\r\n:1\r\n,1\r\n");
  EXPECT_EQ(db.run("ZRANK z c WITHSCORE"), "_\r\n");
}

TEST_F(SortedSetsTest, RangesOfEveryKind) {
  db.run("ZADD z 1 a 2 b 3 c 4 d");
  EXPECT_EQ(db.run("ZRANGE z 0 0 REV WITHSCORES"), "*2\r\n$1\r\nd\r\n$1\r\n4\r\n");
  EXPECT_EQ(db.run("ZRANGE z (1 +inf BYSCORE LIMIT 1 1"), "*1\r\n$1\r\nc\r\n");
  EXPECT_EQ(db.run("ZRANGE z +inf (1 BYSCORE REV LIMIT 1 1"), "*1\r\n$1\r\nc\r\n");
  EXPECT_EQ(db.run("ZREVRANGEBYLEX z (c - LIMIT 0 1"), "*1\r\n$1\r\nb\r\n");
  EXPECT_EQ(db.run("ZCOUNT z (1 (4"), ":2\r\n");
  EXPECT_EQ(db.run("ZRANGE z 9 1 BYSCORE"), "*0\r\n");
  db.resp3 = true;
  EXPECT_EQ(db.run("ZRANGE z 0 0 WITHSCORES"), "*1\r\n*2\r\n$1\r\na\r\n,1\r\n");
}

TEST_F(SortedSetsTest, PoppingAndRemovingRangesEmptiesTheKey) {
  db.run("ZADD z 1 a 2 b 3 c 4 d");
  db.logged();
  EXPECT_EQ(db.run("ZPOPMAX z"), "*2\r\n$1\r\nd\r\n$1\r\n4\r\n");
  EXPECT_EQ(db.run("ZREMRANGEBYRANK z 5 9"), ":0\r\n");
  EXPECT_EQ(db.run("ZREMRANGEBYSCORE z 2 2"), ":1\r\n");
  db.resp3 = true;
  EXPECT_EQ(db.run("ZPOPMIN z"), "*2\r\n$1\r\na\r\n,1\r\n");
  EXPECT_EQ(db.run("ZPOPMIN z 9"), "*1\r\n*2\r\n$1\r\nc\r\n,3\r\n");
  EXPECT_EQ(db.entry("z"), nullptr);
  EXPECT_EQ(db.logged(), "ZPOPMAX z\nZREMRANGEBYSCORE z 2 2\nZPOPMIN z\nZPOPMIN z 9\n");
}

TEST_F(SortedSetsTest, StoredResultsAreLoggedAsTheyCameAndEmptyOnesDeleteTheTarget) {
  db.run("ZADD a 1 x 2 y");
  db.run("ZADD b 10 y");
  db.run("SET target text");
  db.logged();
  EXPECT_EQ(db.run("ZUNIONSTORE target 2 a b WEIGHTS 2 1"), ":2\r\n");
  EXPECT_EQ(db.run("ZRANGE target 0 -1 WITHSCORES"), "*4\r\n$1\r\nx\r\n$1\r\n2\r\n$1\r\ny\r\n$2\r\n14\r\n");
  EXPECT_EQ(db.run("ZRANGESTORE target a 1 1"), ":1\r\n");
  EXPECT_EQ(db.run("ZINTERSTORE target 2 a none"), ":0\r\n");
  EXPECT_EQ(db.entry("target"), nullptr);
  EXPECT_EQ(db.run("ZDIFFSTORE none 1 missing"), ":0\r\n");
  EXPECT_EQ(db.changes, 0u);
  EXPECT_EQ(db.logged(),
            "ZUNIONSTORE target 2 a b WEIGHTS 2 1\nZRANGESTORE target a 1 1\nZINTERSTORE target 2 a none\n");
  EXPECT_EQ(db.run("ZMPOP 2 none a MAX COUNT 9"),
            "*2\r\n$1\r\na\r\n*2\r\n*2\r\n$1\r\ny\r\n$1\r\n2\r\n*2\r\n$1\r\nx\r\n$1\r\n1\r\n");
  EXPECT_EQ(db.entry("a"), nullptr);
}

}  // namespace
}  // namespace strata

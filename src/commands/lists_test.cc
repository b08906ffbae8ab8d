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

TEST_P(ListsTest, MovesOfSeveralAreLoggedAsRedisKnowsThem) {
  db.run("RPUSH l a b c d e f g");
  db.logged();
  EXPECT_EQ(db.run("LMOVEM l m left RIGHT COUNT 2 obo"), "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
  db.run("LMOVEM l m LEFT RIGHT EXACTLY 6 BULK");
  db.run("LMOVEM l m LEFT RIGHT COUNT 0 BULK");
  db.run("LMOVEM none m LEFT RIGHT");
  db.run("BLMOVEM l m left right 1.5");
  db.run("BLMOVEM l m left left 0 exactly 2 obo");
  db.run("BLMOVEM l m right right 0 count 9 bulk");
  db.run("BLMOVEM l m right right 0 count 9 bulk");
  EXPECT_EQ(db.logged(),
            "LPOP l 2\nRPUSH m a b\nLMOVE l m LEFT RIGHT\nLPOP l 2\nLPUSH m d e\nRPOP l 2\nRPUSH m f g\n");
  EXPECT_EQ(db.entry("l"), nullptr);
  EXPECT_EQ(db.run("LLEN m"), ":7\r\n");
}

TEST_P(ListsTest, MovesOfSeveralCountWhatChanges) {
  db.run("RPUSH l a b c d");
  db.run("LMOVEM l m LEFT RIGHT COUNT 3 BULK");
  EXPECT_EQ(db.changes, 6u);
  db.run("LMOVEM m m LEFT RIGHT COUNT 3 BULK");
  EXPECT_EQ(db.changes, 3u);
  db.run("LMOVEM m m LEFT RIGHT EXACTLY 4 BULK");
  EXPECT_EQ(db.changes, 0u);
}

// Wherever memory ends, either all is moved or nothing.
TEST_P(ListsTest, MovesOfSeveralThatRunOutOfMemoryChangeNothing) {
  int refused = 0;
  for (const char* target : {"m", "new", "l"}) {
    for (const char* ends : {"LEFT RIGHT", "LEFT LEFT", "RIGHT LEFT"}) {
      TestDatabase small({&kListGroup, &kStringGroup}, GetParam());
      std::string push = "RPUSH l";
      for (int i = 0; i < 2000; ++i) push += " element:" + std::to_string(i) + std::string(300, 'x');
      small.run(push);
      small.run("RPUSH m x y z");
      const std::string before = small.run("LRANGE l 0 -1") + small.run("LRANGE m 0 -1");
      const std::string move = "LMOVEM l " + std::string(target) + " " + ends + " COUNT 1500 OBO";
      for (uint32_t s = 0; s < GetParam(); ++s) {
        Heap& heap = small.keyspace.shard(s).heap();
        heap.set_limit(heap.stats().resident);
      }
      std::string reply;
      for (size_t room = 0; (reply = small.run(move)).starts_with("-OOM"); ++refused) {
        EXPECT_EQ(small.run("LRANGE l 0 -1") + small.run("LRANGE m 0 -1"), before) << move;
        EXPECT_EQ(small.entry("new"), nullptr);
        room += 16'384;
        for (uint32_t s = 0; s < GetParam(); ++s) {
          Heap& heap = small.keyspace.shard(s).heap();
          heap.set_limit(heap.stats().resident + room);
        }
      }
      EXPECT_TRUE(reply.starts_with("*1500\r\n")) << reply.substr(0, 50);
      EXPECT_EQ(small.run("LLEN l"), target[0] == 'l' ? ":2000\r\n" : ":500\r\n");
    }
  }
  EXPECT_GT(refused, 9);
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

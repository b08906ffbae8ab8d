#include <gtest/gtest.h>

#include <set>

#include "commands/groups.h"
#include "commands/test_fixture.h"

namespace strata {
namespace {

class SetsTest : public ::testing::TestWithParam<uint32_t> {
 protected:
  TestDatabase db{{&kSetGroup, &kStringGroup}, GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Shards, SetsTest, ::testing::Values(1, 8));

TEST_P(SetsTest, AddsAndRemoves) {
  EXPECT_EQ(db.run("SADD s a b a"), ":2\r\n");
  EXPECT_EQ(db.run("SMISMEMBER s a c b"), "*3\r\n:1\r\n:0\r\n:1\r\n");
  EXPECT_EQ(db.run("SREM s a b c"), ":2\r\n");
  EXPECT_EQ(db.entry("s"), nullptr);
}

TEST_P(SetsTest, PoppedMembersAreLoggedAsRemoved) {
  db.run("SADD s only");
  db.logged();
  EXPECT_EQ(db.run("SPOP s"), "$4\r\nonly\r\n");
  EXPECT_EQ(db.logged(), "SREM s only\n");
  db.run("SADD s a b");
  db.logged();
  db.run("SPOP s 5");
  EXPECT_EQ(db.logged(), "DEL s\n");
  db.run("SPOP s 5");
  db.run("SPOP s");
  EXPECT_EQ(db.logged(), "");
}

TEST_P(SetsTest, ManyPoppedMembersAreLoggedInPieces) {
  for (int i = 0; i < 5000; ++i) db.run("SADD s m" + std::to_string(i));
  db.logged();
  std::string reply = db.run("SPOP s 3000");
  EXPECT_TRUE(reply.starts_with("*3000\r\n"));
  EXPECT_EQ(db.run("SCARD s"), ":2000\r\n");
  std::string log = db.logged();
  std::set<std::string> removed;
  size_t lines = 0;
  for (size_t at = 0; at < log.size(); ++lines) {
    size_t end = log.find('\n', at);
    ASSERT_TRUE(log.compare(at, 7, "SREM s ") == 0);
    for (at += 7; at < end;) {
      size_t stop = std::min(log.find(' ', at), end);
      removed.insert(log.substr(at, stop - at));
      at = stop + 1;
    }
    at = end + 1;
  }
  EXPECT_EQ(lines, 3u);
  EXPECT_EQ(removed.size(), 3000u);
  for (const std::string& member : removed) {
    EXPECT_NE(reply.find("\r\n" + member + "\r\n"), std::string::npos);
    EXPECT_EQ(db.run("SISMEMBER s " + member), ":0\r\n");
  }
}

TEST_P(SetsTest, MovesMembersBetweenSets) {
  db.run("SADD a x y");
  db.run("SADD b y");
  db.logged();
  EXPECT_EQ(db.run("SMOVE a b none"), ":0\r\n");
  EXPECT_EQ(db.run("SMOVE a b y"), ":1\r\n");
  EXPECT_EQ(db.run("SMOVE a c x"), ":1\r\n");
  EXPECT_EQ(db.run("SMOVE c c x"), ":1\r\n");
  EXPECT_EQ(db.entry("a"), nullptr);
  EXPECT_EQ(db.logged(), "SMOVE a b y\nSMOVE a c x\n");
  db.run("SET string v");
  EXPECT_TRUE(db.run("SMOVE c string none").starts_with("-WRONGTYPE"));
}

TEST_P(SetsTest, RepliesOfResp3) {
  db.resp3 = true;
  db.run("SADD s a");
  EXPECT_EQ(db.run("SMEMBERS s"), "~1\r\n$1\r\na\r\n");
  EXPECT_EQ(db.run("SPOP s 0"), "~0\r\n");
  EXPECT_EQ(db.run("SPOP s 1"), "~1\r\n$1\r\na\r\n");
  EXPECT_EQ(db.run("SPOP s"), "_\r\n");
}

}  // namespace
}  // namespace strata

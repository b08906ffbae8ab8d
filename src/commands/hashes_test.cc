#include <gtest/gtest.h>

#include "commands/groups.h"
#include "commands/test_fixture.h"

namespace strata {
namespace {

class HashesTest : public ::testing::Test {
 protected:
  TestDatabase db{{&kHashGroup, &kStringGroup}};
};

TEST_F(HashesTest, SetsGetsAndDeletes) {
  EXPECT_EQ(db.run("HSET h a 1 b 2"), ":2\r\n");
  EXPECT_EQ(db.run("HSET h a 3 c 4"), ":1\r\n");
  EXPECT_EQ(db.run("HMGET h a none c"), "*3\r\n$1\r\n3\r\n$-1\r\n$1\r\n4\r\n");
  EXPECT_EQ(db.run("HDEL h a b c none"), ":3\r\n");
  EXPECT_EQ(db.entry("h"), nullptr);
  EXPECT_EQ(db.run("HSET h a 1 b"), "-ERR wrong number of arguments for 'hset' command\r\n");
  EXPECT_EQ(db.run("HMSET h a 1 b"), "-ERR wrong number of arguments for 'hmset' command\r\n");
}

TEST_F(HashesTest, FloatIncrementsAreLoggedAsTheirResult) {
  db.run("HSET h a 1");
  db.run("HINCRBY h a 2");
  EXPECT_EQ(db.run("HINCRBYFLOAT h a 0.5"), "$3\r\n3.5\r\n");
  db.run("HSETNX h a 5");
  db.run("HINCRBYFLOAT h a x");
  db.run("HDEL h none");
  EXPECT_EQ(db.logged(), "HSET h a 1\nHINCRBY h a 2\nHSET h a 3.5\n");
}

TEST_F(HashesTest, FailedIncrementsMakeNoKey) {
  EXPECT_EQ(db.run("HINCRBY h a x"), "-ERR value is not an integer or out of range\r\n");
  EXPECT_EQ(db.run("HINCRBYFLOAT h a inf"), "-ERR value is NaN or Infinity\r\n");
  EXPECT_EQ(db.entry("h"), nullptr);
  EXPECT_EQ(db.logged(), "");
}

TEST_F(HashesTest, RepliesOfResp3) {
  db.run("HSET h f v");
  db.resp3 = true;
  EXPECT_EQ(db.run("HGETALL h"), "%1\r\n$1\r\nf\r\n$1\r\nv\r\n");
  EXPECT_EQ(db.run("HGETALL none"), "%0\r\n");
  EXPECT_EQ(db.run("HRANDFIELD h 2 WITHVALUES"), "*1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n");
  EXPECT_EQ(db.run("HRANDFIELD none"), "_\r\n");
}

TEST_F(HashesTest, RepetitionsHaveABound) {
  db.run("HSET h f v");
  EXPECT_TRUE(db.run("HRANDFIELD h -9000000000000000000").starts_with("-ERR value is out of range"));
  EXPECT_EQ(db.run("HRANDFIELD none -9000000000000000000"), "*0\r\n");
}

TEST_F(HashesTest, ScanMeetsEveryFieldOfALargeHash) {
  constexpr int kFields = 3000;
  for (int i = 0; i < kFields; ++i) db.run("HSET h f" + std::to_string(i) + " v");
  size_t seen = 0;
  std::string cursor = "0";
  do {
    std::string reply = db.run("HSCAN h " + cursor + " COUNT 50");
    size_t begin = reply.find("\r\n", 5) + 2;  // *2, the cursor's size, the cursor
    cursor = reply.substr(begin, reply.find("\r\n", begin) - begin);
    for (size_t at = reply.find("\r\nf"); at != std::string::npos; at = reply.find("\r\nf", at + 1)) ++seen;
  } while (cursor != "0");
  EXPECT_EQ(seen, size_t{kFields});
}

}  // namespace
}  // namespace strata

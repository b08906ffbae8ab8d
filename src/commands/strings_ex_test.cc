// MSETEX, INCREX, DELEX, DELIFEQ and SET with conditions: what is logged, and what running out of memory
// leaves behind.

#include <gtest/gtest.h>

#include "base/hash.h"
#include "commands/groups.h"
#include "commands/test_fixture.h"

namespace strata {
namespace {

class StringsExTest : public ::testing::Test {
 protected:
  std::string in(int64_t ms) const { return std::to_string(database_.now_ms + ms); }

  TestDatabase database_{{&kStringGroup, &kGenericGroup}, 4};
};

TEST_F(StringsExTest, ConditionsAreNotLogged) {
  database_.run("SET k 1");
  database_.logged();
  EXPECT_EQ(database_.run("SET k 2 IFEQ 1"), "+OK\r\n");
  EXPECT_EQ(database_.logged(), "SET k 2\n");
  EXPECT_EQ(database_.run("SET k 3 IFNE 9 EX 10"), "+OK\r\n");
  EXPECT_EQ(database_.logged(), "SET k 3 PXAT " + in(10'000) + "\n");
  EXPECT_EQ(database_.run("SET k 4 IFEQ 3 KEEPTTL"), "+OK\r\n");
  EXPECT_EQ(database_.logged(), "SET k 4 PXAT " + in(10'000) + "\n");
  EXPECT_EQ(database_.run("SET k 5 IFEQ 3"), "$-1\r\n");
  EXPECT_EQ(database_.logged(), "");
  EXPECT_EQ(database_.run("DELEX k IFEQ 4"), ":1\r\n");
  EXPECT_EQ(database_.logged(), "DEL k\n");
  EXPECT_EQ(database_.run("DELIFEQ k 4"), ":0\r\n");
  EXPECT_EQ(database_.logged(), "");
}

TEST_F(StringsExTest, SeveralKeysWithOneDeadline) {
  EXPECT_EQ(database_.run("MSETEX 2 a 1 b 2 PX 50"), ":1\r\n");
  EXPECT_EQ(database_.logged(), "SET a 1 PXAT " + in(50) + "\nSET b 2 PXAT " + in(50) + "\n");
  EXPECT_EQ(database_.changes, 2u);
  EXPECT_EQ(database_.run("MSETEX 2 a 3 c 4 KEEPTTL"), ":1\r\n");
  EXPECT_EQ(database_.logged(), "SET a 3 PXAT " + in(50) + "\nSET c 4\n");
  EXPECT_EQ(database_.run("MSETEX 2 a 5 d 6 NX"), ":0\r\n");
  EXPECT_EQ(database_.logged(), "");
  database_.now_ms += 50;
  EXPECT_EQ(database_.run("MSETEX 1 a 5 NX"), ":1\r\n");
  EXPECT_EQ(database_.logged(), "DEL a\nSET a 5\n");
}

TEST_F(StringsExTest, CountersAreLoggedAsTheyAre) {
  EXPECT_EQ(database_.run("INCREX n EX 1 ENX"), "*2\r\n:1\r\n:1\r\n");
  EXPECT_EQ(database_.logged(), "SET n 1 PXAT " + in(1000) + "\n");
  EXPECT_EQ(database_.run("INCREX n EX 9 ENX"), "*2\r\n:2\r\n:1\r\n");
  EXPECT_EQ(database_.logged(), "SET n 2 PXAT " + in(1000) + "\n");
  EXPECT_EQ(database_.run("INCREX n UBOUND 2"), "*2\r\n:2\r\n:0\r\n");
  EXPECT_EQ(database_.logged(), "");
  EXPECT_EQ(database_.run("INCREX n PERSIST BYINT -2"), "*2\r\n:0\r\n:-2\r\n");
  EXPECT_EQ(database_.logged(), "SET n 0\n");
  EXPECT_EQ(database_.run("INCREX n BYFLOAT 0.1"), "*2\r\n$3\r\n0.1\r\n$3\r\n0.1\r\n");
  EXPECT_EQ(database_.logged(), "SET n 0.1\n");
}

TEST_F(StringsExTest, NoMemoryKeepsWhatWasThere) {
  const std::string oom = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
  database_.run("SET k old");
  database_.logged();
  for (uint32_t s = 0; s < 4; ++s) {
    Heap& heap = database_.keyspace.shard(s).heap();
    heap.set_limit(heap.stats().resident);
  }
  const std::string large(8 << 20, 'x');
  EXPECT_EQ(database_.run("SET k " + large + " IFEQ old"), oom);
  EXPECT_EQ(database_.run("MSETEX 2 first 1 k " + large), oom);
  EXPECT_EQ(database_.logged(), "SET first 1\n") << "what was stored is in the log";
  EXPECT_EQ(database_.run("GET k"), "$3\r\nold\r\n");
}

TEST(ValueDigest, IsThatOfRedis) {
  EXPECT_EQ(value_digest("Hello world"), 0xb6acb9d84a38ff74u);  // from the documentation of DIGEST
  EXPECT_EQ(value_digest(""), 0x2d06800538d394c2u);             // from the specification of XXH3
}

}  // namespace
}  // namespace strata

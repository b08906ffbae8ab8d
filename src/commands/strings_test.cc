#include <gtest/gtest.h>

#include <random>

#include "commands/groups.h"
#include "commands/test_fixture.h"

namespace strata {
namespace {

class StringsTest : public ::testing::Test {
 protected:
  TestDatabase db{{&kStringGroup, &kGenericGroup}};
};

TEST_F(StringsTest, SetAndGet) {
  EXPECT_EQ(db.run("GET key"), "$-1\r\n");
  EXPECT_EQ(db.run("SET key value"), "+OK\r\n");
  EXPECT_EQ(db.run("GET key"), "$5\r\nvalue\r\n");
  EXPECT_EQ(db.counters.hits.load(), 1u);
  EXPECT_EQ(db.counters.misses.load(), 1u);
  db.resp3 = true;
  EXPECT_EQ(db.run("GET none"), "_\r\n");
}

TEST_F(StringsTest, PlainChangesAreLoggedAsTheyCame) {
  db.run("SET a 1 NX");
  db.run("SET a 1 NX");  // changes nothing
  db.run("APPEND a 2");
  db.run("SETRANGE a 0 9");
  db.run("SETRANGE a 0 \"\"");
  db.run("INCR a");
  db.run("GETSET a 5");
  db.run("MSET b 1 c 2");
  db.run("MSETNX b 1 d 2");
  db.run("GETDEL b");
  db.run("GETDEL b");
  EXPECT_EQ(db.logged(),
            "SET a 1 NX\nAPPEND a 2\nSETRANGE a 0 9\nINCR a\nGETSET a 5\nMSET b 1 c 2\nGETDEL b\n");
}

TEST_F(StringsTest, RelativeTimesAreLoggedAsAbsoluteOnes) {
  db.now_ms = 1'000'000;
  db.run("SET a 1 EX 10");
  db.run("SET a 1 XX PX 10");
  db.run("SET a 1 PXAT 2000000");
  db.run("SETEX a 5 v");
  db.run("PSETEX a 5 v");
  db.run("GETEX a EX 7");
  db.run("GETEX a PXAT 2000000");
  db.run("GETEX a PERSIST");
  db.run("GETEX a PERSIST");
  db.run("GETEX a");
  db.run("GETEX a PXAT 1");
  EXPECT_EQ(db.logged(),
            "SET a 1 PXAT 1010000\nSET a 1 PXAT 1000010\nSET a 1 PXAT 2000000\nSET a v PXAT 1005000\n"
            "SET a v PXAT 1000005\nPEXPIREAT a 1007000\nPEXPIREAT a 2000000\nPERSIST a\nDEL a\n");
}

TEST_F(StringsTest, FloatingPointIsLoggedAsItsResult) {
  db.run("SET f 10 EX 100");
  db.logged();
  EXPECT_EQ(db.run("INCRBYFLOAT f 0.5"), "$4\r\n10.5\r\n");
  EXPECT_EQ(db.logged(), "SET f 10.5 KEEPTTL\n");
  EXPECT_TRUE(db.entry("f")->has_deadline());
}

TEST_F(StringsTest, ExpiredKeysAreDeletedAndLogged) {
  db.run("SET a v PX 10");
  db.logged();
  db.now_ms += 10;
  EXPECT_EQ(db.run("GET a"), "$-1\r\n");
  EXPECT_EQ(db.logged(), "DEL a\n");
  EXPECT_EQ(db.entry("a"), nullptr);
}

// A large value leaves by reference: what happens to the key afterwards must not touch the reply.
TEST_F(StringsTest, RepliesOutliveTheirValues) {
  std::string large(100'000, 'x');
  std::string reply = "$100000\r\n" + large + "\r\n";
  db.run_words({"SET", "a", large});
  EXPECT_EQ(db.run("GET a"), reply);
  EXPECT_EQ(db.run("GETRANGE a 10 -1").size(), 100'000 - 10 + 10u);
  EXPECT_EQ(db.run("GETSET a short"), reply);
  EXPECT_EQ(db.run("GET a"), "$5\r\nshort\r\n");
  db.run_words({"SET", "a", large});
  EXPECT_EQ(db.run("SET a other GET"), reply);
  db.run_words({"SET", "a", large});
  EXPECT_EQ(db.run("GETDEL a"), reply);
  db.keyspace.shard(0).clean(100);  // the last pin gave its block back from outside
  EXPECT_LT(db.keyspace.used_bytes(), 1000u);
}

TEST_F(StringsTest, OutOfMemoryIsOneErrorAndChangesNothing) {
  const std::string oom = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
  db.run("SET a old");
  db.logged();
  Heap& heap = db.keyspace.shard(0).heap();
  heap.set_limit(heap.stats().resident);
  const std::string large(4 << 20, 'x');
  EXPECT_EQ(db.run_words({"SET", "a", large}), oom);
  EXPECT_EQ(db.run_words({"SET", "a", large, "GET"}), oom);
  EXPECT_EQ(db.run_words({"GETSET", "a", large}), oom);
  EXPECT_EQ(db.run_words({"APPEND", "a", large}), oom);
  EXPECT_EQ(db.run("SETRANGE a 8000000 x"), oom);
  EXPECT_EQ(db.run("SETRANGE new 8000000 x"), oom);
  EXPECT_EQ(db.entry("new"), nullptr);
  EXPECT_EQ(db.run_words({"MSETNX", "n", large}), oom);
  EXPECT_EQ(db.run("GET a"), "$3\r\nold\r\n");
  EXPECT_EQ(db.logged(), "");
  // What an MSET has stored before is there and logged.
  EXPECT_EQ(db.run_words({"MSET", "p", "1", "q", large, "r", "3"}), oom);
  EXPECT_EQ(db.run("MGET p q r"), "*3\r\n$1\r\n1\r\n$-1\r\n$-1\r\n");
  EXPECT_EQ(db.logged(), "MSET p 1\n");
}

// The class of SETRANGE's past overflow: offset + size beyond 64 bits or beyond the limit.
TEST_F(StringsTest, SetrangeAndAppendRefuseWhatIsTooLarge) {
  const std::string error = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n";
  EXPECT_EQ(db.run("SETRANGE a 9223372036854775807 xx"), error);
  EXPECT_EQ(db.run("SETRANGE a 536870911 xx"), error);
  EXPECT_EQ(db.run("SETRANGE a 4294967295 x"), error);
  EXPECT_EQ(db.entry("a"), nullptr);
  db.options.max_bulk_bytes = 10;
  EXPECT_EQ(db.run("APPEND a 12345678901"), ":11\r\n");  // as in Redis, only growing is checked
  EXPECT_EQ(db.run("APPEND a 1"), error);
  EXPECT_EQ(db.run("SETRANGE b 9 x"), ":10\r\n");
  EXPECT_EQ(db.run("SETRANGE b 10 x"), error);
  EXPECT_EQ(db.run("APPEND b \"\""), ":10\r\n");
  // The log is replayed whatever the limit is now.
  db.keyspace.enable_expiry(false);
  EXPECT_EQ(db.run("APPEND b 1"), ":11\r\n");
}

TEST_F(StringsTest, IncrementsStayInPlaceAndKeepTheDeadline) {
  db.run("SET n 41 EX 100");
  const Entry* before = db.entry("n");
  EXPECT_EQ(db.run("INCR n"), ":42\r\n");
  EXPECT_EQ(db.entry("n"), before);
  EXPECT_EQ(db.entry("n")->deadline_ms(), db.now_ms + 100'000);
  EXPECT_EQ(db.run("DECRBY n -9223372036854775808"), "-ERR decrement would overflow\r\n");
}

std::string random_text(std::mt19937& random) {
  std::string text(random() % 40, '\0');
  for (char& c : text) c = static_cast<char>('a' + random() % 4);
  return text;
}

// Against the textbook: the length by a full matrix, and the reply is a subsequence of both.
TEST_F(StringsTest, LcsAgreesWithTheTextbook) {
  auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 300; ++round) {
    std::string a = random_text(random), b = random_text(random);
    std::vector<std::vector<int>> length(a.size() + 1, std::vector<int>(b.size() + 1));
    for (size_t i = 1; i <= a.size(); ++i) {
      for (size_t j = 1; j <= b.size(); ++j) {
        length[i][j] =
            a[i - 1] == b[j - 1] ? length[i - 1][j - 1] + 1 : std::max(length[i - 1][j], length[i][j - 1]);
      }
    }
    db.run_words({"SET", "a", a});
    db.run_words({"SET", "b", b});
    std::string expected = std::to_string(length[a.size()][b.size()]);
    EXPECT_EQ(db.run("LCS a b LEN"), ":" + expected + "\r\n") << a << " " << b;
    std::string reply = db.run("LCS a b");
    ASSERT_EQ(reply.substr(0, reply.find('\r')), "$" + expected) << a << " " << b;
    std::string text = reply.substr(reply.find('\n') + 1);
    text.resize(text.size() - 2);
    for (const std::string& whole : {a, b}) {
      size_t at = 0;
      for (char c : text) {
        at = whole.find(c, at);
        ASSERT_NE(at, std::string::npos) << text << " in " << whole;
        ++at;
      }
    }
  }
}

TEST_F(StringsTest, LcsRefusesWhatRedisRefuses) {
  db.options.max_bulk_bytes = 1000;
  db.run_words({"SET", "a", std::string(9, 'x')});
  db.run_words({"SET", "b", std::string(24, 'x')});
  EXPECT_EQ(db.run("LCS a b LEN"), ":9\r\n");
  db.run("APPEND b x");
  EXPECT_EQ(db.run("LCS a b LEN"),
            "-ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len\r\n");
}

}  // namespace
}  // namespace strata

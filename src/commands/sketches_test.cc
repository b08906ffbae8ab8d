// Bits, HyperLogLogs and places: what a comparison with redis-server cannot show.

#include <gtest/gtest.h>

#include "base/random.h"
#include "commands/groups.h"
#include "commands/test_fixture.h"
#include "data/hyperloglog.h"
#include "data/value_test_tools.h"

namespace strata {
namespace {

using testing_tools::Starvation;
using testing_tools::test_seed;

constexpr const char* kOom = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";

class SketchesTest : public ::testing::Test {
 protected:
  TestDatabase db{
      {&kBitmapGroup, &kHyperLogLogGroup, &kGeoGroup, &kStringGroup, &kSortedSetGroup, &kGenericGroup}};

  Heap& heap() { return db.keyspace.shard(0).heap(); }
};

TEST_F(SketchesTest, OnlyWhatChangesIsLogged) {
  EXPECT_EQ(db.run("SETBIT k 7 1"), ":0\r\n");
  EXPECT_EQ(db.run("SETBIT k 7 1"), ":1\r\n");
  EXPECT_EQ(db.changes, 0u);
  EXPECT_EQ(db.run("SETBIT k 20 0"), ":0\r\n");  // grows
  EXPECT_EQ(db.run("BITFIELD k GET u8 0"), "*1\r\n:1\r\n");
  EXPECT_EQ(db.run("BITFIELD k OVERFLOW FAIL INCRBY u1 7 5"), "*1\r\n$-1\r\n");
  EXPECT_EQ(db.run("BITFIELD k SET u8 0 255 INCRBY u8 8 1"), "*2\r\n:1\r\n:1\r\n");
  EXPECT_EQ(db.changes, 2u);
  EXPECT_EQ(db.run("BITOP NOT none missing"), ":0\r\n");
  EXPECT_EQ(db.logged(), "SETBIT k 7 1\nSETBIT k 20 0\nBITFIELD k SET u8 0 255 INCRBY u8 8 1\n");
  EXPECT_EQ(db.run("PFADD h a"), ":1\r\n");
  EXPECT_EQ(db.run("PFADD h a"), ":0\r\n");
  EXPECT_EQ(db.logged(), "PFADD h a\n");
}

// The count is kept in the value, so redis-server logs the PFCOUNT that has put it there.
TEST_F(SketchesTest, ARefreshedCountIsLogged) {
  db.run("PFADD h a b c");
  db.logged();
  EXPECT_EQ(db.run("PFCOUNT h"), ":3\r\n");
  EXPECT_EQ(db.logged(), "PFCOUNT h\n");
  EXPECT_EQ(db.run("PFCOUNT h"), ":3\r\n");
  EXPECT_EQ(db.run("PFCOUNT h nokey"), ":3\r\n");
  EXPECT_EQ(db.logged(), "");
  EXPECT_TRUE(hyperloglog::has_cached_count(db.entry("h")->string().bytes));
  db.run("PFADD h d");
  EXPECT_FALSE(hyperloglog::has_cached_count(db.entry("h")->string().bytes));
  EXPECT_EQ(db.run("PFMERGE h"), "+OK\r\n");
  EXPECT_EQ(db.run("PFDEBUG TODENSE h"), ":1\r\n");
  EXPECT_EQ(db.run("PFDEBUG TODENSE h"), ":0\r\n");
  EXPECT_EQ(db.logged(), "PFADD h d\nPFMERGE h\nPFDEBUG TODENSE h\n");
}

TEST_F(SketchesTest, PlacesAreLoggedAsTheyCame) {
  EXPECT_EQ(db.run("GEOADD g 13.4 38.1 a 15.1 37.5 b"), ":2\r\n");
  EXPECT_EQ(db.run("GEOADD g NX 1 1 a"), ":0\r\n");
  EXPECT_EQ(db.run("GEOADD g CH 13.5 38.1 a"), ":1\r\n");
  EXPECT_EQ(db.run("GEORADIUS g 15 37 500 km STORE d"), ":2\r\n");
  EXPECT_EQ(db.run("GEORADIUS g 15 37 500 km"), "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
  EXPECT_EQ(db.run("GEOSEARCHSTORE d g FROMLONLAT 90 80 BYRADIUS 1 km"), ":0\r\n");
  EXPECT_EQ(db.entry("d"), nullptr);
  EXPECT_EQ(db.logged(),
            "GEOADD g 13.4 38.1 a 15.1 37.5 b\nGEOADD g CH 13.5 38.1 a\nGEORADIUS g 15 37 500 km STORE d\n"
            "GEOSEARCHSTORE d g FROMLONLAT 90 80 BYRADIUS 1 km\n");
}

TEST_F(SketchesTest, OutOfMemoryChangesNothing) {
  Random random(test_seed(20241203));
  db.run("SET text abc");
  db.run("GEOADD g 1 1 a 2 2 b");
  db.run("PFADD h a");
  const size_t used = heap().used();
  db.logged();
  size_t refused = 0;
  for (int round = 0; round < 30; ++round) {
    Starvation starvation(heap());
    for (const char* line :
         {"SETBIT new 100000 1", "BITFIELD new2 SET u8 90000 1", "PFADD new3 a", "BITOP NOT new4 text",
          "GEOADD new5 1 1 a", "GEOSEARCHSTORE new6 g FROMLONLAT 1 1 BYRADIUS 900 km", "PFMERGE new7 h",
          "ZUNIONSTORE new8 1 g", "ZRANGESTORE new9 g 0 -1"}) {
      const std::string reply = db.run(line);
      const std::string name = std::string(line).substr(std::string(line).find("new"));
      const std::string key = name.substr(0, name.find(' '));
      if (reply == kOom) {
        ++refused;
        EXPECT_EQ(db.entry(key), nullptr) << line;
        EXPECT_EQ(db.changes, 0u) << line;
      } else {
        EXPECT_NE(db.entry(key), nullptr) << line << reply;
        db.run("DEL " + key);
      }
      for (int i = 0; i < round % 3; ++i) starvation.allow_one(random);
    }
  }
  EXPECT_GT(refused, 50u);
  while (db.keyspace.shard(0).needs_cleaning()) db.keyspace.shard(0).clean(1000);
  EXPECT_EQ(heap().used(), used);
}

// Class 3 of the past security holes.
TEST_F(SketchesTest, OffsetsThatOverflowAreRefused) {
  constexpr const char* kRefused = "-ERR bit offset is not an integer or out of range\r\n";
  for (const char* offset : {"9223372036854775807", "4294967296", "-1", "9223372036854775808"}) {
    EXPECT_EQ(db.run("SETBIT k " + std::string(offset) + " 1"), kRefused);
    EXPECT_EQ(db.run("GETBIT k " + std::string(offset)), kRefused);
    EXPECT_EQ(db.run("BITFIELD k SET i64 " + std::string(offset) + " 1"), kRefused);
  }
  // In Redis's arithmetic these wrap around to small offsets.
  EXPECT_EQ(db.run("BITFIELD k SET u4 #4611686018427387904 1"), kRefused);
  EXPECT_EQ(db.run("BITFIELD k SET u32 #576460752303423488 1"), kRefused);
  EXPECT_EQ(db.entry("k"), nullptr);
  // An offset near the limit may be read, and its last bits lie beyond every string.
  EXPECT_EQ(db.run("BITFIELD k GET i64 4294967295"), "*1\r\n:0\r\n");
}

}  // namespace
}  // namespace strata

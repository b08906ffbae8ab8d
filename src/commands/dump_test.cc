#include <gtest/gtest.h>

#include "commands/groups.h"
#include "commands/test_fixture.h"

namespace strata {
namespace {

class DumpTest : public ::testing::TestWithParam<uint32_t> {
 protected:
  std::string dump(const std::string& key) {
    std::string reply = db.run("DUMP " + key);
    const size_t begin = reply.find("\r\n") + 2;
    return reply.substr(begin, reply.size() - begin - 2);
  }

  TestDatabase db{{&kGenericGroup, &kListGroup, &kStreamGroup, &kStringGroup}, GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Shards, DumpTest, ::testing::Values(1, 8));

TEST_P(DumpTest, LogsTheDeadlineAsAPointInTime) {
  db.run("SET s value");
  const std::string bytes = dump("s");
  db.logged();
  EXPECT_EQ(db.run_words({"RESTORE", "a", "0", bytes}), "+OK\r\n");
  EXPECT_EQ(db.logged(), "RESTORE a 0 " + bytes + "\n");
  EXPECT_EQ(db.run_words({"RESTORE", "a", "1000", bytes, "REPLACE", "IDLETIME", "5"}), "+OK\r\n");
  EXPECT_EQ(db.logged(), "RESTORE a 1700000001000 " + bytes + " REPLACE IDLETIME 5 ABSTTL\n");
  EXPECT_EQ(db.run_words({"RESTORE", "b", "1800000000000", bytes, "absttl"}), "+OK\r\n");
  EXPECT_EQ(db.logged(), "RESTORE b 1800000000000 " + bytes + " absttl\n");
  EXPECT_EQ(db.entry("b")->deadline_ms(), 1'800'000'000'000);
}

TEST_P(DumpTest, APastDeadlineDeletesWhatIsThere) {
  db.run("SET s value");
  const std::string bytes = dump("s");
  db.logged();
  EXPECT_EQ(db.run_words({"RESTORE", "new", "1", bytes, "ABSTTL"}), "+OK\r\n");
  EXPECT_EQ(db.entry("new"), nullptr);
  EXPECT_EQ(db.logged(), "");
  EXPECT_EQ(db.run_words({"RESTORE", "s", "1", bytes, "ABSTTL", "REPLACE"}), "+OK\r\n");
  EXPECT_EQ(db.entry("s"), nullptr);
  EXPECT_EQ(db.logged(), "DEL s\n");
}

// Nothing may expire while the log is replayed: the record after it may be the one that takes the deadline
// away.
TEST_P(DumpTest, APastDeadlineIsKeptWhileTheLogIsReplayed) {
  db.run("SET s value");
  const std::string bytes = dump("s");
  db.keyspace.enable_expiry(false);
  EXPECT_EQ(db.run_words({"RESTORE", "new", "1", bytes, "ABSTTL"}), "+OK\r\n");
  ASSERT_NE(db.entry("new"), nullptr);
  EXPECT_EQ(db.entry("new")->deadline_ms(), 1);
}

TEST_P(DumpTest, ARefusedPayloadChangesNothing) {
  db.run("RPUSH l a b c");
  std::string bytes = dump("l");
  db.run("SET s value");
  db.logged();
  bytes[bytes.size() / 2] ^= 1;
  EXPECT_EQ(db.run_words({"RESTORE", "s", "0", bytes, "REPLACE"}),
            "-ERR DUMP payload version or checksum are wrong\r\n");
  EXPECT_EQ(db.changes, 0u);
  EXPECT_EQ(db.run("GET s"), "$5\r\nvalue\r\n");
  EXPECT_EQ(db.logged(), "");
}

// What XADD's IDMP remembers goes along, whole or not at all.
TEST_P(DumpTest, AStreamKeepsItsProducers) {
  db.run("XADD s IDMP p i * a b");
  db.run("XCFGSET s IDMP-DURATION 300 IDMP-MAXSIZE 7");
  const std::string id = db.run("XADD s IDMP p i * a b");
  db.run("XADD s IDMP q i * a b");
  db.run("XADD s IDMP p i * a b");
  const std::string bytes = dump("s");
  EXPECT_EQ(db.run_words({"RESTORE", "t", "0", bytes}), "+OK\r\n");
  EXPECT_EQ(db.run("XINFO STREAM t"), db.run("XINFO STREAM s"));
  EXPECT_EQ(dump("t"), bytes);
  EXPECT_EQ(db.run("XADD t IDMP p i * a b"), id);
  EXPECT_EQ(db.run("XLEN t"), ":3\r\n");
}

}  // namespace
}  // namespace strata

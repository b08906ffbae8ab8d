// What the log gets of commands on streams. Replies are compared with redis-server by
// tests/commands/streams.test and its neighbours.

#include <gtest/gtest.h>

#include "commands/groups.h"
#include "commands/test_fixture.h"

namespace strata {
namespace {

class StreamCommands : public testing::Test {
 protected:
  std::string run(const std::string& line) { return database.run(line); }
  std::string logged_by(const std::string& line) {
    database.logged();
    run(line);
    return database.logged();
  }
  void add(int count) {
    for (int i = 1; i <= count; ++i) run("xadd s " + std::to_string(i) + "-1 a b");
    database.logged();
  }

  TestDatabase database{&kStreamGroup, &kGenericGroup};
};

TEST_F(StreamCommands, LogGeneratedIds) {
  database.now_ms = 1000;
  EXPECT_EQ(logged_by("xadd s 5-5 a b"), "xadd s 5-5 a b\n");
  EXPECT_EQ(logged_by("xadd s * a b c d"), "XADD s 1000-0 a b c d\n");
  EXPECT_EQ(logged_by("xadd s nomkstream 1000-* a b"), "XADD s 1000-1 a b\n");
  database.now_ms = 900;
  EXPECT_EQ(logged_by("xadd s * a b"), "XADD s 1000-2 a b\n");
  EXPECT_EQ(logged_by("xadd s 1-1 a b"), "");
  EXPECT_EQ(logged_by("xadd t nomkstream * a b"), "");
}

TEST_F(StreamCommands, LogWhatWasTrimmed) {
  database.options.stream.node_max_entries = 4;
  add(10);
  EXPECT_EQ(logged_by("xadd s maxlen ~ 5 11-1 a b"), "XADD s MAXLEN = 7 11-1 a b\n");
  EXPECT_EQ(logged_by("xadd s maxlen ~ 5 12-1 a b"), "XADD s 12-1 a b\n");
  EXPECT_EQ(logged_by("xadd s maxlen 5 13-1 a b"), "xadd s maxlen 5 13-1 a b\n");
  EXPECT_EQ(logged_by("xadd s maxlen 5 * a b").find("XADD s MAXLEN = 5 "), 0U);
  EXPECT_EQ(logged_by("xtrim s maxlen ~ 1"), "XTRIM s MAXLEN = 2\n");
  EXPECT_EQ(logged_by("xtrim s maxlen ~ 1"), "");
  EXPECT_EQ(logged_by("xtrim s maxlen 5"), "");
  EXPECT_EQ(logged_by("xtrim s maxlen 1"), "xtrim s maxlen 1\n");
}

TEST_F(StreamCommands, LogWhatNobodyRefersTo) {
  add(5);
  run("xgroup create s g 0");
  run("xreadgroup group g c count 2 streams s >");
  EXPECT_EQ(logged_by("xadd s acked maxlen 1 6-1 a b"), "XADD s 6-1 a b\n");
}

TEST_F(StreamCommands, LogTrimsOfReferencesInOlderWords) {
  add(5);
  run("xgroup create s g 0");
  run("xreadgroup group g c count 2 streams s >");
  run("xack s g 1-1");
  EXPECT_EQ(logged_by("xtrim s maxlen 0 acked"), "XDEL s 1-1\n");
  EXPECT_EQ(logged_by("xtrim s maxlen 2 delref"), "XTRIM s MAXLEN = 2\nXACK s g 2-1 3-1\n");
  EXPECT_EQ(logged_by("xdelex s delref ids 2 4-1 9-1"), "XDEL s 4-1\n");
  EXPECT_EQ(logged_by("xdelex s acked ids 1 5-1"), "");
  run("xreadgroup group g c streams s >");
  EXPECT_EQ(logged_by("xackdel s g ids 2 5-1 9-1"), "XACK s g 5-1\nXDEL s 5-1\n");
}

TEST_F(StreamCommands, LogDeliveriesAsClaims) {
  database.now_ms = 5000;
  add(4);
  run("xgroup create s g 0");
  EXPECT_EQ(logged_by("xreadgroup group g c count 2 streams s >"),
            "XGROUP CREATECONSUMER s g c\n"
            "XCLAIM s g c 0 1-1 2-1 TIME 5000 RETRYCOUNT 1 FORCE JUSTID\n"
            "XGROUP SETID s g 2-1 ENTRIESREAD 2\n");
  database.now_ms = 6000;
  EXPECT_EQ(logged_by("xreadgroup group g c count 1 streams s 0"),
            "XCLAIM s g c 0 1-1 TIME 6000 RETRYCOUNT 2 FORCE JUSTID\n");
  EXPECT_EQ(logged_by("xreadgroup group g c count 1 streams s 4"), "");
  EXPECT_EQ(logged_by("xreadgroup group g d noack count 1 streams s >"),
            "XGROUP CREATECONSUMER s g d\nXGROUP SETID s g 3-1 ENTRIESREAD 3\n");
  EXPECT_EQ(
      logged_by("xreadgroup group g e streams s >").find("XGROUP CREATECONSUMER s g e\nXCLAIM s g e 0 4-1"),
      0U);
  EXPECT_EQ(logged_by("xreadgroup group g e streams s >"), "");
}

TEST_F(StreamCommands, LogClaimsWithTheirTimes) {
  database.now_ms = 5000;
  add(3);
  run("xgroup create s g 0");
  run("xreadgroup group g c streams s >");
  run("xgroup createconsumer s g d");
  database.now_ms = 9000;
  EXPECT_EQ(logged_by("xclaim s g d 10000 1-1"), "");
  EXPECT_EQ(logged_by("xclaim s g d 1000 1-1 idle 500"),
            "XCLAIM s g d 0 1-1 TIME 8500 RETRYCOUNT 2 FORCE JUSTID\n");
  run("xdel s 2-1");
  EXPECT_EQ(logged_by("xclaim s g d 0 2-1"), "XACK s g 2-1\n");
  EXPECT_EQ(logged_by("xautoclaim s g d 0 0 justid"),
            "XCLAIM s g d 0 1-1 TIME 9000 RETRYCOUNT 2 FORCE JUSTID\n"
            "XCLAIM s g d 0 3-1 TIME 9000 RETRYCOUNT 1 FORCE JUSTID\n");
  EXPECT_EQ(logged_by("xnack s g fatal ids 2 1-1 3-1"),
            "XNACK s g FAIL IDS 2 1-1 3-1 RETRYCOUNT 9223372036854775807 FORCE\n");
}

TEST_F(StreamCommands, LogIdempotentIds) {
  database.now_ms = 5000;
  EXPECT_EQ(logged_by("xadd s idmp p i maxlen 5 * a b"), "XADD s 5000-0 a b\nXIDMPRECORD s p i 5000-0\n");
  EXPECT_EQ(logged_by("xadd s idmp p i * a b"), "");
  EXPECT_EQ(logged_by("xadd s idmp p j maxlen 1 * a b"),
            "XADD s 5000-1 a b\nXIDMPRECORD s p j 5000-1\nXTRIM s MAXLEN = 1\n");
}

// Of a claim that runs out of memory the log has what was done, and the client hears of it.
class StreamClaimsWithoutMemory : public StreamCommands {
 protected:
  static constexpr int kEntries = 20'000;

  std::vector<std::string> with_all_ids(std::vector<std::string> words, std::vector<std::string> behind) {
    for (int i = 1; i <= kEntries; ++i) words.push_back(std::to_string(i) + "-1");
    words.insert(words.end(), behind.begin(), behind.end());
    return words;
  }
  Heap& heap() { return database.keyspace.shard(0).data().heap; }
  void end_memory() { heap().set_limit(heap().stats().resident); }
  // Also of what was freed, but for some nodes of an IdTree.
  void end_all_memory() {
    constexpr size_t kNodeBytes = 1008;
    constexpr size_t kNodesLeft = 10;
    end_memory();
    while (void* block = heap().allocate(kNodeBytes)) filler_.push_back(block);
    for (size_t i = 0; i < kNodesLeft && !filler_.empty(); ++i) free_last();
  }
  void give_back_memory() {
    heap().set_limit(0);
    while (!filler_.empty()) free_last();
  }
  static size_t count(const std::string& text, const std::string& part) {
    size_t found = 0;
    for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size()))
      ++found;
    return found;
  }
  // Members of the group as XPENDING counts them for the consumer.
  std::string pending_of(const std::string& consumer) { return run("xpending s g - + 100000 " + consumer); }
  void free_last() {
    heap().free(filler_.back());
    filler_.pop_back();
  }
  void require_logged_as_done(const std::string& consumer) {
    const std::string log = database.logged();
    const size_t logged = count(log, "-1 ");
    EXPECT_GT(logged, 0U);
    EXPECT_LT(logged, static_cast<size_t>(kEntries));
    EXPECT_EQ(pending_of(consumer).find("*" + std::to_string(logged) + "\r\n"), 0U) << log.substr(0, 200);
  }

  std::vector<void*> filler_;
};

TEST_F(StreamClaimsWithoutMemory, XclaimSaysSo) {
  add(kEntries);
  run("xgroup create s g $");
  run("xgroup createconsumer s g c");
  database.logged();
  end_memory();
  EXPECT_EQ(
      database.run_words(with_all_ids({"xclaim", "s", "g", "c", "0"}, {"force", "justid"})).find("-OOM"), 0U);
  require_logged_as_done("c");
  heap().set_limit(0);
}

TEST_F(StreamClaimsWithoutMemory, XautoclaimSaysSo) {
  add(kEntries);
  run("xgroup create s g 0");
  run("xreadgroup group g c streams s >");
  run("xgroup createconsumer s g d");
  database.logged();
  database.now_ms += 1000;
  end_all_memory();
  EXPECT_EQ(run("xautoclaim s g d 0 0 count 20000 justid").find("-OOM"), 0U);
  require_logged_as_done("d");
  give_back_memory();
}

// What XREADGROUP cannot give for want of memory is not lost, so the reply is only shorter; where it would be
// empty it is an error.
TEST_F(StreamClaimsWithoutMemory, XreadgroupGivesWhatItCan) {
  add(kEntries);
  run("xgroup create s g 0");
  run("xgroup createconsumer s g c");
  database.logged();
  end_memory();
  EXPECT_EQ(run("xreadgroup group g c streams s >").find("*1\r\n*2\r\n"), 0U);
  const std::string log = database.logged();
  const size_t given = count(log, "-1 ") - 1;  // one is the group's position
  EXPECT_EQ(pending_of("c").find("*" + std::to_string(given) + "\r\n"), 0U);
  EXPECT_EQ(run("xreadgroup group g c streams s >").find("-OOM"), 0U);
  heap().set_limit(0);
  EXPECT_EQ(run("xreadgroup group g c streams s >")
                .find("*1\r\n*2\r\n$1\r\ns\r\n*" + std::to_string(kEntries - given) + "\r\n"),
            0U);
}

}  // namespace
}  // namespace strata

// Deadlines of fields: what is logged, when fields go, and that a log or a copy brings the same back. Replies
// and errors are in tests/commands/hash_fields.test.

#include <gtest/gtest.h>

#include <map>

#include "base/random.h"
#include "commands/groups.h"
#include "commands/test_fixture.h"
#include "data/hash_deadlines.h"
#include "data/value_test_tools.h"

namespace strata {
namespace {

using testing_tools::Starvation;
using testing_tools::test_seed;

class HashFieldsTest : public ::testing::Test {
 protected:
  using Field = std::pair<std::string, int64_t>;  // value, deadline
  using Contents = std::map<std::string, Field>;

  static std::string at(int64_t ms) { return std::to_string(ms); }
  static Contents contents(TestDatabase& database, Bytes key) {
    Contents all;
    const Entry* entry = database.entry(key);
    if (!entry) return all;
    const Value hash = entry->value();
    hash_visit(hash, [&](const Element& field, const Element& value) {
      const std::string name = testing_tools::text(field);
      all[name] = {testing_tools::text(value), hash_deadline(hash, name)};
    });
    return all;
  }
  // Deletes what is due, as the worker does.
  void tick(int64_t ms) {
    database_.now_ms += ms;
    for (uint32_t s = 0; s < database_.keyspace.shard_count(); ++s) {
      while (!database_.keyspace.shard(s).expire_due(database_.now_ms, 10, &database_.sink)) {
      }
    }
  }
  // Runs a log in another database, in which nothing expires.
  void replay(const std::string& log) {
    size_t begin = 0;
    while (begin < log.size()) {
      const size_t end = log.find('\n', begin);
      EXPECT_NE(replica_.run(log.substr(begin, end - begin))[0], '-') << log.substr(begin, end - begin);
      begin = end + 1;
    }
  }

  TestDatabase database_{{&kHashGroup, &kGenericGroup, &kStringGroup, &kKeyspaceGroup}, 4};
  TestDatabase replica_{{&kHashGroup, &kGenericGroup, &kStringGroup, &kKeyspaceGroup}, 2};
};

TEST_F(HashFieldsTest, LogsAbsoluteDeadlines) {
  database_.run("HSET h a 1 b 2 c 3");
  database_.logged();
  const std::string deadline = at(database_.now_ms + 10'000);
  EXPECT_EQ(database_.run("HEXPIRE h 10 FIELDS 3 a x b"), "*3\r\n:1\r\n:-2\r\n:1\r\n");
  EXPECT_EQ(database_.logged(), "HPEXPIREAT h " + deadline + " FIELDS 2 a b\n");
  EXPECT_EQ(database_.run("HEXPIRE h 10 NX FIELDS 1 a"), "*1\r\n:0\r\n");
  EXPECT_EQ(database_.logged(), "");
  database_.run("HGETEX h PX 5 FIELDS 2 a x");
  EXPECT_EQ(database_.logged(), "HPEXPIREAT h " + at(database_.now_ms + 5) + " FIELDS 1 a\n");
  database_.run("HGETEX h PERSIST FIELDS 2 a c");
  EXPECT_EQ(database_.logged(), "HPERSIST h FIELDS 1 a\n");
  database_.run("HPERSIST h FIELDS 2 b c");
  EXPECT_EQ(database_.logged(), "HPERSIST h FIELDS 1 b\n");
  database_.run("HGETEX h FIELDS 1 a");
  EXPECT_EQ(database_.logged(), "");
  database_.run("HSETEX h EX 10 FIELDS 2 a 7 d 8");
  EXPECT_EQ(database_.logged(), "HSET h a 7 d 8\nHPEXPIREAT h " + deadline + " FIELDS 2 a d\n");
  database_.run("HSETEX h KEEPTTL FIELDS 1 a 9");
  EXPECT_EQ(database_.logged(), "HSETEX h KEEPTTL FIELDS 1 a 9\n");
  database_.run("HINCRBYFLOAT h a 0.5");
  EXPECT_EQ(database_.logged(), "HSETEX h KEEPTTL FIELDS 1 a 9.5\n");
  database_.run("HINCRBYFLOAT h b 0.5");
  EXPECT_EQ(database_.logged(), "HSET h b 2.5\n");
  database_.run("HGETDEL h FIELDS 2 b x");
  EXPECT_EQ(database_.logged(), "HDEL h b\n");
  database_.run("HEXPIREAT h 1 FIELDS 2 c x");
  EXPECT_EQ(database_.logged(), "HDEL h c\n");
  database_.run("HSETEX h PXAT 1 FIELDS 2 a 1 new 2");
  EXPECT_EQ(database_.logged(), "HDEL h a\n");
  database_.run("HGETEX h EXAT 1 FIELDS 1 d");
  EXPECT_EQ(database_.logged(), "HDEL h d\n");
  EXPECT_EQ(database_.entry("h"), nullptr);
}

TEST_F(HashFieldsTest, FieldsGoOnTimeOneByOne) {
  database_.run("HSET h a 1 b 2 c 3");
  database_.run("HPEXPIRE h 10 FIELDS 1 a");
  database_.run("HPEXPIRE h 20 FIELDS 2 b c");
  database_.logged();
  tick(9);
  EXPECT_EQ(database_.logged(), "");
  tick(1);
  EXPECT_EQ(database_.logged(), "HDEL h a\n");
  // A reader that comes before the clock's hand sees nothing of them either.
  database_.now_ms += 10;
  EXPECT_EQ(database_.run("HLEN h"), ":0\r\n");
  EXPECT_EQ(database_.logged(), "HDEL h b c\n");
  EXPECT_EQ(database_.entry("h"), nullptr);
  EXPECT_EQ(database_.keyspace.timed_hash_count(), 0u);
  uint64_t expired = 0;
  for (uint32_t s = 0; s < 4; ++s) expired += database_.keyspace.shard(s).expired_field_count;
  EXPECT_EQ(expired, 3u);
}

// The timers follow the hash wherever it goes.
TEST_F(HashFieldsTest, MovedHashesStillExpire) {
  for (const char* way : {"RENAME h target", "COPY h target REPLACE", "MOVE h 3", "SWAPDB 0 3",
                          "SET h string", "DEL h", "FLUSHALL", "PERSIST h"}) {
    database_.run("HSET h a 1 b 2");
    database_.run("HPEXPIRE h 10 FIELDS 1 a");
    database_.run("EXPIRE h 1000");
    database_.run(way);
    database_.logged();
    tick(10);
    const std::string log = database_.logged();
    const bool is_gone =
        way == std::string("SET h string") || way == std::string("DEL h") || way == std::string("FLUSHALL");
    EXPECT_EQ(log.empty(), is_gone) << way << ": " << log;
    EXPECT_EQ(database_.keyspace.timed_hash_count(), 0u) << way;
    database_.run("FLUSHALL");
  }
}

TEST_F(HashFieldsTest, NothingExpiresWhileTheLogIsReplayed) {
  replica_.keyspace.enable_expiry(false);
  replay("HSET h a 1 b 2\nHPEXPIREAT h 1 FIELDS 2 a b\n");
  EXPECT_EQ(contents(replica_, "h"), (Contents{{"a", {"1", 1}}, {"b", {"2", 1}}}));
  replica_.keyspace.enable_expiry(true);
  EXPECT_EQ(replica_.run("HGETALL h"), "*0\r\n");
}

TEST_F(HashFieldsTest, ReplayGivesTheSameWhateverFailed) {
  Random random(test_seed(1));
  replica_.keyspace.enable_expiry(false);
  database_.options.hash.packed_entries = replica_.options.hash.packed_entries = 12;
  const auto number = [&](uint64_t n) { return std::to_string(random.below(n)); };
  const auto field = [&] { return "f" + number(20); };
  uint64_t failures = 0;
  const auto run_one = [&] {
    const std::string pair = field() + " " + number(100);
    const std::string fields = " FIELDS 2 " + field() + " " + field();
    const std::string lines[] = {"HSET h " + pair + " " + field() + " x",
                                 "HSETEX h PX " + number(50) + "1 FIELDS 1 " + pair,
                                 "HSETEX h KEEPTTL FIELDS 1 " + pair,
                                 "HPEXPIRE h " + number(60) + fields,
                                 "HPEXPIRE h " + number(60) + " GT" + fields,
                                 "HPERSIST h" + fields,
                                 "HGETEX h PX 1" + number(40) + fields,
                                 "HGETDEL h" + fields,
                                 "HDEL h " + field(),
                                 "HINCRBY h " + field() + " 3",
                                 "HINCRBYFLOAT h " + field() + " 0.25",
                                 "COPY h copy REPLACE",
                                 "RENAME copy h",
                                 "HGETALL h"};
    const std::string reply = database_.run(lines[random.below(std::size(lines))]);
    failures += reply.starts_with("-OOM");
    if (random.below(5) == 0) tick(static_cast<int64_t>(random.below(10)));
  };
  for (int round = 0; round < 60 && !HasFailure(); ++round) {
    for (int i = 0; i < 100; ++i) run_one();
    {
      Starvation first(database_.keyspace.shard(database_.keyspace.key("h").shard).heap());
      for (int i = 0; i < 60; ++i) {
        if (random.below(2) == 0) first.allow_one(random);
        run_one();
      }
    }
    database_.run("EXISTS h copy");
    tick(0);
    replay(database_.logged());
    for (const char* key : {"h", "copy"}) EXPECT_EQ(contents(database_, key), contents(replica_, key)) << key;
  }
  EXPECT_GT(failures, 20u);
}

}  // namespace
}  // namespace strata

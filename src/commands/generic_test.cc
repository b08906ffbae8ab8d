#include <gtest/gtest.h>

#include <map>
#include <set>

#include "commands/groups.h"
#include "commands/test_fixture.h"

namespace strata {
namespace {

// A list of `count` elements, without the list commands.
void put_list(TestDatabase& db, Bytes name, size_t count) {
  Key key = db.keyspace.key(name);
  Shard& shard = db.keyspace.shard(key.shard);
  Value value;
  ASSERT_TRUE(list::create(shard.heap(), &value));
  for (size_t i = 0; i < count; ++i) {
    ASSERT_TRUE(list::push(value, shard.heap(), {}, list::End::kBack, Element::of(static_cast<int64_t>(i))));
  }
  ASSERT_TRUE(shard.database(db.db).put(key, value, kNoDeadline));
}

// A name that lives in another shard.
std::string name_elsewhere(const TestDatabase& db, Bytes name) {
  for (int i = 0;; ++i) {
    std::string other = "other" + std::to_string(i);
    if (db.keyspace.key(other).shard != db.keyspace.key(name).shard) return other;
  }
}

void clean(TestDatabase& db) {
  for (uint32_t i = 0; i < db.keyspace.shard_count(); ++i) {
    while (!db.keyspace.shard(i).clean(10'000)) {
    }
  }
}

class GenericTest : public ::testing::TestWithParam<uint32_t> {
 protected:
  TestDatabase db{{&kStringGroup, &kGenericGroup, &kKeyspaceGroup}, GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Shards, GenericTest, ::testing::Values(1, 8));

TEST_P(GenericTest, DeadlinesAreLoggedAsAbsoluteTimes) {
  db.now_ms = 1'000'000;
  db.run("MSET a 1 b 1 c 1 d 1");
  db.logged();
  db.run("EXPIRE a 10");
  db.run("PEXPIRE a 10 GT");  // not later
  db.run("PEXPIRE a 20000 GT");
  db.run("EXPIREAT a 2000");
  db.run("PEXPIREAT a 1500000 LT");
  db.run("PERSIST a");
  db.run("PERSIST a");
  db.run("EXPIRE b -1");
  db.run("PEXPIREAT c 1000000");
  db.run("EXPIRE none 10");
  EXPECT_EQ(
      db.logged(),
      "PEXPIREAT a 1010000\nPEXPIREAT a 1020000\nPEXPIREAT a 2000000\nPEXPIREAT a 1500000\nPERSIST a\nDEL b\n"
      "DEL c\n");
  EXPECT_EQ(db.run("EXISTS a b c d"), ":2\r\n");
}

TEST_P(GenericTest, ExtremeDeadlines) {
  db.run("MSET a 1 b 1");
  EXPECT_EQ(db.run("PEXPIREAT a 9223372036854775807"), ":1\r\n");
  EXPECT_EQ(db.run("PEXPIREAT b 9223372036854775807"), ":1\r\n");
  EXPECT_EQ(db.run("TTL a").front(), ':');
  EXPECT_EQ(db.run("EXPIRETIME a"), ":9223372036854776\r\n");
  EXPECT_EQ(db.run("EXPIRE a 9223372036854775807"), "-ERR invalid expire time in 'expire' command\r\n");
  EXPECT_EQ(db.run("EXPIRE a -9223372036854775808"), "-ERR invalid expire time in 'expire' command\r\n");
  EXPECT_EQ(db.run("PEXPIRE a 9223372036854775807"), "-ERR invalid expire time in 'pexpire' command\r\n");
  EXPECT_EQ(db.run("PEXPIREAT a -9223372036854775808"), ":1\r\n");
  EXPECT_EQ(db.run("EXISTS a"), ":0\r\n");
}

// While the log is replayed a deadline in the past is kept: the key goes when loading is over.
TEST_P(GenericTest, LoadingDoesNotExpire) {
  db.keyspace.enable_expiry(false);
  db.run("MSET a 1 b 1");
  EXPECT_EQ(db.run("PEXPIREAT a 5"), ":1\r\n");
  EXPECT_EQ(db.run("PEXPIREAT b -1"), ":1\r\n");
  EXPECT_EQ(db.run("EXISTS a b"), ":2\r\n");
  db.keyspace.enable_expiry(true);
  EXPECT_EQ(db.run("EXISTS a b"), ":0\r\n");
}

TEST_P(GenericTest, RenameMovesAValueAcrossShardsWithoutCopyingIt) {
  put_list(db, "list", 10'000);
  void* pointer = db.entry("list")->value().pointer;
  std::string other = GetParam() == 1 ? "other" : name_elsewhere(db, "list");
  EXPECT_EQ(db.run("PEXPIREAT list 33177117420123"), ":1\r\n");
  db.logged();
  EXPECT_EQ(db.run("RENAME list " + other), "+OK\r\n");
  EXPECT_EQ(db.logged(), "RENAME list " + other + "\n");
  ASSERT_NE(db.entry(other), nullptr);
  EXPECT_EQ(db.entry("list"), nullptr);
  EXPECT_EQ(db.entry(other)->value().pointer, pointer);
  EXPECT_EQ(db.entry(other)->deadline_ms(), 33177117420123);
  EXPECT_EQ(list::length(db.entry(other)->value()), 10'000u);

  // Freed from its new shard, its blocks return to the heap it was born in.
  EXPECT_EQ(db.run("DEL " + other), ":1\r\n");
  clean(db);
  clean(db);
  EXPECT_LT(db.keyspace.used_bytes(), 20'000u);
}

// The keyspace ends while shards hold values that were born in others. This once freed blocks of heaps that
// were gone.
TEST_P(GenericTest, ValuesOutliveTheShardTheyWereBornIn) {
  for (int i = 0; i < 50; ++i) {
    std::string name = "list" + std::to_string(i);
    put_list(db, name, 1000);
    EXPECT_EQ(db.run("RENAME " + name + " moved" + std::to_string(i)), "+OK\r\n");
  }
  db.run("UNLINK moved0 moved1 moved2 moved3");
}

TEST_P(GenericTest, RenameOfStringsKeepsTheirEncoding) {
  std::string other = GetParam() == 1 ? "other" : name_elsewhere(db, "name");
  std::string large(5000, 'x');
  for (const std::string& value : {std::string("12"), std::string("text"), std::string(500, 'y'), large}) {
    for (bool appended : {false, true}) {
      db.run("DEL name");
      db.run_words({appended ? "APPEND" : "SET", "name", value});
      if (appended) db.run("APPEND name !");
      std::string encoding = db.run("OBJECT ENCODING name"), text = db.run("GET name");
      EXPECT_EQ(db.run("COPY name " + other + " REPLACE"), ":1\r\n");
      EXPECT_EQ(db.run("OBJECT ENCODING " + other), encoding);
      EXPECT_EQ(db.run("GET " + other), text);
      EXPECT_EQ(db.run("RENAME name " + other), "+OK\r\n");
      EXPECT_EQ(db.run("OBJECT ENCODING " + other), encoding);
      EXPECT_EQ(db.run("GET " + other), text);
      EXPECT_EQ(db.run("EXISTS name"), ":0\r\n");
    }
  }
}

TEST_P(GenericTest, CopyIsIndependent) {
  put_list(db, "list", 1000);
  std::string other = GetParam() == 1 ? "other" : name_elsewhere(db, "list");
  EXPECT_EQ(db.run("COPY list " + other), ":1\r\n");
  EXPECT_EQ(db.run("DEL list"), ":1\r\n");
  clean(db);
  EXPECT_EQ(list::length(db.entry(other)->value()), 1000u);
}

TEST_P(GenericTest, OutOfMemoryLeavesBothKeys) {
  const std::string oom = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
  put_list(db, "list", 200'000);
  std::string other = GetParam() == 1 ? "other" : name_elsewhere(db, "list");
  db.run("SET " + other + " v");
  db.logged();
  for (uint32_t i = 0; i < db.keyspace.shard_count(); ++i) {
    Heap& heap = db.keyspace.shard(i).heap();
    heap.set_limit(heap.stats().resident);
  }
  EXPECT_EQ(db.run("COPY list " + other + " REPLACE"), oom);
  EXPECT_EQ(db.run("GET " + other), "$1\r\nv\r\n");
  EXPECT_EQ(db.logged(), "");
  EXPECT_EQ(list::length(db.entry("list")->value()), 200'000u);
}

TEST_P(GenericTest, MoveBetweenDatabases) {
  put_list(db, "list", 1000);
  EXPECT_EQ(db.run("MOVE list 5"), ":1\r\n");
  EXPECT_EQ(db.entry("list"), nullptr);
  db.db = 5;
  ASSERT_NE(db.entry("list"), nullptr);
  EXPECT_EQ(db.run("MOVE list 0"), ":1\r\n");
  EXPECT_EQ(db.logged(), "MOVE list 5\n[5] MOVE list 0\n");
}

// [cursor, keys…] of a SCAN.
std::vector<std::string> words_of(const std::string& reply) {
  std::vector<std::string> words;
  for (size_t at = 0; (at = reply.find('$', at)) != std::string::npos;) {
    size_t size = std::stoul(reply.substr(at + 1));
    at = reply.find('\n', at) + 1;
    words.push_back(reply.substr(at, size));
    at += size;
  }
  return words;
}

// Keys that are there all the time are shown, while others come and go and tables grow and shrink.
TEST_P(GenericTest, ScanShowsWhatIsThereAllTheTime) {
  constexpr int kStaying = 3000;
  for (int i = 0; i < kStaying; ++i) db.run("SET stay" + std::to_string(i) + " v");
  std::set<std::string> seen;
  std::string cursor = "0";
  int calls = 0;
  do {
    auto words = words_of(db.run("SCAN " + cursor + " COUNT 20 MATCH stay*"));
    cursor = words[0];
    EXPECT_LT(std::stoull(cursor), 1ull << 53);
    seen.insert(words.begin() + 1, words.end());
    for (int i = 0; i < 100; ++i) {
      std::string key = "pass" + std::to_string((calls < 60 ? calls : calls - 60) * 100 + i);
      db.run(calls < 60 ? "SET " + key + " v" : "DEL " + key);
    }
    ASSERT_LT(++calls, 10'000);
  } while (cursor != "0");
  EXPECT_EQ(seen.size(), static_cast<size_t>(kStaying));
}

TEST_P(GenericTest, ScanIsSafeWithAnyCursor) {
  for (int i = 0; i < 500; ++i) db.run("SET k" + std::to_string(i) + " v");
  for (uint64_t shift = 0; shift < 64; ++shift) {
    for (uint64_t delta : {uint64_t{0}, uint64_t{1}, uint64_t{5}, ~uint64_t{0}}) {
      uint64_t cursor = (uint64_t{1} << shift) + delta;
      auto words = words_of(db.run("SCAN " + std::to_string(cursor) + " COUNT 3"));
      ASSERT_FALSE(words.empty());
    }
  }
  EXPECT_EQ(db.run("SCAN 18446744073709551616"), "-ERR invalid cursor\r\n");
  EXPECT_EQ(words_of(db.run("SCAN 0 COUNT 9223372036854775807")).size(), 501u);
}

TEST_P(GenericTest, ExpiredKeysAreNotShown) {
  db.run("MSET a 1 b 1");
  db.run("SET c 1 PX 10");
  db.now_ms += 10;
  EXPECT_EQ(words_of(db.run("KEYS *")).size(), 2u);
  EXPECT_EQ(words_of(db.run("SCAN 0 COUNT 100")).size(), 3u);
  db.logged();
  std::set<std::string> seen;
  for (int i = 0; i < 300; ++i) seen.insert(db.run("RANDOMKEY"));
  EXPECT_EQ(seen, (std::set<std::string>{"$1\r\na\r\n", "$1\r\nb\r\n"}));
  EXPECT_EQ(db.logged(), "DEL c\n");
}

TEST_P(GenericTest, RandomkeyFindsEveryKeyAboutAsOften) {
  constexpr int kKeys = 20, kDraws = 20'000;
  for (int i = 0; i < kKeys; ++i) db.run("SET k" + std::to_string(i) + " v");
  std::map<std::string, int> drawn;
  for (int i = 0; i < kDraws; ++i) ++drawn[db.run("RANDOMKEY")];
  EXPECT_EQ(drawn.size(), static_cast<size_t>(kKeys));
  for (auto& [key, count] : drawn) EXPECT_GT(count, kDraws / kKeys / 3) << key;
}

TEST_P(GenericTest, RandomkeyEndsWhenEverythingHasExpired) {
  for (int i = 0; i < 1000; ++i) db.run("SET k" + std::to_string(i) + " v PX 10");
  db.now_ms += 10;
  db.run("RANDOMKEY");
  EXPECT_GT(db.keyspace.key_count(0), 800u);  // bounded work
}

TEST_P(GenericTest, ReadsThatDoNotTouch) {
  db.run("SET a v");
  db.now_ms += 100'000;
  db.run("TYPE a");
  db.run("TTL a");
  db.run("EXISTS a");
  EXPECT_EQ(db.run("OBJECT IDLETIME a"), ":100\r\n");
  db.run("TOUCH a");
  EXPECT_EQ(db.run("OBJECT IDLETIME a"), ":0\r\n");
}

TEST_P(GenericTest, CommandsThatWriteTouch) {
  for (const char* command :
       {"EXPIRE k 100", "PERSIST k", "SETNX k v", "SETRANGE k 0 x", "INCR k", "RENAME k k"}) {
    db.run("SET k v");
    db.now_ms += 10'000;
    db.run(command);
    EXPECT_EQ(db.run("OBJECT IDLETIME k"), ":0\r\n") << command;
  }
}

TEST_P(GenericTest, FlushEmptiesAndTellsWatchers) {
  db.run("MSET a 1 b 2");
  put_list(db, "list", 100'000);
  WatchMark existing, missing, elsewhere;
  auto watch = [&](uint16_t number, Bytes name, WatchMark& mark) {
    db.keyspace.shard(db.keyspace.key(name).shard).watches().add(number, name, &mark);
  };
  watch(0, "a", existing);
  watch(0, "none", missing);
  watch(1, "a", elsewhere);
  db.logged();
  EXPECT_EQ(db.run("FLUSHDB"), "+OK\r\n");
  EXPECT_TRUE(existing.touched);
  EXPECT_FALSE(missing.touched);
  EXPECT_FALSE(elsewhere.touched);
  EXPECT_EQ(db.run("DBSIZE"), ":0\r\n");
  EXPECT_EQ(db.run("FLUSHALL SYNC"), "+OK\r\n");
  EXPECT_EQ(db.run("FLUSHDB FOO"), "-ERR syntax error\r\n");
  EXPECT_EQ(db.logged(), "FLUSHDB\nFLUSHALL SYNC\n");
  clean(db);
  EXPECT_LT(db.keyspace.used_bytes(), 100'000u);
}

TEST_P(GenericTest, SwapdbTellsWhoWatchesEitherSide) {
  db.run("SET a 1");
  WatchMark here, there, neither;
  auto watch = [&](uint16_t number, Bytes name, WatchMark& mark) {
    db.keyspace.shard(db.keyspace.key(name).shard).watches().add(number, name, &mark);
  };
  watch(0, "a", here);
  watch(1, "a", there);
  watch(1, "b", neither);
  EXPECT_EQ(db.run("SWAPDB 0 1"), "+OK\r\n");
  EXPECT_TRUE(here.touched);
  EXPECT_TRUE(there.touched);
  EXPECT_FALSE(neither.touched);
  EXPECT_EQ(db.run("DBSIZE"), ":0\r\n");
  db.db = 1;
  EXPECT_EQ(db.run("GET a"), "$1\r\n1\r\n");
}

}  // namespace
}  // namespace strata

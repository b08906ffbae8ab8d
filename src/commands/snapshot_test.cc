// The property that a snapshot has to have: whatever commands run while it walks, by seed, the file holds
// what the keyspace held when it began. Commands find large values latched as they do in a server, or, now
// and then, do not care, as commands of a script do.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "commands/groups.h"
#include "commands/test_fixture.h"
#include "data/value_test_tools.h"
#include "keyspace/shard_job.h"
#include "persistence/rdb_snapshot.h"
#include "persistence/rdb_test_support.h"

namespace strata {
namespace {

using rdb_test::Contents;
using rdb_test::contents_of;
using testing_tools::test_seed;

constexpr uint64_t kKeys = 12;
constexpr uint32_t kShards = 4;
constexpr uint16_t kDatabases = 3;
const CommandGroup* const kGroups[] = {&kStringGroup,    &kListGroup,    &kHashGroup,    &kSetGroup,
                                       &kSortedSetGroup, &kGenericGroup, &kKeyspaceGroup};
constexpr char kTypes[] = "slhzt";  // a key's name begins with what it mostly is: t is a set

class SnapshotTest : public ::testing::Test {
 protected:
  ~SnapshotTest() override {
    for (uint32_t s = 0; s < kShards; ++s) shard(s).release_all();
    for (uint32_t s = 0; s < kShards; ++s) {
      while (!shard(s).heap().collect()) {
      }
      EXPECT_EQ(shard(s).heap().used(), 0u) << "something was never freed";
    }
  }

  Shard& shard(uint32_t s) { return db_.keyspace.shard(s); }
  std::string number(uint64_t n) { return std::to_string(random_.below(n)); }
  std::string key(char type) {
    if (random_.one_in(30)) type = kTypes[random_.below(5)];
    return type + number(kKeys);
  }
  std::string word() {
    if (random_.one_in(40)) return std::string(1 + random_.below(6000), 'x') + number(9);
    return random_.one_in(2) ? number(40) : "word" + number(40);
  }
  std::string any_key() { return key(kTypes[random_.below(5)]); }

  // What goes on in between. A template's letters are keys of that type, w a word, n a number, p a deadline.
  std::string command() {
    static constexpr const char* kTemplates[] = {"SET s w",
                                                 "SET s n",
                                                 "SETEX s p w",
                                                 "APPEND s w",
                                                 "SETRANGE s n w",
                                                 "INCR s",
                                                 "INCRBYFLOAT s 0.5",
                                                 "GETDEL s",
                                                 "GETEX s PX p",
                                                 "GETSET s w",
                                                 "MSET s w s w",
                                                 "SETNX s w",
                                                 "DECRBY s n",
                                                 "MSETNX s w s w",  //
                                                 "LPUSH l w w",
                                                 "RPUSH l w w w",
                                                 "LPOP l n",
                                                 "RPOP l",
                                                 "LSET l n w",
                                                 "LINSERT l BEFORE w w",
                                                 "LREM l 0 w",
                                                 "LTRIM l 0 -3",
                                                 "LMOVE l l LEFT RIGHT",
                                                 "LMOVEM l l LEFT RIGHT COUNT n OBO",
                                                 "LMOVEM l l RIGHT RIGHT EXACTLY 3 BULK",
                                                 "RPOPLPUSH l l",
                                                 "LMPOP 2 l l LEFT COUNT 3",
                                                 "RPUSHX l w",  //
                                                 "HSET h w w w w",
                                                 "HDEL h w",
                                                 "HINCRBY h counter n",
                                                 "HINCRBYFLOAT h float 0.25",
                                                 "HSETNX h w w",  //
                                                 "ZADD z n w n w",
                                                 "ZINCRBY z n w",
                                                 "ZREM z w",
                                                 "ZPOPMIN z n",
                                                 "ZPOPMAX z",
                                                 "ZREMRANGEBYRANK z 0 n",
                                                 "ZREMRANGEBYSCORE z n n",  //
                                                 "SORT l ALPHA STORE l",
                                                 "SORT t ALPHA STORE l",
                                                 "SADD t w w w",
                                                 "SREM t w",
                                                 "SPOP t n",
                                                 "SMOVE t t w",
                                                 "SUNIONSTORE t t t",
                                                 "SDIFFSTORE t t t",
                                                 "SINTERSTORE t t t",  //
                                                 "DEL a",
                                                 "DEL a a",
                                                 "UNLINK a",
                                                 "EXPIRE a 1",
                                                 "PEXPIRE a p",
                                                 "PEXPIREAT a 5",
                                                 "PERSIST a",
                                                 "RENAME a a",
                                                 "RENAMENX a a",
                                                 "COPY a a REPLACE",
                                                 "COPY a a DB 1 REPLACE",
                                                 "MOVE a 2",
                                                 "MOVE a 1",
                                                 "TOUCH a",
                                                 "OBJECT ENCODING a",
                                                 "GET s",
                                                 "LRANGE l 0 -1",
                                                 "HGETALL h",
                                                 "EXISTS a"};
    static constexpr const char* kRare[] = {"FLUSHDB", "FLUSHALL", "FLUSHDB SYNC", "SWAPDB 0 1",
                                            "SWAPDB 1 2"};
    if (random_.one_in(150)) return kRare[random_.below(std::size(kRare))];
    if (!others_.empty() && random_.one_in(8)) return something_of(others_[random_.below(others_.size())]);
    return filled(kTemplates[random_.below(std::size(kTemplates))]);
  }
  // Writing commands that have come since the templates were written: with whatever arguments.
  std::string something_of(const std::string& name) {
    static constexpr const char* kParts[] = {" a", " n", " w", " n w", " a a", ""};
    std::string line = name + " a";
    for (uint64_t n = random_.below(4); n > 0; --n) line += kParts[random_.below(std::size(kParts))];
    return filled(line);
  }
  void SetUp() override {
    static constexpr std::string_view kHasTemplate =
        " set setex append setrange incr incrbyfloat getdel getex getset mset setnx decrby msetnx lpush "
        "rpush lpop rpop lset"
        " linsert lrem ltrim lmove lmovem rpoplpush lmpop rpushx hset hdel hincrby hincrbyfloat hsetnx zadd "
        "zincrby "
        "zrem zpopmin"
        " zpopmax zremrangebyrank zremrangebyscore sadd srem spop smove sunionstore sdiffstore sinterstore "
        "del unlink expire"
        " pexpire pexpireat persist rename renamenx copy move flushdb flushall swapdb ";
    for (const CommandGroup* group : kGroups) {
      for (const Command& command : group->commands) {
        const bool is_drawn = kHasTemplate.contains(" " + std::string(command.name) + " ");
        if ((command.flags & kWrite) && !is_drawn) others_.emplace_back(command.name);
      }
    }
  }
  std::string filled(const std::string& line) {
    std::string all;
    for (size_t begin = 0; begin <= line.size();) {
      const size_t end = std::min(line.find(' ', begin), line.size());
      const std::string part = line.substr(begin, end - begin);
      begin = end + 1;
      if (!all.empty()) all += ' ';
      if (part.size() > 1) {
        all += part;
        continue;
      }
      all += part == "w"                                           ? word()
             : part == "n"                                         ? number(20)
             : part == "p"                                         ? std::to_string(1 + random_.below(50))
             : part == "a"                                         ? any_key()
             : std::string(kTypes).find(part) != std::string::npos ? key(part[0])
                                                                   : part;
    }
    return all;
  }

  // Values that are saved in slices, one of each type.
  void make_large(uint16_t db) {
    db_.db = db;
    std::string list = "RPUSH l0", hash = "HSET h0", zset = "ZADD z0", set = "SADD t0", integers = "SADD t1";
    for (int i = 0; i < 3000; ++i) {
      const std::string n = std::to_string(i);
      list += " element" + n;
      hash += " field" + n + " value" + n;
      zset += " " + n + " member" + n;
      set += " member" + n;
      integers += " " + n;
    }
    db_.run("DEL l0 h0 z0 t0 t1");
    for (const std::string& line : {list, hash, zset, set, integers, "SET s0 " + std::string(400'000, 'y')}) {
      const std::string reply = db_.run(line);
      ASSERT_NE(reply[0], '-') << reply << line.substr(0, 20);
    }
  }

  // As the dispatcher does: a command on a value that is half saved, or large and unsaved, has to wait.
  bool is_latched(const std::string& line) {
    bool latched = false;
    for (const char type : std::string(kTypes)) {
      for (uint64_t i = 0; i < kKeys; ++i) {
        const std::string name = type + std::to_string(i);
        if (!(line + ' ').contains(' ' + name + ' ')) continue;
        const Key k = db_.keyspace.key(name);
        latched |= shard(k.shard).snapshot().latch_for(db_.db, k) != nullptr;
        latched |= shard(k.shard).latches().find(db_.db, name, true) != nullptr;
      }
    }
    return latched;
  }
  bool is_about_everything(const std::string& line) {
    return line.starts_with("FLUSH") || line.starts_with("SWAP");
  }
  bool anything_is_latched() {
    for (uint32_t s = 0; s < kShards; ++s) {
      if (shard(s).latches().find_any(true) != nullptr) return true;
    }
    return false;
  }

  void change_something() {
    db_.db = static_cast<uint16_t>(random_.below(kDatabases));
    db_.now_ms += static_cast<int64_t>(random_.below(3));
    const std::string line = command();
    const bool waits = is_about_everything(line) ? anything_is_latched() : is_latched(line);
    if (waits && !random_.one_in(8)) return;
    in_spite_of_latches_ += waits;
    db_.run(line);
    if (random_.one_in(20)) {
      Shard& due = shard(static_cast<uint32_t>(random_.below(kShards)));
      due.expire_due(db_.now_ms, 20, &db_.sink);
      due.clean(64);
    }
    db_.sink.take();
  }

  // One step of the walk in some shard; where a large value is half saved, in that one. The writing thread is
  // waited for, so that a seed always does the same.
  bool step(const RdbSnapshot& snapshot, bool waits_for_writing = true) {
    std::vector<uint32_t> active;
    for (uint32_t s = 0; s < kShards; ++s) {
      if (shard(s).snapshot().is_in_large()) active.assign(1, s);
      if (snapshot.is_in_large()) continue;
      if (shard(s).snapshot().is_active()) active.push_back(s);
    }
    if (active.empty()) return false;
    while (waits_for_writing && snapshot.is_full()) std::this_thread::yield();
    shard(active[random_.below(active.size())]).snapshot().walk(runner_, 0);
    return true;
  }

  void snapshot_while(uint64_t changes_per_step, RdbSaveOptions options = {}) {
    const Contents expected = without_encodings(contents_of(db_.keyspace));
    SimFileSystem fs({.trace = false});
    RdbSnapshot snapshot(db_.keyspace, options);
    snapshot.begin();
    Result<RdbSaveReport> report = fail(Errc::kCancelled, "not yet");
    std::thread writer([&] { report = snapshot.replace(fs, "dump.rdb", "temp"); });
    do {
      for (uint64_t n = random_.below(changes_per_step + 1); n > 0; --n) change_something();
    } while (step(snapshot));
    snapshot.finish();
    writer.join();
    ASSERT_TRUE(report.has_value()) << report.error().what;
    EXPECT_FALSE(anything_is_latched());
    const rdb_test::Loaded loaded = rdb_test::load_bytes(rdb_test::bytes_of(fs, "dump.rdb"), {}, 0, kShards);
    ASSERT_TRUE(loaded.status) << loaded.status.error().what << " " << loaded.report.detail;
    ASSERT_EQ(rdb_test::difference(without_encodings(loaded.contents()), expected), "");
    EXPECT_EQ(report->key_count, expected.size());
  }

  const uint64_t seed_ = test_seed(20261127);
  Random random_{seed_};
  TestDatabase db_{{&kStringGroup, &kListGroup, &kHashGroup, &kSetGroup, &kSortedSetGroup, &kGenericGroup,
                    &kKeyspaceGroup},
                   kShards};
  std::vector<std::string> others_;
  JobRunner runner_{db_.keyspace};
  uint64_t in_spite_of_latches_ = 0;
};

TEST_F(SnapshotTest, HoldsWhatWasThereWhenItBegan) {
  db_.options.list.listpack_size = 16;
  const char* text = std::getenv("STRATA_SNAPSHOT_ROUNDS");
  const int rounds = text != nullptr ? std::atoi(text) : 120;
  for (int round = 0; round < rounds && !HasFatalFailure(); ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    for (int i = 0; i < 200; ++i) change_something();
    if (round % 3 == 0) make_large(static_cast<uint16_t>(random_.below(kDatabases)));
    RdbSaveOptions options;
    options.writer.compression = round % 2 != 0;
    options.writer.version = 9 + static_cast<uint32_t>(round % 4);
    snapshot_while(round % 5 == 0 ? 40 : 6, options);
  }
  EXPECT_GT(in_spite_of_latches_, 20u);
}

// An epoch is one byte: after 256 snapshots the first number comes again.
TEST_F(SnapshotTest, EpochsComeAgain) {
  for (int round = 0; round < 600 && !HasFatalFailure(); ++round) {
    for (int i = 0; i < 5; ++i) change_something();
    snapshot_while(1);
  }
}

// Large values alone, each of which somebody wants to change at once.
TEST_F(SnapshotTest, LargeValuesWaitOrAreCompleted) {
  for (int round = 0; round < 20 && !HasFatalFailure(); ++round) {
    for (uint16_t db = 0; db < kDatabases; ++db) {
      db_.db = db;
      db_.run("FLUSHDB");
      make_large(db);
    }
    snapshot_while(10);
  }
  EXPECT_GT(in_spite_of_latches_, 20u);
}

// The walk is given up in the middle, with tables that it had taken over.
TEST_F(SnapshotTest, AbandonedFreesWhatItHeld) {
  for (int round = 0; round < 30 && !HasFatalFailure(); ++round) {
    for (int i = 0; i < 300; ++i) change_something();
    make_large(0);
    SimFileSystem fs({.trace = false});
    RdbSnapshot snapshot(db_.keyspace, {});
    snapshot.begin();
    for (uint64_t i = random_.below(60); i > 0; --i) {
      change_something();
      if (!snapshot.is_full()) step(snapshot, false);
    }
    for (uint32_t s = 0; s < kShards; ++s) shard(s).release_all();
    const auto report = snapshot.replace(fs, "dump.rdb", "temp");
    ASSERT_FALSE(report.has_value());
    EXPECT_EQ(report.error().code, Errc::kCancelled);
    EXPECT_TRUE(fs.list(".")->empty());
  }
}

}  // namespace
}  // namespace strata

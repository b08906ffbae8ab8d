// Random commands on collections, with memory that ends at random moments: every reply must be one whole
// reply, and a second database that is given only what was logged must hold the same.

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "commands/groups.h"
#include "commands/test_fixture.h"
#include "data/value_test_tools.h"

namespace strata {
namespace {

using testing_tools::Starvation;
using testing_tools::test_seed;

// Where the reply that begins at `at` ends; npos if it is not whole.
size_t end_of_reply(const std::string& text, size_t at) {
  size_t line_end = text.find("\r\n", at);
  if (line_end == std::string::npos) return line_end;
  size_t next = line_end + 2;
  std::string head = text.substr(at + 1, line_end - at - 1);
  switch (text[at]) {
    case '$':
      if (head == "-1") return next;
      next += std::stoul(head) + 2;
      return next <= text.size() ? next : std::string::npos;
    case '*':
      if (head == "-1") return next;
      for (size_t left = std::stoul(head); left > 0 && next != std::string::npos; --left) {
        next = next < text.size() ? end_of_reply(text, next) : std::string::npos;
      }
      return next;
    default:
      return next;
  }
}

class CollectionsTest : public ::testing::Test {
 protected:
  static constexpr size_t kKeys = 3;

  std::string number(uint64_t n) { return std::to_string(random_.below(n)); }
  std::string word() {
    uint64_t kind = random_.below(20);
    if (kind == 0) return std::string(random_.below(9000) + 1, 'x') + number(5);
    if (kind < 4) return std::string(60 + random_.below(10), 'y');
    return kind < 12 ? number(40) : "w" + number(40);
  }
  std::string words() {
    std::string all;
    for (uint64_t left = random_.below(6) + 1; left > 0; --left) all += " " + word();
    return all;
  }
  std::string pairs(bool with_scores) {
    std::string all;
    for (uint64_t left = random_.below(6) + 1; left > 0; --left) {
      all += " " + (with_scores ? number(20) : word()) + " " + word();
    }
    return all;
  }
  // Now and then a key of another type.
  std::string key(char type) {
    if (random_.one_in(50)) type = "lhsz"[random_.below(4)];
    return type + number(kKeys);
  }
  std::string end() { return random_.one_in(2) ? " LEFT" : " RIGHT"; }
  std::string index() { return std::to_string(static_cast<int64_t>(random_.below(20)) - 10); }

  std::string list_command() {
    std::string l = key('l');
    switch (random_.below(12)) {
      case 0:
      case 1:
      case 2:
        return "RPUSH " + l + words();
      case 3:
        return "LPUSH " + l + words();
      case 4:
        return "LPOP " + l;
      case 5:
        return "RPOP " + l + " " + number(5);
      case 6:
        return "LSET " + l + " " + index() + " " + word();
      case 7:
        return "LINSERT " + l + " BEFORE " + word() + " " + word();
      case 8:
        return "LREM " + l + " " + index() + " " + word();
      case 9:
        return "LMOVE " + l + " " + key('l') + end() + end();
      case 10:
        return "LMPOP 2 " + key('l') + " " + l + end() + " COUNT 3";
      default:
        return "LTRIM " + l + " " + number(3) + " -" + number(3);
    }
  }
  std::string hash_command() {
    std::string h = key('h');
    switch (random_.below(6)) {
      case 0:
      case 1:
        return "HSET " + h + pairs(false);
      case 2:
        return "HSETNX " + h + " " + word() + " " + word();
      case 3:
        return "HINCRBY " + h + " n" + number(3) + " " + index();
      case 4:
        return "HINCRBYFLOAT " + h + " f" + number(3) + " 0." + number(100);
      default:
        return "HDEL " + h + words();
    }
  }
  std::string set_command() {
    std::string s = key('s');
    switch (random_.below(6)) {
      case 0:
      case 1:
        return "SADD " + s + words();
      case 2:
        return "SREM " + s + words();
      case 3:
        return "SMOVE " + s + " " + key('s') + " " + word();
      case 4:
        return "SPOP " + s;
      default:
        return "SPOP " + s + " " + number(8);
    }
  }
  std::string zset_command() {
    std::string z = key('z');
    switch (random_.below(8)) {
      case 0:
      case 1:
      case 2:
        return "ZADD " + z + (random_.one_in(3) ? " GT" : "") + pairs(true);
      case 3:
        return "ZINCRBY " + z + " 0.5 " + word();
      case 4:
        return "ZREM " + z + words();
      case 5:
        return "ZPOPMIN " + z + " " + number(4);
      case 6:
        return "ZREMRANGEBYRANK " + z + " " + index() + " " + index();
      default:
        return "ZREMRANGEBYSCORE " + z + " " + number(20) + " (" + number(20);
    }
  }
  std::string command() {
    switch (random_.below(4)) {
      case 0:
        return list_command();
      case 1:
        return hash_command();
      case 2:
        return set_command();
      default:
        return zset_command();
    }
  }

  // A blob that somebody reads at the moment, so that changing it takes memory.
  Blob* pin_some() {
    Entry* entry = db_.entry(key("lhsz"[random_.below(4)]));
    if (!entry || (entry->encoding() != Encoding::kListpack && entry->encoding() != Encoding::kIntset))
      return nullptr;
    auto* blob = static_cast<Blob*>(entry->value().pointer);
    blob->pin();
    return blob;
  }

  void run_one() {
    std::string line = command();
    Blob* pinned = random_.one_in(3) ? pin_some() : nullptr;
    std::string reply = db_.run(line);
    if (pinned) Blob::unpin(pinned);
    ASSERT_EQ(end_of_reply(reply, 0), reply.size()) << line.substr(0, 200) << "\n" << reply.substr(0, 200);
    out_of_memory_ += reply.starts_with("-OOM");
    std::istringstream log(db_.logged());
    for (std::string logged; std::getline(log, logged);) {
      std::string answer = replica_.run(logged);
      ASSERT_NE(answer[0], '-') << logged.substr(0, 200) << "\n" << answer.substr(0, 200);
    }
  }

  static std::string contents(TestDatabase& db, const std::string& command) {
    std::istringstream reply(db.run(command));
    std::vector<std::string> lines;
    for (std::string line; std::getline(reply, line);) lines.push_back(line);
    if (command[0] != 'L') std::sort(lines.begin(), lines.end());
    std::string all;
    for (const std::string& line : lines) all += line;
    return all;
  }

  void compare() {
    for (size_t i = 0; i < kKeys; ++i) {
      for (const char* form : {"LRANGE l? 0 -1", "HGETALL h?", "SMEMBERS s?", "ZRANGE z? 0 -1 WITHSCORES"}) {
        std::string line = form;
        line[line.find('?')] = static_cast<char>('0' + i);
        ASSERT_EQ(contents(db_, line), contents(replica_, line)) << line;
      }
    }
  }

  Random random_{test_seed(20240601)};
  TestDatabase db_{{&kListGroup, &kHashGroup, &kSetGroup, &kSortedSetGroup, &kGenericGroup}};
  TestDatabase replica_{{&kListGroup, &kHashGroup, &kSetGroup, &kSortedSetGroup, &kGenericGroup}, 8};
  uint64_t out_of_memory_ = 0;
};

TEST_F(CollectionsTest, TheLogHoldsEverything) {
  db_.options.list.listpack_size = replica_.options.list.listpack_size = 16;
  db_.options.hash.packed_entries = replica_.options.hash.packed_entries = 20;
  for (int i = 0; i < 20'000 && !HasFatalFailure(); ++i) {
    run_one();
    if (i % 100 == 0) compare();
  }
}

TEST_F(CollectionsTest, OutOfMemoryLeavesWhatTheLogSays) {
  Heap& heap = db_.keyspace.shard(0).heap();
  for (int round = 0; round < 40 && !HasFatalFailure(); ++round) {
    for (int i = 0; i < 30; ++i) run_one();
    {
      Starvation starvation(heap);
      for (int i = 0; i < 120 && !HasFatalFailure(); ++i) {
        for (uint64_t blocks = random_.below(4); blocks > 0; --blocks) starvation.allow_one(random_);
        run_one();
      }
    }
    compare();
  }
  EXPECT_GT(out_of_memory_, 100u);
}

}  // namespace
}  // namespace strata

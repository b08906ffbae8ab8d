// For tests: RESTOREs a body under a right checksum and then does to the key what clients may do.
//
// Used by the fuzz target restore_fuzz.cc and by restore_mutation_test.cc, which mutates real payloads.
// Aborts when the server's promises do not hold; memory errors are the sanitizers' to find. One thread.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/assert.h"
#include "base/crc.h"
#include "base/endian.h"
#include "commands/registry.h"
#include "commands/test_fixture.h"
#include "persistence/rdb_dump.h"

namespace strata {

class RestoreChecker {
 public:
  static constexpr size_t kBodyBytesMax = 1 << 16;

  static std::string signed_payload(Bytes body, uint16_t version = kRdbVersionWritten) {
    std::string payload(body);
    char footer[kRdbDumpFooterBytes];
    store_le16(footer, version);
    payload.append(footer, 2);
    store_le64(footer, crc64(0, payload));
    return payload.append(footer, kRdbChecksumBytes);
  }

  // True when the payload was taken. `limits` and `choice` vary what follows.
  bool check(Bytes body, uint8_t limits, uint8_t choice) {
    set_limits(limits);
    const std::string payload = signed_payload(body, limits & 2 ? kRdbVersionRead : kRdbVersionWritten);
    const std::string reply = db_.run_words({"RESTORE", "k", "0", payload, "REPLACE"});
    const bool is_taken = reply == "+OK\r\n";
    STRATA_ASSERT(is_taken || reply == "-ERR Bad data format\r\n");
    STRATA_ASSERT(is_taken == (db_.entry("k") != nullptr));
    if (is_taken) use(choice);
    db_.run("DEL k copy again");
    db_.logged();
    if (++checks_ % kChecksPerCleaning == 0) clean();
    return is_taken;
  }

  // Everything is deleted: the memory of the keyspace must be what it was after the first cleaning.
  void clean() {
    db_.run("FLUSHALL SYNC");
    for (uint32_t s = 0; s < db_.keyspace.shard_count(); ++s) {
      while (!db_.keyspace.shard(s).clean(SIZE_MAX)) {
      }
    }
    const size_t used = db_.keyspace.used_bytes();
    if (used_after_cleaning_ == 0) used_after_cleaning_ = used;
    STRATA_ASSERT(used <= used_after_cleaning_ + kMemorySlackBytes, "what was deleted is still there");
  }

 private:
  static constexpr uint64_t kChecksPerCleaning = 1000;
  static constexpr size_t kMemorySlackBytes = 1 << 16;

  void set_limits(uint8_t limits) {
    db_.options = {};
    if ((limits & 1) == 0) return;
    db_.options.list.listpack_size = 3;
    db_.options.hash = {2, 8};
    db_.options.set = {2, 2, 8};
    db_.options.zset = {2, 8};
  }

  void use(uint8_t choice) {
    const Type type = db_.entry("k")->type();
    // Read to the last byte, copied, and there and back again.
    for (const char* line : kReadsOf[static_cast<size_t>(type)]) {
      if (line != nullptr) db_.run(line);
    }
    if (db_.entry("k") == nullptr) {
      STRATA_ASSERT(type == Type::kHash, "only a hash can go when it is read: all its fields are past");
      return;
    }
    STRATA_ASSERT(db_.run("COPY k copy REPLACE") == ":1\r\n");
    travel();
    // Changes, from a place that the input chooses.
    const auto& writes = kWritesOf[static_cast<size_t>(type)];
    for (size_t i = 0; i < std::size(writes); ++i) {
      const char* line = writes[(i + choice) % std::size(writes)];
      if (line != nullptr) db_.run(line);
    }
    if (db_.entry("k") != nullptr) travel();
  }

  void travel() {
    const std::string dump = dump_of("k");
    STRATA_ASSERT(db_.run_words({"RESTORE", "again", "0", dump, "REPLACE"}) == "+OK\r\n");
    for (const char* line : kSizesOf[static_cast<size_t>(db_.entry("k")->type())]) {
      if (line != nullptr)
        STRATA_ASSERT(db_.run(line + std::string(" k")) == db_.run(line + std::string(" again")));
    }
  }

  std::string dump_of(const std::string& key) {
    const std::string reply = db_.run("DUMP " + key);
    const size_t begin = reply.find("\r\n") + 2;
    return reply.substr(begin, reply.size() - begin - 2);
  }

  static constexpr size_t kTypes = 6;
  static constexpr const char* kSizesOf[kTypes][1] = {{"GET"},   {"LLEN"}, {"SCARD"},
                                                      {"ZCARD"}, {"HLEN"}, {"XINFO STREAM"}};
  static constexpr const char* kReadsOf[kTypes][12] = {
      {"GET k", "STRLEN k", "GETRANGE k -5 -1", "OBJECT ENCODING k", "GETRANGE k 0 3"},
      {"LRANGE k 0 -1", "LINDEX k -1", "LINDEX k 1", "LPOS k a", "LPOS k a RANK -1 COUNT 0", "LLEN k",
       "OBJECT ENCODING k", "LRANGE k -3 -2"},
      {"SMEMBERS k", "SISMEMBER k a", "SRANDMEMBER k 5", "SRANDMEMBER k -5", "SSCAN k 0 COUNT 100",
       "SINTER k k", "SMISMEMBER k a 1 b", "SUNION k k", "OBJECT ENCODING k"},
      {"ZRANGE k 0 -1 WITHSCORES", "ZRANGE k 0 -1 REV", "ZRANGEBYSCORE k -inf +inf", "ZRANGEBYLEX k - +",
       "ZSCORE k a", "ZRANK k a", "ZCOUNT k 0 10", "ZRANDMEMBER k -5 WITHSCORES", "ZRANDMEMBER k 5",
       "ZSCAN k 0 COUNT 100", "ZLEXCOUNT k - +", "OBJECT ENCODING k"},
      {"HGETALL k", "HKEYS k", "HVALS k", "HGET k a", "HRANDFIELD k 5 WITHVALUES", "HRANDFIELD k -5",
       "HSCAN k 0 COUNT 100", "HSTRLEN k a", "HEXISTS k a", "OBJECT ENCODING k"},
      {"XRANGE k - +", "XREVRANGE k + -", "XLEN k", "XINFO STREAM k FULL", "XINFO GROUPS k",
       "XREAD COUNT 5 STREAMS k 0", "XPENDING k group", "OBJECT ENCODING k"},
  };
  static constexpr const char* kWritesOf[kTypes][12] = {
      {"APPEND k x", "SETRANGE k 3 abc", "INCR k", "GETSET k new", "INCRBYFLOAT k 1.5", "SETBIT k 7 1"},
      {"LPUSH k new 1", "RPUSH k 2 new", "LINSERT k BEFORE a b", "LSET k 0 first", "LSET k -1 last",
       "LREM k 0 a", "LREM k -1 1", "LPOP k", "RPOP k 2", "LTRIM k 1 -2", "LMOVE k k LEFT RIGHT",
       "RPUSH k x"},
      {"SADD k new 1 2 3", "SREM k a", "SPOP k", "SMOVE k copy a", "SADD k 99999999999", "SPOP k 3",
       "SADD k 7", "SINTERSTORE k k k", "SUNIONSTORE k k copy", "SDIFFSTORE again k copy", "SREM k 1 2 3",
       "SADD k x"},
      {"ZADD k 1 new 2 other", "ZINCRBY k 3 a", "ZREM k a", "ZPOPMIN k", "ZPOPMAX k 2", "ZADD k NX -inf low",
       "ZADD k GT CH 5 new", "ZREMRANGEBYRANK k 0 0", "ZREMRANGEBYSCORE k 0 1", "ZADD k INCR 1 b",
       "ZRANGESTORE again k 0 -1", "ZADD k 0 x"},
      {"HSET k new 1 other two", "HDEL k a", "HINCRBY k number 5", "HINCRBYFLOAT k float 1.5", "HSETNX k a b",
       "HDEL k new", "HSET k a 1",
       "HSET k long aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
      {"XADD k * f v", "XTRIM k MAXLEN 3", "XGROUP CREATE k g2 0",
       "XREADGROUP GROUP group c COUNT 3 STREAMS k >", "XACK k group 1-1", "XDEL k 1-1",
       "XGROUP DESTROY k group", "XAUTOCLAIM k group c2 0 0", "XSETID k 99999999999999-1",
       "XADD k 99999999999999-2 a b"},
  };

  TestDatabase db_{data_command_groups(), 1};
  uint64_t checks_ = 0;
  size_t used_after_cleaning_ = 0;
};

}  // namespace strata

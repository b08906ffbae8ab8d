// Loads a whole RDB file into a keyspace, on several threads by shard; or checks one and loads nothing.
//
//   RdbLoadReport report;
//   Status loaded = rdb_load(file, 0, keyspace, options, &report);
//   if (!loaded) log(report.detail);   // "stream at key 'x'", "RDB has duplicated key 'y'"…
//
// The calling thread reads and splits the file; batches of records go to lanes (groups of shards), and a lane
// is worked on by one thread at a time. When enough is queued the caller works on lanes too, so thread_count
// includes it and memory stays bounded. With one thread everything happens in the caller.
//
//   1. Nobody else may be inside the keyspace's shards until it returns.
//   2. Nothing expires: keys past their deadline are loaded as they are.
//   3. After a failure the keyspace holds part of the file; its owner throws it away. The file is never
//   touched.
//
// Failure: as rdb_reader.h and rdb_decode.h; kExists for a key that is there twice or was there before;
// kCancelled when the progress callback asked for it. report.detail says what and where in words.

#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"
#include "persistence/rdb_decode.h"
#include "persistence/rdb_reader.h"
#include "platform/file_system.h"

namespace strata {

class Keyspace;

struct RdbProgress {
  uint64_t bytes_done;
  uint64_t bytes_total;  // what the file has from where loading began
  uint64_t keys_read;
};

struct RdbLoadOptions {
  RdbLimits limits;
  unsigned thread_count = 1;
  bool checksum = true;  // the option rdbchecksum
  int64_t now_ms = 0;    // wall clock, for access clocks
  // Called in the calling thread once for every chunk; false cancels.
  std::function<bool(const RdbProgress&)> progress;
};

struct RdbLoadReport {
  uint32_t version = 0;
  uint64_t end_offset = 0;  // just behind the checksum: an AOF with RDB preamble goes on here
  uint64_t key_count = 0;
  uint64_t deadline_count = 0;
  uint64_t empty_count = 0;               // keys dropped because their value had no elements
  std::array<uint64_t, kTypeCount> type_counts{};  // by Type
  bool checksum_verified = false;         // false when the file has none or `checksum` was off
  RdbAuxFields aux;
  std::string detail;  // after a failure

  // The value of an aux field ("redis-ver", "aof-base"…), empty when it is not there.
  Bytes aux_value(Bytes name) const;
};

[[nodiscard]] Status rdb_load(File& file, uint64_t offset, Keyspace& keyspace, const RdbLoadOptions& options,
                              RdbLoadReport* report);

// Decodes every record and finds duplicated keys, as loading would, in one thread and with memory for the
// keys and the largest value. `database_count` as in the options of a keyspace.
[[nodiscard]] Status rdb_verify(File& file, uint64_t offset, uint16_t database_count,
                                const RdbLoadOptions& options, RdbLoadReport* report);

// Whether the bytes are the beginning of an RDB ("REDIS"): how an AOF with preamble is told from a plain one.
inline bool is_rdb_magic(Bytes head) { return head.starts_with("REDIS"); }

}  // namespace strata

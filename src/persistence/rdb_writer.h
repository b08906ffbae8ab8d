// Writes an RDB file, of version 10 unless another is asked for; redis-server 7.0 and later load that.
//
//   RdbWriter writer(file, {.compression = true});
//   writer.begin(aux);
//   writer.select(0, key_count, deadline_count);
//   for (const Entry& entry : …) writer.add(entry);      // in as many slices as one likes
//   TRY(writer.finish());                                // end mark, checksum, sync
//
// SAVE calls it through rdb_save(); snapshots call add() slice by slice, inside the shard that owns the
// entry.
//
//   1. An error is kept and answered by every later call, so only finish() must be checked. The file is
//      then of no use.
//   2. begin(), any number of select() each followed by its entries, finish(); in this order.
//   3. select() may name the same database again; counts are hints to the reader.
//
// One thread at a time. Memory: kRdbBufferBytes, and for compression as much as the largest string. Packed
// nodes are written as they are.

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "keyspace/entry.h"
#include "persistence/rdb_output.h"

namespace strata {

class File;

// What a file says about itself.
struct RdbAux {
  std::string redis_version = "7.2.0";
  int64_t created_seconds = 0;
  uint64_t used_memory_bytes = 0;
  bool aof_base = false;
  std::optional<uint64_t> log_position = std::nullopt;  // of a base (rdb_log_position.h)
};

class RdbWriter {
 public:
  explicit RdbWriter(File& file, RdbWriterOptions options = {})
      : out_(file, options), version_(options.version) {}

  Status begin(const RdbAux& aux);
  Status select(uint16_t db, uint64_t key_count, uint64_t deadline_count);
  Status add(const Entry& entry);
  // Writes what is buffered, the end mark and the checksum, and syncs the file.
  Status finish();

  uint64_t bytes() const { return out_.bytes(); }  // written or buffered so far
  uint64_t key_count() const { return key_count_; }
  // For who encodes entries elsewhere (rdb_snapshot.h): the bytes of `key_count` entries, through output().
  RdbOutput& output() { return out_; }
  void count_keys(uint64_t key_count) { key_count_ += key_count; }

 private:
  void aux_field(Bytes name, Bytes value);

  RdbOutput out_;
  const uint32_t version_;
  uint64_t key_count_ = 0;
};

}  // namespace strata

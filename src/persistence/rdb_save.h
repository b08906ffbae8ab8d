// Saves a whole keyspace as an RDB file: SAVE, save points at shutdown, DEBUG RELOAD, FLUSHALL.
//
// Writes a temporary file beside the target, syncs it, renames it over the target and syncs the directory:
// the old dump or the new one, never half. On failure the temporary file is removed and the old dump is as
// before, except after a failed directory sync, when the new one is in place but may not be there after a
// power cut.
//
// The caller holds all shards until it returns. Keys past their deadline that are still there are written,
// as Redis does.

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "persistence/rdb_writer.h"

namespace strata {

class FileSystem;
class Keyspace;

struct RdbSaveOptions {
  RdbWriterOptions writer;
  RdbAux aux;  // used_memory_bytes 0: taken from the keyspace
  // Called every kRdbSaveSliceKeys keys with the number so far; may be empty.
  std::function<void(uint64_t keys_written)> progress;
};
inline constexpr uint64_t kRdbSaveSliceKeys = 4096;

struct RdbSaveReport {
  uint64_t key_count = 0;
  uint64_t file_bytes = 0;
  uint32_t version = 0;  // more than was asked for where a stored value needs it
};

// The version of a file with all that is there now, where `version` is wanted. While all shards are held.
uint32_t rdb_version_for(const Keyspace& keyspace, uint32_t version);

// The file of a keyspace without a key: nobody holds anything meanwhile.
[[nodiscard]] Result<RdbSaveReport> rdb_save_empty(FileSystem& fs, std::string_view path,
                                                   const RdbSaveOptions& options);

[[nodiscard]] Result<RdbSaveReport> rdb_save(FileSystem& fs, std::string_view path, Keyspace& keyspace,
                                             const RdbSaveOptions& options);

}  // namespace strata

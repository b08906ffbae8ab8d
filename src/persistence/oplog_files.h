// The operation log's steps on directories and files, in the order that makes them crash-safe.
//
// Used by OpLog at start and at rotation, on the owner's thread. Each function leaves either its result
// or something that the next start puts right.

#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "persistence/aof_reader.h"
#include "persistence/log_batch.h"
#include "persistence/manifest.h"
#include "persistence/oplog_rewrite.h"
#include "platform/file_system.h"

namespace strata {

// Makes the log's directory, durable, unless it is there.
Status ensure_log_directory(FileSystem& fs, const AofLocation& location);

// Syncs every file of the log. After a kill, what recovery read may exist in the page cache only.
Status sync_log_files(FileSystem& fs, const AofLocation& location, const Manifest& manifest);

// Creates increment `seq`, in place of one that no manifest names, and writes its opening; durable, but not
// yet in the manifest.
Result<File> create_increment(FileSystem& fs, const AofLocation& location, uint64_t seq,
                              const LogOpening& opening);

// A log that begins beside running traffic (OpLog::begin).
struct BeginningLog {
  Manifest manifest;  // of the log that was here before; empty when there was none
  uint64_t seq = 0;   // of the first increment
  uint64_t position = 0;
};
// Removes what earlier attempts left. `position` is not below `position_min`, nor where the old log can end.
Result<BeginningLog> prepare_beginning(FileSystem& fs, const AofLocation& location, uint64_t position_min);
// Removes increment `seq`, unless the manifest names it.
void undo_beginning(FileSystem& fs, const AofLocation& location, uint64_t seq);
// Where there is no manifest, but the mark of a log that was beginning: its files never counted.
Status remove_unbegun(FileSystem& fs, const AofLocation& location);

struct StartedLog {
  Manifest manifest;
  File increment;
  uint64_t seq = 0;
  uint64_t earlier_bytes = 0;  // of the files before the new increment
};
// What a start does after recovery: syncs what was read, creates the next increment, stores the
// manifest, and then removes files that no longer belong to the log.
Result<StartedLog> start_new_increment(FileSystem& fs, const AofLocation& location,
                                       const AofReport& recovered, uint64_t salt,
                                       const LogRetention& retention);

}  // namespace strata

// Copies of a log's directory: as it was at a position or second, and a backup of it as it is.
//
// Both make a new data directory, complete and durable when they return, from which either server starts; on
// failure it is gone again. The directory they read is not changed. Memory: the largest batch.
//
// Failure: kExists when the target is there, kCorruption for damage below the wanted state (files[offset] in
// the detail), kInvalidArgument when what is there begins after it, or does not say when it was written.

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "platform/file_system.h"
#include "tools/progress.h"

namespace strata {

constexpr int kBackupTriesMax = 10;  // a rewrite may replace the files while they are read

// Everything below a position; or everything before the first #TS: line with a later second.
struct RestorePoint {
  std::optional<uint64_t> position;
  std::optional<uint64_t> unix_seconds;
};
// "@4711" is a position, "1764239400" a second.
std::optional<RestorePoint> parse_restore_point(std::string_view text);

struct CopyReport {
  uint64_t position = 0;  // restore: where the copy ends
  uint64_t bytes = 0;
  uint64_t file_count = 0;
  std::string detail;  // after a failure
};

// Also from before the last rewrites, as far as log-retention kept them: begins with the newest base that is
// old enough (restore.cc).
Status restore_log(FileSystem& fs, const std::string& from, const std::string& to, const RestorePoint& at,
                   CopyReport& report, const ShowProgress& progress = {});
// May run beside a server. The base is linked, for nobody ever writes to it; increments are copied, and a
// record that is half written is cut by the next start.
Status back_up_log(FileSystem& fs, const std::string& from, const std::string& to, CopyReport& report,
                   const ShowProgress& progress = {});

}  // namespace strata

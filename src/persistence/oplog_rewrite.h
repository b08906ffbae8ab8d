// The steps of a rewrite on files: a snapshot becomes the log's base, and what it makes superfluous goes.
//
// A rewrite, as the server does it:
//
//   inside all shards   log.mark_rotation(); snapshot.begin();   the state at one position, P
//   own thread          rewrite_log():                           the rest
//                         log.rotate()                           one increment ends at P, another begins
//                         snapshot.write()                       a temporary file beside the log
//                         log.adopt_base()                       it becomes the base; what it covers goes
//
// After a failure of the log the same steps give it a fresh generation, without rotate(): the base holds the
// state at P, and with it everything that the failed log may have lost; log.resume() creates an increment
// that begins at P, lets the manifest name these two, and the log goes on. Writes are refused until then.
//
// A log that CONFIG SET appendonly begins takes the steps of a rewrite, too; begin() stands in the place of
// mark_rotation(), and rotate() creates the first increment, which no manifest names before adopt_base().
//
// Until the manifest is stored the log is the old base with all increments; afterwards the new base with
// those from P on. Both say the same, so a crash anywhere between loses nothing. What is left over is removed
// at the next start: temporary files by their name (rdb_snapshot.h), files of `history` that are not kept,
// and what the manifest does not name: other bases, and increments before its first. A crash may undo a
// removal and a manifest that says so.

#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "persistence/manifest.h"
#include "persistence/rdb_save.h"
#include "platform/file_system.h"

namespace strata {

class OpLog;
class RdbSnapshot;

// log-retention: how long what a rewrite replaced is kept, so that one can go back before it.
struct LogRetention {
  uint64_t seconds = 0;  // 0: not at all
  uint64_t now = 0;      // unix seconds

  // Neither that of a Redis, nor of another configuration.
  bool keeps(const ManifestFile& file) const { return file.since != 0 && file.since + seconds > now; }
};
// Takes out of the history what is not to be kept any more.
std::vector<ManifestFile> take_expired_history(Manifest& manifest, const LogRetention& retention);
uint64_t history_bytes(FileSystem& fs, const AofLocation& location, const Manifest& manifest);
// Failure leaves files that cost space; the next start removes them.
void remove_files(FileSystem& fs, const AofLocation& location, const std::vector<ManifestFile>& files);

// Returns when the snapshot has been walked, or something failed: then the log is as it was but for an
// increment more. With `log` null (appendonly no) the files are as if a log had been switched on for a
// moment; then `without_log` says how long the old ones stay. Blocks.
Result<RdbSaveReport> rewrite_log(FileSystem& fs, const AofLocation& location, OpLog* log,
                                  RdbSnapshot& snapshot, const LogRetention& without_log);

// Renames `temporary` (complete and synced, in the log's directory) to base `seq`, stores a manifest of it
// and the increments from `first_increment` on; the rest becomes history, and who has called rids it of
// what is not kept. Returns that
// manifest. After a failure the files of either manifest are there.
Result<Manifest> replace_base(FileSystem& fs, const AofLocation& location, const Manifest& old,
                              std::string_view temporary, uint64_t seq, uint64_t first_increment,
                              const LogRetention& retention);

// Of a log that has failed, and was marked while all shards were held and snapshot.begin() called. On failure
// it stays failed. Blocks.
Result<RdbSaveReport> resume_log(FileSystem& fs, const AofLocation& location, OpLog& log,
                                 RdbSnapshot& snapshot);

// A base or an increment by its name, of whatever generation.
bool is_numbered_log_file(const AofLocation& location, Bytes name);

// At start, and by resume(): bases and increments that belong to no generation any more. Nothing is removed
// when the manifest names no increment.
Status remove_orphans(FileSystem& fs, const AofLocation& location, const Manifest& manifest);

}  // namespace strata

// The steps of a rewrite on files: a snapshot becomes the log's base, and what it makes superfluous goes.
//
// A rewrite, as the server does it:
//
//   inside all shards   log.mark_rotation(); snapshot.begin();   the state at one position, P
//   own thread          log.rotate();                            one increment ends at P, another begins
//                       snapshot.write(fs, temporary file beside the log)
//                       log.adopt_base(temporary file, seq of the new increment)
//
// Until the manifest is stored the log is the old base with all increments; afterwards the new base with
// those from P on. Both say the same, so a crash anywhere between loses nothing. What is left over is removed
// at the next start: temporary files by their name (rdb_snapshot.h), files of `history`, and a base whose seq
// is above that of the manifest's base.

#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "persistence/manifest.h"
#include "platform/file_system.h"

namespace strata {

// Renames `temporary` (complete and synced, in the log's directory) to base `seq`, stores a manifest of it
// and the increments from `first_increment` on, removes the rest. Returns that manifest. After a failure the
// files of either manifest are there.
Result<Manifest> replace_base(FileSystem& fs, const AofLocation& location, const Manifest& old,
                              std::string_view temporary, uint64_t seq, uint64_t first_increment);

// At start: bases that a crash kept from the manifest.
Status remove_orphan_bases(FileSystem& fs, const AofLocation& location, const Manifest& manifest);

}  // namespace strata

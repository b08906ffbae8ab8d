// The checks of strata-check: a dump file; one file of a log, or a whole log. With `fix` they write what is
// intact in place of what is damaged, and keep the damaged file under another name.
//
// Offline: no server may have the files open. Memory: some megabytes; of a damaged file of a log, all of it.
// Input may be hostile.

#pragma once

#include <string>

#include "persistence/manifest.h"
#include "platform/file_system.h"
#include "tools/progress.h"
#include "tools/report.h"

namespace strata {

constexpr uint64_t kCheckFileBytesMax = uint64_t{64} << 30;

// The log in `path`: its directory, or a data directory.
Result<AofLocation> find_log(FileSystem& fs, const std::string& path);

CheckReport check_rdb(FileSystem& fs, const std::string& path, bool fix = false,
                      const ShowProgress& progress = {});
// A file, a log's directory (with a manifest), or a data directory that holds `appendonlydir`.
CheckReport check_aof(FileSystem& fs, const std::string& path, bool fix, const ShowProgress& progress = {});

// A manifest that is damaged or gone. One flipped bit is found by the checksum; else the list is made of the
// files that are there, if they can be one log only: at most one base, and increments that go on from each
// other. False, with nothing changed, where they can not.
Result<bool> fix_manifest(FileSystem& fs, const AofLocation& location, CheckReport& out);

}  // namespace strata

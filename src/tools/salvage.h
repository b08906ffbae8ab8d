// What --fix does to a file: the intact part takes its place, the damaged file stays beside it.

#pragma once

#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "platform/file_system.h"
#include "tools/progress.h"
#include "tools/report.h"

namespace strata {

constexpr int kBackupsMax = 1000;  // of one file, side by side

// Links the file to `<path>.damaged-<n>`; answers that name.
Result<std::string> keep_damaged(FileSystem& fs, const std::string& path);

// A dump, or `is_base`: the RDB at the beginning of a log's base, behind which records may follow. Says what
// it did in `out`. kUnsupported, with nothing changed, where the file holds what Strata has no type for.
Status fix_rdb(FileSystem& fs, const std::string& path, bool is_base, const ShowProgress& progress,
               CheckReport& out);

}  // namespace strata

// strata-check dump: what an RDB file or a log holds. Keys by type, bytes as stored, deadlines, the biggest
// keys.
//
// A file is read once and no value decoded; it should have been verified. Memory: the largest record. A log
// is replayed, base and increments, as a start would, but for files that stay as they are. Memory: the data.
// Keys past their deadline are counted.

#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>

#include "base/result.h"
#include "platform/file_system.h"
#include "tools/progress.h"

namespace strata {

constexpr size_t kBiggestKeysMax = 10'000;

// {"databases": …, "keys": …, "types": {name: {"keys", "bytes"}}, "biggest": [{"key", "database", "type",
// "bytes"}]}
Result<nlohmann::json> describe_dump(FileSystem& fs, const std::string& path, size_t biggest_count,
                                     const ShowProgress& progress = {});
// Bytes are those of the value in an RDB. `detail`: after a failure, the file, and what it could not run.
Result<nlohmann::json> describe_log(FileSystem& fs, const std::string& path, size_t biggest_count,
                                    const ShowProgress& progress, std::string& detail);
std::string dump_text(const nlohmann::json& dump);

}  // namespace strata

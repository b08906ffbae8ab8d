// strata-check dump: what an RDB file holds. Keys by type, bytes as stored, deadlines, the biggest keys.
//
// Reads the file once and decodes no value; the file should have been verified. Memory: the largest record.

#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>

#include "base/result.h"
#include "platform/file_system.h"

namespace strata {

constexpr size_t kBiggestKeysMax = 10'000;

// {"databases": …, "keys": …, "types": {name: {"keys", "bytes"}}, "biggest": [{"key", "database", "type",
// "bytes"}]}
Result<nlohmann::json> describe_dump(FileSystem& fs, const std::string& path, size_t biggest_count);
std::string dump_text(const nlohmann::json& dump);

}  // namespace strata

// Where in the log a base was taken: an auxiliary field of ours among those at the beginning of an RDB.
//
// The log writes it into each base, and whoever reads a log compares it with the opening of the increment
// behind the base: an increment that is missing between the two is noticed even where a manifest was made
// anew. A real Redis skips the field.

#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "platform/file_system.h"

namespace strata {

inline constexpr Bytes kRdbLogPositionField = "strata-log-position";
inline constexpr size_t kRdbLogPositionBytes = 16;  // hexadecimal digits, as in the log's own lines

void format_log_position(char (&out)[kRdbLogPositionBytes], uint64_t position);
// Of the first bytes of an RDB; nothing where they do not say, or are no RDB.
std::optional<uint64_t> find_log_position(Bytes head);
// Of a file.
Result<std::optional<uint64_t>> read_log_position(File& file);

}  // namespace strata

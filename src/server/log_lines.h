// The server's log lines, in Redis's form, which supervisors and test harnesses read:
//
//   1234:M 20 Nov 2026 17:00:00.123 * Ready to accept connections
//
// Any thread. Level and destination are set at start and by CONFIG SET.

#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "server/options.h"

namespace strata {

void log_line(LogLevel level, std::string_view text);
inline void log_notice(std::string_view text) { log_line(LogLevel::kNotice, text); }
inline void log_warning(std::string_view text) { log_line(LogLevel::kWarning, text); }

void set_log_level(LogLevel level);
// Empty: standard output. On failure the old destination stays.
Status set_log_file(const std::string& path);
void flush_log_lines();

// "cannot open: No such file or directory (offset 12)".
std::string describe(const Error& error);

}  // namespace strata

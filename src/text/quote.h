// Quoted strings as in Redis's logs and configuration files.

#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace strata {

// The bytes between double quotes, with \\ \" \n \r \t \a \b and \xHH for what cannot be printed:
// one line, pure ASCII, and split_args() gives the bytes back.
std::string quote(Bytes bytes);
void append_quoted(std::string& out, Bytes bytes);

// Splits a line of a configuration file or an inline command into its arguments.
//   "double quotes" know \n \r \t \a \b \xHH and \ before any other byte; 'single quotes' know \' alone.
// Nothing when quotes are unbalanced, or when a closing quote is followed by anything but space.
std::optional<std::vector<std::string>> split_args(std::string_view line);

}  // namespace strata

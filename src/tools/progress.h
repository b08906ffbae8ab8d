// How far long work is: one line on a terminal, nothing anywhere else.

#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace strata {

// Called often; may be empty.
using ShowProgress = std::function<void(std::string_view what, uint64_t done, uint64_t total)>;

inline void show(const ShowProgress& progress, std::string_view what, uint64_t done, uint64_t total) {
  if (progress) progress(what, done, total);
}

// On standard error, some times a second once the work has taken a moment. Empty when that is no terminal.
ShowProgress terminal_progress();
// Before anything else is written to the terminal.
void end_terminal_progress();

}  // namespace strata

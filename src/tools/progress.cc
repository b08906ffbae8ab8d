#include "tools/progress.h"

#include <fmt/format.h>

#include "platform/clock.h"
#include "platform/terminal.h"

namespace strata {
namespace {

constexpr int64_t kFirstUs = 500'000;
constexpr int64_t kEveryUs = 200'000;

bool is_shown = false;  // one program, one terminal

}  // namespace

ShowProgress terminal_progress() {
  if (!stderr_is_terminal()) return {};
  int64_t next_us = system_clock().monotonic_us() + kFirstUs;
  return [next_us](std::string_view what, uint64_t done, uint64_t total) mutable {
    const int64_t now_us = system_clock().monotonic_us();
    if (now_us < next_us || total == 0) return;
    next_us = now_us + kEveryUs;
    is_shown = true;
    fmt::print(stderr, "\r\x1b[K{}: {} of {} MB, {} %", what, done >> 20, total >> 20,
               static_cast<uint64_t>(static_cast<double>(done) * 100 / static_cast<double>(total)));
  };
}

void end_terminal_progress() {
  if (is_shown) fmt::print(stderr, "\r\x1b[K");
  is_shown = false;
}

}  // namespace strata

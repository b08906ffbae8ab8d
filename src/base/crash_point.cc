#include "base/crash_point.h"

#include <atomic>
#include <cstdlib>
#include <string_view>

namespace strata::crash_points {
namespace {

// "name:pass"; without a number, the first.
std::string_view wanted() {
  const char* text = std::getenv("STRATA_CRASH_POINT");
  return text != nullptr ? text : "";
}

std::atomic<unsigned long> passes{0};

}  // namespace

const bool kAreArmed = !wanted().empty();

void pass(const char* name) {
  const std::string_view text = wanted();
  const size_t colon = text.find(':');
  if (text.substr(0, colon) != name) return;
  const unsigned long wanted_pass =
      colon == std::string_view::npos ? 1 : std::strtoul(text.data() + colon + 1, nullptr, 10);
  if (passes.fetch_add(1, std::memory_order_relaxed) + 1 == wanted_pass) std::_Exit(kCrashPointExitCode);
}

}  // namespace strata::crash_points

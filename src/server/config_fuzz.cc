// Any text as a configuration file: it is taken or refused with a reason; what was taken survives CONFIG
// REWRITE.

#include <cstdint>

#include "base/assert.h"
#include "server/config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  // Includes would read this machine's files.
  if (text.find("nclude") != text.npos || text.find("NCLUDE") != text.npos) return 0;
  auto configuration = std::make_unique<strata::Configuration>();
  auto loaded = configuration->load_text(text);
  if (!loaded) {
    STRATA_ASSERT(!loaded.error().empty());
    return 0;
  }
  strata::Bytes everything[] = {"*"};
  auto values = configuration->get(everything);
  std::string rewritten = configuration->rewritten(text);
  auto again = std::make_unique<strata::Configuration>();
  auto reloaded = again->load_text(rewritten);
  STRATA_ASSERT(reloaded.has_value());
  STRATA_ASSERT(again->get(everything) == values);
  return 0;
}

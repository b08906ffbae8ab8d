// Lines of configuration files and inline commands: what can be split can be quoted and split again.

#include <cstdint>
#include <cstdlib>
#include <string>

#include "text/quote.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto arguments = strata::split_args({reinterpret_cast<const char*>(data), size});
  if (!arguments) return 0;
  std::string line;
  for (const std::string& argument : *arguments) {
    strata::append_quoted(line, argument);
    line += ' ';
  }
  if (strata::split_args(line) != arguments) std::abort();
  return 0;
}

// strata-server: what redis-server is to Redis.

#include <fmt/format.h>

#include <cstdlib>

#include "server/config.h"
#include "server/server.h"

int main(int argc, char** argv) {
  std::vector<std::string> args(argv + 1, argv + argc);
  const bool check_only = std::erase(args, "--check") > 0;
  auto configuration = strata::Configuration::from_command_line(args);
  if (!configuration) {
    fmt::print(stderr, "{}\n", configuration.error());
    return 1;
  }
  if (!*configuration) return 0;  // --help, --version: printed
  strata::Server server(std::move(*configuration));
  int exit_code = check_only ? server.check() : server.run();
  std::fflush(nullptr);
  // Connections and values are not taken apart one by one: the process's end does that.
  std::_Exit(exit_code);
}

// strata-server: what redis-server is to Redis.

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <system_error>

#include "server/config.h"
#include "server/server.h"

namespace {

constexpr int kExitOutOfMemory = 70;  // EX_SOFTWARE: none of the codes of a start or a stop

// What serves clients and keeps data answers errors when there is no memory. Where there is none even for a
// few bytes of bookkeeping the process ends, as by kill -9: what was acknowledged is in the log.
[[noreturn]] void end_without_memory() {
  const bool is_memory = [] {
    try {
      const std::exception_ptr thrown = std::current_exception();
      if (thrown) std::rethrow_exception(thrown);
    } catch (const std::bad_alloc&) {
      return true;
    } catch (const std::system_error& error) {  // of a thread that finds no memory for its stack
      return error.code() == std::errc::resource_unavailable_try_again ||
             error.code() == std::errc::not_enough_memory;
    } catch (...) {
    }
    return false;
  }();
  if (!is_memory) std::abort();
  constexpr char kText[] = "Out of memory: Strata ends here. What was acknowledged is in the log.\n";
  std::fwrite(kText, 1, sizeof kText - 1, stderr);
  std::_Exit(kExitOutOfMemory);
}

// Before main: what is made at start takes memory too.
[[maybe_unused]] const std::terminate_handler previous_handler = std::set_terminate(end_without_memory);

}  // namespace

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

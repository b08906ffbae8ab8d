// The configuration: redis.conf, the command line, CONFIG GET, SET and REWRITE over one table of directives.
//
// Start: from_command_line() reads what redis-server would (a file as first argument or "-" for standard input, then
// --name value …), applying directives in order. Live: get() and set() under the server's configuration mutex; set() applies
// all of its pairs or none.
//
// A directive is honoured, or harmless here and listed at start, or refused with a reason; none is accepted and ignored.

#pragma once

#include <expected>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "server/options.h"

namespace strata {

class Server;

class Configuration {
 public:
  Configuration();
  ~Configuration();

  // `args` without the program's name. The error is the text for the user, as redis-server prints it:
  // file, line number, line and reason.
  static std::expected<std::unique_ptr<Configuration>, std::string> from_command_line(
      std::span<const std::string> args);

  Options& options() { return options_; }
  const Options& options() const { return options_; }

  // Names that match one of the glob patterns, with their values, in CONFIG GET's order.
  std::vector<std::pair<std::string, std::string>> get(std::span<const Bytes> patterns) const;
  // CONFIG SET: all or none. On error the text of the reply ("ERR CONFIG SET failed (possibly related to argument …"),
  // and everything is as before. `server` applies what needs more than a changed value (log policy, limits, passwords).
  std::expected<void, std::string> set(std::span<const Bytes> names_and_values, Server& server);
  // CONFIG REWRITE: keeps the file's comments and order, changes values, appends what is not there.
  std::expected<void, std::string> rewrite() const;

  // Directives that were given and have no effect here, each with the reason; logged at start.
  const std::vector<std::string>& notices() const { return notices_; }

 private:
  friend struct DirectiveTable;
  Options options_;
  std::vector<std::string> notices_;
  std::vector<std::string> given_;  // names set explicitly, for REWRITE
};

}  // namespace strata

// The configuration: redis.conf, the command line, CONFIG GET, SET and REWRITE over one table of directives
// (directive.h).
//
// Start: from_command_line() reads what redis-server would (a file as first argument or "-" for standard
// input, then
// --name value …), applying directives in order. Live: get(), set() and rewrite() under the server's
// configuration mutex; set() also while all shards are held, because handlers read Options::data there
// without a lock.
//
// A directive is honoured, or harmless here and listed at start, or refused with a reason; none is accepted
// and ignored.

#pragma once

#include <expected>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "server/options.h"

namespace strata {

class Server;
struct Directive;

class Configuration {
 public:
  static constexpr size_t kFileBytesMax = 4 << 20;
  static constexpr int kIncludeDepthMax = 16;

  Configuration();
  ~Configuration();

  // `args` without the program's name. Null when all that was asked for has been printed (--version, --help).
  // The error is the text for the user, as redis-server prints it: line number, line and reason.
  static std::expected<std::unique_ptr<Configuration>, std::string> from_command_line(
      std::span<const std::string> args);
  // The text of a configuration file. Relative includes are looked for in the current directory.
  std::expected<void, std::string> load_text(std::string_view text) { return load_text(text, 0); }

  Options& options() { return options_; }
  const Options& options() const { return options_; }

  // Names that match one of the glob patterns, with their values.
  std::vector<std::pair<std::string, std::string>> get(std::span<const Bytes> patterns) const;
  // One directive's value, by name or alias.
  std::string value_of(std::string_view name) const;
  // CONFIG SET: all or none. On error the text of the reply ("ERR CONFIG SET failed (possibly related to
  // argument …"), and everything is as before. `server` applies what needs more than a changed value (log
  // policy, limits, passwords); null in tests. `may_protected`: enable-protected-configs lets this client
  // change protected directives.
  std::expected<void, std::string> set(std::span<const Bytes> names_and_values, Server* server,
                                       bool may_protected);
  // CONFIG REWRITE: keeps the file's comments and order, changes values, appends what is not there.
  std::expected<void, std::string> rewrite() const;
  // What rewrite() makes of a file's text.
  std::string rewritten(std::string_view text) const;

  // Directives that were given and have no effect here, each with the reason; logged at start.
  std::vector<std::string> notices() const;

 private:
  struct Row {
    const Directive* directive;
    std::string value;    // of what has no place in Options
    std::string initial;  // the default, in CONFIG GET's form
    bool given = false;   // by the file or the command line
  };
  struct CommandLine;

  Row* find(std::string_view name);
  std::string value_of(const Row& row) const;
  std::string assign(Row& row, std::span<const std::string> words, bool adds);
  std::expected<void, std::string> load_text(std::string_view text, int depth);
  std::expected<void, std::string> load_file(const std::string& path, int depth);
  std::string load_line(std::vector<std::string>& words, int depth, std::string& nested_error);
  std::string include(const std::string& pattern, int depth, std::string& nested_error);
  std::vector<std::string> rewritten_lines(const Row& row) const;

  Options options_;
  std::vector<Row> rows_;
};

}  // namespace strata

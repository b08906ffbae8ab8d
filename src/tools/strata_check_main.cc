// strata-check: verifies the files of a database that is not running, explains damage, keeps what is intact.

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "tools/check.h"

namespace {

constexpr const char* kFooter =
    "Exit codes: 0 nothing is wrong; 1 damage was found; 2 the arguments are wrong or a file cannot be "
    "read;\n"
    "3 damage was found and --fix has written what is intact. Stop the server before you use --fix.";

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Verifies the files of Strata and redis-server without starting either."};
  app.footer(kFooter);
  app.require_subcommand(1);
  std::string path;
  bool as_json = false;
  bool fix = false;
  CLI::App* rdb = app.add_subcommand("rdb", "a dump file: frame, checksum, and every value to its last byte");
  CLI::App* aof =
      app.add_subcommand("aof", "a log: a data directory, a log's directory, or one of its files");
  for (CLI::App* command : {rdb, aof}) {
    command->add_option("path", path, "file or directory")->required();
    command->add_flag("--json", as_json, "for programs");
    command->footer(kFooter);
  }
  aof->add_flag("--fix", fix, "write every intact record; damaged files stay as <name>.damaged-<n>");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : static_cast<int>(strata::CheckExit::kCannotRead);
  }
  strata::FileSystem& fs = strata::real_file_system();
  const strata::CheckReport report = rdb->parsed() ? check_rdb(fs, path) : check_aof(fs, path, fix);
  fmt::print("{}", as_json
                       ? report.json().dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n"
                       : report.text());
  return static_cast<int>(report.exit_code());
}

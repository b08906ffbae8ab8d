// strata-check: verifies the files of a database that is not running, explains damage, keeps what is intact.

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "tools/check.h"
#include "tools/copies.h"
#include "tools/dump.h"

namespace {

constexpr const char* kFooter =
    "Exit codes: 0 nothing is wrong; 1 damage was found; 2 the arguments are wrong or a file cannot be "
    "read;\n"
    "3 damage was found and --fix has written what is intact. Stop the server before you use --fix.";

int tell_dump(const std::string& path, size_t biggest_count, bool as_json) {
  const auto dump = describe_dump(strata::real_file_system(), path, biggest_count);
  if (dump) {
    fmt::print("{}", as_json ? dump->dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n"
                             : strata::dump_text(*dump));
    return 0;
  }
  fmt::print(stderr, "strata-check: {}: {} ({}), offset {}\n", path, dump.error().what,
             strata::error_text(dump.error().code), dump.error().offset);
  return static_cast<int>(dump.error().code == strata::Errc::kCorruption ? strata::CheckExit::kDamaged
                                                                         : strata::CheckExit::kCannotRead);
}

int tell_copy(const strata::Status& status, const strata::CopyReport& report) {
  if (status) {
    fmt::print("{} files, {} bytes; the log ends at position {}\n", report.file_count, report.bytes,
               report.position);
    return 0;
  }
  fmt::print(stderr, "strata-check: {}: {} ({}), offset {}\n", report.detail, status.error().what,
             strata::error_text(status.error().code), status.error().offset);
  return static_cast<int>(status.error().code == strata::Errc::kCorruption ? strata::CheckExit::kDamaged
                                                                           : strata::CheckExit::kCannotRead);
}

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
  CLI::App* dump =
      app.add_subcommand("dump", "what a dump file or an RDB base holds: types, sizes, biggest keys");
  size_t biggest_count = 10;
  dump->add_option("--biggest", biggest_count, "how many of the biggest keys")
      ->check(CLI::Range(size_t{0}, strata::kBiggestKeysMax));
  for (CLI::App* command : {rdb, aof, dump}) {
    command->add_option("path", path, "file or directory")->required();
    command->add_flag("--json", as_json, "for programs");
    command->footer(kFooter);
  }
  aof->add_flag("--fix", fix, "write every intact record; damaged files stay as <name>.damaged-<n>");
  std::string from;
  std::string to;
  std::string at;
  CLI::App* restore =
      app.add_subcommand("restore", "a new data directory with the log as it was at some point");
  restore->add_option("--at", at, "a second since 1970 (needs #TS: lines in the log), or @position")
      ->required();
  CLI::App* backup = app.add_subcommand("backup", "a copy of a log, also while a server writes it");
  for (CLI::App* command : {restore, backup}) {
    command->add_option("--from", from, "data directory, or a log's directory")->required();
    command->add_option("--to", to, "data directory to make; must not exist")->required();
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : static_cast<int>(strata::CheckExit::kCannotRead);
  }
  strata::FileSystem& fs = strata::real_file_system();
  if (dump->parsed()) return tell_dump(path, biggest_count, as_json);
  strata::CopyReport copied;
  if (restore->parsed()) {
    const std::optional<strata::RestorePoint> point = strata::parse_restore_point(at);
    if (!point) {
      fmt::print(stderr, "strata-check: --at wants seconds since 1970, or @position\n");
      return static_cast<int>(strata::CheckExit::kCannotRead);
    }
    return tell_copy(restore_log(fs, from, to, *point, copied), copied);
  }
  if (backup->parsed()) return tell_copy(back_up_log(fs, from, to, copied), copied);
  const strata::CheckReport report = rdb->parsed() ? check_rdb(fs, path) : check_aof(fs, path, fix);
  fmt::print("{}", as_json
                       ? report.json().dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n"
                       : report.text());
  return static_cast<int>(report.exit_code());
}

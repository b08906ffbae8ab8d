// strata-check: verifies the files of a database that is not running, explains damage, keeps what is intact.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <new>

#include "tools/check.h"
#include "tools/copies.h"
#include "tools/dump.h"

namespace {

using strata::CheckExit;

constexpr const char* kAbout =
    "strata-check - verify, explain, repair and copy the files of Strata and redis-server\n\n"
    "Reads dump files (RDB) and operation logs (AOF) without starting a server, and says what is wrong, "
    "where, and\n"
    "what a server would do about it. Nothing is changed unless --fix is given. `strata-check COMMAND "
    "--help` tells\n"
    "more of each command.";

constexpr const char* kExitStatus =
    "Exit status:\n"
    "  0  nothing is wrong; what was asked for is done\n"
    "  1  damage was found\n"
    "  2  the arguments are wrong, a file cannot be read or written, or the request cannot be met\n"
    "  3  damage was found, and --fix has written what is intact";

constexpr const char* kRdbAbout =
    "Verifies a dump file: its frame, its checksum, every value to the last byte of its encoding, and that "
    "no key is\n"
    "there twice. With --fix, keeps every whole key up to damage of the frame, but for those whose value "
    "does not "
    "decode.";
constexpr const char* kAofAbout =
    "Verifies a log: a data directory (the log is then in `appendonlydir`), a log's own directory, or one of "
    "its\n"
    "files. Goes on behind damage and lists all of it; history kept by log-retention too. With --fix, keeps "
    "every\n"
    "batch whose checksum is right, salvages a damaged base, and makes a damaged or missing manifest anew.";
constexpr const char* kDumpAbout =
    "Says what a dump file, an RDB base, or a whole log (a directory: base and increments, replayed in "
    "memory) holds:\n"
    "keys and stored bytes by type, keys with expiry, the biggest keys.";
constexpr const char* kRestoreAbout =
    "Makes a new data directory with the log as it was: every record wholly below a position, or everything "
    "before\n"
    "the first #TS: line of a later second. Goes back before the last rewrites as far as log-retention kept "
    "them.\n"
    "What cannot be told exactly is refused, and then no directory is left.";
constexpr const char* kBackupAbout =
    "Makes a new data directory with a copy of the log as it is; a server may write it meanwhile. The base "
    "is a hard\n"
    "link, so the new directory must be on the same file system. History stays behind.";
constexpr const char* kRestoreExamples =
    "Examples:\n"
    "  strata-check restore --at @1048576 --from /var/lib/strata --to /tmp/then\n"
    "  strata-check restore --at $(date -d 'today 09:30' +%s) --from /var/lib/strata --to /tmp/then\n\n";
constexpr const char* kFixNotes =
    "Stop the server before you use --fix. Damaged files stay, as <name>.damaged-<n>.\n\n";

std::string json_text(const nlohmann::json& json) {
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

int exit_code_of(strata::Errc code) {
  return static_cast<int>(code == strata::Errc::kCorruption ? CheckExit::kDamaged : CheckExit::kCannotRead);
}

int tell_error(const std::string& where, const strata::Error& error) {
  strata::end_terminal_progress();
  fmt::print(stderr, "strata-check: {}: {} ({}), offset {}\n", where, error.what,
             strata::error_text(error.code), error.offset);
  return exit_code_of(error.code);
}

int tell_dump(const std::string& path, size_t biggest_count, bool as_json) {
  strata::FileSystem& fs = strata::real_file_system();
  const strata::ShowProgress progress = strata::terminal_progress();
  const strata::Result<strata::FileInfo> info = fs.info(path);
  std::string detail;
  const auto dump = info && info->is_directory ? describe_log(fs, path, biggest_count, progress, detail)
                                               : describe_dump(fs, path, biggest_count, progress);
  if (!dump) return tell_error(detail.empty() ? path : path + ": " + detail, dump.error());
  strata::end_terminal_progress();
  fmt::print("{}", as_json ? json_text(*dump) : strata::dump_text(*dump));
  return 0;
}

int tell_copy(const std::string& from, const strata::Status& status, const strata::CopyReport& report) {
  if (!status) return tell_error(report.detail.empty() ? from : report.detail, status.error());
  strata::end_terminal_progress();
  fmt::print("{} files, {} bytes; the log ends at position {}\n", report.file_count, report.bytes,
             report.position);
  return 0;
}

int tell_check(const strata::CheckReport& report, bool as_json) {
  strata::end_terminal_progress();
  fmt::print("{}", as_json ? json_text(report.json()) : report.text());
  return static_cast<int>(report.exit_code());
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{kAbout, "strata-check"};
  app.footer(kExitStatus);
  app.require_subcommand(1);
  std::string path;
  bool as_json = false;
  bool fix = false;
  CLI::App* rdb = app.add_subcommand("rdb", "verify a dump file")->description(kRdbAbout);
  CLI::App* aof = app.add_subcommand("aof", "verify a log")->description(kAofAbout);
  CLI::App* dump = app.add_subcommand("dump", "say what is held")->description(kDumpAbout);
  size_t biggest_count = 10;
  dump->add_option("--biggest", biggest_count, "how many of the biggest keys")
      ->check(CLI::Range(size_t{0}, strata::kBiggestKeysMax))
      ->capture_default_str();
  for (CLI::App* command : {rdb, aof, dump}) {
    command->add_option("path", path, "file or directory")->required();
    command->add_flag("--json", as_json, "for programs");
    command->footer(command == dump ? kExitStatus : std::string(kFixNotes) + kExitStatus);
  }
  for (CLI::App* command : {rdb, aof})
    command->add_flag("--fix", fix, "write what is intact in place of what is damaged");
  std::string from;
  std::string to;
  std::string at;
  CLI::App* restore = app.add_subcommand("restore", "the log as it was")->description(kRestoreAbout);
  restore->add_option("--at", at, "seconds since 1970, or @position")->required();
  restore->footer(std::string(kRestoreExamples) + kExitStatus);
  CLI::App* backup = app.add_subcommand("backup", "the log as it is")->description(kBackupAbout);
  backup->footer(kExitStatus);
  for (CLI::App* command : {restore, backup}) {
    command->add_option("--from", from, "data directory, or a log's directory")->required();
    command->add_option("--to", to, "data directory to make; must not exist")->required();
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : static_cast<int>(CheckExit::kCannotRead);
  }
  try {
    strata::FileSystem& fs = strata::real_file_system();
    const strata::ShowProgress progress = strata::terminal_progress();
    if (dump->parsed()) return tell_dump(path, biggest_count, as_json);
    strata::CopyReport copied;
    if (restore->parsed()) {
      const std::optional<strata::RestorePoint> point = strata::parse_restore_point(at);
      if (!point) {
        fmt::print(stderr, "strata-check: --at wants seconds since 1970, or @position\n");
        return static_cast<int>(CheckExit::kCannotRead);
      }
      return tell_copy(from, restore_log(fs, from, to, *point, copied, progress), copied);
    }
    if (backup->parsed()) return tell_copy(from, back_up_log(fs, from, to, copied, progress), copied);
    return tell_check(rdb->parsed() ? check_rdb(fs, path, fix, progress) : check_aof(fs, path, fix, progress),
                      as_json);
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "strata-check: not enough memory: an increment of the log is read as a whole\n");
    return static_cast<int>(CheckExit::kCannotRead);
  }
}

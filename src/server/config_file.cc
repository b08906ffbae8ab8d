// Reading configurations: lines, includes, the command line.

#include <fmt/format.h>

#include <cstdio>

#include "platform/file_system.h"
#include "platform/process.h"
#include "server/commands.h"
#include "server/commands_md.h"
#include "server/config.h"
#include "server/directive.h"
#include "server/log_lines.h"
#include "text/ascii.h"
#include "text/glob.h"
#include "text/quote.h"

namespace strata {
namespace {

constexpr const char* kUsage =
    "Usage: strata-server [/path/to/redis.conf] [options] [-]\n"
    "       strata-server - (read config from stdin)\n"
    "       strata-server -v or --version\n"
    "       strata-server -h or --help\n"
    "       strata-server [/path/to/redis.conf] [options] --check  load the data and say whether it is good\n"
    "\n"
    "Examples:\n"
    "       strata-server (run the server with Strata's defaults: appendonly yes, appendfsync everysec)\n"
    "       echo 'maxmemory 128mb' | strata-server -\n"
    "       strata-server /etc/redis/6379.conf\n"
    "       strata-server --port 7777 --threads 4\n"
    "       strata-server /etc/myredis.conf --loglevel verbose\n";

// Names of Redis's files that are no directives, or none any more.
struct Special {
  const char* name;
  const char* refusal;  // null: obsolete and without effect in Redis too
};
constexpr Special kSpecials[] = {
    {"user", "users are refused: access control lists are not there yet"},
    {"rename-command", "rename-command is refused: commands cannot be renamed yet"},
    {"loadmodule", "loadmodule is refused: there are no modules"},
    {"sentinel", "sentinel directive while not in sentinel mode"},
    {"list-max-ziplist-entries", nullptr},
    {"list-max-ziplist-value", nullptr},
};

std::string cannot_open(const std::string& path, const Error& error) {
  const char* why = error.code == Errc::kNotFound     ? "No such file or directory"
                    : error.code == Errc::kPermission ? "Permission denied"
                    : error.code == Errc::kTooLarge   ? "File too large"
                                                      : error.what;
  return fmt::format("Fatal error, can't open config file '{}': {}", path, why);
}

std::string fatal(size_t line_number, std::string_view line, std::string_view why) {
  return fmt::format(
      "\n*** FATAL CONFIG FILE ERROR (Redis {}) ***\nReading the configuration file, at line {}\n>>> "
      "'{}'\n{}",
      kRedisVersion, line_number, line, why);
}

// Files that match a pattern with wildcards in its last component, sorted. Without wildcards: the path
// itself.
std::vector<std::string> expand(const std::string& pattern) {
  std::string directory = parent_directory(pattern);
  size_t slash = pattern.rfind('/');
  std::string name = slash == pattern.npos ? pattern : pattern.substr(slash + 1);
  if (name.find_first_of("*?[") == name.npos) return {pattern};
  std::vector<std::string> found;
  auto names = real_file_system().list(directory);
  if (!names) return found;
  for (const std::string& candidate : *names) {
    bool hidden = candidate.starts_with('.') && !name.starts_with('.');
    if (!hidden && glob_match(name, candidate, false)) {
      found.push_back(slash == pattern.npos ? candidate : pattern.substr(0, slash + 1) + candidate);
    }
  }
  return found;
}

std::string read_standard_input() {
  std::string text;
  char buffer[4096];
  while (size_t n = std::fread(buffer, 1, sizeof buffer, stdin)) {
    text.append(buffer, n);
    if (text.size() > Configuration::kFileBytesMax) break;
  }
  return text;
}

}  // namespace

std::expected<void, std::string> Configuration::load_file(const std::string& path, int depth) {
  auto text = read_whole_file(real_file_system(), path, kFileBytesMax);
  if (!text) return std::unexpected(cannot_open(path, text.error()));
  return load_text(*text, depth);
}

std::expected<void, std::string> Configuration::load_text(std::string_view text, int depth) {
  for (size_t number = 1; !text.empty(); ++number) {
    size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    while (!line.empty() && ascii_is_space(line.front())) line.remove_prefix(1);
    while (!line.empty() && ascii_is_space(line.back())) line.remove_suffix(1);
    if (line.empty() || line.front() == '#') continue;
    auto words = split_args(line);
    if (!words) return std::unexpected(fatal(number, line, "Unbalanced quotes in configuration line"));
    if (words->empty()) continue;
    std::string nested_error;
    std::string fault = load_line(*words, depth, nested_error);
    if (!nested_error.empty()) return std::unexpected(nested_error);
    if (!fault.empty()) return std::unexpected(fatal(number, line, fault));
  }
  return {};
}

// Returns why the line is refused; an error inside an included file, which names its own line, goes to
// `nested_error`.
std::string Configuration::load_line(std::vector<std::string>& words, int depth, std::string& nested_error) {
  constexpr const char* kBadDirective = "Bad directive or wrong number of arguments";
  std::string name = to_lower(words[0]);
  Words arguments = std::span(words).subspan(1);
  if (name == "include")
    return arguments.size() == 1 ? include(words[1], depth, nested_error) : kBadDirective;
  for (const Special& special : kSpecials) {
    if (name == special.name && special.refusal) return special.refusal;
    if (name == special.name) return arguments.size() == 1 ? Fault() : Fault(kBadDirective);
  }
  Row* row = find(name);
  if (!row) return kBadDirective;
  std::vector<std::string> split;
  if (arguments.size() == 1) {
    split = words_of(*row->directive, arguments[0]);
    arguments = split;
  }
  Fault fault = assign(*row, arguments, row->given);
  if (fault.empty()) row->given = true;
  return fault;
}

std::string Configuration::include(const std::string& pattern, int depth, std::string& nested_error) {
  if (depth + 1 >= kIncludeDepthMax) return "Too many levels of include";
  for (const std::string& path : expand(pattern)) {
    if (auto loaded = load_file(path, depth + 1); !loaded) {
      nested_error = loaded.error();
      return {};
    }
  }
  return {};
}

// What the words of the command line amount to.
struct Configuration::CommandLine {
  bool asks_version = false;
  bool asks_help = false;
  bool asks_commands = false;
  bool reads_standard_input = false;
  std::string refusal;
  std::string file;
  std::string text;  // options as lines of a file

  explicit CommandLine(std::span<const std::string> args) {
    if (args.empty()) return;
    const std::string& first = args[0];
    asks_version = first == "-v" || first == "--version";
    asks_help = first == "-h" || first == "--help";
    asks_commands = first == "--print-commands-md";
    if (first == "--test-memory") refusal = "--test-memory is refused: there is no memory test here";
    if (first == "--check-system") refusal = "--check-system is refused: there are no system checks here";
    if (first == "-") {
      reads_standard_input = true;
      args = args.subspan(1);
    } else if (!first.starts_with('-')) {
      file = first;
      args = args.subspan(1);
    }
    if (!args.empty() && args.back() == "-") {
      reads_standard_input = true;
      args = args.first(args.size() - 1);
    }
    add_options(args);
  }

  // An option's first value may itself begin with dashes; further words belong to it until the next option.
  void add_options(std::span<const std::string> args) {
    bool has_value = true;
    for (size_t i = 0; i < args.size(); ++i) {
      const std::string& word = args[i];
      if (word == "--sentinel") refusal = "--sentinel is refused: there is no Sentinel mode";
      bool is_option = has_value && word.starts_with("--");
      if (!is_option) {
        if (text.empty()) text += '\n';
        text += ' ' + quote(word);
        has_value = true;
        continue;
      }
      text += '\n' + word.substr(2);
      auto parts = split_args(word.substr(2));
      has_value = parts && parts->size() != 1;
      // `--save` alone means no save points.
      bool ends = i + 1 == args.size() || args[i + 1].starts_with("--");
      if (iequals(word, "--save") && ends) {
        text += " \"\"";
        has_value = true;
      }
    }
  }
};

std::expected<std::unique_ptr<Configuration>, std::string> Configuration::from_command_line(
    std::span<const std::string> args) {
  CommandLine line(args);
  if (line.asks_version) {
    fmt::print("Strata server v={} redis_version={} bits={} build={}\n", kStrataVersion, kRedisVersion,
               pointer_bits(), compiler_version());
    return nullptr;
  }
  if (line.asks_help) {
    std::fputs(kUsage, stdout);
    return nullptr;
  }
  if (line.asks_commands) {
    std::fputs(commands_markdown().c_str(), stdout);
    return nullptr;
  }
  if (!line.refusal.empty()) return std::unexpected(line.refusal);

  auto configuration = std::make_unique<Configuration>();
  Options& o = configuration->options_;
  std::string text;
  if (!line.file.empty()) {
    auto read = read_whole_file(real_file_system(), line.file, kFileBytesMax);
    if (!read) return std::unexpected(cannot_open(line.file, read.error()));
    text = std::move(*read);
    auto current = current_directory();
    o.config_file = line.file.starts_with('/') || !current ? line.file : *current + "/" + line.file;
  }
  if (line.reads_standard_input) text += (text.empty() ? "" : "\n") + read_standard_input();
  o.has_config_file = !line.file.empty() || line.reads_standard_input;
  text += line.text;
  if (auto loaded = configuration->load_text(text); !loaded) return std::unexpected(loaded.error());
  // Without a file the server keeps what it is given.
  if (!o.has_config_file && !configuration->find("appendonly")->given) {
    o.append_only = true;
    // The log keeps everything already; dumps beside it are for those who ask.
    if (!configuration->find("save")->given) o.save_points.clear();
  }
  return configuration;
}

}  // namespace strata

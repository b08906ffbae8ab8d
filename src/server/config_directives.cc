// The directives that Strata honours. Read from the bottom: the table, then the syntaxes of their own.

#include <fmt/format.h>

#include "data/stream_producers.h"
#include "platform/file_system.h"
#include "platform/process.h"
#include "server/config_apply.h"
#include "server/directive.h"
#include "text/ascii.h"
#include "text/numbers.h"

namespace strata {
namespace {

constexpr size_t kBindAddressesMax = 16;
constexpr int64_t kThreadsMax = 1024;
constexpr int64_t kLogRetentionMax = int64_t{100} * 366 * 24 * 3600;
constexpr int64_t kShardsOptionMax = kShardsMax;

constexpr Choice kLogLevels[] = {
    {"debug", static_cast<int64_t>(LogLevel::kDebug)},
    {"verbose", static_cast<int64_t>(LogLevel::kVerbose)},
    {"notice", static_cast<int64_t>(LogLevel::kNotice)},
    {"warning", static_cast<int64_t>(LogLevel::kWarning)},
    {"nothing", static_cast<int64_t>(LogLevel::kNothing)},
};
constexpr Choice kSyncPolicies[] = {
    {"everysec", static_cast<int64_t>(SyncPolicy::kEverySecond)},
    {"always", static_cast<int64_t>(SyncPolicy::kAlways)},
    {"no", static_cast<int64_t>(SyncPolicy::kNo)},
};
constexpr Choice kIoBackends[] = {
    {"auto", static_cast<int64_t>(IoBackend::kAuto)},
    {"epoll", static_cast<int64_t>(IoBackend::kEpoll)},
    {"uring", static_cast<int64_t>(IoBackend::kUring)},
};
constexpr Choice kNoYesLocal[] = {{"no", 0}, {"yes", 1}, {"local", 2}};

// "no", "yes" and "local" over two flags: the second says that only this machine's clients may.
template <auto Allowed, auto LocalOnly>
constexpr NumberField no_yes_local = {
    [](const Options& o) -> int64_t { return o.*LocalOnly ? 2 : o.*Allowed; },
    [](Options& o, int64_t value) {
      o.*Allowed = value == 1;
      o.*LocalOnly = value == 2;
    }};

Fault not_a_path(std::string_view name, std::string_view value) {
  return value.find('/') == value.npos ? Fault() : fmt::format("{} can't be a path, just a filename", name);
}
Fault plain_name(std::string_view name, std::string_view value) {
  return value.empty() ? fmt::format("{} can't be empty", name) : not_a_path(name, value);
}
Fault check_dump_file(std::string_view value) { return not_a_path("dbfilename", value); }
Fault check_append_file(std::string_view value) { return plain_name("appendfilename", value); }
Fault check_append_directory(std::string_view value) { return plain_name("appenddirname", value); }

// ---- save

std::vector<std::string> save_lines(const Options& o) {
  std::vector<std::string> lines;
  for (const SavePoint& point : o.save_points)
    lines.push_back(fmt::format("{} {}", point.seconds, point.changes));
  if (lines.empty()) lines.push_back("\"\"");
  return lines;
}

std::string save_text(const Options& o) {
  std::string text;
  for (const SavePoint& point : o.save_points) {
    text += fmt::format("{}{} {}", text.empty() ? "" : " ", point.seconds, point.changes);
  }
  return text;
}

// The first line of a file replaces the built-in save points; further lines add theirs.
Fault set_save(Options& o, Words words, bool adds) {
  std::vector<SavePoint> points;
  if (words.size() == 1 && words[0].empty()) {
    o.save_points.clear();
    return {};
  }
  if (words.size() % 2 != 0) return "Invalid save parameters";
  for (size_t i = 0; i < words.size(); i += 2) {
    auto seconds = parse_i64(words[i]);
    auto changes = parse_i64(words[i + 1]);
    if (!seconds || !changes || *seconds < 1 || *changes < 0) return "Invalid save parameters";
    points.push_back({*seconds, *changes});
  }
  if (!adds) o.save_points.clear();
  o.save_points.insert(o.save_points.end(), points.begin(), points.end());
  return {};
}

// ---- bind

std::string bind_text(const Options& o) {
  std::string text;
  for (const std::string& address : o.bind) text.append(text.empty() ? "" : " ").append(address);
  return text;
}

std::vector<std::string> bind_lines(const Options& o) {
  std::string line;
  for (const std::string& address : o.bind)
    line.append(line.empty() ? "" : " ").append(quoted_if_needed(address));
  return {line.empty() ? "\"\"" : line};
}

Fault set_bind(Options& o, Words words, bool) {
  if (words.size() > kBindAddressesMax) return "Too many bind addresses specified.";
  if (words.size() == 1 && words[0].empty()) words = {};
  o.bind.assign(words.begin(), words.end());
  return {};
}

// ---- client-output-buffer-limit

struct LimitClass {
  const char* name;
  const char* alias;
  OutputLimit Options::* limit;
};
constexpr LimitClass kLimitClasses[] = {
    {"normal", "normal", &Options::output_limit_normal},
    {"slave", "replica", &Options::output_limit_replica},
    {"pubsub", "pubsub", &Options::output_limit_pubsub},
};

std::string output_limit_text(const Options& o) {
  std::string text;
  for (const LimitClass& c : kLimitClasses) {
    const OutputLimit& limit = o.*c.limit;
    text += fmt::format("{}{} {} {} {}", text.empty() ? "" : " ", c.name, limit.hard_bytes, limit.soft_bytes,
                        limit.soft_seconds);
  }
  return text;
}

std::vector<std::string> output_limit_lines(const Options& o) {
  std::vector<std::string> lines;
  constexpr Directive kSize = {.name = "", .kind = ValueKind::kMemory};
  for (const LimitClass& c : kLimitClasses) {
    const OutputLimit& limit = o.*c.limit;
    lines.push_back(
        fmt::format("{} {} {} {}", c.alias, rewritten_value(kSize, std::to_string(limit.hard_bytes)),
                    rewritten_value(kSize, std::to_string(limit.soft_bytes)), limit.soft_seconds));
  }
  return lines;
}

Fault set_output_limit(Options& o, Words words, bool) {
  if (words.size() % 4 != 0) return "Wrong number of arguments in buffer limit configuration.";
  constexpr size_t kClasses = std::size(kLimitClasses);
  OutputLimit parsed[kClasses];
  bool given[kClasses] = {};
  for (size_t i = 0; i < words.size(); i += 4) {
    size_t at = 0;
    while (at < kClasses && !iequals(words[i], kLimitClasses[at].name) &&
           !iequals(words[i], kLimitClasses[at].alias))
      ++at;
    if (at == kClasses) return "Invalid client class specified in buffer limit configuration.";
    auto hard = parse_memory(words[i + 1]);
    auto soft = parse_memory(words[i + 2]);
    auto seconds = parse_i64(words[i + 3]);
    if (!hard || !soft || !seconds || *seconds < 0) {
      return "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
    }
    parsed[at] = {*hard, *soft, *seconds};
    given[at] = true;
  }
  for (size_t at = 0; at < kClasses; ++at) {
    if (given[at]) o.*kLimitClasses[at].limit = parsed[at];
  }
  return {};
}

// ---- latency-tracking-info-percentiles

std::string percentiles_text(const Options& o) {
  std::string text;
  for (double percentile : o.latency_percentiles)
    text += fmt::format("{}{}", text.empty() ? "" : " ", percentile);
  return text;
}

Fault set_percentiles(Options& o, Words words, bool) {
  std::vector<double> percentiles;
  if (words.size() == 1 && words[0].empty()) words = {};
  for (const std::string& word : words) {
    auto percentile = parse_double(word);
    if (!percentile) return "Invalid latency-tracking-info-percentiles parameters";
    if (*percentile < 0 || *percentile > 100) {
      return "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]";
    }
    percentiles.push_back(*percentile);
  }
  o.latency_percentiles = std::move(percentiles);
  return {};
}

// ---- log-retention

std::string log_retention_text(const Options& o) {
  return o.log_retention_s == 0 ? "off" : std::to_string(o.log_retention_s);
}

Fault set_log_retention(Options& o, Words words, bool) {
  const auto seconds = words.size() == 1 ? parse_i64(words[0]) : std::nullopt;
  if (words.size() == 1 && iequals(words[0], "off")) {
    o.log_retention_s = 0;
  } else if (seconds && *seconds >= 1 && *seconds <= kLogRetentionMax) {
    o.log_retention_s = *seconds;
  } else {
    return "argument must be 'off' or a number of seconds";
  }
  return {};
}

// ---- dir

std::string directory_text(const Options& o) {
  if (o.directory.starts_with('/')) return o.directory;
  auto current = current_directory();
  return current ? *current : o.directory;
}

Fault check_directory(std::string_view path) {
  auto info = real_file_system().info(path);
  if (!info)
    return info.error().code == Errc::kPermission ? "Permission denied" : "No such file or directory";
  return info->is_directory ? Fault() : "Not a directory";
}

constexpr TextField kDirectory = {directory_text,
                                  [](Options& o, std::string value) { o.directory = std::move(value); }};

constexpr ValueKind kBool = ValueKind::kBool, kInteger = ValueKind::kInteger, kMemory = ValueKind::kMemory,
                    kChoice = ValueKind::kChoice, kOwn = ValueKind::kOwn;
constexpr Change kAtStart = Change::kAtStart, kProtected = Change::kProtected;
constexpr int64_t kInt = INT_MAX;

constexpr Directive kDirectives[] = {
    // network
    {.name = "bind", .kind = kOwn, .change = kAtStart, .own = {bind_text, set_bind, bind_lines}},
    {.name = "port", .kind = kInteger, .change = kAtStart, .number = number<&Options::port>, .most = 65535},
    {.name = "tcp-backlog",
     .kind = kInteger,
     .change = kAtStart,
     .number = number<&Options::tcp_backlog>,
     .most = kInt},
    {.name = "unixsocket", .change = kAtStart, .text = text<&Options::unix_socket>},
    {.name = "unixsocketperm",
     .kind = ValueKind::kOctal,
     .change = kAtStart,
     .number = number<&Options::unix_socket_permissions>,
     .most = 0777},
    {.name = "timeout", .kind = kInteger, .number = number<&Options::timeout_s>, .most = kInt},
    {.name = "tcp-keepalive", .kind = kInteger, .number = number<&Options::tcp_keepalive_s>, .most = kInt},
    {.name = "protected-mode", .kind = kBool, .number = number<&Options::protected_mode>},
    {.name = "maxclients",
     .kind = kInteger,
     .number = number<&Options::max_clients>,
     .least = 1,
     .most = UINT32_MAX,
     .apply = apply_max_clients},
    {.name = "client-stall-timeout",
     .kind = kInteger,
     .number = number<&Options::client_stall_timeout_s>,
     .most = kInt},
    {.name = "client-output-buffer-limit",
     .kind = kOwn,
     .own = {output_limit_text, set_output_limit, output_limit_lines}},
    {.name = "client-query-buffer-limit",
     .kind = kMemory,
     .number = number<&Options::client_query_buffer_limit>,
     .least = 1 << 20},
    {.name = "proto-max-bulk-len",
     .kind = kMemory,
     .number = number<&Options::data, &DataOptions::max_bulk_bytes>,
     .least = 1 << 20,
     .apply = apply_bulk_limit},

    // general
    {.name = "daemonize", .kind = kBool, .change = kAtStart, .number = number<&Options::daemonize>},
    {.name = "pidfile", .change = kAtStart, .text = text<&Options::pid_file>},
    {.name = "loglevel",
     .kind = kChoice,
     .number = number<&Options::log_level>,
     .choices = kLogLevels,
     .apply = apply_log_level},
    {.name = "logfile", .change = kAtStart, .text = text<&Options::log_file>},
    {.name = "databases",
     .kind = kInteger,
     .change = kAtStart,
     .number = number<&Options::databases>,
     .least = 1,
     .most = UINT16_MAX},

    // execution
    {.name = "threads",
     .kind = kInteger,
     .change = kAtStart,
     .number = number<&Options::threads>,
     .most = kThreadsMax},
    {.name = "shards",
     .kind = kInteger,
     .change = kAtStart,
     .number = number<&Options::shards>,
     .most = kShardsOptionMax},
    {.name = "io",
     .kind = kChoice,
     .change = kAtStart,
     .number = number<&Options::io>,
     .choices = kIoBackends},

    // security
    {.name = "requirepass", .text = text<&Options::require_password>, .apply = apply_password},
    {.name = "enable-debug-command",
     .kind = kChoice,
     .change = kAtStart,
     .number = no_yes_local<&Options::enable_debug_command, &Options::enable_debug_command_local>,
     .choices = kNoYesLocal},
    {.name = "enable-protected-configs",
     .kind = kChoice,
     .change = kAtStart,
     .number = no_yes_local<&Options::enable_protected_configs, &Options::enable_protected_configs_local>,
     .choices = kNoYesLocal},

    // memory and encodings
    {.name = "maxmemory", .kind = kMemory, .number = number<&Options::max_memory>, .most = -1},
    {.name = "list-max-listpack-size",
     .alias = "list-max-ziplist-size",
     .kind = kInteger,
     .number = number<&Options::data, &DataOptions::list, &list::Limits::listpack_size>,
     .least = INT_MIN,
     .most = kInt},
    {.name = "hash-max-listpack-entries",
     .alias = "hash-max-ziplist-entries",
     .kind = kInteger,
     .number = number<&Options::data, &DataOptions::hash, &HashLimits::packed_entries>},
    {.name = "hash-max-listpack-value",
     .alias = "hash-max-ziplist-value",
     .kind = kMemory,
     .number = number<&Options::data, &DataOptions::hash, &HashLimits::packed_value_bytes>},
    {.name = "set-max-intset-entries",
     .kind = kInteger,
     .number = number<&Options::data, &DataOptions::set, &SetLimits::intset_entries>},
    {.name = "set-max-listpack-entries",
     .kind = kInteger,
     .number = number<&Options::data, &DataOptions::set, &SetLimits::packed_entries>},
    {.name = "set-max-listpack-value",
     .kind = kMemory,
     .number = number<&Options::data, &DataOptions::set, &SetLimits::packed_value_bytes>},
    {.name = "zset-max-listpack-entries",
     .alias = "zset-max-ziplist-entries",
     .kind = kInteger,
     .number = number<&Options::data, &DataOptions::zset, &ZsetLimits::packed_entries>},
    {.name = "zset-max-listpack-value",
     .alias = "zset-max-ziplist-value",
     .kind = kMemory,
     .number = number<&Options::data, &DataOptions::zset, &ZsetLimits::packed_value_bytes>},
    {.name = "stream-node-max-bytes",
     .kind = kMemory,
     .number = number<&Options::data, &DataOptions::stream, &StreamLimits::node_max_bytes>},
    {.name = "stream-node-max-entries",
     .kind = kInteger,
     .number = number<&Options::data, &DataOptions::stream, &StreamLimits::node_max_entries>},
    {.name = "stream-idmp-duration",
     .kind = kInteger,
     .number = number<&Options::data, &DataOptions::stream, &StreamLimits::idempotence_seconds>,
     .least = 1,
     .most = kIdempotenceSecondsMax},
    {.name = "stream-idmp-maxsize",
     .kind = kInteger,
     .number = number<&Options::data, &DataOptions::stream, &StreamLimits::idempotence_entries>,
     .least = 1,
     .most = kIdempotenceEntriesMax},
    {.name = "hll-sparse-max-bytes",
     .kind = kMemory,
     .number = number<&Options::data, &DataOptions::hll_sparse_max_bytes>},

    // persistence
    {.name = "dir",
     .change = kProtected,
     .text = kDirectory,
     .check = check_directory,
     .apply = apply_directory},
    {.name = "dbfilename", .change = kProtected, .text = text<&Options::dump_file>, .check = check_dump_file},
    {.name = "save", .kind = kOwn, .own = {save_text, set_save, save_lines}},
    {.name = "rdbcompression", .kind = kBool, .number = number<&Options::rdb_compression>},
    {.name = "rdbchecksum", .kind = kBool, .change = kAtStart, .number = number<&Options::rdb_checksum>},
    {.name = "rdb-version",
     .kind = kInteger,
     .number = number<&Options::rdb_version>,
     .least = 9,
     .most = 12},
    {.name = "stop-writes-on-bgsave-error",
     .kind = kBool,
     .number = number<&Options::stop_writes_on_bgsave_error>},
    {.name = "appendonly",
     .kind = kBool,
     .number = number<&Options::append_only>,
     .apply = apply_append_only},
    {.name = "appendfilename",
     .change = kAtStart,
     .text = text<&Options::append_file>,
     .check = check_append_file},
    {.name = "appenddirname",
     .change = kAtStart,
     .text = text<&Options::append_directory>,
     .check = check_append_directory},
    {.name = "appendfsync",
     .kind = kChoice,
     .number = number<&Options::append_sync>,
     .choices = kSyncPolicies,
     .apply = apply_sync_policy},
    {.name = "auto-aof-rewrite-percentage",
     .kind = kInteger,
     .number = number<&Options::auto_aof_rewrite_percentage>,
     .most = INT_MAX},
    {.name = "auto-aof-rewrite-min-size",
     .kind = kMemory,
     .number = number<&Options::auto_aof_rewrite_min_size>},
    {.name = "aof-timestamp-enabled",
     .kind = kBool,
     .number = number<&Options::aof_timestamps>,
     .apply = apply_log_history},
    {.name = "log-retention",
     .kind = kOwn,
     .own = {log_retention_text, set_log_retention},
     .apply = apply_log_history},
    {.name = "aof-load-truncated", .kind = kBool, .number = number<&Options::aof_load_truncated>},

    // diagnostics
    {.name = "slowlog-log-slower-than",
     .kind = kInteger,
     .number = number<&Options::slowlog_slower_than_us>,
     .least = -1},
    {.name = "slowlog-max-len",
     .kind = kInteger,
     .number = number<&Options::slowlog_max_length>,
     .apply = apply_slow_log},
    {.name = "latency-tracking", .kind = kBool, .number = number<&Options::latency_tracking>},
    {.name = "latency-tracking-info-percentiles", .kind = kOwn, .own = {percentiles_text, set_percentiles}},
};

}  // namespace

std::span<const Directive> honoured_directives() { return kDirectives; }

}  // namespace strata

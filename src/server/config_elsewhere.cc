// Redis's directives that mean nothing here (harmless: their subject does not exist in Strata, or is done in
// another way), and those that ask for what Strata cannot do (default only). Names, types, ranges and
// defaults are those of Redis 7.2.

#include "server/directive.h"
#include "text/numbers.h"
#include "text/quote.h"

namespace strata {
namespace {

constexpr const char* kReplication = "there is no replication yet";
constexpr const char* kCluster = "cluster mode is not there yet";
constexpr const char* kTls = "TLS is not there yet";
constexpr const char* kEviction = "eviction is not there yet";
constexpr const char* kDefrag = "Strata does not defragment memory yet";
constexpr const char* kScripts = "there are no scripts yet";
constexpr const char* kAcl = "access control lists are not there yet";
constexpr const char* kLazyFree = "large values are always freed in slices";
constexpr const char* kSyslog = "logging to syslog is not there yet";
constexpr const char* kOwnThreads = "Strata's threads are set with `threads`";
constexpr const char* kTimers = "timers are exact: nothing runs at a fixed rate";
constexpr const char* kAllocator = "memory comes from Strata's own heaps";
constexpr const char* kSignals = "signals always stop as `default` says";
constexpr const char* kScheduling = "threads stay where the operating system puts them";

constexpr Choice kSupervised[] = {{"upstart"}, {"systemd"}, {"auto"}, {"no"}};
constexpr Choice kFacilities[] = {{"user"},   {"local0"}, {"local1"}, {"local2"}, {"local3"},
                                  {"local4"}, {"local5"}, {"local6"}, {"local7"}};
constexpr Choice kPolicies[] = {{"volatile-lru"}, {"volatile-lfu"}, {"volatile-random"}, {"volatile-ttl"},
                                {"allkeys-lru"},  {"allkeys-lfu"},  {"allkeys-random"},  {"noeviction"}};
constexpr Choice kDisklessLoads[] = {{"disabled"}, {"on-empty-db"}, {"swapdb"}};
constexpr Choice kOomScore[] = {{"no"}, {"yes"}, {"relative"}, {"absolute"}};
constexpr Choice kChannels[] = {{"allchannels"}, {"resetchannels"}};
constexpr Choice kSanitize[] = {{"no"}, {"yes"}, {"clients"}};
constexpr Choice kNoYesLocal[] = {{"no"}, {"yes"}, {"local"}};
constexpr Choice kEndpoints[] = {{"ip"}, {"hostname"}, {"unknown-endpoint"}};
constexpr Choice kPropagationErrors[] = {{"ignore"}, {"panic"}, {"panic-on-replicas"}};
constexpr Choice kShutdowns[] = {{"default"}, {"save"}, {"nosave"}, {"now"}, {"force"}};
constexpr Choice kNoYesOptional[] = {{"no"}, {"yes"}, {"optional"}};

// Three numbers, for a primary, a replica and a child process.
Fault check_scores(std::string_view text) {
  constexpr int64_t kScoreMax = 2000;
  auto scores = split_args(text);
  if (!scores || scores->size() != 3) return "wrong number of arguments";
  for (const std::string& score : *scores) {
    auto value = parse_i64(score);
    if (!value || *value < -kScoreMax || *value > kScoreMax) {
      return "Invalid oom-score-adj-values, elements must be between -2000 and 2000.";
    }
  }
  return {};
}

// Rows are built by type: name and alias, default, reason.
struct Name {
  const char* name;
  const char* alias = nullptr;
  consteval Name(const char* n) : name(n) {}  // NOLINT: rows write a plain literal
  consteval Name(const char* n, const char* a) : name(n), alias(a) {}
};

consteval Directive row(ValueKind kind, Name name, const char* initial, const char* reason) {
  Directive d{.name = name.name, .alias = name.alias, .kind = kind, .treatment = Treatment::kHarmless};
  d.initial = initial;
  d.reason = reason;
  return d;
}
consteval Directive flag(Name name, const char* initial, const char* reason) {
  return row(ValueKind::kBool, name, initial, reason);
}
consteval Directive text(Name name, const char* initial, const char* reason) {
  return row(ValueKind::kText, name, initial, reason);
}
consteval Directive integer(Name name, const char* initial, int64_t least, int64_t most, const char* reason) {
  Directive d = row(ValueKind::kInteger, name, initial, reason);
  d.least = least;
  d.most = most;
  return d;
}
consteval Directive memory(Name name, const char* initial, int64_t least, const char* reason) {
  Directive d = row(ValueKind::kMemory, name, initial, reason);
  d.least = least;
  return d;
}
consteval Directive choice(Name name, std::span<const Choice> choices, const char* initial,
                           const char* reason) {
  Directive d = row(ValueKind::kChoice, name, initial, reason);
  d.choices = choices;
  return d;
}
consteval Directive several(Directive d) {
  d.kind = ValueKind::kChoices;
  return d;
}
// Several words that nobody here looks into.
consteval Directive words(Name name, const char* initial, const char* reason) {
  return row(ValueKind::kOwn, name, initial, reason);
}
consteval Directive checked(Directive d, Fault (*check)(std::string_view)) {
  d.check = check;
  return d;
}
consteval Directive at_start(Directive d) {
  d.change = Change::kAtStart;
  return d;
}
consteval Directive default_only(Directive d) {
  d.treatment = Treatment::kDefaultOnly;
  return d;
}

constexpr int64_t kInt = INT_MAX;
constexpr int64_t kPort = 65535;
constexpr int64_t kLong = INT64_MAX;

constexpr Directive kDirectives[] = {
    // general
    at_start(choice("supervised", kSupervised, "no", "readiness is said in the log only")),
    default_only(flag("syslog-enabled", "no", kSyslog)),
    at_start(text("syslog-ident", "redis", kSyslog)),
    choice("syslog-facility", kFacilities, "local0", kSyslog),
    at_start(flag("always-show-logo", "no", "there is no logo")),
    flag("set-proc-title", "yes", "the process keeps its title"),
    text("proc-title-template", "{title} {listen-addr} {server-mode}", "the process keeps its title"),
    flag("crash-log-enabled", "yes", "a crash is always logged"),
    flag("crash-memcheck-enabled", "yes", "memory is not tested after a crash"),
    text("ignore-warnings", "", "the start does not depend on warnings"),
    text("locale-collate", "", "SORT ALPHA compares bytes"),
    integer("socket-mark-id", "0", 0, UINT32_MAX, "sockets are not marked"),
    text("bind-source-addr", "", kReplication),
    default_only(text("notify-keyspace-events", "", "keyspace notifications are not there yet")),
    default_only(several(choice("shutdown-on-sigint", kShutdowns, "default", kSignals))),
    default_only(several(choice("shutdown-on-sigterm", kShutdowns, "default", kSignals))),
    integer("shutdown-timeout", "10", 0, kInt, kReplication),

    // threads, timers and the machine
    at_start(integer("io-threads", "1", 1, 128, kOwnThreads)),
    at_start(flag("io-threads-do-reads", "no", kOwnThreads)),
    integer("hz", "10", 0, kInt, kTimers),
    flag("dynamic-hz", "yes", kTimers),
    integer("active-expire-effort", "1", 1, 10, "every key expires at its deadline"),
    flag("activerehashing", "yes", "tables grow without pauses by themselves"),
    flag("jemalloc-bg-thread", "yes", kAllocator),
    at_start(flag("disable-thp", "yes", kAllocator)),
    choice("oom-score-adj", kOomScore, "no", "the score stays as the parent process set it"),
    checked(words("oom-score-adj-values", "0 200 800", "the parent's score stays"), check_scores),
    at_start(text("server_cpulist", "", kScheduling)),
    at_start(text("bio_cpulist", "", kScheduling)),
    at_start(text("aof_rewrite_cpulist", "", kScheduling)),
    at_start(text("bgsave_cpulist", "", kScheduling)),
    integer("max-new-connections-per-cycle", "10", 1, 1000, "they are accepted in fixed batches"),

    // security
    default_only(at_start(text("aclfile", "", kAcl))),
    integer("acllog-max-len", "128", 0, kLong, kAcl),
    choice("acl-pubsub-default", kChannels, "resetchannels", kAcl),
    at_start(choice("enable-module-command", kNoYesLocal, "no", "there are no modules")),
    choice("sanitize-dump-payload", kSanitize, "no", "every payload is checked"),

    // memory
    default_only(choice("maxmemory-policy", kPolicies, "noeviction", kEviction)),
    integer("maxmemory-samples", "5", 1, kInt, kEviction),
    integer("maxmemory-eviction-tenacity", "10", 0, 100, kEviction),
    default_only(text("maxmemory-clients", "0", "clients are not evicted yet")),
    integer("lfu-log-factor", "10", 0, kInt, kEviction),
    integer("lfu-decay-time", "1", 0, kInt, kEviction),
    default_only(flag("activedefrag", "no", kDefrag)),
    memory("active-defrag-ignore-bytes", "104857600", 1, kDefrag),
    integer("active-defrag-threshold-lower", "10", 0, 1000, kDefrag),
    integer("active-defrag-threshold-upper", "100", 0, 1000, kDefrag),
    integer("active-defrag-cycle-min", "1", 1, 99, kDefrag),
    integer("active-defrag-cycle-max", "25", 1, 99, kDefrag),
    integer("active-defrag-max-scan-fields", "1000", 1, kLong, kDefrag),
    flag("lazyfree-lazy-eviction", "no", kLazyFree),
    flag("lazyfree-lazy-expire", "no", kLazyFree),
    flag("lazyfree-lazy-server-del", "no", kLazyFree),
    flag("lazyfree-lazy-user-del", "no", kLazyFree),
    flag("lazyfree-lazy-user-flush", "no", kLazyFree),
    integer("list-compress-depth", "0", 0, kInt, "lists are not compressed in memory"),
    integer("tracking-table-max-keys", "1000000", 0, kLong, "client-side caching is not there yet"),

    // scripts and diagnostics
    integer({"busy-reply-threshold", "lua-time-limit"}, "5000", 0, kLong, kScripts),
    default_only(integer("latency-monitor-threshold", "0", 0, kLong, "the latency monitor is not there yet")),

    // persistence
    flag("no-appendfsync-on-rewrite", "no", "the log is synced as ever while it is rewritten"),
    flag("aof-rewrite-incremental-fsync", "yes", "a new base is always synced as it grows"),
    flag("aof-use-rdb-preamble", "yes", "a new base is always an RDB"),
    flag("aof-disable-auto-gc", "no", "files that a rewrite replaced always go at once"),
    flag("rdb-save-incremental-fsync", "yes", "snapshots are always synced as they grow"),
    flag("rdb-del-sync-files", "no", kReplication),

    // replication
    default_only(at_start(words({"replicaof", "slaveof"}, "", kReplication))),
    text("masteruser", "", kReplication),
    text("masterauth", "", kReplication),
    flag({"replica-serve-stale-data", "slave-serve-stale-data"}, "yes", kReplication),
    flag({"replica-read-only", "slave-read-only"}, "yes", kReplication),
    flag({"replica-ignore-maxmemory", "slave-ignore-maxmemory"}, "yes", kReplication),
    flag("replica-ignore-disk-write-errors", "no", kReplication),
    flag({"replica-lazy-flush", "slave-lazy-flush"}, "no", kReplication),
    flag("replica-announced", "yes", kReplication),
    text({"replica-announce-ip", "slave-announce-ip"}, "", kReplication),
    integer({"replica-announce-port", "slave-announce-port"}, "0", 0, kPort, kReplication),
    integer({"replica-priority", "slave-priority"}, "100", 0, kInt, kReplication),
    flag("repl-diskless-sync", "yes", kReplication),
    integer("repl-diskless-sync-delay", "5", 0, kInt, kReplication),
    integer("repl-diskless-sync-max-replicas", "0", 0, kInt, kReplication),
    choice("repl-diskless-load", kDisklessLoads, "disabled", kReplication),
    flag("repl-disable-tcp-nodelay", "no", kReplication),
    integer({"repl-ping-replica-period", "repl-ping-slave-period"}, "10", 1, kInt, kReplication),
    integer("repl-timeout", "60", 1, kInt, kReplication),
    memory("repl-backlog-size", "1048576", 1, kReplication),
    integer("repl-backlog-ttl", "3600", 0, kLong, kReplication),
    default_only(integer({"min-replicas-to-write", "min-slaves-to-write"}, "0", 0, kInt, kReplication)),
    integer({"min-replicas-max-lag", "min-slaves-max-lag"}, "10", 0, kInt, kReplication),
    choice("propagation-error-behavior", kPropagationErrors, "ignore", kReplication),

    // cluster
    default_only(at_start(flag("cluster-enabled", "no", kCluster))),
    at_start(text("cluster-config-file", "nodes.conf", kCluster)),
    integer("cluster-node-timeout", "15000", 0, kLong, kCluster),
    at_start(integer("cluster-port", "0", 0, kPort, kCluster)),
    integer("cluster-migration-barrier", "1", 0, kInt, kCluster),
    integer({"cluster-replica-validity-factor", "cluster-slave-validity-factor"}, "10", 0, kInt, kCluster),
    flag({"cluster-replica-no-failover", "cluster-slave-no-failover"}, "no", kCluster),
    flag("cluster-require-full-coverage", "yes", kCluster),
    flag("cluster-allow-replica-migration", "yes", kCluster),
    flag("cluster-allow-reads-when-down", "no", kCluster),
    flag("cluster-allow-pubsubshard-when-down", "yes", kCluster),
    memory("cluster-link-sendbuf-limit", "0", 0, kCluster),
    text("cluster-announce-ip", "", kCluster),
    text("cluster-announce-hostname", "", kCluster),
    text("cluster-announce-human-nodename", "", kCluster),
    integer("cluster-announce-port", "0", 0, kPort, kCluster),
    integer("cluster-announce-tls-port", "0", 0, kPort, kCluster),
    integer("cluster-announce-bus-port", "0", 0, kPort, kCluster),
    choice("cluster-preferred-endpoint-type", kEndpoints, "ip", kCluster),

    // TLS
    default_only(integer("tls-port", "0", 0, kPort, kTls)),
    default_only(text("tls-cert-file", "", kTls)),
    default_only(text("tls-key-file", "", kTls)),
    default_only(text("tls-key-file-pass", "", kTls)),
    default_only(text("tls-client-cert-file", "", kTls)),
    default_only(text("tls-client-key-file", "", kTls)),
    default_only(text("tls-client-key-file-pass", "", kTls)),
    default_only(text("tls-dh-params-file", "", kTls)),
    default_only(text("tls-ca-cert-file", "", kTls)),
    default_only(text("tls-ca-cert-dir", "", kTls)),
    default_only(choice("tls-auth-clients", kNoYesOptional, "yes", kTls)),
    default_only(flag("tls-replication", "no", kTls)),
    default_only(flag("tls-cluster", "no", kTls)),
    default_only(text("tls-protocols", "", kTls)),
    default_only(text("tls-ciphers", "", kTls)),
    default_only(text("tls-ciphersuites", "", kTls)),
    default_only(flag("tls-prefer-server-ciphers", "no", kTls)),
    default_only(flag("tls-session-caching", "yes", kTls)),
    default_only(integer("tls-session-cache-size", "20480", 0, kInt, kTls)),
    default_only(integer("tls-session-cache-timeout", "300", 0, kInt, kTls)),
};

}  // namespace

std::span<const Directive> elsewhere_directives() { return kDirectives; }

}  // namespace strata

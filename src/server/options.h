// Every option that the server honours, as plain values. config.h gives them names, texts and rules.
//
// Written by the configuration before the workers start; afterwards by CONFIG SET while it holds the
// configuration mutex. What threads read on their way is atomic, or published to them by the option's apply
// function.

#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "commands/context.h"
#include "persistence/oplog.h"
#include "runtime/backend.h"

namespace strata {

enum class LogLevel : uint8_t { kDebug, kVerbose, kNotice, kWarning, kNothing };

struct SavePoint {
  int64_t seconds;
  int64_t changes;
};

// client-output-buffer-limit of one class of clients; 0: no limit.
struct OutputLimit {
  uint64_t hard_bytes = 0;
  uint64_t soft_bytes = 0;
  int64_t soft_seconds = 0;
};

struct Options {
  // network
  std::vector<std::string> bind = {"*", "-::*"};
  int64_t port = 6379;
  int64_t tcp_backlog = 511;
  std::string unix_socket;
  int64_t unix_socket_permissions = 0;
  std::atomic<int64_t> timeout_s = 0;
  std::atomic<int64_t> tcp_keepalive_s = 300;
  std::atomic<bool> protected_mode = true;
  std::atomic<int64_t> max_clients = 10000;
  std::atomic<int64_t> client_stall_timeout_s = 60;
  OutputLimit output_limit_normal;
  OutputLimit output_limit_replica = {256ull << 20, 64ull << 20, 60};
  OutputLimit output_limit_pubsub = {32ull << 20, 8ull << 20, 60};
  std::atomic<uint64_t> client_query_buffer_limit = 1024ull * 1024 * 1024;

  // general
  bool daemonize = false;
  std::string pid_file;
  std::atomic<LogLevel> log_level = LogLevel::kNotice;
  std::string log_file;
  int64_t databases = 16;
  bool always_show_logo = false;
  std::string proc_title_template;

  // execution (Strata's own)
  int64_t threads = 0;  // 0: one for each usable processor
  int64_t shards = 0;   // 0: chosen from the threads
  IoBackend io = IoBackend::kAuto;

  // security
  std::string require_password;       // empty: none. Guarded by the configuration mutex
  bool enable_debug_command = false;  // "local" counts as yes for loopback clients
  bool enable_debug_command_local = false;
  bool enable_protected_configs = false;
  bool enable_protected_configs_local = false;

  // memory
  std::atomic<uint64_t> max_memory = 0;
  DataOptions data;

  // persistence
  std::string directory = ".";
  std::string dump_file = "dump.rdb";
  std::vector<SavePoint> save_points = {{3600, 1}, {300, 100}, {60, 10000}};
  bool rdb_compression = true;
  bool rdb_checksum = true;
  int64_t rdb_version = 10;
  bool stop_writes_on_bgsave_error = true;
  bool append_only = false;
  std::string append_file = "appendonly.aof";
  std::string append_directory = "appendonlydir";
  SyncPolicy append_sync = SyncPolicy::kEverySecond;
  bool aof_load_truncated = true;
  bool aof_timestamps = false;
  int64_t log_retention_s = 0;  // 0: off
  bool log_names_times() const { return aof_timestamps || log_retention_s > 0; }
  std::atomic<int64_t> auto_aof_rewrite_percentage = 100;  // 0: never
  std::atomic<uint64_t> auto_aof_rewrite_min_size = 64ull << 20;

  // diagnostics
  std::atomic<int64_t> slowlog_slower_than_us = 10000;
  std::atomic<int64_t> slowlog_max_length = 128;
  std::atomic<bool> latency_tracking = true;
  std::vector<double> latency_percentiles = {50, 99, 99.9};  // guarded by the configuration mutex

  std::string config_file;  // absolute path, empty without one
  bool has_config_file = false;
};

}  // namespace strata

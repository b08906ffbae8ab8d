#include "keyspace/keyspace.h"
#include "platform/clock.h"
#include "platform/process.h"
#include "protocol/output.h"
#include "server/commands.h"
#include "server/config.h"
#include "server/connection.h"
#include "server/info.h"
#include "server/server.h"

namespace strata {
namespace {

constexpr int64_t kSecondsPerDay = 86400;

// The sum of one counter over all threads.
uint64_t sum(Server& server, Counter WorkerMetrics::* counter) {
  uint64_t total = 0;
  for (auto& worker : server.workers()) total += (worker->metrics().*counter).get();
  return total;
}

double divide(uint64_t a, uint64_t b) { return b == 0 ? 0 : static_cast<double>(a) / static_cast<double>(b); }
double kilobytes(uint64_t bytes) { return static_cast<double>(bytes) / 1024; }

uint64_t heap_resident_bytes(Server& server) {
  uint64_t bytes = 0;
  Keyspace& keyspace = server.keyspace();
  for (uint32_t s = 0; s < keyspace.shard_count(); ++s) bytes += keyspace.shard(s).heap().stats().resident;
  return bytes;
}

// Beside the figures of Redis that mean nothing here stands what they are when there is no such thing.
void zeros(InfoText& out, std::initializer_list<std::string_view> names) {
  for (std::string_view name : names) out.line(name, 0);
}

}  // namespace

void info_server(InfoText& out, const InfoSource& source) {
  Server& server = source.server;
  const Options& o = server.options();
  int64_t uptime_s = (source.now_ms - server.started_at_ms()) / 1000;
  out.section("Server");
  out.line("redis_version", kRedisVersion);
  out.line("redis_git_sha1", "00000000");
  out.line("redis_git_dirty", 0);
  out.line("redis_build_id", "0");
  out.line("redis_mode", "standalone");
  out.line("os", system_name());
  out.line("arch_bits", pointer_bits());
  out.line("monotonic_clock", "POSIX clock_gettime");
  out.line("multiplexing_api", server.workers()[0]->loop().backend_name());
  out.line("atomicvar_api", "c11-builtin");
  out.line("gcc_version", compiler_version());
  out.line("process_id", process_id());
  out.line("process_supervised", "no");
  out.line("run_id", server.run_id());
  out.line("tcp_port", server.port());
  out.line("server_time_usec", system_clock().wall_us());
  out.line("uptime_in_seconds", uptime_s);
  out.line("uptime_in_days", uptime_s / kSecondsPerDay);
  out.line("hz", server.configuration().value_of("hz"));
  out.line("configured_hz", server.configuration().value_of("hz"));
  out.line("lru_clock", access_clock(source.now_ms));
  out.line("executable", executable_path());
  out.line("config_file", o.config_file);
  out.line("io_threads_active", server.worker_count() > 1 ? 1 : 0);
  size_t listener = 0;
  if (server.port() != 0) {
    std::string where = "name=tcp";
    for (const std::string& address : o.bind) where += ",bind=" + address;
    out.line(fmt::format("listener{}", listener++), fmt::format("{},port={}", where, server.port()));
  }
  if (!o.unix_socket.empty())
    out.line(fmt::format("listener{}", listener), "name=unix,bind=" + o.unix_socket);
}

void info_clients(InfoText& out, const InfoSource& source) {
  Server& server = source.server;
  uint64_t input = 0, output = 0, blocked = 0, blocking_keys = 0;
  for (auto& worker : server.workers()) {
    worker->for_each_connection([&](Connection& connection) {
      const Session& session = connection.session();
      input = std::max(input, session.input_bytes.load(std::memory_order_relaxed));
      output = std::max(output, session.output_bytes.load(std::memory_order_relaxed));
      blocked += session.has(Session::kBlocked) ? 1 : 0;
    });
  }
  Keyspace& keyspace = server.keyspace();
  for (uint32_t s = 0; s < keyspace.shard_count(); ++s)
    blocking_keys += keyspace.shard(s).waiters().key_count();
  out.section("Clients");
  out.line("connected_clients", server.connection_count());
  out.line("cluster_connections", 0);
  out.line("maxclients", server.options().max_clients.load());
  out.line("client_recent_max_input_buffer", input);
  out.line("client_recent_max_output_buffer", output);
  out.line("blocked_clients", blocked);
  zeros(out, {"tracking_clients", "clients_in_timeout_table"});
  out.line("total_blocking_keys", blocking_keys);
  zeros(out, {"total_blocking_keys_on_nokey"});
}

void info_memory(InfoText& out, const InfoSource& source) {
  Server& server = source.server;
  uint64_t used = server.used_memory();
  uint64_t dataset = server.keyspace().used_bytes();
  uint64_t peak = std::max<uint64_t>(used, server.peak_memory().load());
  uint64_t resident = process_memory().resident_bytes;
  uint64_t heaps = heap_resident_bytes(server);
  uint64_t overhead = used > dataset ? used - dataset : 0;
  uint64_t log_buffer = server.log() ? server.log()->stats().buffer_bytes : 0;
  out.section("Memory");
  out.bytes("used_memory", used);
  out.bytes("used_memory_rss", resident);
  out.bytes("used_memory_peak", peak);
  out.percent("used_memory_peak_perc", divide(used, peak) * 100);
  out.line("used_memory_overhead", overhead);
  out.line("used_memory_startup", 0);
  out.line("used_memory_dataset", dataset);
  out.percent("used_memory_dataset_perc", divide(dataset, used) * 100);
  out.line("allocator_allocated", dataset);
  out.line("allocator_active", heaps);
  out.line("allocator_resident", heaps);
  out.bytes("total_system_memory", system_memory_bytes());
  out.line("used_memory_lua", 0);
  out.line("used_memory_vm_eval", 0);
  out.line("used_memory_lua_human", "0B");
  zeros(out, {"used_memory_scripts_eval", "number_of_cached_scripts", "number_of_functions",
              "number_of_libraries", "used_memory_vm_functions", "used_memory_vm_total"});
  out.line("used_memory_vm_total_human", "0B");
  zeros(out, {"used_memory_functions", "used_memory_scripts"});
  out.line("used_memory_scripts_human", "0B");
  out.bytes("maxmemory", server.options().max_memory.load());
  out.line("maxmemory_policy", server.configuration().value_of("maxmemory-policy"));
  out.ratio("allocator_frag_ratio", divide(heaps, dataset));
  out.line("allocator_frag_bytes", static_cast<int64_t>(heaps - dataset));
  out.ratio("allocator_rss_ratio", heaps == 0 ? 0 : 1);
  out.line("allocator_rss_bytes", 0);
  out.ratio("rss_overhead_ratio", divide(resident, heaps));
  out.line("rss_overhead_bytes", static_cast<int64_t>(resident - heaps));
  out.ratio("mem_fragmentation_ratio", divide(resident, used));
  out.line("mem_fragmentation_bytes", static_cast<int64_t>(resident - used));
  zeros(out, {"mem_not_counted_for_evict", "mem_replication_backlog", "mem_total_replication_buffers",
              "mem_clients_slaves"});
  out.line("mem_clients_normal", overhead > log_buffer ? overhead - log_buffer : 0);
  out.line("mem_cluster_links", 0);
  out.line("mem_aof_buffer", log_buffer);
  out.line("mem_allocator", "strata");
  zeros(out, {"active_defrag_running", "lazyfree_pending_objects", "lazyfreed_objects"});
}

void info_replication(InfoText& out, const InfoSource& source) {
  out.section("Replication");
  out.line("role", "master");
  out.line("connected_slaves", 0);
  out.line("master_failover_state", "no-failover");
  out.line("master_replid", source.server.run_id());
  out.line("master_replid2", "0000000000000000000000000000000000000000");
  out.line("master_repl_offset", 0);
  out.line("second_repl_offset", -1);
  out.line("repl_backlog_active", 0);
  out.line("repl_backlog_size", source.server.configuration().value_of("repl-backlog-size"));
  zeros(out, {"repl_backlog_first_byte_offset", "repl_backlog_histlen"});
}

void info_stats(InfoText& out, const InfoSource& source) {
  Server& server = source.server;
  uint64_t hits = 0, misses = 0, expired = 0, expired_fields = 0, turns = 0;
  for (auto& worker : server.workers()) {
    hits += worker->keyspace_counters().hits.load(std::memory_order_relaxed);
    misses += worker->keyspace_counters().misses.load(std::memory_order_relaxed);
    turns += worker->loop().turns();
  }
  Keyspace& keyspace = server.keyspace();
  for (uint32_t s = 0; s < keyspace.shard_count(); ++s) {
    expired += keyspace.shard(s).expired_count.load(std::memory_order_relaxed);
    expired_fields += keyspace.shard(s).expired_field_count.load(std::memory_order_relaxed);
  }
  const Rates& rates = server.rates();
  out.section("Stats");
  out.line("total_connections_received", sum(server, &WorkerMetrics::connections_received));
  out.line("total_commands_processed", sum(server, &WorkerMetrics::commands_processed));
  out.line("instantaneous_ops_per_sec", rates.commands.per_second());
  out.line("total_net_input_bytes", sum(server, &WorkerMetrics::input_bytes));
  out.line("total_net_output_bytes", sum(server, &WorkerMetrics::output_bytes));
  zeros(out, {"total_net_repl_input_bytes", "total_net_repl_output_bytes"});
  out.ratio("instantaneous_input_kbps", kilobytes(rates.input_bytes.per_second()));
  out.ratio("instantaneous_output_kbps", kilobytes(rates.output_bytes.per_second()));
  out.ratio("instantaneous_input_repl_kbps", 0);
  out.ratio("instantaneous_output_repl_kbps", 0);
  out.line("rejected_connections", sum(server, &WorkerMetrics::connections_rejected));
  zeros(out, {"sync_full", "sync_partial_ok", "sync_partial_err"});
  out.line("expired_keys", expired);
  out.line("expired_subkeys", expired_fields);
  out.ratio("expired_stale_perc", 0);
  zeros(out, {"expired_time_cap_reached_count", "expire_cycle_cpu_milliseconds", "evicted_keys",
              "evicted_clients", "total_eviction_exceeded_time", "current_eviction_exceeded_time"});
  out.line("keyspace_hits", hits);
  out.line("keyspace_misses", misses);
  zeros(out, {"pubsub_channels", "pubsub_patterns", "pubsubshard_channels", "latest_fork_usec", "total_forks",
              "migrate_cached_sockets", "slave_expires_tracked_keys", "active_defrag_hits",
              "active_defrag_misses", "active_defrag_key_hits", "active_defrag_key_misses",
              "total_active_defrag_time", "current_active_defrag_time", "tracking_total_keys",
              "tracking_total_items", "tracking_total_prefixes"});
  out.line("unexpected_error_replies", sum(server, &WorkerMetrics::unexpected_errors));
  out.line("total_error_replies", sum(server, &WorkerMetrics::error_replies));
  out.line("dump_payload_sanitizations", sum(server, &WorkerMetrics::dump_payload_sanitizations));
  out.line("total_reads_processed", sum(server, &WorkerMetrics::reads_processed));
  out.line("total_writes_processed", sum(server, &WorkerMetrics::writes_processed));
  zeros(out, {"io_threaded_reads_processed", "io_threaded_writes_processed",
              "client_query_buffer_limit_disconnections", "client_output_buffer_limit_disconnections",
              "reply_buffer_shrinks", "reply_buffer_expands"});
  out.line("eventloop_cycles", turns);
  out.line("acl_access_denied_auth", sum(server, &WorkerMetrics::authentication_failures));
  zeros(out, {"acl_access_denied_cmd", "acl_access_denied_key", "acl_access_denied_channel"});
}

void info_cpu(InfoText& out, const InfoSource&) {
  ProcessCpu cpu = process_cpu();
  out.section("CPU");
  out.microseconds("used_cpu_sys", cpu.self.system_us);
  out.microseconds("used_cpu_user", cpu.self.user_us);
  out.microseconds("used_cpu_sys_children", cpu.children.system_us);
  out.microseconds("used_cpu_user_children", cpu.children.user_us);
  out.microseconds("used_cpu_sys_main_thread", cpu.main_thread.system_us);
  out.microseconds("used_cpu_user_main_thread", cpu.main_thread.user_us);
}

void info_modules(InfoText& out, const InfoSource&) { out.section("Modules"); }

void info_cluster(InfoText& out, const InfoSource&) {
  out.section("Cluster");
  out.line("cluster_enabled", 0);
}

void info_keyspace(InfoText& out, const InfoSource& source) {
  Keyspace& keyspace = source.server.keyspace();
  out.section("Keyspace");
  for (uint16_t db = 0; db < keyspace.database_count(); ++db) {
    uint64_t keys = keyspace.key_count(db);
    if (keys == 0) continue;
    uint64_t expires = keyspace.deadline_count(db);
    int64_t deadlines = 0;
    for (uint32_t s = 0; s < keyspace.shard_count(); ++s) {
      if (const Database* database = keyspace.shard(s).peek(db)) deadlines += database->deadline_sum_ms();
    }
    int64_t average =
        expires == 0 ? 0 : std::max<int64_t>(0, deadlines / static_cast<int64_t>(expires) - source.now_ms);
    out.line(fmt::format("db{}", db), fmt::format("keys={},expires={},avg_ttl={}", keys, expires, average));
  }
}

// What Redis has no names for.
void info_strata(InfoText& out, const InfoSource& source) {
  Server& server = source.server;
  Keyspace& keyspace = server.keyspace();
  int64_t longest_hold_us = 0, longest_turn_us = 0, expiry_lag_ms = 0;
  for (auto& worker : server.workers()) {
    longest_hold_us = std::max(longest_hold_us, worker->longest_shard_hold_us());
    longest_turn_us = std::max(longest_turn_us, worker->loop().stats().longest_turn_cpu_us);
  }
  for (uint32_t s = 0; s < keyspace.shard_count(); ++s) {
    expiry_lag_ms =
        std::max(expiry_lag_ms, keyspace.shard(s).expiry_lag_ms_max.load(std::memory_order_relaxed));
  }
  out.section("Strata");
  out.line("strata_version", kStrataVersion);
  out.line("threads", server.worker_count());
  out.line("shards", keyspace.shard_count());
  out.line("queued_for_shard", sum(server, &WorkerMetrics::queued_for_shard));
  out.line("ran_for_others", sum(server, &WorkerMetrics::ran_for_others));
  out.line("parked_for_log", sum(server, &WorkerMetrics::parked_for_log));
  out.line("parked_for_log_us", sum(server, &WorkerMetrics::parked_for_log_us));
  out.line("longest_loop_turn_usec", longest_turn_us);  // thread CPU time, since the last CONFIG RESETSTAT
  out.line("longest_shard_hold_usec", longest_hold_us);
  out.line("expiry_lag_ms_max", expiry_lag_ms);
  for (size_t i = 0; i < server.workers().size(); ++i) {
    Worker& worker = *server.workers()[i];
    out.line(fmt::format("thread{}", i), fmt::format("connections={},commands={}",
                                                     worker.connection_count.load(std::memory_order_relaxed),
                                                     worker.metrics().commands_processed.get()));
  }
}

}  // namespace strata

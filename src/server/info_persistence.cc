#include "server/info.h"
#include "server/server.h"

namespace strata {
namespace {

const char* ok_or_err(bool ok) { return ok ? "ok" : "err"; }

void loading(InfoText& out, const InfoSource& source) {
  LoadingProgress& progress = source.server.loading();
  uint64_t total = progress.total_bytes, loaded = progress.loaded_bytes;
  double share = total == 0 ? 0 : static_cast<double>(loaded) / static_cast<double>(total);
  int64_t elapsed_s = (source.now_ms - progress.started_at_ms) / 1000;
  int64_t left_s = share > 0 ? static_cast<int64_t>(static_cast<double>(elapsed_s) * (1 - share) / share) : 1;
  out.line("loading_start_time", progress.started_at_ms / 1000);
  out.line("loading_total_bytes", total);
  out.line("loading_rdb_used_mem", 0);
  out.line("loading_loaded_bytes", loaded);
  out.ratio("loading_loaded_perc", share * 100);
  out.line("loading_eta_seconds", left_s);
}

}  // namespace

// Nothing forks, so there is no copy-on-write to tell of.
void info_persistence(InfoText& out, const InfoSource& source) {
  Server& server = source.server;
  SaveState& save = server.save_state();
  OpLog* log = server.log();
  OpLogStats stats = log ? log->stats() : OpLogStats();
  bool is_loading = server.loading().active;
  using enum BackgroundSave::Kind;
  const BackgroundSave::Progress progress = server.background_save().progress();
  const BackgroundSave::RewriteState rewrite = server.background_save().rewrite_state();
  const int64_t running_s = progress.kind == kNone ? -1 : source.now_ms / 1000 - progress.began_s;
  out.section("Persistence");
  out.line("loading", is_loading ? 1 : 0);
  for (const char* name : {"async_loading", "current_cow_peak", "current_cow_size", "current_cow_size_age"}) {
    out.line(name, 0);
  }
  out.ratio("current_fork_perc", 0);
  out.line("current_save_keys_processed", progress.keys_saved);
  out.line("current_save_keys_total", progress.keys_total);
  out.line("rdb_changes_since_last_save", server.changes_since_save());
  out.line("rdb_bgsave_in_progress", save.in_progress ? 1 : 0);
  out.line("rdb_last_save_time", save.last_save_s.load());
  out.line("rdb_last_bgsave_status", ok_or_err(save.last_ok));
  out.line("rdb_last_bgsave_time_sec", save.last_duration_s.load());
  out.line("rdb_current_bgsave_time_sec", progress.kind == kSave ? running_s : -1);
  out.line("rdb_saves", save.saves.load());
  out.line("rdb_last_cow_size", 0);
  out.line("rdb_last_load_keys_expired", 0);
  out.line("rdb_last_load_keys_loaded", server.loading().loaded_keys.load());
  out.line("aof_enabled", server.log_switch().is_wanted() ? 1 : 0);
  out.line("aof_rewrite_in_progress", progress.kind == kRewrite ? 1 : 0);
  const bool waits_to_begin = server.log_switch().waits_to_begin();
  out.line("aof_rewrite_scheduled", server.background_save().rewrite_scheduled() || waits_to_begin ? 1 : 0);
  out.line("aof_last_rewrite_time_sec", rewrite.last_duration_s);
  out.line("aof_current_rewrite_time_sec", progress.kind == kRewrite ? running_s : -1);
  out.line("aof_last_bgrewrite_status", ok_or_err(rewrite.last_ok));
  out.line("aof_rewrites", rewrite.count);
  out.line("aof_rewrites_consecutive_failures", rewrite.failures);
  out.line("aof_last_write_status", ok_or_err(!log || stats.last_write_ok));
  out.line("aof_last_cow_size", 0);
  out.line("module_fork_in_progress", 0);
  out.line("module_fork_last_cow_size", 0);
  if (log) {
    out.line("aof_current_size", stats.current_bytes);
    out.line("aof_base_size", stats.base_bytes);
    out.line("aof_history_size", stats.history_bytes);
    out.line("aof_pending_rewrite", 0);
    out.line("aof_buffer_length", stats.buffer_bytes);
    out.line("aof_pending_bio_fsync", stats.sync_in_flight ? 1 : 0);
    out.line("aof_delayed_fsync", stats.delayed_sync_count);
    out.line("aof_position", stats.position);
    out.line("aof_durable_position", stats.durable_position);
    out.line("aof_resumptions", stats.resumption_count);
    out.line("aof_prefilled_bytes", stats.filler_bytes);
  }
  if (is_loading) loading(out, source);
}

}  // namespace strata

#include "server/background_save.h"

#include <fmt/format.h>

#include "platform/clock.h"
#include "platform/file_system.h"
#include "platform/process.h"
#include "platform/thread.h"
#include "server/log_lines.h"
#include "server/server.h"
#include "server/worker.h"

namespace strata {
namespace {

// What a slice of the walk takes of a turn.
constexpr int64_t kSliceUs = 300;
// After failures a rewrite is tried again later and later, as Redis does: minutes by powers of two.
constexpr uint64_t kRewriteFailuresWithoutDelay = 3;
constexpr int64_t kRewriteDelayMaxS = 60 * 60;

int64_t now_s() { return system_clock().wall_us() / 1'000'000; }

}  // namespace

// The walk, as a job that enters one shard at a time. Touched by one thread at a time: whoever runs the
// slice.
class BackgroundSave::Walk final : public ShardJob, private PostedWork {
 public:
  Walk(Server& server, RdbSnapshot& snapshot) : server_(server), snapshot_(snapshot) {}

  // Posts the first slice.
  void begin() { post_home(); }
  // The writing thread has made room.
  void wake() {
    if (is_parked_.exchange(false, std::memory_order_seq_cst)) post_home();
  }

  bool execute() override {
    Worker& here = *Worker::current();
    Shard& shard = server_.keyspace().shard(current_);
    const int64_t began_us = system_clock().monotonic_us();
    shard.set_now(began_us == 0 ? 0 : system_clock().wall_us() / 1000);
    shard.snapshot().walk(here.dispatcher().runner(), began_us + kSliceUs);
    here.note_shard_hold(system_clock().monotonic_us() - began_us);
    return true;
  }
  // The next slice; or the end.
  void finished() override {
    if (!choose_shard()) return snapshot_.finish();
    if (snapshot_.is_full()) {
      is_parked_.store(true, std::memory_order_seq_cst);
      // Room that was made before that woke nobody.
      if (snapshot_.is_full() || !is_parked_.exchange(false, std::memory_order_seq_cst)) return;
    }
    post_home();
  }
  void send_home() override {
    holds_shard_ = true;
    post_home();
  }

 private:
  void run() override {
    JobRunner& runner = Worker::current()->dispatcher().runner();
    if (std::exchange(holds_shard_, false)) return runner.resume(*this);
    shards = {};
    shards.add(current_);
    runner.start(*this);
  }
  void post_home() {
    Worker& home = *server_.workers()[current_ % server_.worker_count()];
    home.loop().post(static_cast<PostedWork*>(this));
  }
  // Stays while a value is half saved; goes where somebody waits; else on in order. False: all are done.
  bool choose_shard() {
    Keyspace& keyspace = server_.keyspace();
    if (snapshot_.is_in_large()) return true;
    for (uint32_t s = 0; s < keyspace.shard_count(); ++s) {
      if (!keyspace.shard(s).snapshot().is_urgent()) continue;
      current_ = s;
      return true;
    }
    for (uint32_t i = 0; i < keyspace.shard_count(); ++i) {
      const uint32_t s = (current_ + i) % keyspace.shard_count();
      if (!keyspace.shard(s).snapshot().is_active()) continue;
      current_ = s;
      return true;
    }
    return false;
  }

  Server& server_;
  RdbSnapshot& snapshot_;
  uint32_t current_ = 0;
  bool holds_shard_ = false;
  std::atomic<bool> is_parked_{false};
};

struct BackgroundSave::Run {
  Run(Server& server, Kind what, const RdbSaveOptions& options)
      : kind(what), snapshot(server.keyspace(), options), walk(server, snapshot) {}

  const Kind kind;
  RdbSnapshot snapshot;
  Walk walk;
  int64_t began_s = now_s();
  uint64_t changes = 0;
  std::string target;     // of a save
  std::string temporary;  // its path; for a rewrite its name in the log's directory
  AofLocation location;
};

BackgroundSave::BackgroundSave(Server& server) : server_(server) {}

BackgroundSave::~BackgroundSave() { abandon(); }

bool BackgroundSave::begin(Kind kind) {
  if (running() != Kind::kNone) return false;
  OpLog* log = server_.log();
  if (kind == Kind::kRewrite && (log == nullptr || log->failed())) {
    log_warning("Can't rewrite the append only file: there is none that could be written");
    return false;
  }
  join();
  const Options& o = server_.options();
  RdbSaveOptions options = rdb_save_options(o);
  options.aux.aof_base = kind == Kind::kRewrite;
  auto run = std::make_unique<Run>(server_, kind, options);
  run->changes = server_.total_changes();
  run->location = {".", o.append_directory, o.append_file};
  run->target = o.dump_file;
  run->temporary = kind == Kind::kSave ? parent_directory(o.dump_file) + "/" + snapshot_temporary_name("bgsave.rdb")
                                       : snapshot_temporary_name("aof");
  run->snapshot.set_on_room([this] { room_again(); });
  run->snapshot.begin();
  if (kind == Kind::kRewrite) log->mark_rotation();
  log_notice(fmt::format("Background {} started by pid {}",
                         kind == Kind::kSave ? "saving" : "append only file rewriting", process_id()));
  {
    std::scoped_lock guard(mutex_);
    run_ = std::move(run);
  }
  running_.store(kind, std::memory_order_release);
  if (kind == Kind::kSave) server_.save_state().in_progress = true;
  thread_ = std::thread([this] { run_thread(*run_); });
  run_->walk.begin();
  return true;
}

void BackgroundSave::run_thread(Run& run) {
  name_this_thread("strata-snapshot");
  const Status status = run.kind == Kind::kSave ? save(run) : rewrite(run);
  run.kind == Kind::kSave ? end_save(run, status) : end_rewrite(run, status);
  has_ended_.store(true, std::memory_order_release);
}

Status BackgroundSave::save(Run& run) {
  FileSystem& fs = real_file_system();
  Result<RdbSaveReport> report = run.snapshot.write(fs, run.temporary);
  Status status;
  if (!report) status = std::unexpected(report.error());
  if (status) status = fs.rename(run.temporary, run.target);
  if (!status) {
    static_cast<void>(fs.remove(run.temporary));  // it may not be there
    return status;
  }
  return fs.sync_directory(parent_directory(run.target));
}

Status BackgroundSave::rewrite(Run& run) {
  FileSystem& fs = real_file_system();
  OpLog& log = *server_.log();
  const std::string path = run.location.path_of(run.temporary);
  Status status = log.rotate();
  if (!status) {
    run.snapshot.cancel();
    return status;
  }
  const uint64_t increment = log.stats().increment_seq;
  log_notice(fmt::format("Creating AOF incr file {} on background rewrite",
                         increment_name(run.location, increment)));
  Result<RdbSaveReport> report = run.snapshot.write(fs, path);
  if (!report) {
    status = std::unexpected(report.error());
  } else {
    log_notice(fmt::format("Successfully created the temporary AOF base file {}", run.temporary));
    status = log.adopt_base(run.temporary, increment);
  }
  if (!status) static_cast<void>(fs.remove(path));
  return status;
}

void BackgroundSave::end_save(Run& run, const Status& status) {
  SaveState& state = server_.save_state();
  const int64_t ended_s = now_s();
  const bool is_cancelled = !status && status.error().code == Errc::kCancelled;
  state.last_duration_s = ended_s - run.began_s;
  state.last_try_s = ended_s;
  if (is_cancelled) return;
  state.last_ok = status.has_value();
  server_.note_save_result(status.has_value());
  if (!status) {
    log_warning(fmt::format("Write error saving DB on disk: {}", describe(status.error())));
    log_warning("Background saving error");
    return;
  }
  state.changes_at_last_save = run.changes;
  state.last_save_s = ended_s;
  state.saves.fetch_add(1, std::memory_order_relaxed);
  log_notice("DB saved on disk");
  log_notice("Background saving terminated with success");
}

void BackgroundSave::end_rewrite(const Run& run, const Status& status) {
  const int64_t ended_s = now_s();
  rewrite_duration_s_ = ended_s - run.began_s;
  rewrite_tried_s_ = ended_s;
  if (!status && status.error().code == Errc::kCancelled) return;
  rewrite_ok_ = status.has_value();
  if (!status) {
    rewrite_failures_.fetch_add(1, std::memory_order_relaxed);
    log_warning(fmt::format("Background AOF rewrite terminated with error: {}", describe(status.error())));
    return;
  }
  rewrite_failures_ = 0;
  rewrite_count_.fetch_add(1, std::memory_order_relaxed);
  log_notice("Background AOF rewrite terminated with success");
  log_notice("Background AOF rewrite finished successfully");
}

// On the writing thread, while run_ is there.
void BackgroundSave::room_again() {
  const bool holds = run_->snapshot.holds_writers();
  const bool held = holds_writers_.exchange(holds, std::memory_order_seq_cst);
  if (!run_->snapshot.is_full()) run_->walk.wake();
  if (!held || holds) return;
  for (auto& worker : server_.workers()) worker->log_progressed();
}

// The walk goes on after a failure, so the run may only go when both have ended.
void BackgroundSave::join() {
  if (thread_.joinable()) thread_.join();
  std::scoped_lock guard(mutex_);
  run_.reset();
}

void BackgroundSave::cron(int64_t now) {
  if (running() != Kind::kNone) {
    if (!has_ended_.load(std::memory_order_acquire)) {
      holds_writers_.store(run_->snapshot.holds_writers(), std::memory_order_seq_cst);
      return;
    }
    for (uint32_t s = 0; s < server_.keyspace().shard_count(); ++s) {
      if (server_.keyspace().shard(s).snapshot().is_active()) return;
    }
    if (!run_->snapshot.is_finished()) return;
    join();
    has_ended_ = false;
    holds_writers_ = false;
    server_.save_state().in_progress = false;
    running_.store(Kind::kNone, std::memory_order_release);
  }
  if (is_starting_) return;
  if (rewrite_scheduled_.exchange(false)) return start_soon(Kind::kRewrite);
  const SaveState& state = server_.save_state();
  const bool may_retry = state.last_ok || now - state.last_try_s >= kSaveRetryS;
  if (save_scheduled_ && may_retry) {
    save_scheduled_ = false;
    return start_soon(Kind::kSave);
  }
  if (may_retry && server_.save_point_is_due(now)) return start_soon(Kind::kSave);
  if (rewrite_is_due()) start_soon(Kind::kRewrite);
}

void BackgroundSave::start_soon(Kind kind) {
  is_starting_ = true;
  Worker::current()->dispatcher().run_on_all_shards([this, kind] {
    if (!server_.stopping()) begin(kind);
    is_starting_ = false;
  });
}

bool BackgroundSave::rewrite_is_due() const {
  const Options& o = server_.options();
  const OpLog* log = server_.log();
  const int64_t percentage = o.auto_aof_rewrite_percentage.load(std::memory_order_relaxed);
  if (log == nullptr || log->failed() || percentage == 0) return false;
  const OpLogStats stats = log->stats();
  if (stats.current_bytes < o.auto_aof_rewrite_min_size.load(std::memory_order_relaxed)) return false;
  const uint64_t base = std::max<uint64_t>(1, stats.base_bytes);
  const double growth = static_cast<double>(stats.current_bytes) * 100 / static_cast<double>(base) - 100;
  if (growth < static_cast<double>(percentage)) return false;
  const uint64_t failures = rewrite_failures_;
  if (failures < kRewriteFailuresWithoutDelay) return true;
  const uint64_t doublings = std::min<uint64_t>(failures - kRewriteFailuresWithoutDelay, 10);
  const int64_t delay_s = std::min(kRewriteDelayMaxS, int64_t{60} << doublings);
  if (now_s() - rewrite_tried_s_ < delay_s) return false;
  log_warning(fmt::format("Background AOF rewrite has repeatedly failed {} times, trying again", failures));
  return true;
}

void BackgroundSave::abandon() {
  if (run_) run_->snapshot.cancel();
  if (thread_.joinable()) thread_.join();
}

BackgroundSave::Progress BackgroundSave::progress() const {
  std::scoped_lock guard(mutex_);
  if (!run_ || running() == Kind::kNone) return {};
  return {run_->kind, run_->snapshot.keys_saved(), run_->snapshot.key_count(), run_->began_s};
}

BackgroundSave::RewriteState BackgroundSave::rewrite_state() const {
  return {rewrite_count_, rewrite_failures_, rewrite_duration_s_, rewrite_ok_};
}

}  // namespace strata

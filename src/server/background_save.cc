#include "server/background_save.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/no_memory.h"
#include "persistence/oplog_rewrite.h"
#include "platform/clock.h"
#include "platform/file_system.h"
#include "platform/process.h"
#include "platform/thread.h"
#include "server/empty_dump.h"
#include "server/log_lines.h"
#include "server/rewrite_delay.h"
#include "server/server.h"
#include "server/worker.h"

namespace strata {
namespace {

// What a slice of the walk takes of a turn.
constexpr int64_t kSliceUs = 300;
constexpr int64_t kTellEveryS = 5;

int64_t now_s() { return system_clock().wall_us() / 1'000'000; }
int64_t monotonic_ms() { return system_clock().monotonic_us() / 1000; }

const char* name_of(BackgroundSave::Kind kind) {
  return kind == BackgroundSave::Kind::kSave ? "saving" : "append only file rewriting";
}

}  // namespace

// The walk, as a job that enters one shard at a time. Touched by one thread at a time: whoever runs the
// slice.
class BackgroundSave::Walk final : public ShardJob, private PostedWork {
 public:
  Walk(BackgroundSave& owner, RdbSnapshot& snapshot)
      : owner_(owner), server_(owner.server_), snapshot_(snapshot) {}

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
    shard.snapshot().walk(here.dispatcher().runner(), began_us + kSliceUs);
    here.note_shard_hold(system_clock().monotonic_us() - began_us);
    return true;
  }
  // The next slice; or the end.
  void finished() override {
    if (!choose_shard()) {
      snapshot_.finish();
      owner_.has_walked_.store(true, std::memory_order_release);  // this may be gone now
      return;
    }
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

  BackgroundSave& owner_;
  Server& server_;
  RdbSnapshot& snapshot_;
  uint32_t current_ = 0;
  bool holds_shard_ = false;
  std::atomic<bool> is_parked_{false};
};

struct BackgroundSave::Run {
  Run(BackgroundSave& owner, Kind what, const RdbSaveOptions& options)
      : kind(what),
        snapshot(owner.server_.keyspace(), options,
                 {.on_room = [&owner] { owner.room_again(); },
                  .on_crowded = [&owner] { owner.set_holds_writers(true); }}),
        walk(owner, snapshot) {}

  // The thread waits here until the snapshot has begun.
  enum Gate : uint8_t { kClosed, kOpen, kAbandoned };
  void open_gate(Gate to) {
    gate.store(to, std::memory_order_release);
    gate.notify_one();
  }

  std::atomic<Gate> gate{kClosed};
  const Kind kind;
  RdbSnapshot snapshot;
  Walk walk;
  const int64_t began_s = now_s();
  uint64_t changes = 0;  // of the server, at the beginning
  uint64_t number = 0;
  std::string target;       // of a save
  uint64_t after_dump = 0;  // an empty one, which goes first
  AofLocation location;     // of a rewrite
  LogRetention retention;
  bool resumes = false;  // a log that has failed
  bool begins = false;   // a log
};

BackgroundSave::BackgroundSave(Server& server)
    : server_(server), resumption_(real_file_system(), AofLocation().directory) {}

BackgroundSave::~BackgroundSave() { abandon(); }

bool BackgroundSave::begin(Kind kind) {
  if (running() != Kind::kNone) return false;
  LogSwitch& log_switch = server_.log_switch();
  if (kind == Kind::kRewrite && log_switch.must_end_first()) return false;
  const Options& o = server_.options();
  RdbSaveOptions options = rdb_save_options(o);
  options.aux.aof_base = kind == Kind::kRewrite;
  // Everything that needs memory: afterwards only the snapshot can fail.
  auto prepared = without_throwing("no memory to save", [&]() -> Result<std::unique_ptr<Run>> {
    auto run = std::make_unique<Run>(*this, kind, options);
    run->target = dump_path(o);
    run->location = {parent_directory(run->target), o.append_directory, o.append_file};
    thread_ = std::thread([this, made = run.get()] {
      made->gate.wait(Run::kClosed, std::memory_order_acquire);
      if (made->gate.load(std::memory_order_acquire) == Run::kOpen) run_thread(*made);
    });
    return run;
  });
  if (!prepared) {
    log_warning(fmt::format("Can't begin background {}: {}", name_of(kind), describe(prepared.error())));
    return false;
  }
  std::unique_ptr<Run> run = std::move(*prepared);
  run->changes = server_.total_changes();
  run->after_dump = server_.empty_dump().wanted();
  run->retention = {static_cast<uint64_t>(o.log_retention_s), static_cast<uint64_t>(now_s())};
  run->begins = kind == Kind::kRewrite && log_switch.waits_to_begin();
  if (run->begins) {
    if (const Status begun = log_switch.begin(); !begun) {
      log_warning(fmt::format("Can't begin an append only file: {}", describe(begun.error())));
      run->open_gate(Run::kAbandoned);
      thread_.join();
      return false;
    }
  }
  OpLog* log = server_.log();
  // Before the mark: a log that fails in between fails this rewrite.
  run->resumes = kind == Kind::kRewrite && log != nullptr && !run->begins && log->failed();
  if (run->resumes) resumption_.attempt_begins();
  run->snapshot.begin();
  if (kind == Kind::kRewrite && log != nullptr && !run->begins) log->mark_rotation();
  if (kind == Kind::kRewrite) log_switch.rewrite_began();
  run->number = ++begun_;
  static_cast<void>(without_throwing("no memory to tell", [&]() -> Status {
    log_notice(fmt::format("Background {} started by pid {}", name_of(kind), process_id()));
    return {};
  }));
  {
    std::scoped_lock guard(mutex_);
    run_ = std::move(run);
  }
  running_.store(kind, std::memory_order_release);
  if (kind == Kind::kSave) server_.save_state().in_progress = true;
  run_->walk.begin();
  run_->open_gate(Run::kOpen);
  return true;
}

void BackgroundSave::run_thread(Run& run) {
  name_this_thread("strata-snapshot");
  const bool is_save = run.kind == Kind::kSave;
  FileSystem& fs = real_file_system();
  if (is_save) server_.empty_dump().wait_for(run.after_dump, [&run] { return run.snapshot.is_cancelled(); });
  const Result<RdbSaveReport> report = without_throwing("no memory to save", [&] {
    return is_save       ? run.snapshot.replace(fs, run.target, snapshot_temporary_path(run.target, "bgsave"))
           : run.resumes ? resume_log(fs, run.location, *server_.log(), run.snapshot)
                         : rewrite_log(fs, run.location, server_.log(), run.snapshot, run.retention);
  });
  if (!report && report.error().code == Errc::kOutOfMemory) run.snapshot.give_up();
  if (report) {
    log_notice(fmt::format("{}: {} keys, {} bytes", is_save ? "DB saved on disk" : "New base of the AOF",
                           report->key_count, report->file_bytes));
    log_newer_version(*report);
  }
  const Status status = report ? Status() : std::unexpected(report.error());
  is_save ? end_save(run, status) : end_rewrite(run, status);
  if (run.resumes) end_resumption(status);
  if (!is_save) server_.log_switch().rewrite_ended(run.begins, status.has_value());
  written_.store(run.number, std::memory_order_release);
  written_.notify_all();
  has_written_.store(true, std::memory_order_release);
}

// A reader of the version asked for could not load it.
void BackgroundSave::log_newer_version(const RdbSaveReport& report) {
  const auto wanted = static_cast<uint32_t>(server_.options().rdb_version);
  if (report.version > wanted) {
    log_notice(fmt::format("The file is of RDB version {}, not {}: hashes have fields with deadlines",
                           report.version, wanted));
  }
}

void BackgroundSave::end_save(Run& run, const Status& status) {
  SaveState& state = server_.save_state();
  const int64_t ended_s = now_s();
  state.last_duration_s = ended_s - run.began_s;
  state.last_try_s = ended_s;
  if (!status && status.error().code == Errc::kCancelled) {
    return log_notice("Background saving was given up");
  }
  state.last_ok = status.has_value();
  server_.note_save_result(status.has_value());
  if (!status) {
    log_warning(fmt::format("Write error saving DB on disk: {}", describe(status.error())));
    return log_warning("Background saving error");
  }
  state.changes_at_last_save = run.changes;
  state.last_save_s = ended_s;
  state.saves.fetch_add(1, std::memory_order_relaxed);
  log_notice("Background saving terminated with success");
}

void BackgroundSave::end_rewrite(const Run& run, const Status& status) {
  const int64_t ended_s = now_s();
  rewrite_duration_s_ = ended_s - run.began_s;
  rewrite_tried_s_ = ended_s;
  if (!status && status.error().code == Errc::kCancelled) {
    return log_notice("Background AOF rewrite was given up");
  }
  rewrite_ok_ = status.has_value();
  if (!status) {
    rewrite_failures_.fetch_add(1, std::memory_order_relaxed);
    return log_warning(
        fmt::format("Background AOF rewrite terminated with error: {}", describe(status.error())));
  }
  rewrite_failures_ = 0;
  rewrite_count_.fetch_add(1, std::memory_order_relaxed);
  log_notice("Background AOF rewrite terminated with success");
  log_notice("Background AOF rewrite finished successfully");
}

void BackgroundSave::end_resumption(const Status& status) {
  if (status) return resumption_.succeeded();
  resumption_.attempt_failed(status.error(), monotonic_ms());
  log_warning(fmt::format("The AOF could not be begun afresh; the next attempt comes in {} s",
                          resumption_.delay_ms() / 1000));
}

// On the writing thread.
void BackgroundSave::room_again() {
  set_holds_writers(run_->snapshot.holds_writers());
  if (!run_->snapshot.is_full()) run_->walk.wake();
}

void BackgroundSave::set_holds_writers(bool holds) {
  const bool held = holds_writers_.exchange(holds, std::memory_order_seq_cst);
  if (!held || holds) return;
  for (auto& worker : server_.workers()) worker->log_progressed();
}

void BackgroundSave::join() {
  if (thread_.joinable()) thread_.join();
  std::scoped_lock guard(mutex_);
  run_.reset();
}

// Takes leave of it; else looks how it is getting on.
bool BackgroundSave::has_ended(int64_t now) {
  if (has_written_.load(std::memory_order_acquire) && has_walked_.load(std::memory_order_acquire)) {
    join();
    has_written_ = has_walked_ = false;
    set_holds_writers(false);
    server_.save_state().in_progress = false;
    running_.store(Kind::kNone, std::memory_order_release);
    return true;
  }
  // on_crowded and on_room may overtake each other.
  set_holds_writers(run_->snapshot.holds_writers());
  told_s_ = std::max(told_s_, run_->began_s);
  if (now - told_s_ < kTellEveryS) return false;
  told_s_ = now;
  const Progress at = progress();
  log_notice(
      fmt::format("Background {}: {} of {} keys so far", name_of(at.kind), at.keys_saved, at.keys_total));
  return false;
}

void BackgroundSave::cron(int64_t now) {
  if (running() != Kind::kNone && !has_ended(now)) return;
  if (!is_starting_) start_what_is_due(now);
}

void BackgroundSave::start_what_is_due(int64_t now) {
  if (rewrite_scheduled_.exchange(false)) return start_soon(Kind::kRewrite);
  if (resumption_is_due()) return start_soon(Kind::kRewrite);
  if (beginning_is_due(now)) return start_soon(Kind::kRewrite);
  const SaveState& state = server_.save_state();
  const bool may_retry = state.last_ok || now - state.last_try_s >= kSaveRetryS;
  if (may_retry && save_scheduled_.exchange(false)) return start_soon(Kind::kSave);
  if (may_retry && server_.save_point_is_due(now)) return start_soon(Kind::kSave);
  if (rewrite_is_due(now)) start_soon(Kind::kRewrite);
}

void BackgroundSave::start_soon(Kind kind) {
  is_starting_ = true;
  Worker::current()->dispatcher().run_on_all_shards([this, kind] {
    if (!server_.stopping()) begin(kind);
    is_starting_ = false;
  });
}

bool BackgroundSave::resumption_is_due() {
  const OpLog* log = server_.log();
  const bool is_resumable = log != nullptr && log->failed() && !server_.log_switch().must_end_first();
  return is_resumable && resumption_.is_due(log->failure(), monotonic_ms());
}

// After failures the next attempt comes later and later, but never so late as that of a mere rewrite.
bool BackgroundSave::beginning_is_due(int64_t now) const {
  const LogSwitch& log_switch = server_.log_switch();
  if (!log_switch.waits_to_begin() || log_switch.must_end_first()) return false;
  const uint64_t failures = std::min<uint64_t>(rewrite_failures_, 5);
  const int64_t delay_s = failures == 0 ? 0 : int64_t{1} << (failures - 1);
  return now - rewrite_tried_s_ >= delay_s;
}

bool BackgroundSave::waits_after_failures(int64_t now) const {
  const uint64_t failures = rewrite_failures_;
  return failures >= kRewriteFailuresWithoutDelay && now - rewrite_tried_s_ < rewrite_delay_s(failures);
}

bool BackgroundSave::rewrite_is_due(int64_t now) const {
  const Options& o = server_.options();
  const OpLog* log = server_.log();
  const int64_t percentage = o.auto_aof_rewrite_percentage.load(std::memory_order_relaxed);
  if (log == nullptr || log->failed() || percentage == 0) return false;
  const OpLogStats stats = log->stats();
  if (stats.current_bytes <= o.auto_aof_rewrite_min_size.load(std::memory_order_relaxed)) return false;
  const uint64_t base = std::max<uint64_t>(1, stats.base_bytes);
  if (stats.current_bytes < base) return false;
  const double growth = static_cast<double>(stats.current_bytes - base) * 100 / static_cast<double>(base);
  if (growth < static_cast<double>(percentage)) return false;
  const uint64_t failures = rewrite_failures_;
  if (waits_after_failures(now)) return false;
  if (failures >= kRewriteFailuresWithoutDelay) {
    log_warning(fmt::format("Background AOF rewrite has repeatedly failed {} times, trying again", failures));
  }
  log_notice(fmt::format("Starting automatic rewriting of AOF on {:.0f}% growth", growth));
  return true;
}

void BackgroundSave::cancel_save() {
  std::scoped_lock guard(mutex_);
  if (run_ && run_->kind == Kind::kSave) run_->snapshot.cancel();
}

uint64_t BackgroundSave::cancel_save_soon() {
  std::scoped_lock guard(mutex_);
  if (!run_ || run_->kind != Kind::kSave) return 0;
  run_->snapshot.cancel_soon();
  return run_->number;
}

void BackgroundSave::wait_for(uint64_t number) const {
  uint64_t written;
  while ((written = written_.load(std::memory_order_acquire)) < number) written_.wait(written);
}

void BackgroundSave::cancel_rewrite() {
  std::scoped_lock guard(mutex_);
  if (run_ && run_->kind == Kind::kRewrite) run_->snapshot.cancel();
}

void BackgroundSave::abandon() {
  if (!run_) return;
  Keyspace& keyspace = server_.keyspace();
  for (uint32_t s = 0; s < keyspace.shard_count(); ++s) keyspace.shard(s).snapshot().abandon();
  run_->snapshot.cancel();
  if (thread_.joinable()) thread_.join();
  running_.store(Kind::kNone, std::memory_order_release);
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

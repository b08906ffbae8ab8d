#include "server/log_switch.h"

#include <fmt/format.h>

#include "base/no_memory.h"
#include "persistence/rdb_snapshot.h"
#include "platform/file_system.h"
#include "platform/thread.h"
#include "server/connection.h"
#include "server/log_lines.h"
#include "server/log_sink.h"
#include "server/server.h"
#include "server/worker.h"

namespace strata {
namespace {

constexpr const char* kNoStart = "Unable to turn on AOF. Check server logs.";

AofLocation location_of(const Options& o) {
  return {AofLocation().directory, o.append_directory, o.append_file};
}

}  // namespace

OpLogOptions log_options(Server& server) {
  const Options& o = server.options();
  OpLogOptions options;
  options.policy = o.append_sync;
  options.salt = server.log_salt();
  options.names_times = o.log_names_times();
  options.retention_s = static_cast<uint64_t>(o.log_retention_s);
  return options;
}

LogSwitch::~LogSwitch() {
  if (ending_.joinable()) ending_.join();
}

void LogSwitch::open(std::unique_ptr<OpLog> log) {
  log_ = std::move(log);
  log_sink_ = std::make_unique<LogSink>(*log_);
  is_wanted_ = true;
  last_log_.store(log_.get(), std::memory_order_release);
  log_in_use_.store(log_.get(), std::memory_order_release);
  note_state();
  sink_.store(log_sink_.get(), std::memory_order_release);
}

void LogSwitch::start() {
  log_->set_on_progress([this] {
    const bool is_noted = (server_.alerts() & kAlertLogFailed) != 0;
    if (log_->failed() != is_noted) note_state();
    for (auto& worker : server_.workers()) worker->log_progressed();
  });
  log_->set_on_no_filler([](const Error& error) {
    log_warning(fmt::format("The AOF cannot be written ahead: {}. It goes on without; syncs take longer.",
                            describe(error)));
  });
  log_->start();
}

Status LogSwitch::stop() {
  if (ending_.joinable()) ending_.join();
  if (!log_) return {};
  if (log()) log_notice("Calling fsync() on the AOF file.");
  return log_->stop();  // its threads, too
}

// While a log in force has failed writes are refused and reads go on: what they could wait for does not come.
// Each change is followed by a call, and the last call sees the last change.
void LogSwitch::note_state() {
  std::lock_guard lock(state_mutex_);
  OpLog* log = this->log();
  const bool failed = log && log->failed();
  const bool refuses = failed && !is_ending() && log->standing() == OpLog::Standing::kInForce;
  const bool is_noted = (server_.alerts() & kAlertLogFailed) != 0;
  // First: a write that is let in waits for the disk.
  replies_wait_for_disk_.store(log && !failed && log->policy() == SyncPolicy::kAlways,
                               std::memory_order_relaxed);
  if (refuses == is_noted) return;
  server_.set_alert(kAlertLogFailed, refuses);
  if (!refuses && !failed)
    return log_warning("The AOF was begun afresh and is in order. Writes are accepted again.");
  if (!refuses) return log_warning("The AOF is turned off. Writes are accepted again.");
  log_warning(fmt::format(
      "Error writing to the AOF: {}. Writes are refused until it has been begun afresh, which is tried "
      "again and again; BGREWRITEAOF tries at once.",
      describe(log->failure())));
}

// A transaction is half done: its effects become one record when it ends.
bool LogSwitch::may_change_now() const {
  return server_.may_keep_house() && Worker::current() &&
         Worker::current()->dispatcher().context().may_slice();
}

std::string LogSwitch::turn_on() {
  is_wanted_ = true;
  if (sink()) return {};
  if (!may_change_now() || is_ending()) return {};
  if (Status can = try_directory(); !can) {
    is_wanted_ = false;
    log_warning(fmt::format("Can't begin an append only file: {}", describe(can.error())));
    return kNoStart;
  }
  using enum BackgroundSave::Kind;
  BackgroundSave& background = server_.background_save();
  if (background.running() == kSave) {
    log_notice(
        "AOF was enabled but there is already another background operation. An AOF background was scheduled "
        "to start when possible.");
  } else if (background.running() == kRewrite) {
    log_warning(
        "AOF was enabled but there is already an AOF rewriting in background. Stopping background AOF and "
        "starting a rewrite now.");
    background.cancel_rewrite();
  } else if (!background.begin(kRewrite)) {
    is_wanted_ = false;
    return kNoStart;
  }
  return {};
}

// What would fail anyway fails while the client can be told.
Status LogSwitch::try_directory() {
  FileSystem& fs = real_file_system();
  const AofLocation location = location_of(server_.options());
  return without_throwing("no memory", [&]() -> Status {
    const Status made = fs.create_directory(location.log_directory());
    if (!made && made.error().code != Errc::kExists) return made;
    const std::string path = snapshot_temporary_path(location.path_of(location.append_filename), "try");
    TRY(fs.open(path, OpenMode::kTruncate));
    return fs.remove(path);
  });
}

void LogSwitch::turn_off() {
  is_wanted_ = false;
  if (!sink()) return;
  if (!may_change_now()) {
    is_change_due_ = true;
  } else {
    leave();
  }
}

void LogSwitch::cron() {
  if (!is_change_due_.exchange(false)) return;
  Worker::current()->dispatcher().run_on_all_shards([this] {
    if (!is_wanted() && sink()) leave();
  });
}

Status LogSwitch::make_log() {
  const Options& o = server_.options();
  return without_throwing("no memory for a log", [&]() -> Status {
    TRY_ASSIGN(log_, OpLog::make_off(real_file_system(), location_of(o), log_options(server_)));
    log_sink_ = std::make_unique<LogSink>(*log_);
    start();
    last_log_.store(log_.get(), std::memory_order_release);
    return {};
  });
}

Status LogSwitch::begin() {
  if (!log_) TRY(make_log());
  const OpLogOptions options = log_options(server_);
  log_->set_policy(options.policy);
  log_->set_names_times(options.names_times);
  log_->set_retention(options.retention_s);
  log_->begin();
  server_.set_alert(kAlertLogOff, false);
  log_in_use_.store(log_.get(), std::memory_order_release);
  note_state();
  sink_.store(log_sink_.get(), std::memory_order_release);
  return {};
}

// While all shards are held: from now on nothing is appended.
void LogSwitch::leave() {
  sink_.store(nullptr, std::memory_order_release);
  is_ending_.store(true, std::memory_order_release);
  note_state();
  warn_of_unmet_durability();
  std::lock_guard lock(ending_mutex_);
  ends_after_rewrite_ = is_rewriting_;
  if (is_rewriting_) {
    server_.background_save().cancel_rewrite();
  } else {
    start_ending();
  }
}

// Whose writes are to wait for a disk that they do not go to any more is told so.
void LogSwitch::warn_of_unmet_durability() {
  bool has_any = false;
  for (auto& worker : server_.workers()) {
    worker->for_each_connection([&](Connection& connection) {
      has_any |= connection.session().durability.load(std::memory_order_relaxed) == Durability::kDisk;
    });
  }
  server_.set_alert(kAlertLogOff, has_any);
}

void LogSwitch::rewrite_began() {
  std::lock_guard lock(ending_mutex_);
  is_rewriting_ = true;
}

void LogSwitch::rewrite_ended(bool began, bool succeeded) {
  {
    std::lock_guard lock(ending_mutex_);
    is_rewriting_ = false;
    if (ends_after_rewrite_) {
      ends_after_rewrite_ = false;
      return start_ending();
    }
  }
  if (!began || succeeded) return;
  // It did not begin; it is tried again.
  server_.workers()[0]->loop().post([this] {
    Worker::current()->dispatcher().run_on_all_shards([this] {
      const bool is_begun = log_->standing() == OpLog::Standing::kInForce;
      if (sink() && !is_begun && !is_ending()) leave();
    });
  });
}

void LogSwitch::start_ending() {
  if (ending_.joinable()) ending_.join();  // it has ended
  const Status started = without_throwing("no memory for a thread", [this]() -> Status {
    ending_ = std::thread([this] { end(); });
    return {};
  });
  if (!started) end();
}

void LogSwitch::end() {
  name_this_thread("strata-log-end");
  const bool was_in_force = log_->standing() == OpLog::Standing::kInForce;
  const Status ended = log_->end();
  if (was_in_force && ended) log_notice("The append only file has ended: it is synced and stays as it is.");
  if (was_in_force && !ended)
    log_warning(
        fmt::format("The append only file has ended, but could not be synced: {}", describe(ended.error())));
  log_in_use_.store(nullptr, std::memory_order_release);
  note_state();
  is_ending_.store(false, std::memory_order_release);
  for (auto& worker : server_.workers()) worker->log_progressed();
}

}  // namespace strata

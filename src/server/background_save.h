// BGSAVE, save points and BGREWRITEAOF: snapshots beside the traffic (persistence/rdb_snapshot.h). While the
// log has failed, a rewrite gives it a fresh generation, by itself (log_resumption.h) or by BGREWRITEAOF.
//
// One at a time. It begins while all shards are held. The walk goes from shard to shard, a slice in each turn
// of a loop, and from loop to loop; a thread of its own compresses and writes, and at the end puts the file
// in its place. It has ended when both have. Commands and cron() only start and schedule; any thread may ask
// for the state.

#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/result.h"
#include "persistence/rdb_snapshot.h"
#include "server/log_resumption.h"

namespace strata {

class Server;

class BackgroundSave {
 public:
  enum class Kind : uint8_t { kNone, kSave, kRewrite };

  explicit BackgroundSave(Server& server);
  ~BackgroundSave();

  Kind running() const { return running_.load(std::memory_order_acquire); }
  // While all shards are held. False: another one is running, or it could not begin, which the log tells.
  bool begin(Kind kind);
  // When the running one has ended.
  void schedule(Kind kind) { (kind == Kind::kSave ? save_scheduled_ : rewrite_scheduled_) = true; }
  bool rewrite_scheduled() const { return rewrite_scheduled_; }
  void forget_rewrite_failures() { rewrite_failures_ = 0; }
  // On worker 0, every 100 ms: takes leave of one that has ended, starts what is scheduled or due.
  void cron(int64_t now_s);
  // While all shards are held: the dump that is being written, if any, will not take the place of one that
  // the caller is about to write.
  void cancel_save();
  // The same, but the dump may be taking its place just now: until wait_for() returns with what this
  // returned. That waits for the disk, so not while shards are held.
  uint64_t cancel_save_soon();
  void wait_for(uint64_t number) const;
  // The rewrite that is running, if any, is given up, unless its base is in place already. Any thread.
  void cancel_rewrite();
  // The loops have stopped: gives the running one up. No file of it remains. What the loops may still hold of
  // it lives as long as this object.
  void abandon();

  // Writers wait outside their shards until the snapshot has written more.
  bool holds_writers() const { return holds_writers_.load(std::memory_order_relaxed); }

  struct Progress {
    Kind kind = Kind::kNone;
    uint64_t keys_saved = 0;
    uint64_t keys_total = 0;
    int64_t began_s = 0;
  };
  Progress progress() const;
  struct RewriteState {
    uint64_t count = 0;
    uint64_t failures = 0;  // in a row
    int64_t last_duration_s = -1;
    bool last_ok = true;
  };
  RewriteState rewrite_state() const;

  // Says in the log if a file is of a newer version than asked for.
  void log_newer_version(const RdbSaveReport& report);

 private:
  class Walk;
  struct Run;

  void start_soon(Kind kind);
  void run_thread(Run& run);
  void end_save(Run& run, const Status& status);
  void end_rewrite(const Run& run, const Status& status);
  void room_again();
  void set_holds_writers(bool holds);
  void join();
  bool has_ended(int64_t now_s);
  void start_what_is_due(int64_t now_s);
  void end_resumption(const Status& status);
  bool rewrite_is_due(int64_t now_s) const;
  bool resumption_is_due();
  bool beginning_is_due(int64_t now_s) const;
  bool waits_after_failures(int64_t now_s) const;

  Server& server_;
  mutable std::mutex mutex_;  // run_ against those who look at it
  std::unique_ptr<Run> run_;
  std::thread thread_;
  std::atomic<Kind> running_{Kind::kNone};
  uint64_t begun_ = 0;                    // how many
  std::atomic<uint64_t> written_{0};      // of them
  std::atomic<bool> has_written_{false};  // the thread is only to be joined
  std::atomic<bool> has_walked_{false};   // and nothing of the walk is on its way any more
  int64_t told_s_ = 0;                    // when the log was last told how far it is
  std::atomic<bool> is_starting_{false};
  std::atomic<bool> save_scheduled_{false};
  std::atomic<bool> rewrite_scheduled_{false};
  std::atomic<bool> holds_writers_{false};
  std::atomic<uint64_t> rewrite_count_{0};
  std::atomic<uint64_t> rewrite_failures_{0};
  std::atomic<int64_t> rewrite_duration_s_{-1};
  std::atomic<int64_t> rewrite_tried_s_{0};
  std::atomic<bool> rewrite_ok_{true};
  LogResumption resumption_;
};

}  // namespace strata

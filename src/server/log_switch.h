// The operation log's coming and going: from a start that loaded it, or by CONFIG SET appendonly.
//
//   off ──turn_on()──> wanted ──begin()──> beginning ──a base is in place──> in force
//    ^                   ^                     │ no base                        │ turn_off()
//    │                   └──── ending <────────┘                                │
//    └──────────────────────── ending <─────────────────────────────────────────┘
//
// begin() is a part of the rewrite that writes the base (BackgroundSave), as soon as no other snapshot runs.
// From then on every write is appended; replies wait as appendfsync says, though a kill before the base is in
// place leaves what was there without the log. Who asked for the disk (WAITAOF, CLIENT DURABILITY disk) waits
// for the log to be in force.
// Ending has a thread of its own, which writes, syncs and seals. There is one OpLog from first to last, so
// its sequence numbers go on.
//
// Whether writes are appended changes only while all shards are held: who is inside one sees one answer. In
// the middle of a transaction, and before loading has ended, a change is put off; cron() sees to it.

#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/result.h"
#include "keyspace/effects.h"
#include "persistence/oplog.h"

namespace strata {

class Server;

OpLogOptions log_options(Server& server);

class LogSwitch {
 public:
  explicit LogSwitch(Server& server) : server_(server) {}
  ~LogSwitch();

  // The loader hands over the log that it opened; when loading has ended it starts.
  void open(std::unique_ptr<OpLog> log);
  void start();
  // The loops have stopped. Writes, syncs and seals the log, if it is on.
  Status stop();

  // Null while it is off.
  OpLog* log() const { return log_in_use_.load(std::memory_order_acquire); }
  // What replies wait for: also one that is off by now. Null when there never was one.
  OpLog* last_log() const { return last_log_.load(std::memory_order_acquire); }
  // Null while writes are not appended.
  EffectSink* sink() const { return sink_.load(std::memory_order_acquire); }
  // What appendonly says.
  bool is_wanted() const { return is_wanted_.load(std::memory_order_relaxed); }
  bool waits_to_begin() const { return is_wanted() && sink() == nullptr; }
  // A rewrite would find a log that is about to end, or did not begin.
  bool must_end_first() const {
    return is_ending() || (sink() && log()->standing() == OpLog::Standing::kBeginning);
  }
  bool is_ending() const { return is_ending_.load(std::memory_order_acquire); }
  // Under appendfsync always a reply, to a read too, waits for the disk.
  bool replies_wait_for_disk() const { return replies_wait_for_disk_.load(std::memory_order_relaxed); }
  // The log has failed, or goes on, or has another policy. Any thread.
  void note_state();

  // CONFIG SET, while all shards are held. The text of an error, or nothing.
  std::string turn_on();
  void turn_off();
  // A change that was put off. On worker 0.
  void cron();

  // BackgroundSave. All shards are held, and the log waits to begin; afterwards the caller's snapshot begins.
  Status begin();
  void rewrite_began();
  // On the thread that wrote. `began`: begin() had been called for it.
  void rewrite_ended(bool began, bool succeeded);

 private:
  bool may_change_now() const;
  Status make_log();
  Status try_directory();
  void leave();
  void start_ending();
  void end();
  void warn_of_unmet_durability();

  Server& server_;
  std::unique_ptr<OpLog> log_;
  std::unique_ptr<EffectSink> log_sink_;
  std::atomic<OpLog*> log_in_use_{nullptr};
  std::atomic<OpLog*> last_log_{nullptr};
  std::atomic<EffectSink*> sink_{nullptr};
  std::atomic<bool> is_wanted_{false};
  std::atomic<bool> is_ending_{false};
  std::atomic<bool> is_change_due_{false};
  std::atomic<bool> replies_wait_for_disk_{false};
  std::mutex state_mutex_;   // whoever notes it
  std::mutex ending_mutex_;  // the next three
  bool is_rewriting_ = false;
  bool ends_after_rewrite_ = false;
  std::thread ending_;
};

}  // namespace strata

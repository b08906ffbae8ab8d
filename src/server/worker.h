// One thread of the server: an event loop, its connections, and its share of the shards' housekeeping.

#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "commands/context.h"
#include "runtime/event_loop.h"
#include "runtime/task.h"
#include "server/dispatcher.h"
#include "server/metrics.h"

namespace strata {

class BlockedWaiter;
class Connection;
class OpLog;
class Server;

class Worker {
 public:
  Worker(Server& server, uint32_t index, std::unique_ptr<EventLoop> loop);
  ~Worker();

  // On any thread: a connection was accepted for this worker.
  void adopt(Socket socket, bool is_unix);
  // On the worker's thread, until EventLoop::stop().
  void run();
  static Worker* current();

  void mark_dirty(Connection& connection);
  void wait_for_log(Connection& connection);
  void wait_for_credit(Connection& connection);
  void wait_for_credit(PostedWork& work);  // which is posted then
  // With the end of this turn the log is asked to sync up to there, or to write though it syncs just now.
  void want_sync(uint64_t sequence) { sync_wanted_ = std::max(sync_wanted_, sequence); }
  void want_write() { is_write_wanted_ = true; }
  // The waiter's wait ends, as by its timeout, when the log is durable up to there, or has failed.
  void wait_for_sync(std::shared_ptr<BlockedWaiter> waiter, uint64_t sequence);
  // On any thread: the log got on, or failed; or another thing that replies or writers wait for has happened.
  void log_progressed();
  // The connection's coroutine has ended; it is destroyed.
  void remove(Connection& connection);

  // Calls visit for each connection, with the clients mutex held.
  template <typename Visit>
  void for_each_connection(Visit&& visit) {
    std::lock_guard lock(clients_mutex_);
    for (Connection* c = first_; c;) {
      Connection* next = next_of(c);
      visit(*c);
      c = next;
    }
  }
  std::mutex& clients_mutex() { return clients_mutex_; }
  // On any thread: closes connections whose kill_requested is set.
  void close_killed();

  EventLoop& loop() { return *loop_; }
  Dispatcher& dispatcher() { return *dispatcher_; }
  WorkerMetrics& metrics() { return metrics_; }
  KeyspaceCounters& keyspace_counters() { return keyspace_counters_; }
  Server& server() { return server_; }
  uint32_t index() const { return index_; }
  TaskScope& scope() { return scope_; }
  std::atomic<uint32_t> connection_count{0};
  // Memory of this worker's clients, as of the last turns.
  size_t client_bytes() const { return client_bytes_.load(std::memory_order_relaxed); }
  int64_t longest_shard_hold_us() const { return longest_hold_us_.load(std::memory_order_relaxed); }
  // A shard was held for so long by the clock; counted is the CPU time of it. On this worker's thread.
  void note_shard_hold(int64_t wall_us) {
    if (wall_us >= kSlowTurnUs) [[unlikely]]
      note_long_hold(wall_us);
  }
  void reset_longest();
  // Nothing speaks against a change that no client asked for at this moment: an expiry, a wait that time
  // ends.
  bool may_change_unasked() const;

 private:
  void note_long_hold(int64_t wall_us);

  // Housekeeping of one turn takes at most about this long.
  static constexpr int64_t kHousekeepingUs = 500;
  static constexpr size_t kExpireSlice = 128;
  static constexpr size_t kCleanSlice = 256;
  static constexpr int64_t kCronMs = 100;
  static constexpr uint64_t kCronsPerCleaning = 10;

  static Connection* next_of(Connection* connection);
  bool turn_end();
  void flush_dirty();
  void flush_log_waiters();
  bool has_lone_waiter() const;
  void await_log(OpLog* log);
  void end_sync_waits(const OpLog* log);
  bool has_got_on(const OpLog* log) const;
  bool keep_house();
  void cron();
  void ask_for_cleaning();
  void check_timeouts(int64_t now_ms);

  Server& server_;
  const uint32_t index_;
  std::unique_ptr<EventLoop> loop_;
  TaskScope scope_;
  WorkerMetrics metrics_;
  KeyspaceCounters keyspace_counters_;
  std::unique_ptr<Dispatcher> dispatcher_;
  std::unique_ptr<Timer> cron_timer_;
  std::vector<Connection*> dirty_;
  std::vector<Connection*> flushing_;
  std::vector<Connection*> log_waiters_;
  struct CreditWaiter {
    Connection* connection;
    int64_t since_us;
    PostedWork* work = nullptr;  // instead of a connection
  };
  std::vector<CreditWaiter> credit_waiters_;
  struct SyncWaiter {
    std::shared_ptr<BlockedWaiter> waiter;
    uint64_t sequence;
  };
  std::vector<SyncWaiter> sync_waiters_;
  uint64_t sync_wanted_ = 0;
  bool is_write_wanted_ = false;
  std::atomic<bool> wants_log_progress_{false};
  std::atomic<int64_t> longest_hold_us_{0};
  std::atomic<size_t> client_bytes_{0};
  uint64_t cron_count_ = 0;
  std::mutex clients_mutex_;
  Connection* first_ = nullptr;
};

}  // namespace strata

#include "server/worker.h"

#include <algorithm>
#include <utility>

#include "platform/clock.h"
#include "platform/thread.h"
#include "server/connection.h"
#include "server/server.h"
#include "server/transactions.h"
#include "server/waiting.h"

namespace strata {
namespace {

thread_local Worker* current_worker = nullptr;

}  // namespace

Worker::Worker(Server& server, uint32_t index, std::unique_ptr<EventLoop> loop)
    : server_(server),
      index_(index),
      loop_(std::move(loop)),
      scope_(*loop_),
      metrics_(server.registry().count()) {
  dispatcher_ = std::make_unique<Dispatcher>(server, *this);
  cron_timer_ = std::make_unique<Timer>(*loop_, [this] { cron(); });
  loop_->set_turn_end([this] { return turn_end(); });
}

Worker::~Worker() = default;

Worker* Worker::current() { return current_worker; }

void Worker::run() {
  current_worker = this;
  name_this_thread("strata-" + std::to_string(index_));
  cron_timer_->start(kCronMs);
  loop_->run();
}

Connection* Worker::next_of(Connection* connection) { return connection->next; }

// The stream is opened on the worker's own thread; until then the socket is nobody's.
void Worker::adopt(Socket socket, bool is_unix) {
  connection_count.fetch_add(1, std::memory_order_relaxed);
  auto shared = std::make_shared<Socket>(std::move(socket));
  loop_->post([this, shared, is_unix] {
    auto stream = Stream::open(*loop_, std::move(*shared));
    if (!stream) {
      connection_count.fetch_sub(1, std::memory_order_relaxed);
      server_.release_connection();
      return;
    }
    auto* connection = new Connection(*this, std::move(*stream));
    server_.introduce(connection->session(), connection->stream().handle(), is_unix, loop_->wall_ms());
    connection->parser().limits().authenticated = !connection->session().has(Session::kNeedsAuth);
    connection->parser().limits().max_bulk_bytes = server_.options().data.max_bulk_bytes;
    metrics_.connections_received.add();
    {
      std::lock_guard lock(clients_mutex_);
      connection->next = first_;
      if (first_) first_->previous = connection;
      first_ = connection;
    }
    scope_.spawn(connection->serve());
  });
}

void Worker::remove(Connection& connection) {
  discard_transaction(connection.session());
  {
    std::lock_guard lock(clients_mutex_);
    if (connection.previous) connection.previous->next = connection.next;
    if (connection.next) connection.next->previous = connection.previous;
    if (first_ == &connection) first_ = connection.next;
  }
  std::erase(log_waiters_, &connection);
  std::erase_if(credit_waiters_, [&](const CreditWaiter& wait) { return wait.connection == &connection; });
  std::erase(dirty_, &connection);
  std::replace(flushing_.begin(), flushing_.end(), &connection, static_cast<Connection*>(nullptr));
  connection_count.fetch_sub(1, std::memory_order_relaxed);
  server_.release_connection();
  connection.stream().close();
  // A send may still be using the output's bytes: the connection goes when that has ended.
  connection.retire();
}

void Worker::mark_dirty(Connection& connection) {
  if (connection.is_dirty) return;
  connection.is_dirty = true;
  dirty_.push_back(&connection);
}

void Worker::wait_for_log(Connection& connection) {
  if (connection.is_log_waiter) return;
  connection.is_log_waiter = true;
  log_waiters_.push_back(&connection);
}

void Worker::wait_for_credit(Connection& connection) {
  credit_waiters_.push_back({&connection, system_clock().monotonic_us()});
}

void Worker::wait_for_credit(PostedWork& work) {
  credit_waiters_.push_back({nullptr, system_clock().monotonic_us(), &work});
}

void Worker::wait_for_sync(std::shared_ptr<BlockedWaiter> waiter, uint64_t sequence) {
  sync_waiters_.push_back({std::move(waiter), sequence});
  if (sequence != kUntilLogEnds) want_sync(sequence);
}

// Also forgets those whose wait has ended otherwise.
void Worker::end_sync_waits(const OpLog* log) {
  std::erase_if(sync_waiters_, [&](const SyncWaiter& wait) {
    const bool is_over = wait.sequence == kUntilLogEnds ? !server_.log_switch().is_ending()
                         : log                          ? log->failed() || log->is_durable(wait.sequence)
                                                        : !server_.log_switch().is_wanted();
    if (is_over) wait.waiter->end(WaitEnd::kTimedOut);
    return is_over || !wait.waiter->is_waiting();
  });
}

// Both sides exchange, first what they have to tell and then this flag: the later of the two sees what the
// other told. So either the log sees that somebody waits, or turn_end(), which looks at the log once more,
// sees that it got on.
void Worker::log_progressed() {
  if (!wants_log_progress_.exchange(false, std::memory_order_seq_cst)) return;
  loop_->post([this] { flush_log_waiters(); });
}

void Worker::flush_log_waiters() {
  std::vector<Connection*> waiters;
  waiters.swap(log_waiters_);
  for (Connection* connection : waiters) {
    connection->is_log_waiter = false;
    connection->flush();
  }
  OpLog* log = server_.log();
  end_sync_waits(log);
  if (!credit_waiters_.empty() && (!log || log->failed() || log->has_credit()) &&
      !server_.background_save().holds_writers()) {
    const std::vector<CreditWaiter> resumed = std::exchange(credit_waiters_, {});
    const int64_t now_us = system_clock().monotonic_us();
    for (const CreditWaiter& wait : resumed) {
      metrics_.parked_for_log_us.add(static_cast<uint64_t>(now_us - wait.since_us));
      wait.work ? loop_->post(wait.work) : wait.connection->resume();
    }
  }
}

void Worker::flush_dirty() {
  flushing_.swap(dirty_);
  for (size_t i = 0; i < flushing_.size(); ++i) {
    if (!flushing_[i]) continue;
    flushing_[i]->is_dirty = false;
    flushing_[i]->flush();
  }
  flushing_.clear();
}

// Nobody else of this loop would wait for a sync in it.
bool Worker::has_lone_waiter() const {
  return dirty_.size() == 1 && dirty_[0] && connection_count.load(std::memory_order_relaxed) == 1 &&
         !is_write_wanted_ && !dirty_[0]->is_log_wait_over();
}

// One commit for everything this turn has executed, one send for each connection.
bool Worker::turn_end() {
  OpLog* log = server_.log();
  if (log) {
    has_lone_waiter() ? log->commit_alone() : log->commit_inline();
    if (const uint64_t wanted = std::exchange(sync_wanted_, 0)) log->request_sync(wanted);
    if (std::exchange(is_write_wanted_, false)) log->request_write();
  }
  if (!dirty_.empty()) flush_dirty();
  if (!log_waiters_.empty() || !credit_waiters_.empty() || !sync_waiters_.empty()) await_log(log);
  bool more = keep_house();
  server_.keyspace().turn_gate().sleep(index_);
  return more || !dirty_.empty();
}

void Worker::await_log(OpLog* log) {
  wants_log_progress_.exchange(true, std::memory_order_seq_cst);
  // Progress before that woke nobody.
  if (has_got_on(log)) flush_log_waiters();
  if (!log_waiters_.empty() && log && log->syncs_quickly()) loop_->expect_post();
}

bool Worker::has_got_on(const OpLog* log) const {
  if (!log || log->failed()) return true;
  if (!credit_waiters_.empty() && log->has_credit()) return true;
  for (const Connection* connection : log_waiters_) {
    if (connection->is_log_wait_over()) return true;
  }
  return std::any_of(sync_waiters_.begin(), sync_waiters_.end(), [log](const SyncWaiter& wait) {
    return log->is_durable(wait.sequence) || !wait.waiter->is_waiting();
  });
}

bool Worker::may_change_unasked() const {
  const OpLog* log = server_.log();
  if (log && (log->failed() || !log->has_credit())) return false;
  return !server_.background_save().holds_writers();
}

// Expired keys and lazily freed memory of this worker's shards, in slices.
bool Worker::keep_house() {
  Keyspace& keyspace = server_.keyspace();
  if (!server_.may_keep_house()) return false;
  int64_t now_ms = loop_->wall_ms();
  int64_t next_due_ms = INT64_MAX;
  uint32_t worker_count = server_.worker_count();
  bool more = false;
  int64_t began_us = 0;
  for (uint32_t s = index_; s < keyspace.shard_count(); s += worker_count) {
    Shard& shard = keyspace.shard(s);
    bool due = keyspace.active_expiry() && shard.next_due_ms() <= now_ms;
    if (!due && !shard.needs_cleaning()) {
      next_due_ms = std::min(next_due_ms, shard.next_due_ms());
      continue;
    }
    due = due && may_change_unasked();
    if (began_us == 0) began_us = system_clock().monotonic_us();
    if (!shard.ownership.try_enter()) {
      more = true;
      continue;
    }
    if (due) more |= !shard.expire_due(now_ms, kExpireSlice, server_.sink());
    if (shard.waiters().has_gone()) dispatcher_->serve_gone(shard);
    if (shard.needs_cleaning()) more |= !shard.clean(kCleanSlice);
    next_due_ms = std::min(next_due_ms, shard.next_due_ms());
    dispatcher_->runner().leave(shard);
    const int64_t took_us = system_clock().monotonic_us() - began_us;
    note_shard_hold(took_us);  // of this shard and those before it: at most overstated
    if (took_us > kHousekeepingUs) {
      more = true;
      break;
    }
  }
  if (next_due_ms != INT64_MAX && keyspace.active_expiry()) {
    // The cron wakes the loop before a deadline further off, which may be as far as the number goes.
    loop_->limit_sleep(loop_->now_us() + std::clamp<int64_t>(next_due_ms - now_ms, 1, kCronMs) * 1000);
  }
  return more;
}

void Worker::note_long_hold(int64_t wall_us) {
  const int64_t cpu_us = loop_->cpu_of_last_us(wall_us);
  if (cpu_us > longest_hold_us_.load(std::memory_order_relaxed))
    longest_hold_us_.store(cpu_us, std::memory_order_relaxed);
}

void Worker::reset_longest() {
  longest_hold_us_.store(0, std::memory_order_relaxed);
  loop_->reset_longest_turn();
}

void Worker::cron() {
  cron_timer_->start(kCronMs);
  if (++cron_count_ % kCronsPerCleaning == 0) ask_for_cleaning();
  check_timeouts(loop_->wall_ms());
  if (index_ == 0) server_.cron();
}

// Blocks that others gave back (replies that were sent, values that moved to another shard) are taken in now
// and then, though nothing in the shard asks for it.
void Worker::ask_for_cleaning() {
  Keyspace& keyspace = server_.keyspace();
  for (uint32_t s = index_; s < keyspace.shard_count(); s += server_.worker_count()) {
    if (keyspace.shard(s).heap().used() > 0) keyspace.shard(s).ask_for_cleaning();
  }
}

void Worker::check_timeouts(int64_t now_ms) {
  int64_t timeout_ms = server_.options().timeout_s.load(std::memory_order_relaxed) * 1000;
  int64_t stall_ms = server_.options().client_stall_timeout_s.load(std::memory_order_relaxed) * 1000;
  OutputLimit output_limit;
  {
    std::lock_guard lock(server_.configuration_mutex());
    output_limit = server_.options().output_limit_normal;
  }
  std::vector<Connection*> ending;
  size_t bytes = 0;
  for_each_connection([&](Connection& connection) {
    const Session& session = connection.session();
    bytes += session.memory_bytes.load(std::memory_order_relaxed);
    bool idle = timeout_ms > 0 && connection.stall_reason() == Stall::kNone &&
                now_ms - session.active_at_ms.load(std::memory_order_relaxed) > timeout_ms;
    bool stuck = stall_ms > 0 && connection.is_stuck(now_ms, stall_ms);
    bool killed = session.kill_requested.load(std::memory_order_relaxed);
    bool flooded = connection.exceeds(output_limit, now_ms);
    bool drained = connection.is_drained(now_ms);
    if (idle || stuck || killed || flooded || drained) ending.push_back(&connection);
  });
  client_bytes_.store(bytes, std::memory_order_relaxed);
  for (Connection* connection : ending) connection->close_now();
}

void Worker::close_killed() {
  loop_->post([this] {
    std::vector<Connection*> ending;
    for_each_connection([&](Connection& connection) {
      if (connection.session().kill_requested.load(std::memory_order_relaxed)) ending.push_back(&connection);
    });
    for (Connection* connection : ending) connection->close_now();
  });
}

}  // namespace strata

#include "server/waiting.h"

#include <algorithm>
#include <deque>
#include <mutex>

#include "commands/keys.h"
#include "server/connection.h"
#include "server/dispatcher.h"
#include "server/server.h"
#include "server/worker.h"

namespace strata {
namespace {

// For a waiter whose time has come while the log takes no writes.
constexpr int64_t kPutOffMs = 100;

// Takes registrations out of their shards, wherever and whenever those are free. Owns itself.
class UnregisterJob final : public ShardJob, private PostedWork {
 public:
  UnregisterJob(Worker& worker, uint16_t db, std::shared_ptr<BlockedWaiter> waiter)
      : worker_(worker), db_(db), waiter_(std::move(waiter)) {
    for (const std::string& name : waiter_->keys()) shards.add(keyspace().key(name).shard);
  }

  bool execute() override {
    for (const std::string& name : waiter_->keys())
      keyspace().shard(keyspace().key(name).shard).waiters().remove(db_, name, *waiter_);
    return true;
  }
  void finished() override { delete this; }
  void send_home() override { worker_.loop().post(static_cast<PostedWork*>(this)); }

 private:
  void run() override { worker_.dispatcher().runner().resume(*this); }
  Keyspace& keyspace() { return worker_.server().keyspace(); }

  Worker& worker_;
  const uint16_t db_;
  std::shared_ptr<BlockedWaiter> waiter_;
};

// Looks at the keys of a waiter whose time has come, as after a push. Owns itself.
class WakeJob final : public ShardJob, private PostedWork {
 public:
  WakeJob(Worker& worker, uint16_t db, std::shared_ptr<BlockedWaiter> waiter)
      : worker_(worker), db_(db), waiter_(std::move(waiter)) {
    for (const std::string& name : waiter_->keys()) shards.add(worker.server().keyspace().key(name).shard);
  }

  bool execute() override {
    Dispatcher& dispatcher = Worker::current()->dispatcher();
    std::deque<ReadyKey> ready;
    for (const std::string& name : waiter_->keys()) ready.push_back({db_, name});
    dispatcher.prepare_context();
    dispatcher.serve_keys(shards, std::move(ready));
    return true;
  }
  void finished() override { delete this; }
  void send_home() override { worker_.loop().post(static_cast<PostedWork*>(this)); }

 private:
  void run() override { worker_.dispatcher().runner().resume(*this); }

  Worker& worker_;
  const uint16_t db_;
  std::shared_ptr<BlockedWaiter> waiter_;
};

}  // namespace

BlockedWaiter::BlockedWaiter(Worker& home, QueuedJob& job, BlockRequest request,
                             std::vector<std::string> keys, std::vector<std::string> other_keys)
    : request_(std::move(request)),
      keys_(std::move(keys)),
      other_keys_(std::move(other_keys)),
      home_(home),
      job_(job),
      db_(job.db) {}

// Tells home that the time has become earlier. Owns itself.
struct BlockedWaiter::Rearm final : public PostedWork {
  explicit Rearm(std::shared_ptr<BlockedWaiter> owner) : waiter(std::move(owner)) {}
  void run() override {
    waiter->arm();
    delete this;
  }
  void discard() override { delete this; }
  std::shared_ptr<BlockedWaiter> waiter;
};

void BlockedWaiter::wake_by(int64_t at_ms) {
  int64_t known = wake_at_ms_.load(std::memory_order_relaxed);
  do {
    if (at_ms >= known) return;
  } while (!wake_at_ms_.compare_exchange_weak(known, at_ms, std::memory_order_relaxed));
  home_.loop().post(new Rearm(shared_from_this()));
}

void BlockedWaiter::arm() {
  if (has_ended_) return;
  if (!wake_) {
    wake_ = std::make_unique<Timer>(home_.loop(), [this] {
      if (!home_.may_change_unasked()) return wake_->start(kPutOffMs);
      wake_at_ms_.store(kNeverMs, std::memory_order_relaxed);
      home_.dispatcher().runner().start(*new WakeJob(home_, db_, shared_from_this()));
    });
  }
  wake_->cancel();
  const int64_t at_ms = wake_at_ms_.load(std::memory_order_relaxed);
  if (at_ms != kNeverMs) wake_->start(std::max<int64_t>(1, at_ms - home_.loop().wall_ms()));
}

void BlockedWaiter::disarm() {
  has_ended_ = true;
  wake_.reset();
}

bool BlockedWaiter::end(WaitEnd how) {
  if (!claim()) return false;
  end_claimed(how);
  return true;
}

void BlockedWaiter::end_claimed(WaitEnd how) { job_.end_wait(how); }

bool end_wait(Session& session, WaitEnd how) {
  BlockedWaiter* waiter = session.waiter.load(std::memory_order_seq_cst);
  return waiter && waiter->end(how);
}

Session& QueuedJob::session() { return connection_.session(); }

Reply QueuedJob::make_reply() {
  Reply reply(output_, session().resp.load(std::memory_order_relaxed) == 3);
  reply.set_muted(muted_);
  return reply;
}

void QueuedJob::begin_block(Dispatcher& dispatcher, uint64_t sequence) {
  STRATA_ASSERT(commands.size() == 1, "a blocking command has several keys and takes no others along");
  const OwnedCommand& command = commands.front();
  BlockRequest request = dispatcher.context().take_block();
  std::vector<std::string> keys, other_keys;
  for (size_t i = request.first_key; i <= request.last_key; ++i) keys.emplace_back(command.args[i]);
  if (request.needs_all_keys) {
    std::vector<KeyPosition> positions;
    find_keys(*command.command, command.args, positions);
    for (const KeyPosition& position : positions) {
      const bool is_waited = position.index >= request.first_key && position.index <= request.last_key;
      if (!is_waited) other_keys.emplace_back(command.args[position.index]);
    }
  }
  const WaitWish wish = request.wish;
  const int64_t timeout_ms = request.timeout_ms;
  const std::optional<uint64_t> until_durable = request.until_durable;
  waiter_ = std::make_shared<BlockedWaiter>(connection_.worker(), *this, std::move(request), std::move(keys),
                                            std::move(other_keys));
  wait_for(sequence);
  Keyspace& keyspace = session().server->keyspace();
  for (const std::string& name : waiter_->keys())
    keyspace.shard(keyspace.key(name).shard).waiters().add(db, name, wish, waiter_);
  session().set(Session::kBlocked);
  // CLIENT KILL first asks for the end and then looks for a waiter: one of the two sees the other.
  session().waiter.store(waiter_.get(), std::memory_order_seq_cst);
  const bool is_unwanted = connection_.closing() || session().kill_requested.load(std::memory_order_seq_cst);
  if (is_unwanted) waiter_->end(WaitEnd::kGone);
  connection_.stream().set_hangup_callback([this] { connection_.close_now(); });
  if (until_durable) connection_.worker().wait_for_sync(waiter_, *until_durable);
  if (waiter_->request().wake_at_ms != kNeverMs) waiter_->wake_by(waiter_->request().wake_at_ms);
  if (timeout_ms == 0) return;
  EventLoop& loop = connection_.worker().loop();
  timeout_ = std::make_unique<Timer>(loop, [this] { waiter_->end(WaitEnd::kTimedOut); });
  timeout_->start(std::max<int64_t>(1, now_ms + timeout_ms - loop.wall_ms()));
}

// At home, before the replies arrive.
void QueuedJob::end_block() {
  timeout_.reset();
  waiter_->disarm();
  Worker& home = connection_.worker();
  if (connection_.stream().is_open()) connection_.stream().set_hangup_callback(nullptr);
  session().set(Session::kBlocked, false);
  {
    std::lock_guard lock(home.clients_mutex());
    session().waiter.store(nullptr, std::memory_order_seq_cst);
  }
  // Who serves takes out the registration with the key that served.
  const bool is_unregistered =
      waiter_->keys().empty() || (wait_end_ == WaitEnd::kServed && waiter_->keys().size() == 1);
  if (!is_unregistered) home.dispatcher().runner().start(*new UnregisterJob(home, db, waiter_));
  if (wait_end_ == WaitEnd::kGone) return connection_.close_now();
  if (wait_end_ == WaitEnd::kServed) return;
  Reply reply = make_reply();
  if (wait_end_ == WaitEnd::kTimedOut) return waiter_->request().command->time_out(reply);
  reply.error("UNBLOCKED client unblocked via CLIENT UNBLOCK");
  home.metrics().count_error(reply.last_error_code());
}

}  // namespace strata

// MULTI, EXEC, DISCARD, WATCH, UNWATCH.
//
// EXEC holds the shards of everything that was queued and of everything that is watched, so it is atomic, and
// its effects are one record of the log. Watching registers a mark with the key's shard; any change of the
// key sets it.

#include "server/transactions.h"

#include <algorithm>

#include "commands/command.h"
#include "server/connection.h"
#include "server/dispatcher.h"
#include "server/log_sink.h"
#include "server/server.h"
#include "server/worker.h"

namespace strata {
namespace {

void reset_queue(Session& session) {
  Transaction& transaction = session.transaction;
  transaction.active = false;
  transaction.broken = false;
  transaction.needs_home = false;
  transaction.has_writes = false;
  transaction.denies_oom = false;
  transaction.commands.clear();
  transaction.shards = {};
  transaction.memory_bytes = 0;
  session.set(Session::kInTransaction, false);
  session.queued_commands.store(0, std::memory_order_relaxed);
}

// Takes registrations out of their shards, wherever and whenever those are free. Owns itself.
class UnwatchJob final : public ShardJob, private PostedWork {
 public:
  UnwatchJob(Worker& worker, std::vector<Transaction::Watched> watched, std::shared_ptr<WatchMark> mark)
      : worker_(worker), watched_(std::move(watched)), mark_(std::move(mark)) {}

  bool execute() override {
    Keyspace& keyspace = worker_.server().keyspace();
    for (const auto& [db, key, was_expired] : watched_) {
      keyspace.shard(keyspace.key(key).shard).watches().remove(db, key, mark_.get());
    }
    return true;
  }
  void finished() override { delete this; }
  const std::vector<Transaction::Watched>& watched() const { return watched_; }
  void send_home() override { worker_.loop().post(static_cast<PostedWork*>(this)); }

 private:
  void run() override { worker_.dispatcher().runner().resume(*this); }

  Worker& worker_;
  std::vector<Transaction::Watched> watched_;
  std::shared_ptr<WatchMark> mark_;
};

void multi(Context& context) {
  Session& session = *context.session();
  if (session.transaction.active) return context.reply().error("ERR MULTI calls can not be nested");
  session.transaction.active = true;
  session.set(Session::kInTransaction);
  context.reply().ok();
}

void discard(Context& context) {
  Session& session = *context.session();
  if (!session.transaction.active) return context.reply().error("ERR DISCARD without MULTI");
  // The reply first: giving up watched keys may run other clients' jobs in this context.
  context.reply().ok();
  discard_transaction(session);
}

void exec(Context& context) {
  Session& session = *context.session();
  if (!session.transaction.active) return context.reply().error("ERR EXEC without MULTI");
  if (session.transaction.broken) {
    context.reply().error("EXECABORT Transaction discarded because of previous errors.");
    return discard_transaction(session);
  }
  session.worker->dispatcher().run_transaction(session);
}

void watch(Context& context) {
  Session& session = *context.session();
  Transaction& transaction = session.transaction;
  if (transaction.active) return context.reply().error("ERR WATCH inside MULTI is not allowed");
  if (!transaction.mark) transaction.mark = std::make_shared<WatchMark>();
  for (size_t i = 1; i < context.argc(); ++i) {
    Key key = context.key(i);
    bool watched = false;
    for (const auto& other : transaction.watched)
      watched |= other.db == context.db() && other.key == key.name;
    if (watched) continue;
    const Entry* entry = context.database(key).find(key);
    bool expired = entry && entry->has_deadline() && entry->deadline_ms() <= context.now_ms();
    context.shard(key).watches().add(context.db(), key.name, transaction.mark.get());
    transaction.watched.push_back({context.db(), std::string(key.name), expired});
  }
  session.watched_keys.store(static_cast<uint32_t>(transaction.watched.size()), std::memory_order_relaxed);
  context.reply().ok();
}

void unwatch(Context& context) {
  context.reply().ok();
  unwatch_all(*context.session());
}

constexpr Command kCommands[] = {
    {.name = "discard",
     .flags = kNoScript | kLoading | kStale | kFast | kAllowBusy | kConnection | kRunsInMulti,
     .acl = kAclTransaction,
     .since = "2.0.0",
     .complexity = "O(N), when N is the number of queued commands",
     .summary = "Discards a transaction.",
     .run = discard},
    {.name = "exec",
     .flags = kNoScript | kLoading | kStale | kSkipSlowlog | kConnection | kRunsInMulti,
     .acl = kAclTransaction,
     .since = "1.2.0",
     .complexity = "Depends on commands in the transaction",
     .summary = "Executes all commands in a transaction.",
     .run = exec},
    {.name = "multi",
     .flags = kNoScript | kLoading | kStale | kFast | kAllowBusy | kConnection | kRunsInMulti,
     .acl = kAclTransaction,
     .since = "1.2.0",
     .summary = "Starts a transaction.",
     .run = multi},
    {.name = "unwatch",
     .flags = kNoScript | kLoading | kStale | kFast | kAllowBusy | kConnection,
     .acl = kAclTransaction,
     .since = "2.2.0",
     .summary = "Forgets about watched keys of a transaction.",
     .run = unwatch},
    {.name = "watch",
     .syntax = "key [key ...]",
     .flags = kNoScript | kLoading | kStale | kFast | kAllowBusy | kRunsInMulti,
     .keys = kAllKeysMeta,
     .acl = kAclTransaction,
     .since = "2.2.0",
     .complexity = "O(1) for every key.",
     .summary = "Monitors changes to keys to determine the execution of a transaction.",
     .run = watch},
};
static_assert(well_formed(kCommands));

}  // namespace

const CommandGroup kTransactionGroup{"transactions", kCommands};

void unwatch_all(Session& session) {
  Transaction& transaction = session.transaction;
  if (transaction.watched.empty()) return;
  Keyspace& keyspace = session.server->keyspace();
  auto* job = new UnwatchJob(*session.worker, std::move(transaction.watched), std::move(transaction.mark));
  transaction.watched.clear();
  transaction.mark.reset();
  session.watched_keys.store(0, std::memory_order_relaxed);
  for (const auto& watched : job->watched()) job->shards.add(keyspace.key(watched.key).shard);
  session.worker->dispatcher().runner().start(*job);
}

void discard_transaction(Session& session) {
  reset_queue(session);
  unwatch_all(session);
}

void Dispatcher::run_transaction(Session& session) {
  Connection& connection = *session.connection;
  Transaction& transaction = session.transaction;
  ShardSet shards = transaction.shards;
  for (const auto& watched : transaction.watched) shards.add(server_.keyspace().key(watched.key).shard);
  uint32_t stopped_at = enter_all(shards);
  Latch* latch = stopped_at == ShardSet::kEnd ? find_latch_for_transaction(shards, session) : nullptr;
  if (stopped_at == ShardSet::kEnd && !latch) {
    note_wait(run_transaction_held(shards, session, now_ms(), connection.reply()));
    wait_dump_ = std::max(wait_dump_, take_awaited_dump());
    if (context_.has_ready()) serve_waiters(shards);
    leave_all(shards);
    return;
  }
  QueuedJob& job = make_job(connection, shards);
  job.is_transaction = true;
  job.needs_home = transaction.needs_home;
  if (latch) {
    latch->waiters.push_back(&job);
    return leave_all(shards);
  }
  worker_.metrics().queued_for_shard.add();
  runner_.start_from(job, stopped_at);
}

uint64_t Dispatcher::run_transaction_held(const ShardSet& held, Session& session, int64_t now_ms,
                                          Reply& reply) {
  Transaction& transaction = session.transaction;
  Keyspace& keyspace = server_.keyspace();
  bool touched = transaction.mark && transaction.mark->touched.load(std::memory_order_acquire);
  for (const auto& [db, name, was_expired] : transaction.watched) {
    Key key = keyspace.key(name);
    Shard& shard = keyspace.shard(key.shard);
    const Entry* entry = shard.database(db).find(key);
    touched |= !was_expired && entry && entry->has_deadline() && entry->deadline_ms() <= now_ms;
    shard.watches().remove(db, name, transaction.mark.get());
  }
  transaction.watched.clear();
  transaction.mark.reset();
  session.watched_keys.store(0, std::memory_order_relaxed);
  std::vector<OwnedCommand> commands = std::move(transaction.commands);
  reset_queue(session);
  if (touched) {
    reply.null_array();
    return settle_sequence(held, 0, session);
  }

  TransactionSink sink;
  OpLog* log = server_.sink() ? server_.log() : nullptr;
  context_.set_sink(log ? &sink : nullptr);
  context_.set_may_slice(false);
  context_.set_may_block(false);
  reply.array(commands.size());
  for (const OwnedCommand& command : commands) {
    run_timed(*command.command, command.args, {}, session.db.load(std::memory_order_relaxed), now_ms, reply,
              session);
  }
  context_.set_sink(server_.sink());
  context_.set_may_slice(true);
  context_.set_may_block(true);
  return settle_sequence(held, log ? sink.finish(*log) : 0, session);
}

}  // namespace strata

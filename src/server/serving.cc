// Serving those who wait for keys, after a command or EXEC has changed keys and while its shards are still
// held: so nobody sees a list from which a waiter is yet to pop.
//
// One waiter may need a shard that is not held (BLMOVE's target), or a key on which somebody works in slices.
// The shard is entered if it is free; otherwise all keys that are still to be served are latched, which keeps
// everybody away from them, and a ServeJob goes on when it holds what was missing. The same happens when
// there are so many waiters that serving them would hold the shard for too long. A waiter that takes very
// much works in slices, which the others then wait for.

#include <deque>

#include "server/connection.h"
#include "server/dispatcher.h"
#include "server/server.h"
#include "server/waiting.h"
#include "server/worker.h"

namespace strata {
namespace {

// So many in one stay in a shard: about 1 ms.
constexpr size_t kServedPerStay = 512;

}  // namespace

// Owns itself, and the latches.
class ServeJob final : public ShardJob, private PostedWork {
 public:
  ServeJob(Worker& worker, std::deque<ReadyKey> ready) : worker_(worker), ready_(std::move(ready)) {
    Keyspace& keyspace = worker.server().keyspace();
    for (const ReadyKey& key : ready_) {
      const uint32_t shard = keyspace.key(key.name).shard;
      Latch& latch = keyspace.shard(shard).latches().add(key.db, key.name, true);
      latch.is_for_serving = true;
      latches_.push_back({shard, &latch});
      shards.add(shard);
    }
  }

  // What is left after this stay has another job with latches of its own, so these may go.
  bool execute() override {
    Dispatcher& dispatcher = Worker::current()->dispatcher();
    Keyspace& keyspace = worker_.server().keyspace();
    dispatcher.prepare_context();
    dispatcher.serve_keys(shards, std::move(ready_));
    for (auto& [shard, latch] : latches_) {
      for (ShardJob* waiter : keyspace.shard(shard).latches().remove(*latch))
        dispatcher.runner().start(*waiter);
    }
    return true;
  }
  void finished() override { delete this; }
  void send_home() override { worker_.loop().post(static_cast<PostedWork*>(this)); }

 private:
  void run() override { worker_.dispatcher().runner().resume(*this); }

  struct HeldLatch {
    uint32_t shard;
    Latch* latch;
  };
  Worker& worker_;
  std::deque<ReadyKey> ready_;
  std::vector<HeldLatch> latches_;
};

struct Dispatcher::Serving {
  ShardSet held;
  ShardSet entered{};  // beyond what the caller holds
  std::deque<ReadyKey> ready;
  size_t served = 0;
  ShardSet missing{};      // why it cannot go on: somebody is in these shards,
  Latch* latch = nullptr;  // or works on a key
};

void Dispatcher::serve_waiters(const ShardSet& held) {
  std::deque<ReadyKey> ready;
  for (ReadyKey& key : context_.take_ready()) ready.push_back(std::move(key));
  serve_keys(held, std::move(ready));
}

void Dispatcher::serve_gone(Shard& shard) {
  std::deque<ReadyKey> ready;
  for (auto& [db, name] : shard.waiters().take_gone()) ready.push_back({db, std::move(name)});
  ShardSet held;
  held.add(shard.index());
  prepare_context();
  serve_keys(held, std::move(ready));
}

void Dispatcher::serve_keys(const ShardSet& held, std::deque<ReadyKey> ready) {
  Serving serving{.held = held, .ready = std::move(ready)};
  context_.set_may_slice(false);
  context_.set_may_block(false);
  while (!serving.ready.empty() && serve_key(serving)) serving.ready.pop_front();
  prepare_context();
  if (!serving.ready.empty()) {
    auto* job = new ServeJob(worker_, std::move(serving.ready));
    job->shards.add_all(serving.missing);
    if (serving.latch) {
      serving.latch->waiters.push_back(job);
    } else {
      runner_.start(*job);  // it queues behind us in the shards of its keys
    }
  }
  leave_all(serving.entered);
}

// Also asks for the waiter to be woken when its time comes.
bool Dispatcher::can_serve_now(BlockedWaiter& waiter, const Key& key, const Entry* entry) const {
  const BlockedCommand& command = *waiter.request().command;
  if (command.can_serve(key, entry)) return true;
  const int64_t wake_at_ms = command.wake_at_ms(key, entry);
  if (wake_at_ms <= now_ms()) return true;
  if (wake_at_ms != kNeverMs) waiter.wake_by(wake_at_ms);
  return false;
}

// The waiters of the first key, oldest first. False: the rest must wait.
bool Dispatcher::serve_key(Serving& serving) {
  const ReadyKey ready = serving.ready.front();
  const Key key = server_.keyspace().key(ready.name);
  Shard& shard = server_.keyspace().shard(key.shard);
  WaiterTable::Queue* queue = shard.waiters().find(ready.db, key.name);
  if (!queue) return true;
  bool goes_on = true;
  auto& registrations = queue->registrations();
  for (auto at = registrations.begin(); goes_on && at != registrations.end();) {
    auto* waiter = static_cast<BlockedWaiter*>(at->waiter.get());
    if (!waiter->is_waiting()) {
      at = WaiterTable::erase(*queue, at);
      continue;
    }
    const Entry* entry = shard.find_live(ready.db, key, now_ms(), server_.sink());
    if (!queue->wants(entry ? std::optional(entry->type()) : std::nullopt)) break;
    const bool suits = (entry && entry->type() == at->wish.type) || at->wish.on_deletion;
    if (!suits || !can_serve_now(*waiter, key, entry)) {
      ++at;
      continue;
    }
    goes_on = serving.served < kServedPerStay && has_all_for(serving, *waiter, ready.db, key);
    if (!goes_on) break;
    if (waiter->claim()) serve(serving, *waiter, key);
    at = WaiterTable::erase(*queue, at);
  }
  shard.waiters().drop_if_empty(ready.db, key.name);
  return goes_on;
}

// Whether all shards that serving needs are held, and nobody works on the keys. Enters what is free.
bool Dispatcher::has_all_for(Serving& serving, BlockedWaiter& waiter, uint16_t db, const Key& key) {
  Keyspace& keyspace = server_.keyspace();
  const auto needed = [&](const Key& other) {
    Shard& shard = keyspace.shard(other.shard);
    if (!serving.held.contains(other.shard)) {
      serving.missing.add(other.shard);
      if (!shard.ownership.try_enter_for_a_while()) return false;
      serving.held.add(other.shard);
      serving.entered.add(other.shard);
    }
    serving.latch = shard.latches().find_for_serving(db, other.name);
    if (!serving.latch && shard.snapshot().is_active()) serving.latch = shard.snapshot().latch_for(db, other);
    return serving.latch == nullptr;
  };
  if (!needed(key)) return false;
  for (const std::string& name : waiter.other_keys()) {
    if (!needed(keyspace.key(name))) return false;
  }
  return true;
}

// Claimed: the job is ours.
void Dispatcher::serve(Serving& serving, BlockedWaiter& waiter, const Key& key) {
  QueuedJob& job = waiter.job();
  Session& session = job.session();
  const OwnedCommand& command = job.commands.front();
  Reply reply = job.make_reply();
  const uint64_t errors_before = reply.error_count();
  context_.set_sink(server_.sink());
  context_.set_client(reply, &session);
  context_.begin(*command.command->command, command.args, job.db, now_ms(), {});
  context_.set_may_slice(true);
  waiter.request().command->serve(context_, key);
  context_.set_may_slice(false);
  const uint64_t sequence = finish_command(*command.command, {}, reply, errors_before);
  job.wait_for(settle_sequence(serving.held, sequence, session));
  for (ReadyKey& other : context_.take_ready()) serving.ready.push_back(std::move(other));
  ++serving.served;
  // From here on it is a command like any that works in slices. Its keys are latched, and the next waiter
  // finds them so.
  if (context_.has_sliced()) return job.begin_work(*this, command);
  waiter.end_claimed(WaitEnd::kServed);
}

}  // namespace strata

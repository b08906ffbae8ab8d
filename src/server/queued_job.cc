// Commands that wait for their shards: they own their bytes, run wherever the shards become free, and bring
// their replies home to the connection, in order.

#include <algorithm>
#include <cstring>
#include <utility>

#include "platform/clock.h"
#include "server/connection.h"
#include "server/dispatcher.h"
#include "server/server.h"
#include "server/worker.h"

namespace strata {

OwnedCommand OwnedCommand::copy(const RegisteredCommand* command, std::span<const Bytes> args) {
  OwnedCommand owned;
  owned.command = command;
  size_t bytes = 0;
  for (Bytes arg : args) bytes += arg.size();
  // Not a std::string, whose short form moves its bytes with the object.
  owned.bytes = std::make_unique_for_overwrite<char[]>(bytes);
  owned.byte_count = bytes;
  owned.args.reserve(args.size());
  char* at = owned.bytes.get();
  for (Bytes arg : args) {
    if (!arg.empty()) std::memcpy(at, arg.data(), arg.size());
    owned.args.emplace_back(at, arg.size());
    at += arg.size();
  }
  return owned;
}

// On the connection's thread: continues the acquisition there, or the next slice.
struct QueuedJob::GoHome final : public PostedWork {
  explicit GoHome(QueuedJob& owner) : job(owner) {}
  void run() override {
    JobRunner& runner = job.connection_.worker().dispatcher().runner();
    if (std::exchange(starts_again, false)) return runner.start(job);
    if (!begins_slice) return runner.resume(job);
    if (!has_waited && job.work_->wait([this] { wake(); })) return;
    if (lacks_credit()) {
      has_waited = true;
      return job.connection_.worker().wait_for_credit(*this);
    }
    begins_slice = has_waited = false;
    job.work_->choose_shards(job.shards);
    runner.start(job);
  }
  // What the work waited for has happened.
  void wake() {
    has_waited = true;
    job.connection_.worker().loop().post(this);
  }
  // A slice may log as much as a command.
  bool lacks_credit() const {
    const OpLog* log = job.connection_.worker().server().log();
    const bool writes = job.commands[job.next_command_ - 1].command->flags & kWrite;
    return writes && log && !log->has_credit() && !log->failed();
  }
  QueuedJob& job;
  bool begins_slice = false;
  bool has_waited = false;
  bool starts_again = false;
};

// On the connection's thread: the replies join the others.
struct QueuedJob::Arrive final : public PostedWork {
  explicit Arrive(QueuedJob& owner) : job(owner) {}
  void run() override {
    Connection& connection = job.connection_;
    if (job.waiter_) job.end_block();
    const uint64_t from_byte = connection.output().appended_total();
    if (job.sequence_ > 0) connection.wait_for_log(from_byte, job.sequence_);
    if (job.awaited_dump_ > 0) connection.wait_for_dump(from_byte, job.awaited_dump_);
    connection.output().splice(std::move(job.output_));
    connection.reply().set_muted(connection.session().has(Session::kReplyOff));
    connection.worker().mark_dirty(connection);
    connection.resume();  // destroys the job, and this with it
  }
  QueuedJob& job;
};

// Owns itself.
class AllShardsJob final : public ShardJob, private PostedWork {
 public:
  AllShardsJob(Worker& worker, std::function<void()> work) : worker_(worker), work_(std::move(work)) {
    shards = worker.server().keyspace().all_shards();
  }
  bool execute() override {
    if (Latch* latch = find_half_done()) {
      latch->waiters.push_back(this);
      return false;
    }
    work_();
    return true;
  }
  void finished() override { delete this; }
  void send_home() override { worker_.loop().post(static_cast<PostedWork*>(this)); }

 private:
  void run() override { worker_.dispatcher().runner().resume(*this); }
  void discard() override { delete this; }
  Latch* find_half_done() {
    Keyspace& keyspace = worker_.server().keyspace();
    for (uint32_t s = 0; s < keyspace.shard_count(); ++s) {
      if (Latch* latch = keyspace.shard(s).latches().find_any(false)) return latch;
    }
    return nullptr;
  }

  Worker& worker_;
  std::function<void()> work_;
};

void Dispatcher::run_on_all_shards(std::function<void()> work) {
  runner_.start(*new AllShardsJob(worker_, std::move(work)));
}

QueuedJob::QueuedJob(Connection& connection)
    : muted_(connection.reply().muted()),
      connection_(connection),
      go_home_(std::make_unique<GoHome>(*this)),
      arrive_(std::make_unique<Arrive>(*this)) {}

QueuedJob::~QueuedJob() = default;

bool QueuedJob::may_run_here() const { return !needs_home || Worker::current() == &connection_.worker(); }

bool QueuedJob::execute() {
  Worker& here = *Worker::current();
  Dispatcher& dispatcher = here.dispatcher();
  if (&here != &connection_.worker()) here.metrics().ran_for_others.add();
  // This thread may run jobs before, or without ever, having executed for a connection of its own.
  dispatcher.prepare_context();
  Reply reply(output_, connection_.session().resp.load(std::memory_order_relaxed) == 3);
  reply.set_muted(muted_);
  if (work_ && !step_work(dispatcher, reply)) return false;
  return run_commands(dispatcher, reply);
}

bool QueuedJob::run_commands(Dispatcher& dispatcher, Reply& reply) {
  Session& session = connection_.session();
  if (is_transaction) {
    if (Latch* latch = dispatcher.find_latch_for_transaction(shards, session)) {
      latch->waiters.push_back(this);
      return false;
    }
    sequence_ = std::max(sequence_, dispatcher.run_transaction_held(shards, session, now_ms, reply));
    awaited_dump_ = dispatcher.take_awaited_dump();
    if (dispatcher.context().has_ready()) dispatcher.serve_waiters(shards);
    return true;
  }
  while (next_command_ < commands.size()) {
    const OwnedCommand& command = commands[next_command_];
    if (Latch* latch = dispatcher.find_latch(*command.command, command.args, shards, db)) {
      latch->waiters.push_back(this);
      return false;
    }
    sequence_ = std::max(
        sequence_, dispatcher.run_timed(*command.command, command.args, shards, db, now_ms, reply, session));
    awaited_dump_ = std::max(awaited_dump_, dispatcher.take_awaited_dump());
    ++next_command_;
    const bool is_sliced = dispatcher.context().has_sliced();
    const bool is_blocked = dispatcher.context().has_block();
    if (is_sliced) begin_work(dispatcher, command);
    if (is_blocked && Worker::current() != &connection_.worker()) {
      block_at_home();
      return false;
    }
    if (is_blocked) {
      dispatcher.record(*command.command, command.args, session, 1, 0);
      begin_block(dispatcher, sequence_);
    }
    if (dispatcher.context().has_ready()) dispatcher.serve_waiters(shards);
    if (is_sliced || is_blocked) return false;
  }
  return true;
}

// Waiting concerns the connection. The command had no effect yet, so it begins again there.
void QueuedJob::block_at_home() {
  Worker::current()->dispatcher().context().take_block();
  needs_home = true;
  --next_command_;
  go_home_->starts_again = true;
  connection_.worker().loop().post(go_home_.get());
}

void QueuedJob::begin_work(Dispatcher& dispatcher, const OwnedCommand& command) {
  Keyspace& keyspace = connection_.worker().server().keyspace();
  for (const LatchWish& wish : dispatcher.context().latch_wishes()) {
    if (wish.is_whole) {
      for (uint32_t s = 0; (s = shards.next(s)) != ShardSet::kEnd; ++s)
        latches_.push_back({s, &keyspace.shard(s).latches().add_whole(db, now_ms)});
      continue;
    }
    Bytes name = command.args[wish.arg];
    uint32_t shard = keyspace.key(name).shard;
    uint16_t latch_db = wish.db < 0 ? db : static_cast<uint16_t>(wish.db);
    latches_.push_back({shard, &keyspace.shard(shard).latches().add(latch_db, name, wish.is_exclusive)});
  }
  next_command_ = static_cast<size_t>(&command - commands.data()) + 1;
  work_ = dispatcher.context().take_sliced();
  go_home_->begins_slice = true;
  connection_.worker().loop().post(go_home_.get());
}

// True when the work is done and its latches are gone.
bool QueuedJob::step_work(Dispatcher& dispatcher, Reply& reply) {
  const OwnedCommand& command = commands[next_command_ - 1];
  uint64_t began = cycles_now();
  uint64_t sequence = 0;
  bool is_done = dispatcher.step_held(*command.command, command.args, *work_, shards, db, now_ms, reply,
                                      connection_.session(), sequence);
  const uint64_t cycles = cycles_now() - began;
  work_cycles_ += cycles;
  sequence_ = std::max(sequence_, sequence);
  Worker::current()->note_shard_hold(static_cast<int64_t>(cycles / cycles_per_us()));
  if (!is_done) {
    go_home_->begins_slice = true;
    connection_.worker().loop().post(go_home_.get());
    return false;
  }
  // One that had to wait first was counted then.
  if (!waiter_) dispatcher.record(*command.command, command.args, connection_.session(), 1, work_cycles_);
  work_.reset();
  work_cycles_ = 0;
  release_latches(dispatcher);
  if (dispatcher.context().has_ready()) dispatcher.serve_waiters(shards);
  return true;
}

void QueuedJob::release_latches(Dispatcher& dispatcher) {
  Keyspace& keyspace = connection_.worker().server().keyspace();
  std::vector<HeldLatch> held = std::move(latches_);
  latches_.clear();
  for (const HeldLatch& latch : held) {
    for (ShardJob* waiter : keyspace.shard(latch.shard).latches().remove(*latch.latch)) {
      dispatcher.runner().start(*waiter);
    }
  }
}

void QueuedJob::finished() {
  Worker& home = connection_.worker();
  if (Worker::current() == &home) {
    home.loop().defer(arrive_.get());
  } else {
    home.loop().post(arrive_.get());
  }
}

// Always through the queue of posted work, never within what is going on in the loop just now.
void QueuedJob::end_wait(WaitEnd how) {
  wait_end_ = how;
  connection_.worker().loop().post(arrive_.get());
}

void QueuedJob::send_home() { connection_.worker().loop().post(go_home_.get()); }

}  // namespace strata

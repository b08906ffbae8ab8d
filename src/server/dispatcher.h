// From parsed commands to executed ones: look-up, checks, shards, handler, log.
//
// A pipeline is taken as a batch: all commands are looked up and their keys hashed, the buckets and then the
// entries are prefetched, and only then they run, one after the other, each inside its shards. One per
// worker.

#pragma once

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <utility>

#include "commands/context.h"
#include "commands/keys.h"
#include "commands/registry.h"
#include "data/member_prefetch.h"
#include "keyspace/shard_job.h"
#include "protocol/request_parser.h"
#include "runtime/event_loop.h"
#include "server/session.h"
#include "server/waiting.h"

namespace strata {

class BlockedWaiter;
class Connection;
class Dispatcher;
class Server;
class Worker;
struct CommandCounters;

// Commands, or a transaction, that wait for their shards, or that work in slices, while their connection
// waits for them. A job owns its arguments and collects its replies, because it may run on another thread.
class QueuedJob final : public ShardJob {
 public:
  explicit QueuedJob(Connection& connection);
  ~QueuedJob() override;

  bool execute() override;
  void finished() override;
  void send_home() override;
  bool may_run_here() const override;

  // A command has handed over sliced work: takes it, latches its keys (inside the shards), and comes back
  // with the next turn of the connection's loop.
  void begin_work(Dispatcher& dispatcher, const OwnedCommand& command);

  // A command asks to be blocked: registers it with its keys (inside the shards, at home). `sequence`: what
  // the reply after the timeout waits for.
  void begin_block(Dispatcher& dispatcher, uint64_t sequence);
  // For who has claimed the waiter: where its reply goes, what that waits for, and the end.
  Reply make_reply();
  Session& session();
  void wait_for(uint64_t sequence) { sequence_ = std::max(sequence_, sequence); }
  void end_wait(WaitEnd how);

  // Commands that go together: the directly following ones for the same single shard; or all of EXEC.
  std::vector<OwnedCommand> commands;
  uint16_t db = 0;
  int64_t now_ms = 0;
  bool is_transaction = false;
  bool needs_home = false;

 private:
  struct GoHome;
  struct Arrive;
  struct HeldLatch {
    uint32_t shard;
    Latch* latch;
  };
  bool run_commands(Dispatcher& dispatcher, Reply& reply);
  bool step_work(Dispatcher& dispatcher, Reply& reply);
  void release_latches(Dispatcher& dispatcher);
  void block_at_home();
  void end_block();

  const bool muted_;
  Connection& connection_;
  Output output_;
  std::unique_ptr<GoHome> go_home_;
  std::unique_ptr<Arrive> arrive_;
  uint64_t sequence_ = 0;
  uint64_t awaited_dump_ = 0;
  size_t next_command_ = 0;
  std::unique_ptr<SlicedWork> work_;
  std::vector<HeldLatch> latches_;
  uint64_t work_cycles_ = 0;
  std::shared_ptr<BlockedWaiter> waiter_;
  std::unique_ptr<Timer> timeout_;
  WaitEnd wait_end_ = WaitEnd::kServed;
};

class Dispatcher final : private FlushListener {
 public:
  Dispatcher(Server& server, Worker& worker);
  ~Dispatcher();
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  // Executes commands from the front of `input` until it ends or the connection stalls or closes. Returns the
  // bytes consumed.
  size_t run(Connection& connection, Bytes input);

  // Prefetches for a command that will come soon and whose key this probably is: first where the key table
  // points to its entry; later, with what the first call returned, the entry.
  Key foresee(Bytes key, const Session& session);
  void foresee_entry(const Key& foreseen, const Session& session);

  // What a handler of EXEC calls: runs the session's transaction atomically, or queues it.
  void run_transaction(Session& session);

  // The middle of a command: all shards in `held` are entered. Returns the log sequence its reply waits for.
  uint64_t run_held(const RegisteredCommand& command, std::span<const Bytes> args, Bytes canonical_raw,
                    const Key& key, const ShardSet& held, uint16_t db, int64_t now_ms, Reply& reply,
                    Session* session);
  // One slice of a command; true when it was the last. `sequence` is then what the reply waits for.
  bool step_held(const RegisteredCommand& command, std::span<const Bytes> args, SlicedWork& work,
                 const ShardSet& held, uint16_t db, int64_t now_ms, Reply& reply, Session& session,
                 uint64_t& sequence);
  // The latch that the command must wait for, with its shards held; null: none.
  Latch* find_latch(const RegisteredCommand& command, std::span<const Bytes> args, const ShardSet& held,
                    uint16_t db);
  Latch* find_latch_for_transaction(const ShardSet& held, const Session& session);
  // run_held() with the time it took.
  uint64_t run_timed(const RegisteredCommand& command, std::span<const Bytes> args, const ShardSet& held,
                     uint16_t db, int64_t now_ms, Reply& reply, Session& session);
  // The same for the commands of a transaction, whose effects become one record.
  uint64_t run_transaction_held(const ShardSet& held, Session& session, int64_t now_ms, Reply& reply);

  // Calls `work` while every shard is held, soon; perhaps before it returns, perhaps on another thread.
  void run_on_all_shards(std::function<void()> work);

  // Which shards a command needs. False: it cannot be said, the handler will refuse the arguments.
  bool shards_of(const RegisteredCommand& command, std::span<const Bytes> args, ShardSet& shards);

  // Serves who waits for the keys that were changed since the last call (serving.cc). Inside `held`, after
  // everything else that a command has to do there: afterwards the context is about nobody.
  void serve_waiters(const ShardSet& held);
  void serve_keys(const ShardSet& held, std::deque<ReadyKey> ready);
  // Those who wait for keys that have expired. The shard is held.
  void serve_gone(Shard& shard);

  void note_hold(const RegisteredCommand& command, uint64_t cycles);
  void record(const RegisteredCommand& command, std::span<const Bytes> args, Session& session, uint64_t count,
              uint64_t cycles);
  // From now on the session's replies leave at that level; what was executed before keeps its own.
  void set_durability_now(Session& session, Durability level);
  // Before commands are run from another place than run().
  void prepare_context();
  // The empty dump that the reply of what has just run waits for (empty_dump.h); 0: none.
  uint64_t take_awaited_dump() { return std::exchange(awaited_dump_, 0); }
  JobRunner& runner() { return runner_; }
  Context& context() { return context_; }

 private:
  struct Prepared {
    const RegisteredCommand* command;
    Key key;  // with a name when the command has exactly one
  };

  size_t run_batch(Connection& connection, std::span<const ParsedCommand> commands);
  void prepare(Connection& connection, std::span<const ParsedCommand> commands);
  void prefetch_members(uint16_t db, std::span<const ParsedCommand> commands);
  void note_turn();
  bool run_one(Connection& connection, std::span<const ParsedCommand> rest, size_t position);
  void run_admitted(Connection& connection, std::span<const ParsedCommand> rest, size_t position);
  void run_single_shard(Connection& connection, std::span<const ParsedCommand> rest, size_t position);
  void queue_single_shard(Connection& connection, std::span<const ParsedCommand> rest, size_t position);
  void run_multi_shard(Connection& connection, const ParsedCommand& parsed, const Prepared& prepared);
  uint64_t run_entered(const RegisteredCommand& command, std::span<const Bytes> args, Bytes canonical_raw,
                       const Key& key, uint16_t db, int64_t now_ms, Reply& reply, Session* session);
  static Latch* find_key_latch(Shard& shard, const RegisteredCommand& command, uint16_t db, const Key& key,
                               bool for_write);
  uint64_t settle_sequence(const ShardSet& held, uint64_t sequence, Session& session);
  uint64_t awaited_sequence(const Session& session, uint64_t own, uint64_t seen) const;
  void choose_durability(Session& session);
  bool lacks_log(const RegisteredCommand& command) const;
  uint64_t finish_command(const RegisteredCommand& command, Bytes canonical_raw, Reply& reply,
                          uint64_t errors_before);
  struct Serving;
  bool serve_key(Serving& serving);
  bool can_serve_now(BlockedWaiter& waiter, const Key& key, const Entry* entry) const;
  bool has_all_for(Serving& serving, BlockedWaiter& waiter, uint16_t db, const Key& key);
  void serve(Serving& serving, BlockedWaiter& waiter, const Key& key);
  QueuedJob& make_job(Connection& connection, const ShardSet& shards);
  uint32_t enter_all(const ShardSet& shards);
  void leave_all(const ShardSet& shards);
  int64_t now_ms() const;

  static constexpr Bytes kNoLogForDurability =
      "MISCONF The append only file was turned off: CLIENT DURABILITY DISK cannot be kept";

  // admission.cc
  bool admit(Connection& connection, const ParsedCommand& parsed, const RegisteredCommand& command);
  void queue_in_transaction(Connection& connection, const ParsedCommand& parsed,
                            const RegisteredCommand& command);
  void reject(Session& session, Reply& reply, const RegisteredCommand* command, Bytes text);
  void refuse(Connection& connection, const ParsedCommand& parsed, const RegisteredCommand* command);
  void note_error(const RegisteredCommand& command, const Reply& reply);
  void mark_waits(Connection& connection);
  void note_wait(uint64_t sequence) {
    if (sequence > wait_sequence_) wait_sequence_ = sequence;
  }
  void flushed_everything(Context& context) override;

  Server& server_;
  Worker& worker_;
  JobRunner runner_;
  Context context_;
  ParsedBatch batch_;
  std::array<Prepared, ParsedBatch::kMaxCommands> prepared_;
  std::array<MemberPlace, ParsedBatch::kMaxCommands> members_;
  std::vector<KeyPosition> positions_;
  uint64_t wait_sequence_ = 0;  // what the replies written in this batch, from that byte on, wait for
  uint64_t wait_dump_ = 0;
  uint64_t wait_from_byte_ = 0;
  uint64_t awaited_dump_ = 0;  // of the command that is running
  uint64_t last_turn_ = UINT64_MAX;
  size_t jobs_absorbed_ = 0;  // further commands that a queued job took along
};

}  // namespace strata

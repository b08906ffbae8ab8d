#include "server/dispatcher.h"

#include <algorithm>
#include <optional>

#include "base/assert.h"
#include "platform/clock.h"
#include "server/connection.h"
#include "server/empty_dump.h"
#include "server/server.h"
#include "server/slow_log.h"
#include "server/worker.h"

namespace strata {
namespace {

// Where a latch on one of the command's keys may lie.
int32_t latched_db(const RegisteredCommand& command, uint16_t db) {
  return command.flags & kOtherDatabases ? LatchTable::kAnyDatabase : db;
}

}  // namespace

Dispatcher::Dispatcher(Server& server, Worker& worker)
    : server_(server),
      worker_(worker),
      runner_(server.keyspace()),
      context_({server.keyspace(), server.options().data, worker.keyspace_counters(), nullptr, this}) {}

Dispatcher::~Dispatcher() = default;

// Before the first look at shared tables in a turn: what earlier turns looked at may be freed.
void Dispatcher::note_turn() {
  if (server_.keyspace().turn_gate().thread_count() > 1 && last_turn_ != worker_.loop().turns()) {
    last_turn_ = worker_.loop().turns();
    server_.keyspace().turn_gate().pass(worker_.index());
  }
}

Key Dispatcher::foresee(Bytes name, const Session& session) {
  note_turn();
  Keyspace& keyspace = server_.keyspace();
  Key key = keyspace.key(name);
  const Database* database = keyspace.shard(key.shard).peek(session.db.load(std::memory_order_relaxed));
  if (database) database->table().prefetch_bucket(key.hash);
  key.name = {};
  return key;
}

void Dispatcher::foresee_entry(const Key& foreseen, const Session& session) {
  Shard& shard = server_.keyspace().shard(foreseen.shard);
  const Database* database = shard.peek(session.db.load(std::memory_order_relaxed));
  if (database) database->table().prefetch_entry(foreseen.hash);
}

size_t Dispatcher::run(Connection& connection, Bytes input) {
  note_turn();
  prepare_context();
  size_t consumed = 0;
  while (consumed < input.size()) {
    size_t parsed_bytes = connection.parser().parse(input.substr(consumed), batch_);
    std::span<const ParsedCommand> commands = batch_.commands();
    size_t done = run_batch(connection, commands);
    if (done < commands.size()) {
      connection.parser().reset();
      return consumed + (done == 0 ? 0 : commands[done - 1].end);
    }
    consumed += parsed_bytes;
    if (connection.closing()) return input.size();
    if (!batch_.error().empty()) {
      connection.reply().error(batch_.error());
      connection.close_after_reply();
      return input.size();
    }
    if (connection.stall_reason() != Stall::kNone || connection.ending()) return consumed;
    if (commands.empty() && parsed_bytes == 0) return consumed;
  }
  return consumed;
}

void Dispatcher::prepare_context() {
  context_.set_sink(server_.sink());
  context_.set_may_slice(true);
  context_.set_may_block(true);
}

// Look-ups first, then the cache misses of the whole batch at once.
void Dispatcher::prepare(Connection& connection, std::span<const ParsedCommand> commands) {
  const Registry& registry = server_.registry();
  Keyspace& keyspace = server_.keyspace();
  uint16_t db = connection.session().db.load(std::memory_order_relaxed);
  bool prefetch = commands.size() > 1;
  const RegisteredCommand* previous = nullptr;
  for (size_t i = 0; i < commands.size(); ++i) {
    std::span<const Bytes> args = commands[i].args;
    Prepared& prepared = prepared_[i];
    // Pipelines mostly repeat one command.
    bool repeats = previous && !previous->container && previous->subcommands.empty() &&
                   args[0] == commands[i - 1].args[0];
    prepared.command = repeats ? previous : registry.resolve(args);
    previous = prepared.command;
    prepared.key = {};
    if (!previous || previous->shape != KeyShape::kOne) continue;
    size_t index = static_cast<size_t>(previous->first_key);
    if (index >= args.size()) continue;
    // And often one key: what is hashed and fetched is so once.
    const Key before = i > 0 ? prepared_[i - 1].key : Key{};
    if (before.name.data() && before.name == args[index]) {
      prepared.key = {args[index], before.hash, before.shard};
      continue;
    }
    prepared.key = keyspace.key(args[index]);
    if (!prefetch) continue;
    if (const Database* database = keyspace.shard(prepared.key.shard).peek(db)) {
      database->table().prefetch_bucket(prepared.key.hash);
    }
  }
  if (!prefetch) return;
  for (size_t i = 0; i < commands.size(); ++i) {
    const Key& key = prepared_[i].key;
    if (!key.name.data() || (i > 0 && key.hash == prepared_[i - 1].key.hash)) continue;
    if (const Database* database = keyspace.shard(key.shard).peek(db))
      database->table().prefetch_entry(key.hash);
  }
  // With more threads somebody may be inside the shard and change what this would read.
  if (keyspace.turn_gate().thread_count() == 1) prefetch_members(db, commands);
}

// Commands on one collection, one after the other: the misses in its table overlap, too.
void Dispatcher::prefetch_members(uint16_t db, std::span<const ParsedCommand> commands) {
  size_t count = 0;
  std::optional<Value> value;
  for (size_t i = 1; i < commands.size(); ++i) {
    const Key& key = prepared_[i].key;
    const Key& before = prepared_[i - 1].key;
    if (!key.name.data() || key.hash != before.hash || key.name != before.name) {
      value.reset();
      continue;
    }
    const int8_t member = prepared_[i].command->member;
    const std::span<const Bytes> args = commands[i].args;
    const size_t index = member < 0 ? args.size() - 1 : static_cast<size_t>(member);
    if (member == 0 || index >= args.size()) continue;
    if (!value) {
      const Database* database = server_.keyspace().shard(key.shard).peek(db);
      const Entry* entry = database ? database->find(key) : nullptr;
      value = entry && entry->type() != Type::kString ? entry->value()
                                                      : Value{Type::kString, Encoding::kInt, nullptr};
    }
    members_[count] = member_place(*value, args[index]);
    prefetch_bucket(members_[count++]);
  }
  for (size_t i = 0; i < count; ++i) prefetch_entry(members_[i]);
}

// Commands of one kind that directly follow each other share a reading of the clock, unless they may be slow.
size_t Dispatcher::run_batch(Connection& connection, std::span<const ParsedCommand> commands) {
  if (commands.empty()) return 0;
  prepare(connection, commands);
  Session& session = connection.session();
  const int64_t slower_than = server_.options().slowlog_slower_than_us.load(std::memory_order_relaxed);
  const bool exact = slower_than >= 0 && slower_than < 1000;
  wait_from_byte_ = connection.output().appended_total();
  uint64_t began = cycles_now();
  size_t run_begin = 0;
  // Counts the commands of the run that executed here, those before `end`.
  auto count_run = [&](size_t end) {
    uint64_t now = cycles_now();
    const RegisteredCommand* command = prepared_[run_begin].command;
    if (end > run_begin && command && command->command->run) {
      record(*command, commands[end - 1].args, session, end - run_begin, now - began);
      note_hold(*command, (now - began) / (end - run_begin));
    }
    began = now;
    run_begin = end;
  };
  size_t i = 0;
  wait_sequence_ = 0;
  while (i < commands.size()) {
    const RegisteredCommand* command = prepared_[i].command;
    jobs_absorbed_ = 0;
    const size_t position = i;
    if (!run_one(connection, commands.subspan(i), i)) {
      count_run(i);
      break;
    }
    i += 1 + jobs_absorbed_;
    if (connection.is_over_output_limit() && connection.stall_reason() == Stall::kNone) {
      connection.stall(Stall::kOutputFull);
    }
    bool stopped = connection.stall_reason() != Stall::kNone || connection.ending();
    bool goes_on = !stopped && i < commands.size() && prepared_[i].command == command && command &&
                   (command->flags & kFast) && !exact;
    // What a job took along is counted where it runs.
    if (!goes_on) count_run(connection.stall_reason() == Stall::kJob ? position : i);
    if (stopped) break;
  }
  worker_.metrics().commands_processed.add(i);
  session.total_commands.store(session.total_commands.load(std::memory_order_relaxed) + i,
                               std::memory_order_relaxed);
  if (i > 0 && prepared_[i - 1].command) {
    session.last_command.store(prepared_[i - 1].command->index, std::memory_order_relaxed);
  }
  mark_waits(connection);
  return i;
}

void Dispatcher::mark_waits(Connection& connection) {
  if (wait_sequence_ > 0) connection.wait_for_log(wait_from_byte_, wait_sequence_);
  if (wait_dump_ > 0) [[unlikely]]
    connection.wait_for_dump(wait_from_byte_, std::exchange(wait_dump_, 0));
  wait_sequence_ = 0;
  wait_from_byte_ = connection.output().appended_total();
}

void Dispatcher::set_durability_now(Session& session, Durability level) {
  if (session.durability_now == level) return;
  mark_waits(*session.connection);
  session.durability_now = level;
}

// False: not executed and not to be consumed yet.
bool Dispatcher::run_one(Connection& connection, std::span<const ParsedCommand> rest, size_t position) {
  const ParsedCommand& parsed = rest[0];
  const Prepared& prepared = prepared_[position];
  const RegisteredCommand* command = prepared.command;
  const size_t argc = parsed.args.size();
  if (!command || !command->has_handler(argc) || !command->arity_allows(argc)) [[unlikely]] {
    refuse(connection, parsed, command);
    return true;
  }
  Session& session = connection.session();
  bool appends =
      (command->flags & kWrite) || (session.has(Session::kInTransaction) && session.transaction.has_writes &&
                                    (command->flags & kRunsInMulti));  // EXEC
  OpLog* log = server_.log();
  // A log that has failed does not get on: admit() refuses the write then.
  const bool is_log_full = log && !log->has_credit() && !log->failed();
  if (appends && (is_log_full || server_.background_save().holds_writers())) [[unlikely]] {
    connection.stall(Stall::kLogCredit);
    worker_.metrics().parked_for_log.add();
    worker_.wait_for_credit(connection);
    return false;
  }
  if (session.has(Session::kCheckedFlags) || server_.alerts() != 0) [[unlikely]] {
    bool goes_on = admit(connection, parsed, *command);
    if (goes_on) run_admitted(connection, rest, position);
    if (session.has(Session::kReplySkip)) {
      session.set(Session::kReplySkip, false);
      if (connection.stall_reason() != Stall::kJob)
        connection.reply().set_muted(session.has(Session::kReplyOff));
    }
    return true;
  }
  run_admitted(connection, rest, position);
  return true;
}

void Dispatcher::run_admitted(Connection& connection, std::span<const ParsedCommand> rest, size_t position) {
  const Prepared& prepared = prepared_[position];
  if (prepared.key.name.data()) {
    run_single_shard(connection, rest, position);
  } else if (prepared.command->flags & kConnection) {
    note_wait(run_held(*prepared.command, rest[0].args, {}, {}, {}, connection.session().db, now_ms(),
                       connection.reply(), &connection.session()));
  } else {
    run_multi_shard(connection, rest[0], prepared);
  }
}

int64_t Dispatcher::now_ms() const { return worker_.loop().wall_ms(); }

QueuedJob& Dispatcher::make_job(Connection& connection, const ShardSet& shards) {
  QueuedJob& job = connection.make_job();
  job.shards = shards;
  job.db = connection.session().db.load(std::memory_order_relaxed);
  job.now_ms = now_ms();
  return job;
}

void Dispatcher::run_single_shard(Connection& connection, std::span<const ParsedCommand> rest,
                                  size_t position) {
  const ParsedCommand& parsed = rest[0];
  const Prepared& prepared = prepared_[position];
  const RegisteredCommand& command = *prepared.command;
  Shard& shard = server_.keyspace().shard(prepared.key.shard);
  Session& session = connection.session();
  uint16_t db = session.db.load(std::memory_order_relaxed);
  if (!shard.ownership.try_enter_for_a_while()) [[unlikely]] {
    return queue_single_shard(connection, rest, position);
  }
  if (!shard.latches().empty() || shard.snapshot().is_active()) [[unlikely]] {
    if (Latch* latch = find_key_latch(shard, command, db, prepared.key, command.flags & kWrite)) {
      ShardSet shards;
      shards.add(prepared.key.shard);
      QueuedJob& job = make_job(connection, shards);
      job.commands.push_back(OwnedCommand::copy(&command, parsed.args));
      latch->waiters.push_back(&job);
      runner_.leave(shard);
      return;
    }
  }
  shard.set_now(now_ms());
  context_.set_sink(server_.sink());  // it changes only while all shards are held
  uint64_t sequence = run_entered(command, parsed.args, parsed.canonical ? parsed.raw : Bytes(), prepared.key,
                                  db, now_ms(), connection.reply(), &session);
  if (sequence > 0) shard.last_sequence = session.last_write_sequence = sequence;
  note_wait(awaited_sequence(session, sequence, shard.last_sequence));
  if (context_.has_sliced()) [[unlikely]] {
    ShardSet shards;
    shards.add(prepared.key.shard);
    QueuedJob& job = make_job(connection, shards);
    job.commands.push_back(OwnedCommand::copy(&command, parsed.args));
    job.begin_work(*this, job.commands.back());
  }
  if (context_.has_ready()) [[unlikely]] {
    ShardSet shards;
    shards.add(prepared.key.shard);
    serve_waiters(shards);
  }
  runner_.leave(shard);
}

// Somebody is inside: this command, and those behind it for the same shard, wait together.
void Dispatcher::queue_single_shard(Connection& connection, std::span<const ParsedCommand> rest,
                                    size_t position) {
  const Prepared& prepared = prepared_[position];
  Session& session = connection.session();
  ShardSet shards;
  shards.add(prepared.key.shard);
  QueuedJob& job = make_job(connection, shards);
  job.commands.push_back(OwnedCommand::copy(prepared.command, rest[0].args));
  bool plain = !session.has(Session::kCheckedFlags) && server_.alerts() == 0;
  for (size_t k = 1; plain && k < rest.size(); ++k) {
    const Prepared& other = prepared_[position + k];
    if (!other.command || !other.command->command->run || !other.key.name.data() ||
        other.key.shard != prepared.key.shard || !other.command->arity_allows(rest[k].args.size())) {
      break;
    }
    job.commands.push_back(OwnedCommand::copy(other.command, rest[k].args));
    ++jobs_absorbed_;
  }
  worker_.metrics().queued_for_shard.add(job.commands.size());
  runner_.start(job);
}

bool Dispatcher::shards_of(const RegisteredCommand& command, std::span<const Bytes> args, ShardSet& shards) {
  if ((command.flags & kAllShards) || has_key_patterns(command, args)) {
    shards = server_.keyspace().all_shards();
    return true;
  }
  positions_.clear();
  if (!find_keys(command, args, positions_)) return false;
  for (const KeyPosition& position : positions_)
    shards.add(server_.keyspace().key(args[position.index]).shard);
  return true;
}

void Dispatcher::run_multi_shard(Connection& connection, const ParsedCommand& parsed,
                                 const Prepared& prepared) {
  const RegisteredCommand& command = *prepared.command;
  ShardSet shards;
  shards_of(command, parsed.args, shards);
  Session& session = connection.session();
  uint32_t stopped_at = enter_all(shards);
  if (stopped_at != ShardSet::kEnd) {
    QueuedJob& job = make_job(connection, shards);
    job.commands.push_back(OwnedCommand::copy(&command, parsed.args));
    worker_.metrics().queued_for_shard.add();
    return runner_.start_from(job, stopped_at);
  }
  uint16_t db = session.db.load(std::memory_order_relaxed);
  if (Latch* latch = find_latch(command, parsed.args, shards, db)) {
    QueuedJob& job = make_job(connection, shards);
    job.commands.push_back(OwnedCommand::copy(&command, parsed.args));
    latch->waiters.push_back(&job);
    return leave_all(shards);
  }
  context_.set_sink(server_.sink());
  uint64_t sequence = run_held(command, parsed.args, parsed.canonical ? parsed.raw : Bytes(), {}, shards, db,
                               now_ms(), connection.reply(), &session);
  if (context_.has_sliced()) {
    QueuedJob& job = make_job(connection, shards);
    job.commands.push_back(OwnedCommand::copy(&command, parsed.args));
    job.begin_work(*this, job.commands.back());
  } else if (context_.has_block()) {
    QueuedJob& job = make_job(connection, shards);
    job.commands.push_back(OwnedCommand::copy(&command, parsed.args));
    record(command, parsed.args, session, 1, 0);
    job.begin_block(*this, sequence);
  }
  note_wait(sequence);
  wait_dump_ = std::max(wait_dump_, take_awaited_dump());
  if (context_.has_ready()) serve_waiters(shards);
  leave_all(shards);
}

// Enters in ascending order without waiting long; returns the first shard that was taken, or kEnd.
uint32_t Dispatcher::enter_all(const ShardSet& shards) {
  for (uint32_t s = 0; (s = shards.next(s)) != ShardSet::kEnd; ++s) {
    if (!server_.keyspace().shard(s).ownership.try_enter_for_a_while()) return s;
  }
  return ShardSet::kEnd;
}

void Dispatcher::leave_all(const ShardSet& shards) {
  for (uint32_t s = 0; (s = shards.next(s)) != ShardSet::kEnd; ++s)
    runner_.leave(server_.keyspace().shard(s));
}

uint64_t Dispatcher::run_entered(const RegisteredCommand& command, std::span<const Bytes> args,
                                 Bytes canonical_raw, const Key& key, uint16_t db, int64_t now_ms,
                                 Reply& reply, Session* session) {
  uint64_t errors_before = reply.error_count();
  if (session->durability_now == Durability::kDisk && lacks_log(command)) [[unlikely]] {
    reject(*session, reply, &command, kNoLogForDurability);
    return 0;
  }
  context_.set_client(reply, session);
  context_.begin(*command.command, args, db, now_ms, key);
  command.command->run(context_);
  return finish_command(command, canonical_raw, reply, errors_before);
}

// Inside the shards: the log was turned off after the command had been admitted.
bool Dispatcher::lacks_log(const RegisteredCommand& command) const {
  return (command.flags & kWrite) && !context_.environment().sink;
}

uint64_t Dispatcher::finish_command(const RegisteredCommand& command, Bytes canonical_raw, Reply& reply,
                                    uint64_t errors_before) {
  uint64_t sequence = 0;
  // A handler about the connection may have run others in this context (EXEC): it is no longer about this
  // command.
  if (context_.changes() > 0 && !(command.flags & kConnection)) {
    worker_.keyspace_counters().add_changes(context_.counted_changes());
    if (EffectSink* sink = context_.environment().sink) sequence = context_.propagate(*sink, canonical_raw);
  }
  if (reply.error_count() != errors_before) [[unlikely]]
    note_error(command, reply);
  return sequence;
}

// With save points the dump is empty from now on, as with Redis, and the reply tells that it is. This command
// is not counted yet.
void Dispatcher::flushed_everything(Context& context) {
  const uint64_t cancelled = server_.background_save().cancel_save_soon();
  if (server_.options().save_points.empty()) return;
  const uint64_t changes = server_.total_changes() + context.counted_changes();
  const uint64_t dump = server_.empty_dump().write_soon(changes, cancelled);
  if (context.session()->durability_now != Durability::kNone) awaited_dump_ = dump;
}

bool Dispatcher::step_held(const RegisteredCommand& command, std::span<const Bytes> args, SlicedWork& work,
                           const ShardSet& held, uint16_t db, int64_t now_ms, Reply& reply, Session& session,
                           uint64_t& sequence) {
  uint64_t errors_before = reply.error_count();
  context_.set_sink(server_.sink());
  context_.set_client(reply, &session);
  context_.begin(*command.command, args, db, now_ms, {});
  if (work.has_logged_slices_) context_.note_logged_slices();
  if (!work.step(context_)) {
    if (!context_.logs_slice()) return false;
    work.has_logged_slices_ |= context_.has_effects();
    if (EffectSink* sink = context_.environment().sink)
      sequence = settle_sequence(held, context_.propagate(*sink, {}), session);
    return false;
  }
  if (work.has_logged_slices_ && !context_.has_effects()) context_.no_effect();
  sequence = settle_sequence(held, finish_command(command, {}, reply, errors_before), session);
  return true;
}

// Also of a large value that a running snapshot must save before anybody changes it.
Latch* Dispatcher::find_key_latch(Shard& shard, const RegisteredCommand& command, uint16_t db, const Key& key,
                                  bool for_write) {
  if (Latch* latch = shard.latches().find(latched_db(command, db), key.name, for_write)) return latch;
  return for_write && shard.snapshot().is_active() ? shard.snapshot().latch_for(db, key) : nullptr;
}

Latch* Dispatcher::find_latch(const RegisteredCommand& command, std::span<const Bytes> args,
                              const ShardSet& held, uint16_t db) {
  Keyspace& keyspace = server_.keyspace();
  bool is_latched = false;
  for (uint32_t s = 0; (s = held.next(s)) != ShardSet::kEnd; ++s)
    is_latched |= !keyspace.shard(s).latches().empty() || keyspace.shard(s).snapshot().is_active();
  if (!is_latched) [[likely]]
    return nullptr;
  // DEBUG may take values away, too.
  bool for_write = command.flags & kWrite || command.full_name == "debug";
  if (command.flags & kAllShards) {
    for (uint32_t s = 0; (s = held.next(s)) != ShardSet::kEnd; ++s) {
      if (Latch* latch = keyspace.shard(s).latches().find_any(for_write)) return latch;
    }
    return nullptr;
  }
  positions_.clear();
  find_keys(command, args, positions_);
  for (const KeyPosition& position : positions_) {
    Key key = keyspace.key(args[position.index]);
    Shard& shard = keyspace.shard(key.shard);
    if (Latch* latch = find_key_latch(shard, command, db, key, for_write)) return latch;
  }
  if (!has_key_patterns(command, args)) return nullptr;
  for (uint32_t s = 0; (s = held.next(s)) != ShardSet::kEnd; ++s) {
    if (Latch* latch = keyspace.shard(s).latches().find_any(false)) return latch;
  }
  return nullptr;
}

Latch* Dispatcher::find_latch_for_transaction(const ShardSet& held, const Session& session) {
  bool is_saving = false;
  for (uint32_t s = 0; (s = held.next(s)) != ShardSet::kEnd; ++s)
    is_saving |= server_.keyspace().shard(s).snapshot().is_active();
  uint16_t db = session.db.load(std::memory_order_relaxed);
  for (const OwnedCommand& command : session.transaction.commands) {
    if (!is_saving) break;
    if (!(command.command->flags & kWrite) || (command.command->flags & kAllShards)) continue;
    if (Latch* latch = find_latch(*command.command, command.args, held, db)) return latch;
  }
  for (uint32_t s = 0; (s = held.next(s)) != ShardSet::kEnd; ++s) {
    if (Latch* latch = server_.keyspace().shard(s).latches().find_any(true)) return latch;
  }
  return nullptr;
}

uint64_t Dispatcher::run_held(const RegisteredCommand& command, std::span<const Bytes> args,
                              Bytes canonical_raw, const Key& key, const ShardSet& held, uint16_t db,
                              int64_t now_ms, Reply& reply, Session* session) {
  uint64_t sequence = run_entered(command, args, canonical_raw, key, db, now_ms, reply, session);
  return settle_sequence(held, sequence, *session);
}

// Marks the shards with the newest effect; says what the reply must wait for.
uint64_t Dispatcher::settle_sequence(const ShardSet& held, uint64_t sequence, Session& session) {
  uint64_t seen = sequence;
  if (sequence > 0) session.last_write_sequence = sequence;
  for (uint32_t s = 0; (s = held.next(s)) != ShardSet::kEnd; ++s) {
    Shard& shard = server_.keyspace().shard(s);
    if (sequence > 0) shard.last_sequence = sequence;
    seen = std::max(seen, shard.last_sequence);
  }
  return awaited_sequence(session, sequence, seen);
}

// What a reply waits for: the command's own effect, or also whatever it has seen. After the log has failed
// reads go on: nothing that they could wait for will come.
uint64_t Dispatcher::awaited_sequence(const Session& session, uint64_t own, uint64_t seen) const {
  const Durability level = session.durability_now;
  if (level == Durability::kPolicy) [[likely]]
    return server_.log_switch().replies_wait_for_disk() ? seen : own;
  if (level == Durability::kNone) return 0;
  if (level == Durability::kMemory) return own;
  const OpLog* log = server_.log_switch().last_log();
  return log && log->failed() ? own : seen;
}

uint64_t Dispatcher::run_timed(const RegisteredCommand& command, std::span<const Bytes> args,
                               const ShardSet& held, uint16_t db, int64_t now_ms, Reply& reply,
                               Session& session) {
  uint64_t began = cycles_now();
  uint64_t sequence = run_held(command, args, {}, {}, held, db, now_ms, reply, &session);
  const uint64_t cycles = cycles_now() - began;
  if (!context_.has_sliced() && !context_.has_block()) record(command, args, session, 1, cycles);
  note_hold(command, cycles);
  return sequence;
}

void Dispatcher::note_hold(const RegisteredCommand& command, uint64_t cycles) {
  if (!(command.flags & kConnection)) worker_.note_shard_hold(static_cast<int64_t>(cycles / cycles_per_us()));
}

void Dispatcher::note_error(const RegisteredCommand& command, const Reply& reply) {
  WorkerMetrics& metrics = worker_.metrics();
  metrics.commands[command.index].failed.add();
  metrics.count_error(reply.last_error_code());
}

void Dispatcher::record(const RegisteredCommand& command, std::span<const Bytes> args, Session& session,
                        uint64_t count, uint64_t cycles) {
  CommandCounters& counters = worker_.metrics().commands[command.index];
  counters.calls.add(count);
  uint64_t us_q10 = cycles * 1024 / cycles_per_us();
  counters.microseconds_q10.add(us_q10);
  uint64_t each_us = us_q10 / count / 1024;
  counters.latency.add(each_us, count);
  int64_t slower_than = server_.options().slowlog_slower_than_us.load(std::memory_order_relaxed);
  if (slower_than >= 0 && static_cast<int64_t>(each_us) >= slower_than && !(command.flags & kSkipSlowlog))
      [[unlikely]] {
    server_.slow_log().add(args, each_us, worker_.loop().wall_ms(), session);
  }
}

}  // namespace strata

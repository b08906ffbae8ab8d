// What a handler sees: arguments, keys, the shards that are held, and where the reply goes.
//
// A handler does three things in order: parse the arguments, operate on the values, reply. It runs inside the
// shards of its keys, on whatever thread; it never blocks and keeps nothing after it returns.
//
//   void persist(Context& context) {
//     Key key = context.key(1);
//     Entry* entry;
//     if (!context.find_for_write(key, Type::kString, entry)) return;   // WRONGTYPE was replied
//     if (!entry || !context.database(key).clear_deadline(key, entry)) return context.reply().integer(0);
//     context.changed(key);
//     context.reply().integer(1);
//   }
//
// Propagation: a handler that changed data calls changed() for every key it changed; the command is then
// logged as it came. If that would not do the same when it runs again (random choice, relative time, floating
// point), the handler states its effects instead with effect(): those are logged, in order, and nothing else;
// several as one transaction.

#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"
#include "base/result.h"
#include "commands/blocking.h"
#include "commands/command.h"
#include "commands/sliced.h"
#include "data/context.h"
#include "data/hash.h"
#include "data/list.h"
#include "data/set.h"
#include "data/stream_limits.h"
#include "data/zset.h"
#include "keyspace/keyspace.h"
#include "protocol/reply.h"

namespace strata {

struct Session;

// Options that change what commands on data do. One for the process; changed by CONFIG SET while all shards
// are held.
struct DataOptions {
  list::Limits list;
  HashLimits hash;
  SetLimits set;
  ZsetLimits zset;
  StreamLimits stream;
  int64_t hll_sparse_max_bytes = 3000;           // of a sparse HyperLogLog, its header included
  int64_t max_bulk_bytes = 512LL * 1024 * 1024;  // proto-max-bulk-len: also the longest string
};

// Counters of one thread, read by INFO from others.
struct KeyspaceCounters {
  std::atomic<uint64_t> hits{0};
  std::atomic<uint64_t> misses{0};
  std::atomic<uint64_t> changes{0};  // rdb_changes_since_last_save is their sum less that at the last save

  void add_changes(uint64_t n) {
    changes.store(changes.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
};

class Context;

// Told of what a command means beyond the keyspace. All shards are held.
class FlushListener {
 public:
  // FLUSHALL: every database is empty now. What the command counts as changed is in the context already.
  virtual void flushed_everything(Context& context) = 0;

 protected:
  ~FlushListener() = default;
};

class Context {
 public:
  // What stays the same for many commands of a thread.
  struct Environment {
    Keyspace& keyspace;
    const DataOptions& options;
    KeyspaceCounters& counters;
    EffectSink* sink;  // null: nothing is logged (no AOF, or loading)
    FlushListener* flush_listener = nullptr;
  };

  explicit Context(const Environment& environment) : environment_(environment) {}

  // Before commands of another client. `session` is null while replaying the log.
  void set_client(Reply& reply, Session* session) {
    reply_ = &reply;
    session_ = session;
  }
  void set_sink(EffectSink* sink) { environment_.sink = sink; }
  // Before each command. `first_key` is the key of args[first_key_index] when it has been hashed already.
  void begin(const Command& command, std::span<const Bytes> args, uint16_t db, int64_t now_ms,
             const Key& first_key) {
    command_ = &command;
    args_ = args;
    db_ = db;
    now_ms_ = now_ms;
    first_key_ = first_key;
    changes_ = 0;
    uncounted_changes_ = 0;
    effects_count_ = 0;
    effects_.clear();
    touches_access_ = true;
    logs_slice_ = false;
    has_logged_slices_ = false;
  }

  const Command& command() const { return *command_; }
  std::span<const Bytes> args() const { return args_; }
  Bytes arg(size_t i) const { return args_[i]; }
  size_t argc() const { return args_.size(); }
  Reply& reply() { return *reply_; }
  Session* session() { return session_; }  // null while replaying the log
  uint16_t db() const { return db_; }
  int64_t now_ms() const { return now_ms_; }  // wall clock; the same during a whole transaction
  const DataOptions& options() const { return environment_.options; }
  Keyspace& keyspace() { return environment_.keyspace; }

  // Keys. args[i] must be a key by the command's key specification, so that its shard is held.
  Key key(size_t i) const {
    // Both are compared: an empty argument may lie where the next one begins.
    bool is_first = args_[i].data() == first_key_.name.data() && args_[i].size() == first_key_.name.size();
    return is_first ? first_key_ : environment_.keyspace.key(args_[i]);
  }
  Shard& shard(const Key& key) {
    Shard& owner = environment_.keyspace.shard(key.shard);
    owner.set_now(now_ms_);
    return owner;
  }
  Database& database(const Key& key) { return shard(key).database(db_); }
  Database& database(const Key& key, uint16_t db) { return shard(key).database(db); }
  DataContext data(const Key& key) { return shard(key).data(); }
  Random& random(const Key& key) { return shard(key).random(); }

  // Live entries; null when there is none. Both mark the access, the reading ones also count a hit or a miss.
  Entry* find(const Key& key);
  Entry* find_for_write(const Key& key);
  // For COPY and MOVE; no hit, no miss, no access. The entry may be changed: a snapshot has it by then.
  Entry* find_in(const Key& key, uint16_t db);
  // The same with a type. False: it is another type and WRONGTYPE was replied.
  bool find(const Key& key, Type type, Entry*& entry);
  bool find_for_write(const Key& key, Type type, Entry*& entry);
  void set_touches_access(bool touches) { touches_access_ = touches; }  // OBJECT, TYPE, TTL… do not

  // After changing the key: counts, marks watchers, and has the command logged.
  void changed(const Key& key, uint64_t count = 1) { changed_in(key, db_, count); }
  void changed_in(const Key& key, uint16_t db, uint64_t count = 1);
  // Deletes a key whose collection has become empty, or that a command removes. Counts as changed.
  void erase(const Key& key);
  // Counts changes that have no key of their own (FLUSHALL, SWAPDB). Logged even if there were none.
  void changed_everything(uint64_t count) {
    changes_ += count + 1;
    ++uncounted_changes_;
  }
  // After FLUSHALL has done that.
  void flushed_everything() {
    if (environment_.flush_listener) environment_.flush_listener->flushed_everything(*this);
  }

  // What is logged instead of the command itself.
  void effect(std::span<const Bytes> words, std::span<const Bytes> more = {});
  void effect(std::initializer_list<Bytes> words, std::span<const Bytes> more = {}) {
    effect(std::span(words.begin(), words.size()), more);
  }
  // The same, for many at once: `count` commands as RESP.
  void effects(std::string&& resp, size_t count);
  // Takes back what was stated so far.
  void clear_effects() {
    effects_.clear();
    effects_count_ = 0;
  }
  // Work in slices, in a slice that is not the last: what was stated since it began is logged now (sliced.h).
  void log_slice() { logs_slice_ = true; }
  bool logs_slice() const { return logs_slice_; }
  // An earlier slice stated something and was logged by itself.
  bool has_logged_slices() const { return has_logged_slices_; }
  void note_logged_slices() { has_logged_slices_ = true; }
  bool has_effects() const { return effects_count_ > 0; }
  // Changed, but nothing to log.
  void no_effect() { effects_count_ = kNoEffect; }

  // Replies an error of a lower layer. True when there was none.
  bool check(const Error& error);
  bool check(const Status& status) { return status ? true : check(status.error()); }
  template <typename T>
  bool check(const Result<T>& result) {
    return result ? true : check(result.error());
  }

  // An element of a value: large ones leave by reference, pinned until they are sent.
  void reply_element(const Element& element) { reply_element(*reply_, element); }
  static void reply_element(Reply& reply, const Element& element);

  // Long work, see sliced.h. Never inside a transaction or while replaying the log.
  bool may_slice() const { return may_slice_; }
  void slice(std::unique_ptr<SlicedWork> work, std::vector<LatchWish> latches) {
    sliced_ = std::move(work);
    latch_wishes_ = std::move(latches);
  }

  // Waiting for keys, see blocking.h. Never inside a transaction or a script, or while replaying the log.
  bool may_block() const { return may_block_; }
  void block(BlockRequest request) { block_ = std::move(request); }
  // Keys may have been deleted or put there by other means than changed() and erase().
  void note_ready(const Key& key, uint16_t db) {
    if (Shard& owner = shard(key); !owner.waiters().empty()) [[unlikely]]
      note_ready_slow(owner, key, db);
  }

  // Frequent errors and arguments. The parsers reply the error (Redis's text unless another is given) and
  // return false.
  void wrong_type();
  void syntax_error();
  bool parse_integer(size_t i, int64_t& value, Bytes error = {});
  bool parse_integer_in(size_t i, int64_t least, int64_t most, int64_t& value, Bytes error = {});
  bool parse_double_arg(size_t i, double& value, Bytes error = {});
  bool is_word(size_t i, Bytes upper_case) const;  // args[i] equals the keyword, in any case

  // For the dispatcher.
  void set_may_slice(bool may) { may_slice_ = may; }
  void set_may_block(bool may) { may_block_ = may; }
  bool has_block() const { return block_.has_value(); }
  BlockRequest take_block() {
    BlockRequest request = std::move(*block_);
    block_.reset();
    return request;
  }
  // Keys that somebody waits for and that commands since the last call have changed, in order.
  bool has_ready() const { return !ready_.empty(); }
  std::vector<ReadyKey> take_ready() { return std::exchange(ready_, {}); }
  bool has_sliced() const { return sliced_ != nullptr; }
  std::unique_ptr<SlicedWork> take_sliced() { return std::move(sliced_); }
  std::span<const LatchWish> latch_wishes() const { return latch_wishes_; }
  uint64_t changes() const { return changes_; }
  // As INFO's rdb_changes_since_last_save has them.
  uint64_t counted_changes() const { return changes_ - uncounted_changes_; }
  // Appends what is to be logged; the sequence is 0 when there is nothing.
  uint64_t propagate(EffectSink& sink, Bytes canonical_raw);
  const Environment& environment() const { return environment_; }

 private:
  void note_ready_slow(Shard& owner, const Key& key, uint16_t db);
  void mark_access(Entry* entry) const;

  static constexpr uint32_t kNoEffect = UINT32_MAX;

  Environment environment_;
  Reply* reply_ = nullptr;
  Session* session_ = nullptr;
  const Command* command_ = nullptr;
  std::span<const Bytes> args_;
  uint16_t db_ = 0;
  int64_t now_ms_ = 0;
  Key first_key_;
  uint64_t changes_ = 0;
  uint64_t uncounted_changes_ = 0;
  uint32_t effects_count_ = 0;
  bool touches_access_ = true;
  bool logs_slice_ = false;
  bool has_logged_slices_ = false;
  bool may_slice_ = false;
  std::unique_ptr<SlicedWork> sliced_;
  std::vector<LatchWish> latch_wishes_;
  std::string effects_;  // RESP
  bool may_block_ = false;
  std::optional<BlockRequest> block_;
  std::vector<ReadyKey> ready_;
};

}  // namespace strata

// Commands on whole databases. All but DBSIZE run while every shard is held.

#include "commands/context.h"
#include "commands/groups.h"
#include "commands/sliced.h"

namespace strata {
namespace {

void dbsize(Context& context) {
  // Each shard's counter may be read from outside.
  context.reply().integer(static_cast<int64_t>(context.keyspace().key_count(context.db())));
}

// Tells who watches a key of database `db` that exists there or in `other`.
void touch_watched(Keyspace& keyspace, Shard& shard, uint16_t db, uint16_t other) {
  if (shard.watches().empty()) return;
  shard.watches().for_each(db, [&](Bytes name, WatchMark& mark) {
    Key key = keyspace.key(name);
    if (shard.database(db).find(key) || shard.database(other).find(key)) {
      mark.touched.store(true, std::memory_order_release);
    }
  });
}

// FLUSH… SYNC: the keys are gone already, and the client waits until their memory is free, shard by shard.
// Others do not wait with it.
class FreeWork final : public SlicedWork {
 public:
  bool step(Context& context) override {
    Shard& shard = context.keyspace().shard(shard_);
    if (!shard.clean(kSliceElements) && !shard.lazy_free().empty()) return false;
    if (++shard_ < context.keyspace().shard_count()) return false;
    context.reply().ok();
    return true;
  }
  void choose_shards(ShardSet& shards) override {
    shards = {};
    shards.add(shard_);
  }

 private:
  uint32_t shard_ = 0;
};

// The end of a flush.
void reply_flushed(Context& context, bool synchronously) {
  if (synchronously && context.may_slice()) return context.slice(std::make_unique<FreeWork>(), {});
  context.reply().ok();
}

// What is in database `db` now may serve who waits there.
void note_waited(Context& context, Shard& shard, uint16_t db) {
  if (shard.waiters().empty()) return;
  shard.waiters().for_each(db, [&](Bytes name) { context.note_ready(context.keyspace().key(name), db); });
}

// Returns how many keys there were.
uint64_t flush(Context& context, uint16_t db, bool synchronously) {
  Keyspace& keyspace = context.keyspace();
  uint64_t count = 0;
  for (uint32_t i = 0; i < keyspace.shard_count(); ++i) {
    Shard& shard = keyspace.shard(i);
    if (!shard.peek(db)) continue;
    touch_watched(keyspace, shard, db, db);
    Database& database = shard.database(db);
    count += database.count();
    database.flush(synchronously && !context.may_slice());
    shard.ask_for_cleaning();
    note_waited(context, shard, db);
  }
  return count;
}

// Only SYNC frees the memory before the reply. Redis does so by default, too, but there is nothing to be
// gained by keeping every client waiting.
bool parse_flush(Context& context, bool& synchronously) {
  synchronously = context.argc() == 2 && context.is_word(1, "SYNC");
  if (context.argc() == 1 || synchronously || (context.argc() == 2 && context.is_word(1, "ASYNC")))
    return true;
  context.syntax_error();
  return false;
}

void flushdb(Context& context) {
  bool synchronously;
  if (!parse_flush(context, synchronously)) return;
  uint64_t count = flush(context, context.db(), synchronously);
  context.changed_everything(count);
  reply_flushed(context, synchronously);
}

void flushall(Context& context) {
  bool synchronously;
  if (!parse_flush(context, synchronously)) return;
  uint64_t count = 0;
  for (uint16_t db = 0; db < context.keyspace().database_count(); ++db)
    count += flush(context, db, synchronously);
  context.changed_everything(count);
  context.flushed_everything();
  reply_flushed(context, synchronously);
}

void swapdb(Context& context) {
  int64_t a, b;
  if (!context.parse_integer_in(1, INT32_MIN, INT32_MAX, a, "ERR invalid first DB index")) return;
  if (!context.parse_integer_in(2, INT32_MIN, INT32_MAX, b, "ERR invalid second DB index")) return;
  Keyspace& keyspace = context.keyspace();
  auto is_database = [&](int64_t number) { return number >= 0 && number < keyspace.database_count(); };
  if (!is_database(a) || !is_database(b)) return context.reply().error("ERR DB index is out of range");

  auto first = static_cast<uint16_t>(a), second = static_cast<uint16_t>(b);
  for (uint32_t i = 0; first != second && i < keyspace.shard_count(); ++i) {
    Shard& shard = keyspace.shard(i);
    touch_watched(keyspace, shard, first, second);
    touch_watched(keyspace, shard, second, first);
    shard.swap_databases(first, second);
    note_waited(context, shard, first);
    note_waited(context, shard, second);
  }
  context.changed_everything(1);
  context.reply().ok();
}

constexpr const char* kFlushHistory =
    "4.0.0=Added the `ASYNC` flushing mode modifier.|6.2.0=Added the `SYNC` flushing mode modifier.";
constexpr const char* kFlushTips = "request_policy:all_shards|response_policy:all_succeeded";

// clang-format off: a row is read as a whole
constexpr Command kKeyspaceCommands[] = {
    {.name = "dbsize", .flags = kReadOnly | kFast | kConnection, .acl = kAclKeyspace,
     .summary = "Return the number of keys in the selected database", .run = dbsize,
     .tips = "request_policy:all_shards|response_policy:agg_sum"},
    {.name = "flushall", .syntax = "[ASYNC | SYNC]", .flags = kWrite | kAllShards,
     .acl = kAclKeyspace | kAclDangerous,
     .complexity = "O(N) where N is the total number of keys in all databases",
     .summary = "Remove all keys from all databases", .run = flushall, .history = kFlushHistory, .tips = kFlushTips},
    {.name = "flushdb", .syntax = "[ASYNC | SYNC]", .flags = kWrite | kAllShards,
     .acl = kAclKeyspace | kAclDangerous,
     .complexity = "O(N) where N is the number of keys in the selected database",
     .summary = "Remove all keys from the current database", .run = flushdb, .history = kFlushHistory,
     .tips = kFlushTips},
    {.name = "swapdb", .syntax = "index1 index2", .flags = kWrite | kFast | kAllShards,
     .acl = kAclKeyspace | kAclDangerous, .since = "4.0.0",
     .complexity = "O(N) where N is the count of clients watching or blocking on keys from both databases.",
     .summary = "Swaps two Redis databases", .run = swapdb},
};
// clang-format on
static_assert(well_formed(kKeyspaceCommands));

}  // namespace

const CommandGroup kKeyspaceGroup = {"server", kKeyspaceCommands};

}  // namespace strata

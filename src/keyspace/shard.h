// A shard: a part of the keyspace with everything that belongs to it. One request is inside at a time, and
// nothing here takes a lock.
//
// Read from outside: ownership, counters, prefetching of tables. Everything else: inside only.

#pragma once

#include <atomic>
#include <memory>

#include "base/random.h"
#include "data/context.h"
#include "keyspace/database.h"
#include "keyspace/effects.h"
#include "keyspace/graveyard.h"
#include "keyspace/latch.h"
#include "keyspace/lazy_free.h"
#include "keyspace/ownership.h"
#include "keyspace/snapshot.h"
#include "keyspace/waiters.h"
#include "keyspace/watch.h"
#include "memory/heap.h"

namespace strata {

class Keyspace;

class alignas(64) Shard {
 public:
  Shard(Keyspace& keyspace, uint32_t index, bool shared, uint16_t database_count, uint64_t random_seed);
  ~Shard();

  Ownership ownership;

  // Outside, racing with creation: null while nobody has used this database here.
  const Database* peek(uint16_t db) const { return databases_[db].load(std::memory_order_acquire); }
  // Made on first use.
  Database& database(uint16_t db) {
    Database* database = databases_[db].load(std::memory_order_relaxed);
    return database ? *database : make_database(db);
  }
  void swap_databases(uint16_t a, uint16_t b);

  // The entry, if it is there and its time has not come. One whose time has come is deleted, logged as DEL,
  // and counted, unless expiry is off (loading) or the shard is read-only for it.
  Entry* find_live(uint16_t db, const Key& key, int64_t now_ms, EffectSink* sink);
  // Deletes because its time has come.
  void expire(uint16_t db, const Key& key, EffectSink* sink);
  // Deletes the fields whose time has come, up to `budget`, logs that as HDEL, and counts them; the key goes
  // with its last field. How many there were.
  uint64_t expire_fields(uint16_t db, const Key& key, int64_t now_ms, uint64_t budget, EffectSink* sink);
  // Deletes what is due, oldest first, at most about `budget` keys of each database; true when nothing is due
  // any more.
  bool expire_due(int64_t now_ms, size_t budget, EffectSink* sink);
  // Earliest time at which expire_due() has something to do. Other threads may read it.
  int64_t next_due_ms() const { return clock_.next_due_ms.load(std::memory_order_relaxed); }
  // Whoever enters tells the time.
  void set_now(int64_t now_ms) { clock_.now_ms = now_ms; }

  // Frees everything. Before any shard's heap goes, all shards must have done so: values may have been born
  // in others.
  void release_all();
  // Frees lazily deleted values and takes in remote frees; true when there is nothing left to do.
  bool clean(size_t budget);
  bool needs_cleaning() const { return needs_cleaning_.load(std::memory_order_relaxed); }
  void ask_for_cleaning() { needs_cleaning_.store(true, std::memory_order_relaxed); }

  DataContext data();
  uint32_t index() const { return index_; }
  Heap& heap() { return heap_; }
  LazyFree& lazy_free() { return lazy_free_; }
  Random& random() { return random_; }
  WatchTable& watches() { return watches_; }
  LatchTable& latches() { return latches_; }
  WaiterTable& waiters() { return waiters_; }
  ShardSnapshot& snapshot() { return snapshot_; }
  const ShardSnapshot& snapshot() const { return snapshot_; }
  uint16_t database_count() const { return database_count_; }
  // The number that a database of this shard has now.
  uint16_t number_of(const Database& database) const;
  Key key_of(Bytes name) const;  // of a key that belongs here

  // Effects appended so far reach up to here in the log; replies to reads wait for it under `always`.
  uint64_t last_sequence = 0;
  // Statistics, written inside, read by anyone.
  std::atomic<uint64_t> expired_count{0};
  std::atomic<uint64_t> expired_field_count{0};
  std::atomic<int64_t> expiry_lag_ms_max{
      0};  // since the last reset: how late a key was deleted by its deadline

 private:
  Database& make_database(uint16_t db);
  Entry* without_expired_fields(uint16_t db, const Key& key, Entry* entry, int64_t now_ms, EffectSink* sink);
  bool may_expire_fields(uint16_t db, const Key& key, int64_t first_ms);
  bool expire_due_fields(uint16_t db, Database& database, int64_t now_ms, size_t budget, EffectSink* sink);
  void note_lag(int64_t now_ms, int64_t deadline_ms);

  Keyspace& keyspace_;
  const uint32_t index_;
  const uint16_t database_count_;
  ShardClock clock_;
  Heap heap_;
  Graveyard graveyard_;
  LazyFree lazy_free_;
  Random random_;
  WatchTable watches_;
  LatchTable latches_;
  WaiterTable waiters_;
  ShardSnapshot snapshot_{*this};
  std::atomic<bool> needs_cleaning_{false};
  std::unique_ptr<std::atomic<Database*>[]> databases_;
};

}  // namespace strata

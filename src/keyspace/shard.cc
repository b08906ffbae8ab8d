#include "keyspace/shard.h"

#include <algorithm>

#include "base/assert.h"
#include "base/hash.h"
#include "keyspace/keyspace.h"

namespace strata {
namespace {

// A key whose time has come while a command or a snapshot works on it in slices is looked at again after
// this.
constexpr int64_t kLatchedRetryMs = 10;

}  // namespace

Shard::Shard(Keyspace& keyspace, uint32_t index, bool shared, uint16_t database_count, uint64_t random_seed)
    : ownership(shared),
      keyspace_(keyspace),
      index_(index),
      database_count_(database_count),
      graveyard_(heap_, keyspace.turn_gate()),
      lazy_free_(heap_),
      random_(random_seed),
      databases_(new std::atomic<Database*>[database_count]) {
  heap_.use_stock(&keyspace.segment_stock());
  for (uint16_t db = 0; db < database_count; ++db) databases_[db].store(nullptr, std::memory_order_relaxed);
}

Shard::~Shard() { release_all(); }

void Shard::release_all() {
  snapshot_.abandon();
  for (uint16_t db = 0; db < database_count_; ++db)
    delete databases_[db].exchange(nullptr, std::memory_order_relaxed);
  while (!lazy_free_.step(SIZE_MAX)) {
  }
}

DataContext Shard::data() { return {heap_, keyspace_.seed()}; }

Database& Shard::make_database(uint16_t db) {
  auto* database = new Database(heap_, keyspace_.seed(), graveyard_, lazy_free_, clock_, snapshot_);
  databases_[db].store(database, std::memory_order_release);
  return *database;
}

uint16_t Shard::number_of(const Database& database) const {
  for (uint16_t db = 0; db < database_count_; ++db) {
    if (databases_[db].load(std::memory_order_relaxed) == &database) return db;
  }
  STRATA_ASSERT(false, "a database of another shard");
  return 0;
}

Key Shard::key_of(Bytes name) const { return {name, hash_bytes(name, keyspace_.seed()), index_}; }

// Both pointers stay valid for threads that prefetch: databases live as long as the shard.
void Shard::swap_databases(uint16_t a, uint16_t b) {
  Database* old_a = databases_[a].load(std::memory_order_relaxed);
  databases_[a].store(databases_[b].load(std::memory_order_relaxed), std::memory_order_release);
  databases_[b].store(old_a, std::memory_order_release);
}

void Shard::expire(uint16_t db, const Key& key, EffectSink* sink) {
  if (!latches_.empty()) {
    const Entry* entry = database(db).find(key);
    if (latches_.hold_back_expiry(db, key.name, entry->deadline_ms())) return;  // it goes with the latch
  }
  if (snapshot_.holds_back_deletion(db, key)) return;  // likewise
  if (sink) {
    const Bytes del[] = {"DEL", key.name};
    last_sequence = sink->append_command(db, del);
  }
  watches_.touch(db, key.name);
  expired_count.store(expired_count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  if (!waiters_.empty()) waiters_.note_gone(db, key.name);
  database(db).erase(key);
  ask_for_cleaning();
}

Entry* Shard::find_live(uint16_t db, const Key& key, int64_t now_ms, EffectSink* sink) {
  Entry* entry = database(db).find(key);
  const bool is_due = entry && entry->has_deadline() && entry->deadline_ms() <= now_ms;
  const bool is_timed = entry && entry->encoding() == Encoding::kTimed;
  if (!is_due && !is_timed) [[likely]]
    return entry;
  if (!keyspace_.expiry_enabled()) return entry;
  if (!is_due) return without_expired_fields(db, key, entry, now_ms, sink);
  expire(db, key, sink);
  return nullptr;
}

bool Shard::expire_due(int64_t now_ms, size_t budget, EffectSink* sink) {
  set_now(now_ms);
  int64_t next = INT64_MAX;
  bool done = true;
  for (uint16_t db = 0; db < database_count_; ++db) {
    Database* database = databases_[db].load(std::memory_order_relaxed);
    if (!database) continue;
    if (database->timed_hash_count() > 0) {
      done &= expire_due_fields(db, *database, now_ms, budget, sink);
      next = std::min(next, database->field_timers().next_due_ms());
    }
    if (database->deadline_count() == 0) continue;
    done &= database->wheel().advance(now_ms, budget, [&](ExpiryLink& link) {
      Entry* entry = Entry::of(&link);
      note_lag(now_ms, link.deadline_ms);
      const Key key = database->key_of(*entry, index_);
      const bool is_latched = !latches_.empty() && latches_.hold_back_expiry(db, key.name, link.deadline_ms);
      if (is_latched || snapshot_.holds_back_deletion(db, key)) {
        database->wheel().postpone(link, now_ms + kLatchedRetryMs);
        return;
      }
      database->wheel().add(link, now_ms);  // for expire() to unlink
      expire(db, key, sink);
    });
    next = std::min(next, database->wheel().next_due_ms());
  }
  clock_.next_due_ms.store(done ? next : now_ms, std::memory_order_relaxed);
  return done;
}

bool Shard::clean(size_t budget) {
  graveyard_.clear_passed();
  bool done = lazy_free_.step(budget);
  done &= heap_.collect();
  done &= graveyard_.empty();
  needs_cleaning_.store(!done, std::memory_order_relaxed);
  return done;
}

}  // namespace strata

#include "keyspace/snapshot.h"

#include <utility>

#include "base/assert.h"
#include "keyspace/lazy_free.h"
#include "keyspace/shard.h"
#include "keyspace/shard_job.h"
#include "platform/clock.h"

namespace strata {
namespace {

// Between two looks at the clock: a few microseconds of work.
constexpr int kBucketsBetweenLooks = 8;
constexpr size_t kDrainSlice = 32;
constexpr size_t kLargeSlice = 256;

}  // namespace

// A server that stops in the middle leaves tables and entries that nobody else owns.
void ShardSnapshot::abandon() {
  if (sink_ == nullptr) return;
  std::exchange(sink_, nullptr)->abandoned();
  is_active_.store(false, std::memory_order_relaxed);
  is_urgent_.store(false, std::memory_order_relaxed);
  is_in_large_ = false;
  large_entry_ = nullptr;
  for (const TakenOver& taken : taken_over_) shard_.lazy_free().discard_table(taken.table);
  for (const Large& large : larges_) {
    if (large.orphan) shard_.lazy_free().free_entry(large.orphan);
  }
  taken_over_.clear();
  larges_.clear();
  parts_.clear();
}

void ShardSnapshot::begin(SnapshotSink& sink) {
  STRATA_ASSERT(sink_ == nullptr && larges_.empty() && taken_over_.empty());
  // Without memory nothing has begun.
  parts_.clear();
  parts_.reserve(shard_.database_count());
  sink_ = &sink;
  ++epoch_;
  for (uint16_t db = 0; db < shard_.database_count(); ++db) {
    if (shard_.peek(db) == nullptr) continue;
    Database& database = shard_.database(db);
    database.set_snapshot_number(db);
    parts_.push_back({&database, db});
  }
  is_active_.store(true, std::memory_order_relaxed);
}

void ShardSnapshot::end() {
  sink_->end_shard(shard_.index());
  sink_ = nullptr;
  parts_.clear();
  is_active_.store(false, std::memory_order_relaxed);
}

bool ShardSnapshot::is_large(const Entry& entry) const {
  if (entry.type() != Type::kString) return element_count(entry.value()) > kSnapshotLargeElements;
  return entry.encoding() == Encoding::kRaw && entry.string().bytes.size() > kSnapshotLargeBytes;
}

void ShardSnapshot::save(uint16_t db, Entry& entry) {
  STRATA_ASSERT(sink_ != nullptr, "an entry is unsaved and no snapshot runs");
  if (is_in_large_ && &entry == large_entry_) {
    const bool is_whole = sink_->step_large(SnapshotSink::kAtOnce);
    STRATA_ASSERT(is_whole);
    large_entry_ = nullptr;  // walk_some() sees to the latch
  } else {
    sink_->save(shard_.index(), db, entry);
  }
  entry.epoch = epoch_;
}

bool ShardSnapshot::take_over(const Database& database, KeyTable::Detached* detached) {
  if (sink_ == nullptr) return false;
  for (Part& part : parts_) {
    if (part.database != &database || part.is_taken_over) continue;
    // Also when the walk has passed: a large value may still be waiting for its turn.
    part.is_walked = part.is_taken_over = true;
    taken_over_.push_back({detached, part.db});
    return true;
  }
  return false;
}

bool ShardSnapshot::walk(JobRunner& runner, int64_t until_us) {
  if (sink_ == nullptr) return true;
  while (!sink_->is_full()) {
    if (walk_some(runner)) {
      end();
      return true;
    }
    if (system_clock().monotonic_us() >= until_us) break;
  }
  return false;
}

// A few microseconds of work; true when there is none left.
bool ShardSnapshot::walk_some(JobRunner& runner) {
  if (is_in_large_) {
    if (large_entry_ == nullptr || sink_->step_large(kLargeSlice)) end_large(runner);
    return false;
  }
  if (!larges_.empty()) return begin_large(runner), false;
  is_urgent_.store(false, std::memory_order_relaxed);
  if (!taken_over_.empty()) {
    if (drain_some()) taken_over_.pop_front();
    return false;
  }
  for (Part& part : parts_) {
    if (part.is_walked) continue;
    walk_part(part);
    return false;
  }
  return true;
}

void ShardSnapshot::walk_part(Part& part) {
  for (int i = 0; i < kBucketsBetweenLooks && larges_.empty(); ++i) {
    part.cursor = part.database->table().scan(part.cursor, [&](Entry* entry) {
      if (!is_unsaved(*entry)) return;
      if (!is_large(*entry)) return save(part.db, *entry);
      larges_.push_back({.database = part.database, .db = part.db, .key = std::string(entry->key())});
    });
    if (part.cursor == 0) {
      part.is_walked = true;
      return;
    }
  }
}

// Saves and frees some of a table that a FLUSH took out.
bool ShardSnapshot::drain_some() {
  const uint16_t db = taken_over_.front().db;
  return KeyTable::drain(taken_over_.front().table, kDrainSlice, [&](Entry* entry) {
    if (is_unsaved(*entry)) {
      if (is_large(*entry)) {
        larges_.push_back({.database = nullptr, .db = db, .key = {}, .orphan = entry});
        return;
      }
      save(db, *entry);
    }
    free_entry(entry);
  });
}

void ShardSnapshot::free_entry(Entry* entry) {
  shard_.lazy_free().free_entry(entry);
  shard_.ask_for_cleaning();
}

void ShardSnapshot::begin_large(JobRunner& runner) {
  Large& large = larges_.front();
  Entry* entry = large.orphan;
  if (entry == nullptr) {
    entry = large.database->find(shard_.key_of(large.key));
    if (entry == nullptr || !is_unsaved(*entry)) {  // somebody else saved it
      drop_latch(runner, large);
      larges_.pop_front();
      return;
    }
    if (large.latch == nullptr) {
      large.latch = &shard_.latches().add(shard_.number_of(*large.database), large.key, false);
    }
  }
  sink_->begin_large(large.db, *entry);
  large_entry_ = entry;
  is_in_large_ = true;
}

void ShardSnapshot::end_large(JobRunner& runner) {
  Large large = std::move(larges_.front());
  larges_.pop_front();
  is_in_large_ = false;
  if (Entry* entry = std::exchange(large_entry_, nullptr)) entry->epoch = epoch_;
  if (large.orphan != nullptr) free_entry(large.orphan);
  drop_latch(runner, large);
}

void ShardSnapshot::drop_latch(JobRunner& runner, Large& large) {
  if (large.latch == nullptr) return;
  for (ShardJob* waiter : shard_.latches().remove(*large.latch)) runner.start(*waiter);
  large.latch = nullptr;
}

Latch* ShardSnapshot::latch_for(uint16_t db, const Key& key) {
  if (sink_ == nullptr || shard_.peek(db) == nullptr) return nullptr;
  Database& database = shard_.database(db);
  const Entry* entry = database.find(key);
  if (entry == nullptr || !is_unsaved(*entry) || !is_large(*entry)) return nullptr;
  // Not of those who are to serve the key's waiters: they may be asking.
  if (Latch* latch = shard_.latches().find_for_serving(db, key.name)) return latch;
  Latch& latch = shard_.latches().add(db, key.name, false);
  Large wanted{
      .database = &database, .db = database.snapshot_number(), .key = std::string(key.name), .latch = &latch};
  larges_.insert(larges_.begin() + (is_in_large_ ? 1 : 0), std::move(wanted));
  is_urgent_.store(true, std::memory_order_relaxed);
  return &latch;
}

bool ShardSnapshot::holds_back_deletion(uint16_t db, const Key& key) {
  return sink_ != nullptr && latch_for(db, key) != nullptr;
}

}  // namespace strata

// All shards, and which key belongs to which.

#pragma once

#include <memory>
#include <vector>

#include "base/hash.h"
#include "keyspace/graveyard.h"
#include "keyspace/key.h"
#include "keyspace/shard.h"
#include "keyspace/shard_set.h"
#include "memory/segment_stock.h"

namespace strata {

class Keyspace {
 public:
  struct Options {
    uint32_t shard_count = 1;   // a power of two, at most kShardsMax
    uint32_t thread_count = 1;  // threads that enter shards; with one, entering costs nothing
    uint16_t database_count = 16;
    HashSeed seed = {};
    uint64_t random_seed = 1;
  };
  explicit Keyspace(const Options& options);
  ~Keyspace();

  // Where a key lives. Keys with the same {hash tag} share a shard, so that multi-key commands on them need
  // one.
  Key key(Bytes name) const {
    uint64_t hash = hash_bytes(name, seed_);
    return {name, hash, shard_mask_ == 0 ? 0 : shard_of(name, hash)};
  }
  Shard& shard(uint32_t index) { return *shards_[index]; }
  uint32_t shard_count() const { return shard_mask_ + 1; }
  uint16_t database_count() const { return database_count_; }
  ShardSet all_shards() const { return ShardSet::first(shard_count()); }
  const HashSeed& seed() const { return seed_; }
  TurnGate& turn_gate() { return turn_gate_; }
  SegmentStock& segment_stock() { return segment_stock_; }

  // Sums over the shards; exact when nobody writes.
  uint64_t key_count(uint16_t db) const;
  uint64_t deadline_count(uint16_t db) const;
  uint64_t timed_hash_count() const;  // hashes with deadlines of fields, in all databases
  size_t used_bytes() const;

  // While loading nothing expires.
  bool expiry_enabled() const { return expiry_enabled_.load(std::memory_order_relaxed); }
  void enable_expiry(bool enabled) { expiry_enabled_.store(enabled, std::memory_order_relaxed); }
  // Off: keys past their deadline are invisible but not deleted by the clock (DEBUG SET-ACTIVE-EXPIRE 0).
  bool active_expiry() const { return active_expiry_.load(std::memory_order_relaxed); }
  void enable_active_expiry(bool enabled) { active_expiry_.store(enabled, std::memory_order_relaxed); }

 private:
  uint32_t shard_of(Bytes name, uint64_t hash) const;

  const HashSeed seed_;
  const uint32_t shard_mask_;
  const uint16_t database_count_;
  TurnGate turn_gate_;
  std::atomic<bool> expiry_enabled_{true};
  std::atomic<bool> active_expiry_{true};
  SegmentStock segment_stock_;  // for the shards' heaps
  std::vector<std::unique_ptr<Shard>> shards_;
};

// The part of a key between the first '{' and the next '}', if it is not empty; else the whole key.
Bytes hash_tag(Bytes key);

}  // namespace strata

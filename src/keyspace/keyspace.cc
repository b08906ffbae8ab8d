#include "keyspace/keyspace.h"

#include <bit>

#include "base/assert.h"

namespace strata {

Bytes hash_tag(Bytes key) {
  size_t open = key.find('{');
  if (open == Bytes::npos) return key;
  size_t close = key.find('}', open + 1);
  if (close == Bytes::npos || close == open + 1) return key;
  return key.substr(open + 1, close - open - 1);
}

Keyspace::Keyspace(const Options& options)
    : seed_(options.seed),
      shard_mask_(options.shard_count - 1),
      database_count_(options.database_count),
      turn_gate_(options.thread_count) {
  STRATA_ASSERT(std::has_single_bit(options.shard_count) && options.shard_count <= kShardsMax);
  for (uint32_t i = 0; i < options.shard_count; ++i) {
    shards_.push_back(std::make_unique<Shard>(*this, i, options.thread_count > 1, options.database_count,
                                              options.random_seed + i * 0x9e3779b97f4a7c15));
  }
}

Keyspace::~Keyspace() {
  for (auto& shard : shards_) shard->release_all();
}

uint32_t Keyspace::shard_of(Bytes name, uint64_t hash) const {
  Bytes tag = hash_tag(name);
  if (tag.size() != name.size()) hash = hash_bytes(tag, seed_);
  return static_cast<uint32_t>(hash >> kShardShift) & shard_mask_;
}

uint64_t Keyspace::key_count(uint16_t db) const {
  uint64_t count = 0;
  for (const auto& shard : shards_) {
    if (const Database* database = shard->peek(db)) count += database->count();
  }
  return count;
}

uint64_t Keyspace::deadline_count(uint16_t db) const {
  uint64_t count = 0;
  for (const auto& shard : shards_) {
    if (const Database* database = shard->peek(db)) count += database->deadline_count();
  }
  return count;
}

uint64_t Keyspace::timed_hash_count() const {
  uint64_t count = 0;
  for (const auto& shard : shards_) {
    for (uint16_t db = 0; db < database_count(); ++db) {
      if (const Database* database = shard->peek(db)) count += database->timed_hash_count();
    }
  }
  return count;
}

size_t Keyspace::used_bytes() const {
  size_t bytes = 0;
  for (const auto& shard : shards_) bytes += shard->heap().used();
  return bytes;
}

}  // namespace strata

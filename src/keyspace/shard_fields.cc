// The part of Shard that deals with fields of hashes that have deadlines.

#include <algorithm>
#include <string>
#include <vector>

#include "base/assert.h"
#include "data/hash_deadlines.h"
#include "keyspace/keyspace.h"
#include "keyspace/shard.h"

namespace strata {
namespace {

// Fields in one HDEL of the log, and in one step of expire_due().
constexpr uint64_t kFieldsInStep = 128;

}  // namespace

void Shard::note_lag(int64_t now_ms, int64_t deadline_ms) {
  const int64_t lag = now_ms - std::max<int64_t>(0, deadline_ms);
  if (lag > expiry_lag_ms_max.load(std::memory_order_relaxed)) {
    expiry_lag_ms_max.store(lag, std::memory_order_relaxed);
  }
}

// Not while a command works on the hash in slices, nor before a running snapshot has saved it.
bool Shard::may_expire_fields(uint16_t db, const Key& key, int64_t first_ms) {
  if (!latches_.empty() && latches_.hold_back_expiry(db, key.name, first_ms)) return false;
  return !snapshot_.holds_back_deletion(db, key);
}

uint64_t Shard::expire_fields(uint16_t db, const Key& key, int64_t now_ms, uint64_t budget,
                              EffectSink* sink) {
  Database& database = this->database(db);
  Entry* entry = database.find(key);
  database.before_change(*entry);
  Value hash = entry->value();
  std::vector<std::string> names;
  const Result<uint64_t> gone = hash_expire_some(data(), hash, now_ms, std::min(budget, kFieldsInStep),
                                                 [&](Bytes field) { names.emplace_back(field); });
  entry->set_value(hash);
  if (!gone || *gone == 0) return 0;  // no memory: later
  if (sink) {
    std::vector<Bytes> hdel = {"HDEL", key.name};
    hdel.insert(hdel.end(), names.begin(), names.begin() + static_cast<ptrdiff_t>(*gone));
    last_sequence = sink->append_command(db, hdel);
  }
  watches_.touch(db, key.name);
  expired_field_count.store(expired_field_count.load(std::memory_order_relaxed) + *gone,
                            std::memory_order_relaxed);
  database.note_fields(key.name, hash);
  if (hash_size(hash) == 0) {
    database.erase(key);
    ask_for_cleaning();
  }
  return *gone;
}

// For find_live(): what is due goes before anybody looks.
Entry* Shard::without_expired_fields(uint16_t db, const Key& key, Entry* entry, int64_t now_ms,
                                     EffectSink* sink) {
  const int64_t first_ms = hash_first_deadline(entry->value());
  if (first_ms > now_ms || !may_expire_fields(db, key, first_ms)) return entry;
  while (expire_fields(db, key, now_ms, kFieldsInStep, sink) > 0) {
    entry = database(db).find(key);
    if (!entry || hash_first_deadline(entry->value()) > now_ms) break;
  }
  return database(db).find(key);
}

bool Shard::expire_due_fields(uint16_t db, Database& database, int64_t now_ms, size_t budget,
                              EffectSink* sink) {
  uint64_t spent = 0;
  const auto expire = [&](Bytes name) {
    const Key key = key_of(name);
    const Entry* entry = database.find(key);
    STRATA_ASSERT(entry && entry->encoding() == Encoding::kTimed, "a timer of a hash without deadlines");
    const int64_t first_ms = hash_first_deadline(entry->value());
    if (!may_expire_fields(db, key, first_ms)) return false;
    note_lag(now_ms, first_ms);
    const uint64_t gone = expire_fields(db, key, now_ms, kFieldsInStep, sink);
    spent += gone;
    return gone > 0;
  };
  // One step of the wheel at a time, since one hash may have many fields.
  while (spent < budget) {
    if (database.field_timers().advance(now_ms, 1, expire)) return true;
    ++spent;
  }
  return false;
}

}  // namespace strata

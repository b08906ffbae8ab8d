// One numbered database's share of one shard: the table of keys and their deadlines.
//
// Everything here happens inside the shard. Entries may move on any call that writes: an Entry* is good until
// the next one. Out of memory is a value and leaves the key as it was.
//
// find() also returns entries whose deadline has passed: what expiry means (deleting, logging, counting) is
// decided above, in Shard.

#pragma once

#include <atomic>
#include <cstdint>

#include "base/result.h"
#include "keyspace/entry.h"
#include "keyspace/expiry_wheel.h"
#include "keyspace/field_timers.h"
#include "keyspace/key.h"
#include "keyspace/key_table.h"
#include "keyspace/snapshot.h"

namespace strata {

class LazyFree;

// The shard's time, shared with its databases. `now_ms` (wall clock) is set by whoever enters.
struct ShardClock {
  int64_t now_ms = 0;
  std::atomic<int64_t> next_due_ms{INT64_MAX};  // no deadline comes before this; read by other threads

  void note_deadline(int64_t deadline_ms) {
    if (deadline_ms < next_due_ms.load(std::memory_order_relaxed)) {
      next_due_ms.store(deadline_ms, std::memory_order_relaxed);
    }
  }
};

// The LRU clock of entries: seconds, 24 bits.
inline constexpr uint32_t kAccessClockMask = (1 << 24) - 1;
inline uint32_t access_clock(int64_t now_ms) {
  return static_cast<uint32_t>(now_ms / 1000) & kAccessClockMask;
}

class Database {
 public:
  Database(Heap& heap, const HashSeed& seed, Graveyard& graveyard, LazyFree& lazy_free, ShardClock& clock,
           ShardSnapshot& snapshot)
      : heap_(&heap),
        seed_(&seed),
        lazy_free_(&lazy_free),
        clock_(&clock),
        snapshot_(&snapshot),
        table_(heap, seed, graveyard) {}
  ~Database();

  Entry* find(const Key& key) const { return table_.find(key.name, key.hash); }

  // Strings. Both replace whatever the key held. `deadline_ms`: kNoDeadline, or when it expires.
  // Text that reads as an integer is stored as one when `may_be_integer`.
  Result<Entry*> set_string(const Key& key, Bytes value, int64_t deadline_ms, bool may_be_integer = true);
  Result<Entry*> set_integer(const Key& key, int64_t value, int64_t deadline_ms);
  // For APPEND, SETRANGE, SETBIT…: the bytes of the string, resized to `size` (new ones are zero), ready to
  // be written to until the next call. The key must hold a string; its deadline stays.
  Result<MutableBytes> edit_string(const Key& key, Entry* entry, size_t size);
  // Changes the value of a string and keeps its deadline.
  Result<Entry*> overwrite_string(const Key& key, Entry* entry, Bytes value, bool may_be_integer = true);
  Result<Entry*> overwrite_integer(const Key& key, Entry* entry, int64_t value) {
    before_change(*entry);
    if (entry->encoding() != Encoding::kInt) return set_integer(key, value, entry->deadline_ms());
    entry->set_word(static_cast<uint64_t>(value));
    entry->access_clock = access_clock(clock_->now_ms);
    return entry;
  }

  // Lists, hashes, sets, sorted sets: takes over the value on success. Replaces whatever the key held.
  Result<Entry*> put(const Key& key, const Value& value, int64_t deadline_ms);

  // Deletes the key. A large value is freed in slices later. False when it was not there.
  bool erase(const Key& key);
  // Takes the value out (for RENAME, MOVE) and deletes the key. Strings give a Value of kInt or kRaw; a
  // kInline string becomes kRaw, for which there may be no memory.
  Result<Value> take(const Key& key);
  // Frees a value that take() gave and nobody wanted.
  void discard(const Value& value);

  Result<Entry*> set_deadline(const Key& key, Entry* entry, int64_t deadline_ms);
  // True when it had one.
  bool clear_deadline(const Key& key, Entry* entry);

  // Whoever changes an entry calls this before: a running snapshot saves it as it is. The functions of this
  // class do so themselves; those who change a collection in place do it through Context.
  void before_change(Entry& entry) {
    if (snapshot_->is_unsaved(entry)) [[unlikely]]
      snapshot_->save(snapshot_number_, entry);
  }
  // The number that the running snapshot knows this database by.
  uint16_t snapshot_number() const { return snapshot_number_; }
  void set_snapshot_number(uint16_t db) { snapshot_number_ = db; }

  // After a hash at this key was changed in place, if it has, or had, fields with deadlines.
  void note_fields(Bytes key, const Value& value);
  FieldTimers& field_timers() { return field_timers_; }

  // Any thread may ask for these.
  size_t timed_hash_count() const { return field_timers_.count(); }
  size_t count() const { return table_.count(); }
  size_t deadline_count() const { return wheel_.count(); }
  // For avg_ttl in INFO. Wraps around when absurd deadlines add up.
  int64_t deadline_sum_ms() const {
    return static_cast<int64_t>(deadline_sum_ms_.load(std::memory_order_relaxed));
  }
  KeyTable& table() { return table_; }
  const KeyTable& table() const { return table_; }
  ExpiryWheel& wheel() { return wheel_; }
  Heap& heap() { return *heap_; }
  Key key_of(const Entry& entry, uint32_t shard) const {
    return {entry.key(), hash_bytes(entry.key(), *seed_), shard};
  }

  // Empties it at once; the old contents are freed in slices, or before it returns when `synchronously`.
  void flush(bool synchronously);

 private:
  // `value_size` is that of an inline string.
  Entry* allocate(const Key& key, Encoding encoding, size_t value_size, bool with_deadline);
  // Puts a new entry where the key was, or into the table.
  Result<Entry*> replace(const Key& key, Entry* old, Entry* fresh, int64_t deadline_ms);
  void add_to_deadline_sum(uint64_t ms) {
    deadline_sum_ms_.store(deadline_sum_ms_.load(std::memory_order_relaxed) + ms, std::memory_order_relaxed);
  }
  void link_deadline(Entry* entry, int64_t deadline_ms);
  void unlink_deadline(Entry* entry);
  // Moves the entry into one with or without room for a deadline, or with another kind of body.
  Entry* rebuild(const Key& key, Entry* entry, bool with_deadline);
  void free_entry(Entry* entry);

  Heap* heap_;
  const HashSeed* seed_;
  LazyFree* lazy_free_;
  ShardClock* clock_;
  ShardSnapshot* snapshot_;
  uint16_t snapshot_number_ = 0;
  KeyTable table_;
  ExpiryWheel wheel_;
  FieldTimers field_timers_;
  std::atomic<uint64_t> deadline_sum_ms_{0};
};

}  // namespace strata

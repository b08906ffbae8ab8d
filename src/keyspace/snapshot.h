// A snapshot's side in one shard: which entries are still to be saved, and the walk that saves them.
//
// A snapshot begins while all shards are held: each shard's epoch goes up, so every entry is now unsaved, and
// the shards are left. From then on
//
//   1. an entry is saved once, as it was at the beginning, and stamped with the epoch: by the walk, or by
//      Database::before_change() when a change comes first;
//   2. new entries are born with the current epoch, and so are never saved;
//   3. when the walk has ended every entry in the shard has the current epoch. Hence one byte suffices, and
//      nobody has to ask whether a snapshot is running.
//
// The walk follows the cursor of KeyTable::scan(), which returns what was there from beginning to end,
// however the table grows and shrinks; what is returned twice is told by its epoch. The first table that
// FLUSH takes out of a database is handed to the walk, which frees it; a later one holds nothing but new
// entries. A database keeps the number that it had at the beginning.
//
// Large values, of many elements or bytes, are saved in slices. Between slices the key has a shared latch:
// readers go on, writers wait. A writer that finds such a value unsaved asks for it (latch_for()) and waits
// likewise. Who cannot wait (a script, SELECT within MULTI) changes it all the same: then it is saved, or
// what is left of it, in one go.
//
// Everything here happens inside the shard, but for is_urgent() and is_active().

#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "keyspace/entry.h"
#include "keyspace/key.h"
#include "keyspace/key_table.h"

namespace strata {

class Database;
class JobRunner;
class Shard;
struct Latch;

// Where the entries go. Called inside shards, on any thread.
class SnapshotSink {
 public:
  virtual ~SnapshotSink() = default;
  virtual void save(uint32_t shard, uint16_t db, const Entry& entry) = 0;
  // A value in slices: begin, then step until true, after which the entry may change. One at a time among all
  // shards. With kAtOnce a step is the last.
  static constexpr size_t kAtOnce = SIZE_MAX;
  virtual void begin_large(uint16_t db, const Entry& entry) = 0;
  virtual bool step_large(size_t budget) = 0;
  // The walk should pause: what it has saved is still to be written.
  virtual bool is_full() const = 0;
  virtual void end_shard(uint32_t shard) = 0;
  // The shard has given up before its end: what was saved is worth nothing.
  virtual void abandoned() = 0;
};

// Values with more elements are saved in slices: saving one takes about 50 ns an element.
inline constexpr uint64_t kSnapshotLargeElements = 1024;
// Strings with more bytes likewise: a blob that the snapshot still reads is copied by who changes it.
inline constexpr size_t kSnapshotLargeBytes = 256 << 10;

class ShardSnapshot {
 public:
  explicit ShardSnapshot(Shard& shard) : shard_(shard) {}
  // The shard gives everything up, its entries too, and a running snapshot with them.
  void abandon();

  uint8_t epoch() const { return epoch_; }
  bool is_unsaved(const Entry& entry) const { return entry.epoch != epoch_; }
  // An entry that was changed and not saved before: somebody forgot before_change().
  bool was_forgotten(const Entry* changed) const { return changed != nullptr && is_unsaved(*changed); }
  // Any thread may ask.
  bool is_active() const { return is_active_.load(std::memory_order_relaxed); }
  // Somebody waits for a large value of this shard.
  bool is_urgent() const { return is_urgent_.load(std::memory_order_relaxed); }

  // While all shards are held.
  void begin(SnapshotSink& sink);
  // Saves until `until_us` (monotonic) or the sink is full; true when the shard is done. Resumes through
  // `runner` who waited for a large value.
  bool walk(JobRunner& runner, int64_t until_us);
  // A large value is half saved: no other shard may begin one.
  bool is_in_large() const { return is_in_large_; }

  // The latch that a command which is about to write to the key has to wait for; null: none.
  Latch* latch_for(uint16_t db, const Key& key);
  // Whether a key's deletion must wait until it is saved; then it is asked for.
  bool holds_back_deletion(uint16_t db, const Key& key);

  // For Database. `db` is the number at the beginning.
  void save(uint16_t db, Entry& entry);
  // FLUSH: takes the table of a database that was there at the beginning. False: the caller frees it.
  bool take_over(const Database& database, KeyTable::Detached* detached);

 private:
  struct Part {
    Database* database;
    uint16_t db;
    uint64_t cursor = 0;
    bool is_walked = false;
    bool is_taken_over = false;  // by a FLUSH: what the database holds since is new
  };
  struct TakenOver {
    KeyTable::Detached* table;
    uint16_t db;
  };
  struct Large {
    Database* database;
    uint16_t db;
    std::string key;
    Entry* orphan = nullptr;  // of a table that was taken over; its key is in no table
    Latch* latch = nullptr;
  };

  bool is_large(const Entry& entry) const;
  bool walk_some(JobRunner& runner);
  void walk_part(Part& part);
  bool drain_some();
  void begin_large(JobRunner& runner);
  void end_large(JobRunner& runner);
  void drop_latch(JobRunner& runner, Large& large);
  void free_entry(Entry* entry);
  void end();

  Shard& shard_;
  SnapshotSink* sink_ = nullptr;
  std::vector<Part> parts_;
  std::deque<TakenOver> taken_over_;
  std::deque<Large> larges_;      // the front one is the one in progress
  Entry* large_entry_ = nullptr;  // null when somebody who could not wait had it completed
  bool is_in_large_ = false;
  uint8_t epoch_ = 0;
  std::atomic<bool> is_active_{false};
  std::atomic<bool> is_urgent_{false};
};

}  // namespace strata

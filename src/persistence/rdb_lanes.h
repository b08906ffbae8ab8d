// Spreads the records of an RDB file over threads so that each shard is inside one thread at a time.
//
// Internal to rdb_load(). A lane is a group of shards with a queue of batches. The thread that splits the
// file calls add() and, at the end, finish(); workers take a lane, empty its queue and give it back. When
// more than kRdbQueuedBytesMax wait, add() works on a lane itself, or waits for one, so memory is bounded and
// no thread idles.
//
//   1. A lane is worked on by at most one thread; its queue is guarded by mutex_.
//   2. After the first failure batches are dropped unseen; the failure with the lowest offset is kept.

#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "persistence/rdb_load.h"

namespace strata {

inline constexpr uint64_t kRdbQueuedBytesMax = 8 << 20;
inline constexpr uint32_t kRdbLanesMax = 16;

struct RdbCounts {
  uint64_t keys = 0;
  uint64_t deadlines = 0;
  uint64_t empty = 0;
  std::array<uint64_t, kTypeCount> types{};

  void add(const RdbCounts& other);
  void add_record(const RdbRecord& record, RdbLoaded loaded);
};

// "malformed listpack at key "x", offset 123".
std::string rdb_describe(const Error& error, const RdbRecord& record);

class RdbLanes {
 public:
  RdbLanes(Keyspace& keyspace, const RdbLoadOptions& options);
  ~RdbLanes();
  RdbLanes(const RdbLanes&) = delete;
  RdbLanes& operator=(const RdbLanes&) = delete;

  // Queues the record; its bytes live in the chunk. Cheap: batches leave when the chunk changes.
  void add(const RdbRecord& record, const std::shared_ptr<RdbChunk>& chunk);
  // Hands out what is collected. Answers the first failure, if there was one.
  Status flush();
  // Waits until everything is loaded.
  Status finish();

  const RdbCounts& counts() const { return counts_; }  // after finish()
  // The failure in words, after flush() or finish() has failed.
  const std::string& detail() const { return detail_; }

 private:
  struct Item {
    RdbRecord record;
    Key key;
  };
  struct Batch {
    std::shared_ptr<RdbChunk> chunk;
    std::vector<Item> items;
    uint64_t bytes = 0;
  };
  struct Lane {
    std::deque<Batch> queue;
    bool busy = false;
    Batch open;  // the splitting thread's
  };

  void worker();
  // Works on one lane that has something to do; false when there is none. The lock is released meanwhile.
  bool work_once(std::unique_lock<std::mutex>& lock);
  void load_or_fail(const Batch& batch, RdbCounts* counts);
  void load(const Batch& batch, RdbCounts* counts);
  void note_failure(const Error& error, const RdbRecord& record);
  Status status_locked() const;

  Keyspace& keyspace_;
  const RdbLoadOptions& options_;
  uint32_t lane_mask_;
  std::vector<Lane> lanes_;
  std::vector<std::thread> threads_;

  std::mutex mutex_;
  std::condition_variable work_;  // there is a batch, or it is over
  std::condition_variable done_;  // a lane has become free
  uint64_t queued_bytes_ = 0;     // guarded by mutex_, like everything below
  uint64_t batches_unfinished_ = 0;
  uint32_t next_lane_ = 0;
  bool stopping_ = false;
  bool failed_ = false;
  Error error_{};
  std::string detail_;
  RdbCounts counts_;
};

}  // namespace strata

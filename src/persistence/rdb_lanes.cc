#include "persistence/rdb_lanes.h"

#include <algorithm>
#include <bit>
#include <system_error>
#include <utility>

#include "base/no_memory.h"
#include "keyspace/keyspace.h"

namespace strata {
namespace {

// How far ahead the buckets of coming keys are asked for: memory takes some 80 ns, a small key about 100.
constexpr size_t kPrefetchAhead = 8;
constexpr unsigned kThreadsMax = 64;

}  // namespace

void RdbCounts::add(const RdbCounts& other) {
  keys += other.keys;
  deadlines += other.deadlines;
  empty += other.empty;
  for (size_t i = 0; i < types.size(); ++i) types[i] += other.types[i];
}

RdbLanes::RdbLanes(Keyspace& keyspace, const RdbLoadOptions& options)
    : keyspace_(keyspace),
      options_(options),
      lane_mask_(std::min(keyspace.shard_count(), kRdbLanesMax) - 1),
      lanes_(lane_mask_ + 1) {
  for (uint32_t i = 0; i < keyspace.shard_count(); ++i) keyspace.shard(i).set_now(options.now_ms);
  const unsigned threads = std::clamp(options.thread_count, 1u, kThreadsMax);
  for (unsigned i = 1; i < threads; ++i) {
    try {
      threads_.emplace_back([this] { worker(); });
    } catch (const std::exception&) {
      break;  // no thread, or no memory for it: with fewer it only takes longer
    }
  }
}

RdbLanes::~RdbLanes() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void RdbLanes::add(const RdbRecord& record, const std::shared_ptr<RdbChunk>& chunk) {
  const Key key = keyspace_.key(record.key);
  Batch& open = lanes_[key.shard & lane_mask_].open;
  if (open.items.empty()) open.chunk = chunk;
  open.items.push_back({record, key});
  open.bytes += record.key.size() + record.payload.size() + sizeof(Item);
}

Status RdbLanes::flush() {
  std::unique_lock lock(mutex_);
  for (Lane& lane : lanes_) {
    if (lane.open.items.empty()) continue;
    queued_bytes_ += lane.open.bytes;
    ++batches_unfinished_;
    lane.queue.push_back(std::exchange(lane.open, {}));
  }
  work_.notify_all();
  const uint64_t queued_max = threads_.empty() ? 0 : kRdbQueuedBytesMax;
  while (queued_bytes_ > queued_max && !failed_) {
    if (!work_once(lock)) done_.wait(lock);
  }
  return status_locked();
}

Status RdbLanes::finish() {
  static_cast<void>(flush());  // what it answers is answered below
  std::unique_lock lock(mutex_);
  while (batches_unfinished_ > 0) {
    if (!work_once(lock)) done_.wait(lock);
  }
  return status_locked();
}

Status RdbLanes::status_locked() const {
  if (failed_) return std::unexpected(error_);
  return {};
}

void RdbLanes::worker() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (!work_once(lock)) work_.wait(lock);
  }
}

bool RdbLanes::work_once(std::unique_lock<std::mutex>& lock) {
  for (uint32_t i = 0; i <= lane_mask_; ++i) {
    Lane& lane = lanes_[(next_lane_ + i) & lane_mask_];
    if (lane.busy || lane.queue.empty()) continue;
    next_lane_ = (next_lane_ + i + 1) & lane_mask_;
    lane.busy = true;
    Batch batch = std::move(lane.queue.front());
    lane.queue.pop_front();
    const bool wanted = !failed_;
    lock.unlock();
    RdbCounts counts;
    if (wanted) load_or_fail(batch, &counts);
    const uint64_t bytes = batch.bytes;
    batch = {};
    lock.lock();
    counts_.add(counts);
    queued_bytes_ -= bytes;
    --batches_unfinished_;
    lane.busy = false;
    done_.notify_one();
    if (!lane.queue.empty()) work_.notify_one();
    return true;
  }
  return false;
}

void RdbLanes::load_or_fail(const Batch& batch, RdbCounts* counts) {
  const Status loaded = without_throwing("no memory to load the RDB", [&]() -> Status {
    load(batch, counts);
    return {};
  });
  if (!loaded) note_failure(loaded.error(), batch.items.front().record);
}

void RdbLanes::load(const Batch& batch, RdbCounts* counts) {
  std::string scratch;
  const auto prefetch = [&](const Item& item) {
    const Database* database = keyspace_.shard(item.key.shard).peek(item.record.db);
    if (database != nullptr) database->table().prefetch_bucket(item.key.hash);
  };
  for (size_t i = 0; i < std::min(kPrefetchAhead, batch.items.size()); ++i) prefetch(batch.items[i]);
  for (size_t i = 0; i < batch.items.size(); ++i) {
    if (i + kPrefetchAhead < batch.items.size()) prefetch(batch.items[i + kPrefetchAhead]);
    const auto& [record, key] = batch.items[i];
    const auto loaded =
        rdb_load_record(record, key, keyspace_.shard(key.shard), options_.limits, options_.now_ms, scratch);
    if (!loaded) return note_failure(loaded.error(), record);
    counts->add_record(record, *loaded);
  }
}

void RdbLanes::note_failure(const Error& error, const RdbRecord& record) {
  std::lock_guard lock(mutex_);
  if (failed_ && error_.offset <= error.offset) return;
  failed_ = true;
  error_ = error;
  static_cast<void>(without_throwing("detail", [&]() -> Status {
    detail_ = rdb_describe(error, record);
    return {};
  }));
  done_.notify_all();
}

}  // namespace strata

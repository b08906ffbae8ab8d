// A snapshot of a running keyspace, as an RDB file: BGSAVE, save points, and the base of a rewritten log.
//
//   RdbSnapshot snapshot(keyspace, options);
//   snapshot.begin();                        // all shards held by the caller: this state is what is saved
//   snapshot.write(fs, temporary)            // on a thread of its own, until finish() or a failure
//   shard.snapshot().walk(…) for every shard // in slices, inside each; then snapshot.finish()
//
// The shards hand over buffers of records (snapshot_buffer.h) through a stack that nobody waits for; write()
// compresses, checksums, writes, and syncs as it goes. The order of records in the file says nothing.
//
//   1. The walk pauses while more than kSnapshotAheadBytes wait to be written. Entries that are saved because
//      they are about to change come on top; above kSnapshotBehindBytes writes wait outside their shards.
//   2. After a failure or cancel() what is saved is thrown away, but the walk must still go to its end.
//   3. It outlives the walk of every shard, and ends before the shards' heaps: buffers pin their blobs.
//
// Failure: of any file operation, kCancelled. The file is then of no use; its owner removes it.

#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "keyspace/snapshot.h"
#include "persistence/rdb_encode.h"
#include "persistence/rdb_save.h"
#include "persistence/snapshot_buffer.h"

namespace strata {

class FileSystem;
class Keyspace;

inline constexpr size_t kSnapshotBufferBytes = 64 << 10;  // a buffer is handed over when it has as many
inline constexpr size_t kSnapshotAheadBytes = 4 << 20;    // the walk pauses
inline constexpr size_t kSnapshotBehindBytes = 32 << 20;  // writers wait
inline constexpr uint64_t kSnapshotSyncBytes = 32 << 20;  // so that the last sync does not take long

class RdbSnapshot final : public SnapshotSink {
 public:
  RdbSnapshot(Keyspace& keyspace, const RdbSaveOptions& options);
  ~RdbSnapshot() override;

  // Called after the queue has become short again, on the writing thread.
  void set_on_room(std::function<void()> callback) { on_room_ = std::move(callback); }

  void begin();
  Result<RdbSaveReport> write(FileSystem& fs, std::string_view path);
  // Every shard has been walked.
  void finish();
  bool is_finished() const { return is_finished_.load(std::memory_order_acquire); }
  void cancel();

  bool is_full() const override {
    const auto& ahead = is_in_large_.load(std::memory_order_relaxed) ? part_bytes_ : queued_bytes_;
    return ahead.load(std::memory_order_seq_cst) > kSnapshotAheadBytes;
  }
  bool holds_writers() const { return queued_bytes_.load(std::memory_order_relaxed) > kSnapshotBehindBytes; }
  bool is_in_large() const { return is_in_large_.load(std::memory_order_relaxed); }
  uint64_t key_count() const { return key_count_; }  // at the beginning
  uint64_t keys_saved() const { return keys_saved_.load(std::memory_order_relaxed); }

  void save(uint32_t shard, uint16_t db, const Entry& entry) override;
  void begin_large(uint16_t db, const Entry& entry) override;
  bool step_large(size_t budget) override;
  void end_shard(uint32_t shard) override;

 private:
  struct Totals {
    uint64_t key_count;
    uint64_t deadline_count;
  };
  // Written inside the shard.
  struct alignas(64) Slot {
    std::unique_ptr<SnapshotBuffer> buffer;
  };

  std::unique_ptr<SnapshotBuffer> make_buffer() const {
    return std::make_unique<SnapshotBuffer>(options_.writer.compression);
  }
  bool is_void() const { return is_void_.load(std::memory_order_relaxed); }
  void hand_over(std::unique_ptr<SnapshotBuffer> buffer);
  void hand_over_part(bool is_last);
  void ring();
  Status write_head(RdbWriter& writer);
  Status write_all(RdbWriter& writer);
  std::vector<std::unique_ptr<SnapshotBuffer>> take_queued();
  Status write_buffer(RdbWriter& writer, std::unique_ptr<SnapshotBuffer> buffer);
  void note_written(const SnapshotBuffer& buffer);

  Keyspace& keyspace_;
  const RdbSaveOptions options_;
  std::function<void()> on_room_;
  std::vector<Totals> totals_;
  uint64_t key_count_ = 0;
  uint64_t used_bytes_ = 0;
  std::unique_ptr<Slot[]> slots_;
  // The value in slices: used inside its shard.
  std::unique_ptr<SnapshotBuffer> part_;
  std::optional<RdbEncoder<SnapshotBuffer>> large_;

  std::atomic<SnapshotBuffer*> queue_{nullptr};  // newest first
  std::atomic<uint32_t> bell_{0};
  std::atomic<bool> is_in_large_{false};
  std::atomic<bool> is_finished_{false};
  std::atomic<bool> is_void_{false};  // failed or cancelled
  std::atomic<size_t> queued_bytes_{0};
  std::atomic<size_t> part_bytes_{0};  // of queued_bytes_, what belongs to a value in slices
  std::atomic<uint64_t> keys_saved_{0};
  // The writing thread's.
  std::vector<std::unique_ptr<SnapshotBuffer>> deferred_;
  bool is_between_parts_ = false;
  uint64_t synced_bytes_ = 0;
};

// The temporary file beside a dump or a log, ours by its name; what a crash left of them is removed at start.
std::string snapshot_temporary_name(std::string_view kind);
Status remove_snapshot_leftovers(FileSystem& fs, std::string_view directory);

}  // namespace strata

// A snapshot of a running keyspace, as an RDB file: BGSAVE, save points, and the base of a rewritten log.
//
//   RdbSnapshot snapshot(keyspace, options, callbacks);
//   snapshot.begin();                        // all shards held by the caller: this state is what is saved
//   snapshot.write(fs, path)                 // on a thread of its own, until finish() or a failure
//   shard.snapshot().walk(…) for every shard // in slices, inside each; then snapshot.finish()
//
// The shards hand over buffers of records (snapshot_buffer.h) through a stack that nobody waits for; write()
// compresses, checksums, writes, and syncs as it goes. The order of records in the file says nothing.
//
//   1. The walk pauses while more than kSnapshotAheadBytes wait to be written. Entries that are saved because
//      they are about to change come on top; above kSnapshotBehindBytes writes must wait outside their
//      shards.
//   2. After a failure or cancel() what is saved is thrown away, but the walk must still go to its end.
//   3. It outlives the walk of every shard, and ends before the shards' heaps: buffers pin their blobs.
//   4. A long string counts as saved when it is written: who changes it would otherwise copy it whole.
//
// Failure: of any file operation, kCancelled.

#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
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
  struct Callbacks {
    std::function<void()> on_room;     // something has been written; on the writing thread
    std::function<void()> on_crowded;  // holds_writers() has become true; inside a shard
  };
  RdbSnapshot(Keyspace& keyspace, const RdbSaveOptions& options, Callbacks callbacks = {});
  ~RdbSnapshot() override;

  // Without memory it is to be walked all the same, and write() fails.
  void begin();
  // Of a base, before write().
  void set_log_position(uint64_t position) { options_.aux.log_position = position; }
  // The whole file, synced. On failure it is removed.
  Result<RdbSaveReport> write(FileSystem& fs, const std::string& path);
  // The same in place of `target`, by way of `temporary` beside it: the old file or the new one is there.
  Result<RdbSaveReport> replace(FileSystem& fs, const std::string& target, const std::string& temporary);
  // Every shard has been walked.
  void finish();
  // write() ends soon, with kCancelled, and replace() replaces nothing from now on. Any thread.
  void cancel();
  // The same, but replace() may be replacing just now.
  void cancel_soon();
  bool is_cancelled() const { return is_void(); }  // or it has failed
  // In place of write(), or after it failed: nothing is kept, and the walk does not wait for anybody.
  void give_up();

  bool is_full() const override;
  bool holds_writers() const { return !is_void() && queued_bytes_.load() > kSnapshotBehindBytes; }
  bool is_in_large() const { return is_in_large_.load(std::memory_order_relaxed); }
  uint64_t key_count() const { return key_count_; }  // at the beginning
  uint64_t keys_saved() const { return keys_saved_.load(std::memory_order_relaxed); }

  void save(uint32_t shard, uint16_t db, const Entry& entry) override;
  void begin_large(uint16_t db, const Entry& entry) override;
  bool step_large(size_t budget) override;
  void end_shard(uint32_t shard) override;
  void abandoned() override { cancel(); }

 private:
  struct Totals {
    uint64_t key_count;
    uint64_t deadline_count;
  };
  // Written inside the shard.
  struct alignas(64) Slot {
    std::unique_ptr<SnapshotBuffer> buffer;
  };

  // Buffers linked by `next`, which taking them out needs no memory for.
  class Chain {
   public:
    explicit Chain(SnapshotBuffer* first) : first_(first) {}
    ~Chain() {
      while (pop()) {
      }
    }
    Chain(const Chain&) = delete;
    Chain& operator=(const Chain&) = delete;
    bool empty() const { return first_ == nullptr; }
    std::unique_ptr<SnapshotBuffer> pop() {
      // NOLINTNEXTLINE(clang-analyzer-cplusplus.NewDelete): each is popped once
      std::unique_ptr<SnapshotBuffer> buffer(first_);
      if (buffer) first_ = buffer->next;
      return buffer;
    }

   private:
    SnapshotBuffer* first_;
  };

  std::unique_ptr<SnapshotBuffer> make_buffer() const {
    return std::make_unique<SnapshotBuffer>(options_.writer.compression);
  }
  void begin_shards();
  bool is_void() const { return is_void_.load(std::memory_order_acquire); }
  Status why_void() const;
  template <typename Work>
  void try_to_save(Work&& work);
  void save_entry(uint32_t shard, uint16_t db, const Entry& entry);
  void hand_over(std::unique_ptr<SnapshotBuffer> buffer);
  void hand_over_part(bool is_last);
  void ring();
  Status write_head(RdbWriter& writer);
  Status write_all(RdbWriter& writer);
  Status rename_unless_cancelled(FileSystem& fs, const std::string& from, const std::string& to);
  Chain take_queued();  // the oldest first
  Status write_buffer(RdbWriter& writer, std::unique_ptr<SnapshotBuffer> buffer);
  void drop(std::unique_ptr<SnapshotBuffer> buffer);

  Keyspace& keyspace_;
  RdbSaveOptions options_;
  const Callbacks callbacks_;
  std::vector<Totals> totals_;
  uint64_t key_count_ = 0;
  uint64_t used_bytes_ = 0;
  std::unique_ptr<Slot[]> slots_;
  // The value in slices: used inside its shard.
  std::unique_ptr<SnapshotBuffer> part_;
  std::optional<RdbEncoder<SnapshotBuffer>> large_;
  bool is_long_string_ = false;

  std::atomic<SnapshotBuffer*> queue_{nullptr};  // newest first
  std::atomic<uint32_t> bell_{0};
  std::atomic<bool> is_in_large_{false};
  std::atomic<bool> is_large_handed_over_{false};  // whole, and waits to be written
  std::atomic<bool> is_finished_{false};
  std::atomic<bool> is_void_{false};     // failed or cancelled
  std::atomic<bool> is_starved_{false};  // void because there was no memory
  std::mutex publish_mutex_;             // the renaming against cancel()
  std::atomic<size_t> queued_bytes_{0};
  std::atomic<size_t> part_bytes_{0};  // of queued_bytes_, what belongs to a value in slices
  std::atomic<uint64_t> keys_saved_{0};
  // The writing thread's.
  std::vector<std::unique_ptr<SnapshotBuffer>> deferred_;
  bool is_between_parts_ = false;
  uint64_t synced_bytes_ = 0;
};

// The path of a temporary file beside `target`. Its name says of which process and for which file: others may
// use the same directory. What a crash left of those for `target` is removed at start.
std::string snapshot_temporary_path(std::string_view target, std::string_view kind);
Status remove_snapshot_leftovers(FileSystem& fs, std::string_view target);

}  // namespace strata

// Takes complete records out of the ring, forms checksummed batches and writes them to the increment.
//
// OpLog owns one and calls it under its write lock; only the calls marked "any thread" go without. The
// writer knows no threads and no policy: when to write and when to sync is OpLog's business.
//
//   1. written_sequence() and durable_sequence() only grow, durable <= written, and both stand still
//      after a failure. What the ring still yields is then thrown away, so that threads inside shards are
//      never stuck; those writes were never acknowledged. What lies behind a mark of stop_at() is kept, for
//      resume().
//   2. Batches are gathered into one write, except that a large record's block follows from where it lies.
//   3. Every increment begins in database 0, like a fresh connection.
//   4. Batches lie in pages of the file as log_batch.h says, which also draws filler. Filler that lies ahead
//      is overwritten; a record larger than a page drops it, and then the file grows as any other.
//   5. A half-written batch stays in the file as it is; recovery cuts it.
//   6. With names_times, what is behind a `#TS:<second>` line was appended in that second or later, and what
//      is before the first of a later second no later than it was written.

#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <utility>

#include "base/result.h"
#include "persistence/log_batch.h"
#include "persistence/log_ring.h"
#include "platform/clock.h"
#include "platform/file_system.h"

namespace strata {

constexpr size_t kWriteBytesMax = 256 << 10;  // a write takes no further batch beyond it
static_assert(kWriteBytesMax > kInlineRecordBytes);

struct PrefillOptions {
  uint64_t after_batches = 64;       // begins, and goes on after a large record, after so many small batches
  uint64_t ahead_bytes = 16 << 20;   // as far ahead of the writer
  uint64_t chunk_bytes = 4 << 20;    // written, then synced, before the next
  uint64_t piece_bytes = 128 << 10;  // written at once: the lock is held for as long; whole pages
};

class LogWriter {
 public:
  LogWriter(LogRing& ring, Clock& clock, const PrefillOptions& prefill)
      : ring_(ring), clock_(clock), prefill_(prefill) {}

  // Goes on in `file`, which holds `size` bytes, all durable, and so is everything below `position`.
  void attach(File file, uint64_t size, uint64_t position, uint64_t salt);

  // aof-timestamp-enabled: a batch begins with the second when that is a new one. Any thread.
  void set_names_times(bool names) { names_times_.store(names, std::memory_order_relaxed); }

  // Nothing that ends behind this sequence is written until stop_at(kNever). While all shards are held.
  static constexpr uint64_t kNever = UINT64_MAX;
  void stop_at(uint64_t sequence) {
    has_lost_behind_mark_ = false;
    stop_at_.store(sequence, std::memory_order_release);
  }

  // After a failure: goes on in a fresh file, which holds `size` bytes, all durable. A base, durable too,
  // holds what was appended up to the mark. False: there is no mark, or what was appended behind it had to be
  // thrown away; then nothing has changed.
  bool resume(File file, uint64_t size, uint64_t salt);

  // There is no file: what was appended counts as done, what failed is forgotten, and nothing behind it is
  // written before attach() and stop_at(kNever). While all shards are held.
  void begin_anew();
  // Closes the file and throws away what was not written. Nobody appends any more.
  void detach();

  // Writes everything complete. Success when there was nothing, or the log had failed before.
  Status write_complete();
  // For an appender that finds no room: after a failure, what is kept for resume() goes, too.
  void make_room();
  // An empty batch that says how much is durable, and a sync of it: afterwards damage to anything below
  // is corruption, not a cut. Only when all is durable.
  Status seal();

  // A sync is begin_sync() under the lock, File::sync_data() without it, finish_sync() under it.
  struct Sync {
    File* file;  // null: nothing to do
    uint64_t sequence;
    uint64_t position;
  };
  Sync begin_sync();
  void finish_sync(const Sync& sync, const Status& status);
  // Called with each sync that failed, before failed() says so.
  void set_failed_sync_callback(std::function<void()> callback) { on_failed_sync_ = std::move(callback); }

  // Prefilling. Another piece of filler is worth its while; writes one (no disk space is no failure of the
  // log: then there is no more of it in this file). Truncates what is left of it.
  bool wants_filler() const;
  Status add_filler();
  Status drop_filler();

  void fail_with(const Error& error);

  // Any thread.
  uint64_t written_sequence() const { return written_sequence_.load(std::memory_order_acquire); }
  uint64_t durable_sequence() const { return durable_sequence_.load(std::memory_order_acquire); }
  uint64_t position() const { return position_.load(std::memory_order_relaxed); }
  uint64_t durable_position() const { return durable_position_.load(std::memory_order_relaxed); }
  uint64_t file_bytes() const { return file_bytes_.load(std::memory_order_relaxed); }
  // Filler behind the last batch, which file_bytes() does not count.
  uint64_t filler_bytes() const {
    const uint64_t filled_to = filled_to_.load(std::memory_order_relaxed);
    return filled_to > file_bytes() ? filled_to - file_bytes() : 0;
  }
  uint64_t batch_count() const { return batch_count_.load(std::memory_order_relaxed); }
  uint64_t sync_count() const { return sync_count_.load(std::memory_order_relaxed); }
  bool failed() const { return failed_.load(std::memory_order_acquire); }
  Error failure() const;  // the last one

 private:
  Result<bool> write_batch();
  bool peek(LogRing::Record& record) const;
  size_t bytes_of(const LogRing::Record& record) const;
  Status put_together(LogRing::Record& record);
  Status put_alone(const LogRing::Record& record);
  Status write_large(Bytes record);
  void pad_for_crossing(uint64_t bytes);
  void go_to_next_page();
  Status put_batch();
  Status write_pages();
  bool has_filler() const { return filled_to_.load(std::memory_order_relaxed) > end_; }
  void note_time();
  void select(uint16_t db);
  void begin_batch();
  void put_header(Bytes body);
  void advance(uint64_t body_bytes, uint64_t sequence);
  void publish();
  Status noted(Status synced) const;
  enum class Discard : uint8_t { kToMark, kAll };
  void discard(Discard what);

  LogRing& ring_;
  Clock& clock_;
  const PrefillOptions prefill_;
  File file_;
  std::string batch_;  // header and body, kept between batches for its memory
  std::string pages_;  // batches to be written at pages_begin_, and the filler between them
  uint64_t pages_begin_ = 0;
  uint64_t end_ = 0;  // of the file, as far as there are batches; the next three tell of the same place
  uint64_t next_position_ = 0;
  uint64_t next_sequence_ = 0;
  uint64_t next_batch_count_ = 0;
  uint64_t salt_ = 0;
  int32_t current_db_ = 0;
  int64_t last_second_ = 0;      // never goes back, though the clock may
  bool is_time_unnamed_ = true;  // in this file
  std::string time_line_;        // with which the next batch begins
  std::atomic<bool> names_times_{false};
  std::atomic<uint64_t> stop_at_{kNever};
  bool filler_is_given_up_ = false;  // for this file
  uint64_t small_batches_ = 0;       // in a row
  std::atomic<uint64_t> written_sequence_{0};
  std::atomic<uint64_t> durable_sequence_{0};
  std::atomic<uint64_t> position_{0};
  std::atomic<uint64_t> durable_position_{0};
  std::atomic<uint64_t> file_bytes_{0};
  std::atomic<uint64_t> filled_to_{0};  // below or at file_bytes_: no filler
  std::atomic<uint64_t> batch_count_{0};
  std::atomic<uint64_t> sync_count_{0};
  std::atomic<bool> has_lost_behind_mark_{false};
  mutable std::mutex failure_mutex_;
  std::function<void()> on_failed_sync_;
  Error failure_{Errc::kIo};  // guarded by failure_mutex_
  std::atomic<bool> failed_{false};
};

}  // namespace strata

// The operation log: every write's effect, in one total order, on disk as a checksummed multi-part AOF.
//
// Shards append to it while a request is inside them, loops commit at the end of their turn, replies wait
// for the sequence number that append returned. How it is wired:
//
//   start      AofReader reader(fs, location); reader.load(applier, base_loader);
//              OpLog::open(fs, location, options, reader.report()) opens a new increment; log->start().
//   request    if (log.failed()) -> -MISCONF; if (!log.has_credit()) -> park until on_progress;
//              enter the shards; seq = log.append_command(db, args); leave.
//   loop turn  log.commit_inline(); send the replies whose seq <= log.acknowledged_sequence(), keep the
//              others until on_progress says so (under kAlways also replies to reads, with the last
//              sequence of the shards they entered).
//   shutdown   log.stop(): writes, syncs and seals what is left.
//
//   1. written_sequence() and durable_sequence() only grow, and stand still after a failure: nothing later
//      is acknowledged on top of a write that may not be there, and nothing is retried on the same
//      descriptor. failed() is set before on_progress tells of it. Only resume() ends this, with a fresh
//      generation: a base that holds everything appended before it, and a new increment.
//      A failed sync leaves pages that look clean and were never written, which the next process would read
//      and build upon. So an empty file says that the log is in doubt. A start that finds it opens no
//      increment: the log has failed, and a fresh generation follows. The file needs no sync, because a power
//      cut ends the doubt.
//   2. A record lies in one batch and one file. Positions count bytes of batch bodies since the log's
//      birth and go on over increments and restarts.
//   3. Every start opens a new increment, complete and durable before the manifest names it.
//
// Threads: append*, has_credit, commit_inline, request_* and the getters may be called by any thread;
// open, start, stop and the step_ functions by the owner. on_progress is called by whichever thread made
// the progress, outside all locks; it must not block, and may run concurrently with itself.
// Cost: append is one atomic addition, a copy and a release store. commit_inline with nothing to write is
// one compare. A batch is one write(2), and its bytes are copied once and checksummed once.
// Two threads of its own: the log thread writes and (kAlways) syncs, the sync thread does the sync of
// every second, so that writes need not wait for it, and under kAlways writes filler ahead of the log,
// because a sync of what was overwritten costs less than one of what was appended (log_batch.h).

#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "persistence/aof_reader.h"
#include "persistence/log_record.h"
#include "persistence/log_ring.h"
#include "persistence/log_writer.h"
#include "persistence/manifest.h"

namespace strata {

class Clock;
class FileSystem;

enum class SyncPolicy : uint8_t { kAlways, kEverySecond, kNo };

struct OpLogOptions {
  SyncPolicy policy = SyncPolicy::kEverySecond;
  LogRingOptions ring;
  PrefillOptions prefill;  // under kAlways
  uint64_t salt = 0;       // random; makes batch headers unforgeable by clients (docs/formats/oplog.md)
  uint32_t sync_interval_ms = 1000;
  uint64_t retention_s = 0;     // log-retention; 0: off
  bool names_times = false;     // aof-timestamp-enabled
  Clock* clock = nullptr;       // null: system_clock()
  bool test_skip_sync = false;  // a mutant for the crash tests
};

struct OpLogStats {
  uint64_t current_bytes = 0;       // all files of the log: aof_current_size
  uint64_t base_bytes = 0;          // aof_base_size
  uint64_t history_bytes = 0;       // kept beside the log: log-retention
  uint64_t buffer_bytes = 0;        // appended and not yet written: aof_buffer_length
  uint64_t pending_sync_bytes = 0;  // written and not yet durable
  uint64_t position = 0;            // of the next record
  uint64_t durable_position = 0;
  uint64_t filler_bytes = 0;  // written ahead in the increment; current_bytes does not count them
  uint64_t increment_seq = 0;
  uint64_t increment_position = 0;  // where it begins
  uint64_t write_count = 0;         // batches
  uint64_t sync_count = 0;
  uint64_t delayed_sync_count = 0;  // writes that found a sync in flight: aof_delayed_fsync
  uint64_t overflow_count = 0;      // appends that overran their credit
  uint64_t resumption_count = 0;
  bool sync_in_flight = false;  // aof_pending_bio_fsync
  bool last_write_ok = true;    // aof_last_write_status
};

class OpLog {
 public:
  // `recovered` is AofReader::report() after load(), or empty for a new log. Syncs what recovery read,
  // opens a new increment and stores the manifest. A log in doubt changes nothing, and has failed.
  static Result<std::unique_ptr<OpLog>> open(FileSystem& fs, const AofLocation& location,
                                             const OpLogOptions& options, const AofReport& recovered);
  // A log that is off: nothing is on disk, and nobody appends before begin(). start() it as any other.
  static Result<std::unique_ptr<OpLog>> make_off(FileSystem& fs, const AofLocation& location,
                                                 const OpLogOptions& options);
  ~OpLog();  // stop() first, or what was not written is gone
  OpLog(const OpLog&) = delete;
  OpLog& operator=(const OpLog&) = delete;

  // Writers, inside their shards; each returns the sequence number that the reply waits for.
  bool has_credit() const { return ring_.has_credit() && !is_behind_.load(std::memory_order_relaxed); }
  uint64_t append(uint16_t db, Bytes resp_record) { return ring_.append(db, db, resp_record); }
  uint64_t append_command(uint16_t db, std::span<const Bytes> args) { return ring_.append_command(db, args); }
  // Several commands that take effect together. No record, and the last sequence, when it is empty.
  uint64_t append_record(RecordBuilder& builder);
  uint64_t append_group(uint16_t db, std::span<const std::span<const Bytes>> commands);

  // Loops, at the end of a turn that may have appended. kEverySecond and kNo: writes what is complete
  // right here, unless somebody else is at it or a sync is in flight. kAlways: rings the log thread.
  void commit_inline();
  // The same for a turn whose loop has one client, which waits for it. kAlways: while syncs are seen to be
  // quick, writes and syncs right here, which spares two changes of threads; at worst one sync that is slow
  // all at once holds the caller.
  void commit_alone();
  // Wants durability up to there soon, whatever the policy (CLIENT DURABILITY disk, WAITAOF).
  void request_sync(uint64_t sequence);
  // Wants what was appended written although a sync goes on, for which the log thread would wait under
  // kAlways (CLIENT DURABILITY memory).
  void request_write();

  uint64_t appended_sequence() const { return ring_.reserved(); }
  uint64_t written_sequence() const;
  uint64_t durable_sequence() const;
  // What the policy calls done: durable under kAlways, else written.
  uint64_t acknowledged_sequence() const;
  // kAlways, and the last syncs took less than half a millisecond each: who waits for one waits actively.
  bool syncs_quickly() const;
  bool failed() const;
  Error failure() const;  // the last one

  SyncPolicy policy() const;
  void set_policy(SyncPolicy policy);    // live; after a failure, with resume()
  void set_retention(uint64_t seconds);  // live; what is older goes within a second
  void set_names_times(bool names);      // live, from the next batch on
  OpLogStats stats() const;
  // Every 100 ms or so. kEverySecond: while a sync is under way and the oldest write that it does not cover
  // may be older than two seconds, there is no credit.
  void look_at_clock();

  // Set before start(). Called after every advance and on failure.
  void set_on_progress(std::function<void()> callback);
  // Set before start(). Called at most once for each increment, when there is no space to write filler ahead;
  // the log goes on by appending.
  void set_on_no_filler(std::function<void(const Error&)> callback);
  void start();
  // Writes and syncs everything appended so far, seals the log, ends the threads. Idempotent.
  Status stop();
  // Ends the current increment (written and synced) and continues in a new one. kReadOnly after a failure:
  // then only a fresh generation, with a base of its own, may follow.
  Status rotate();

  // Beginning and ending beside running traffic (CONFIG SET appendonly). While it begins everything is as
  // usual but that no manifest names the increment: what is durable there does not count yet.
  enum class Standing : uint8_t { kOff, kBeginning, kInForce };
  Standing standing() const;
  // Durable, in a log that counts, or counted until it was ended.
  bool is_durable(uint64_t sequence) const;
  // Off, and all shards are held: whoever enters one afterwards may append. A rewrite must follow soon; the
  // log is in force when that has adopted a base. If it fails, end() it.
  void begin();
  // Nobody appends any more, nor rewrites: writes, syncs and seals what was appended; undoes a beginning.
  // Then it is off, and what was not durable never will be. Blocks.
  Status end();

  // A rewrite (oplog_rewrite.h). While all shards are held: the next rotate() ends the increment exactly
  // here. Until then nothing behind the mark is written, so it must follow soon. After a failure the mark is
  // for resume(), and there is time. Never blocks.
  void mark_rotation();
  void forget_rotation();
  // A complete and synced RDB at the path `temporary`, in the log's directory, holds the state at the
  // beginning of increment `first_increment`: it becomes the base, and what comes before goes. After a
  // failure the old generation is as good as the new one, and the log goes on. Any thread; blocks.
  Status adopt_base(std::string_view temporary, uint64_t first_increment);
  // Only after a failure. `temporary` is as above and holds the state at the mark. It becomes the base of a
  // new increment, all of it synced before the manifest names it; then the log goes on as if it had never
  // failed, and what was appended before the mark is durable. On failure it stays failed, the mark is
  // forgotten, and the next attempt needs another base. Any thread; blocks.
  Status resume(std::string_view temporary);

  // Without threads, for tests: writes what is complete; syncs what is written.
  Status step_write();
  Status step_sync();
  // Removes what is older than the retention.
  void step_history();
  // Prefills one chunk, if that is worth its while.
  Status step_prefill();

 private:
  class Impl;
  explicit OpLog(LogRing ring);

  LogRing ring_;
  std::atomic<bool> is_behind_{false};
  std::unique_ptr<Impl> impl_;
};

// Makes an RDB (a dump file that was just loaded) the base of a new log, by a hard link; the log must
// not exist yet. Returns the report to open() with.
Result<AofReport> adopt_rdb_base(FileSystem& fs, const AofLocation& location, std::string_view rdb_path);

}  // namespace strata

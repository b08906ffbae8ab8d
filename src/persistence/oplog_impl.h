// The operation log's inside: one object behind every OpLog (oplog.h says what each call means).
//
// Only oplog*.cc include this. Bodies that are short stand here; oplog_threads.cc has the two threads, and
// oplog_begin.cc how a log begins and ends beside running traffic.

#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>

#include "base/assert.h"
#include "base/crash_point.h"
#include "base/no_memory.h"
#include "base/random.h"
#include "persistence/log_lock.h"
#include "persistence/log_writer.h"
#include "persistence/oplog.h"
#include "persistence/oplog_files.h"
#include "persistence/oplog_rewrite.h"
#include "persistence/rdb_snapshot.h"
#include "platform/clock.h"
#include "platform/entropy.h"
#include "platform/file_system.h"

namespace strata {

// A loop that keeps finding marks after its own commit does others' work; then the log thread takes over.
inline constexpr int kInlineRoundsMax = 8;
inline constexpr uint64_t kNoHistory = INT64_MAX;  // kept for ever
// Syncs are quick when the last so many took at most so long, writes included: then a loop syncs for its only
// client.
inline constexpr uint32_t kQuickSyncsMin = 16;
inline constexpr int64_t kQuickSyncUs = 400;
// Under kEverySecond writers wait rather than that a power cut could take more; as Redis postpones a write.
inline constexpr int64_t kUnsyncedUsMax = 2'000'000;

// Locks, in this order: sync_mutex_ (one sync at a time, and the manifest), lock_ (the writer).
class OpLog::Impl {
 public:
  Impl(FileSystem& fs, AofLocation location, const OpLogOptions& options, LogRing& ring,
       std::atomic<bool>& is_behind)
      : fs_(fs),
        location_(std::move(location)),
        options_(options),
        ring_(ring),
        is_behind_(is_behind),
        clock_(options.clock != nullptr ? *options.clock : system_clock()),
        writer_(ring, clock_, options.prefill),
        policy_(options.policy),
        wanted_policy_(options.policy),
        retention_s_(options.retention_s),
        salt_state_(options.salt != 0 ? options.salt : random_u64()) {
    writer_.set_names_times(options.names_times);
    writer_.set_failed_sync_callback([this] { leave_in_doubt(); });
    ring_.set_overflow_handler([this] { make_room(); });
  }
  ~Impl() { end_threads(); }

  Status open(const AofReport& recovered) {
    if (recovered.is_in_doubt) return open_in_doubt(recovered);
    const uint64_t salt = splitmix64(salt_state_);
    TRY_ASSIGN(StartedLog log, start_new_increment(fs_, location_, recovered, salt, retention()));
    manifest_ = std::move(log.manifest);
    increment_seq_ = log.seq;
    earlier_bytes_ = log.earlier_bytes;
    base_bytes_ = recovered.base_bytes;
    note_history();
    increment_position_ = recovered.end_position;
    last_sync_began_us_ = clock_.monotonic_us();
    writer_.attach(std::move(log.increment), kOpeningBytes, recovered.end_position, salt);
    come_into_force();
    return {};
  }

  Status open_in_doubt(const AofReport& recovered) {
    static_cast<void>(remove_snapshot_leftovers(fs_, location_.path_of(location_.append_filename)));
    manifest_ = recovered.manifest;
    increment_seq_ = manifest_.next_increment_seq() - 1;
    earlier_bytes_ = recovered.bytes_total;
    base_bytes_ = recovered.base_bytes;
    note_history();
    writer_.attach(File(), 0, recovered.end_position, 0);
    writer_.fail_with({Errc::kIo, 0, "the last process could not sync it"});
    come_into_force();
    return {};
  }

  void commit_inline() {
    if (ring_.reserved() == writer_.written_sequence()) return;
    if (policy() == SyncPolicy::kAlways) return ring_bell();
    if (sync_in_flight_.load(std::memory_order_relaxed)) {
      delayed_sync_count_.fetch_add(1, std::memory_order_relaxed);
      return ring_bell();
    }
    const uint64_t before = writer_.written_sequence();
    for (int round = 0;; ++round) {
      if (round == kInlineRoundsMax) {
        ring_bell();
        break;
      }
      if (!lock_.try_lock_or_mark()) break;
      (void)writer_.write_complete();  // a failure is in failed()
      if (!lock_.unlock()) break;
    }
    if (writer_.written_sequence() != before || writer_.failed()) notify();
  }

  void commit_alone() {
    if (!syncs_quickly() || ring_.reserved() == writer_.written_sequence()) return commit_inline();
    {
      std::unique_lock one_at_a_time(sync_mutex_, std::try_to_lock);
      if (one_at_a_time) (void)sync_locked();  // a failure is in failed()
    }
    if (ring_.reserved() != writer_.durable_sequence()) ring_bell();
  }

  bool syncs_quickly() const {
    return policy() == SyncPolicy::kAlways &&
           quick_sync_count_.load(std::memory_order_relaxed) >= kQuickSyncsMin;
  }

  // Writes what is complete, waiting for the lock.
  void write_now() {
    lock_.lock();
    (void)writer_.write_complete();
    unlock();
  }

  // For an appender that is inside a shard.
  void make_room() {
    lock_.lock();
    writer_.make_room();
    unlock();
  }

  // Writes what is complete and syncs what is written; writers go on while the disk works.
  Status sync_once() {
    std::scoped_lock one_at_a_time(sync_mutex_);
    return sync_locked();
  }

  // Its sync has a descriptor of its own: an error is told once to each, so this one cannot swallow what the
  // log's own syncs must hear of.
  Status prefill_chunk() {
    lock_.lock();
    const uint64_t seq = increment_seq_.load(std::memory_order_relaxed);
    const bool wanted = policy() == SyncPolicy::kAlways && writer_.wants_filler();
    unlock();
    if (!wanted) return {};
    TRY_ASSIGN(File file, fs_.open(location_.path_of(increment_name(location_, seq)), OpenMode::kReadWrite));
    for (uint64_t done = 0; done < options_.prefill.chunk_bytes; done += options_.prefill.piece_bytes) {
      lock_.lock();
      const bool is_same = increment_seq_.load(std::memory_order_relaxed) == seq;
      const Status added = is_same ? writer_.add_filler() : Status{};
      unlock();
      if (!added && !writer_.failed() && on_no_filler_) on_no_filler_(added.error());
      if (!added || !is_same) return added;
    }
    const Status synced = file.sync_data();
    if (synced) return {};
    lock_.lock();
    if (increment_seq_.load(std::memory_order_relaxed) == seq) {
      leave_in_doubt();
      writer_.fail_with(synced.error());
    }
    unlock();
    notify();
    return synced;
  }

  void request_sync(uint64_t sequence) {
    if (sequence <= writer_.durable_sequence()) return;
    {
      std::scoped_lock guard(timer_mutex_);
      sync_wanted_ = std::max(sync_wanted_, sequence);
    }
    policy() == SyncPolicy::kAlways ? ring_bell() : timer_.notify_one();
  }

  void request_write() {
    const bool is_log_thread_busy =
        policy() == SyncPolicy::kAlways && sync_in_flight_.load(std::memory_order_relaxed);
    if (!is_log_thread_busy || ring_.reserved() == writer_.written_sequence()) return;
    {
      std::scoped_lock guard(timer_mutex_);
      is_write_wanted_ = true;
    }
    timer_.notify_one();
  }

  void start() {
    STRATA_ASSERT(!log_thread_.joinable());
    log_thread_ = std::thread([this] { log_thread_main(); });
    sync_thread_ = std::thread([this] { sync_thread_main(); });
  }

  Status stop() {
    end_threads();
    settle_doubt();
    if (std::exchange(stopped_, true)) return status();
    return end();
  }

  // oplog_begin.cc
  void begin();
  Status end();

  void mark_rotation() { writer_.stop_at(ring_.reserved()); }

  void forget_rotation() {
    lock_.lock();
    writer_.stop_at(LogWriter::kNever);
    (void)writer_.write_complete();
    unlock();
    ring_bell();
    notify();
  }

  Status adopt_base(std::string_view temporary, uint64_t first_increment) {
    TRY(adopt_base_only(temporary, first_increment));
    remove_replaced();
    return {};
  }

  Status adopt_base_only(std::string_view temporary, uint64_t first_increment) {
    std::scoped_lock one_at_a_time(sync_mutex_);
    const bool begins = standing() == Standing::kBeginning;
    if (begins && writer_.failed()) return status();
    const Status adopted = without_throwing("no memory for a new base of the log", [&] {
      return adopt_locked(manifest_, temporary, first_increment);
    });
    if (!adopted && adopted.error().code == Errc::kOutOfMemory) fail_with(adopted.error());
    if (adopted && begins) finish_beginning();
    return adopted;
  }

  Status resume(std::string_view temporary) {
    Status resumed;
    {
      std::scoped_lock one_at_a_time(sync_mutex_);
      resumed =
          without_throwing("no memory to begin the log afresh", [&] { return resume_locked(temporary); });
      forget_rotation();
    }
    if (resumed) remove_replaced();
    return resumed;
  }

  // Without the lock that syncs need: removing a large file may take long. Where the manifest cannot be
  // written it names files that are gone, which harms nobody; drop_history() tries again.
  void remove_replaced() {
    (void)without_throwing("history", [this]() -> Status {
      const LogRetention now = retention();
      std::unique_lock one_at_a_time(sync_mutex_);
      Manifest fresh = manifest_;
      one_at_a_time.unlock();
      const std::vector<ManifestFile> expired = take_expired_history(fresh, now);
      if (expired.empty()) return {};
      remove_files(fs_, location_, expired);
      STRATA_CRASH_POINT("rewrite.after_removal");
      one_at_a_time.lock();
      fresh = manifest_;
      (void)take_expired_history(fresh, now);
      if (writer_.failed()) return {};
      TRY(store_manifest(fs_, location_, fresh));
      manifest_ = std::move(fresh);
      note_history();
      return {};
    });
  }

  // Nobody knows which manifest is on disk, and which one this object remembers.
  void fail_with(const Error& error) {
    lock_.lock();
    writer_.fail_with(error);
    unlock();
    notify();
  }

  // What the sync thread does now and then.
  void look_after_files() {
    settle_doubt();
    drop_history();
  }
  // Removes what log-retention keeps no longer.
  void drop_history() {
    // Without memory it is tried again.
    (void)without_throwing("history", [this]() -> Status {
      drop_expired();
      return {};
    });
  }
  void drop_expired() {
    const LogRetention now = retention();
    if (standing() != Standing::kInForce) return;
    if (now.keeps({.since = oldest_history_.load(std::memory_order_relaxed)})) return;
    std::vector<ManifestFile> expired;
    {
      std::scoped_lock one_at_a_time(sync_mutex_);
      Manifest fresh = manifest_;
      expired = take_expired_history(fresh, now);
      // Where the manifest cannot be written they stay in it, and this is tried again.
      if (expired.empty() || writer_.failed() || !store_manifest(fs_, location_, fresh)) return;
      manifest_ = std::move(fresh);
      note_history();
    }
    remove_files(fs_, location_, expired);
  }

  Status rotate() {
    std::scoped_lock one_at_a_time(sync_mutex_);
    lock_.lock();
    Status status =
        without_throwing("no memory to begin an increment of the log", [this] { return rotate_locked(); });
    const bool has_no_file = standing() == Standing::kBeginning;
    if (!status && (has_no_file || status.error().code == Errc::kOutOfMemory))
      writer_.fail_with(status.error());
    writer_.stop_at(LogWriter::kNever);
    (void)writer_.write_complete();  // what came behind a mark; its loops have looked in vain
    unlock();
    ring_bell();
    notify();
    return status;
  }

  void set_policy(SyncPolicy policy) {
    wanted_policy_.store(policy);
    // A weaker policy must not acknowledge what a failed sync has left in doubt.
    if (writer_.failed()) return;
    {
      std::scoped_lock guard(timer_mutex_);
      policy_.store(policy, std::memory_order_relaxed);
    }
    ring_bell();          // what was written under a weaker policy may have waiters that now want a sync
    timer_.notify_one();  // and those who want one under any policy now have the sync thread
  }

  OpLogStats stats() const {
    OpLogStats stats;
    stats.base_bytes = base_bytes_.load(std::memory_order_relaxed);
    stats.current_bytes = earlier_bytes_.load(std::memory_order_relaxed) + writer_.file_bytes();
    stats.history_bytes = history_bytes_.load(std::memory_order_relaxed);
    stats.buffer_bytes = ring_.outstanding_bytes();
    stats.durable_position = writer_.durable_position();
    stats.position = writer_.position();
    stats.pending_sync_bytes =
        stats.position > stats.durable_position ? stats.position - stats.durable_position : 0;
    stats.filler_bytes = writer_.filler_bytes();
    stats.increment_seq = increment_seq_.load(std::memory_order_relaxed);
    stats.increment_position = increment_position_.load(std::memory_order_relaxed);
    stats.write_count = writer_.batch_count();
    stats.sync_count = writer_.sync_count();
    stats.delayed_sync_count = delayed_sync_count_.load(std::memory_order_relaxed);
    stats.overflow_count = ring_.overflow_count();
    stats.sync_in_flight = sync_in_flight_.load(std::memory_order_relaxed);
    stats.resumption_count = resumption_count_.load(std::memory_order_relaxed);
    stats.last_write_ok = !writer_.failed();
    return stats;
  }

  // What one sync leaves to the next is as old as the beginning of the first.
  void look_at_clock() {
    const bool is_late = policy() == SyncPolicy::kEverySecond && sync_in_flight_.load() &&
                         !writer_.failed() &&
                         clock_.monotonic_us() - last_sync_began_us_.load() > kUnsyncedUsMax;
    if (!is_late) return;
    is_behind_.store(true, std::memory_order_seq_cst);
    // It may have ended just now, and told everybody.
    if (!sync_in_flight_.load(std::memory_order_seq_cst)) get_up_to_date();
  }

  void notify() {
    if (on_progress_) on_progress_();
  }
  Status status() const {
    if (writer_.failed()) return std::unexpected(writer_.failure());
    return {};
  }
  Standing standing() const { return standing_.load(std::memory_order_acquire); }
  bool counts() const { return counts_.load(std::memory_order_acquire); }
  SyncPolicy policy() const { return policy_.load(std::memory_order_relaxed); }
  const LogWriter& writer() const { return writer_; }
  void set_retention(uint64_t seconds) { retention_s_.store(seconds, std::memory_order_relaxed); }
  void set_names_times(bool names) { writer_.set_names_times(names); }
  void set_on_progress(std::function<void()> callback) { on_progress_ = std::move(callback); }
  void set_on_no_filler(std::function<void(const Error&)> callback) { on_no_filler_ = std::move(callback); }

 private:
  // oplog_begin.cc
  Status create_first_increment();
  void finish_beginning();

  void come_into_force() {
    counts_.store(true, std::memory_order_release);
    standing_.store(Standing::kInForce, std::memory_order_release);
  }

  LogRetention retention() const {
    return {.seconds = retention_s_.load(std::memory_order_relaxed),
            .now = static_cast<uint64_t>(std::max<int64_t>(0, clock_.wall_us() / 1'000'000))};
  }

  void note_history() {
    uint64_t oldest = kNoHistory;
    for (const ManifestFile& file : manifest_.history) oldest = std::min(oldest, file.since);
    oldest_history_.store(oldest, std::memory_order_relaxed);
    history_bytes_.store(history_bytes(fs_, location_, manifest_), std::memory_order_relaxed);
  }

  // Read-modify-write, so that the log thread's own exchange sees either the bell or, with it, the
  // records that were appended before it was rung.
  void ring_bell() {
    if (bell_.exchange(1, std::memory_order_acq_rel) == 0) bell_.notify_one();
  }

  // Whoever left a mark has records that this holder may not have seen.
  void unlock() {
    if (lock_.unlock()) ring_bell();
  }

  // How long syncs take, for commit_alone().
  void note_sync(int64_t us) {
    const uint32_t count = quick_sync_count_.load(std::memory_order_relaxed);
    last_sync_us_.store(us, std::memory_order_relaxed);
    quick_sync_count_.store(us > kQuickSyncUs ? 0 : std::min(count + 1, kQuickSyncsMin),
                            std::memory_order_relaxed);
  }

  void get_up_to_date() {
    if (is_behind_.exchange(false, std::memory_order_seq_cst)) notify();
  }

  Status sync_locked() {
    const int64_t began_us = clock_.monotonic_us();
    lock_.lock();
    (void)writer_.write_complete();
    const LogWriter::Sync sync = writer_.begin_sync();
    if (sync.file != nullptr) sync_in_flight_.store(true, std::memory_order_relaxed);
    const bool wants_filler = policy() == SyncPolicy::kAlways && writer_.wants_filler();
    unlock();
    notify();
    if (wants_filler) ask_for_filler();
    if (sync.file == nullptr) {
      last_sync_began_us_.store(began_us);
      return status();
    }
    // rotate() changes the file only with sync_mutex_, which is ours.
    STRATA_CRASH_POINT("log.before_sync");
    const Status synced = options_.test_skip_sync ? Status{} : sync.file->sync_data();
    STRATA_CRASH_POINT("log.after_sync");
    note_sync(clock_.monotonic_us() - began_us);
    lock_.lock();
    writer_.finish_sync(sync, synced);
    sync_in_flight_.store(false, std::memory_order_seq_cst);
    last_sync_began_us_.store(began_us);
    unlock();
    is_behind_.store(false, std::memory_order_seq_cst);
    notify();
    return status();
  }

  // The sync thread prefills. It looks at the flag before it sleeps, so a lost notification costs nothing but
  // the wait for the next.
  void ask_for_filler() {
    if (filler_wanted_.exchange(true, std::memory_order_relaxed)) return;
    {
      std::scoped_lock guard(timer_mutex_);
    }
    timer_.notify_one();
  }

  Status rotate_locked() {
    if (standing() == Standing::kBeginning) return create_first_increment();
    (void)writer_.write_complete();
    const LogWriter::Sync sync = writer_.begin_sync();
    if (sync.file != nullptr) writer_.finish_sync(sync, sync.file->sync_data());
    if (writer_.failed()) return fail(Errc::kReadOnly, "the log has failed");
    TRY(writer_.drop_filler());  // not synced: filler that comes back with a crash does no harm
    const uint64_t seq = next_increment_seq();
    const LogOpening opening{.position = writer_.position(), .salt = splitmix64(salt_state_)};
    STRATA_CRASH_POINT("rotation.after_sync");
    TRY_ASSIGN(File file, create_increment(fs_, location_, seq, opening));
    manifest_.increments.push_back({increment_name(location_, seq), seq});
    Status stored = store_manifest(fs_, location_, manifest_);
    if (!stored) {
      // Nobody knows which manifest is on disk; writing on under either would contradict the other.
      writer_.fail_with(stored.error());
      return stored;
    }
    STRATA_CRASH_POINT("rotation.after_manifest");
    earlier_bytes_ += writer_.file_bytes();
    increment_seq_ = seq;
    increment_position_ = opening.position;
    writer_.attach(std::move(file), kOpeningBytes, opening.position, opening.salt);
    return {};
  }

  // If even this fails it is tried again: unless it is there the next process does not hear of the doubt.
  void leave_in_doubt() { is_doubt_owed_ = !fs_.open(location_.doubt_path(), OpenMode::kCreate); }
  void settle_doubt() {
    if (!is_doubt_owed_.load(std::memory_order_relaxed)) return;
    std::scoped_lock one_at_a_time(sync_mutex_);  // against resume(), which ends the doubt
    if (!is_doubt_owed_ || !writer_.failed()) return;
    (void)without_throwing("no memory to note the doubt", [this]() -> Status {
      leave_in_doubt();
      return {};
    });
  }

  uint64_t next_increment_seq() {
    tried_seq_ = std::max(tried_seq_ + 1, manifest_.next_increment_seq());
    return tried_seq_;
  }

  Status adopt_locked(const Manifest& old, std::string_view temporary, uint64_t first_increment) {
    base_seq_ = std::max(base_seq_ + 1, manifest_.next_base_seq());
    TRY_ASSIGN(manifest_,
               replace_base(fs_, location_, old, temporary, base_seq_, first_increment, retention()));
    TRY_ASSIGN(const FileInfo base, fs_.info(location_.path_of(manifest_.base.name)));
    uint64_t earlier_bytes = base.size;
    for (const ManifestFile& file : manifest_.increments) {
      if (file.seq == increment_seq_.load(std::memory_order_relaxed)) continue;
      if (const Result<FileInfo> info = fs_.info(location_.path_of(file.name))) earlier_bytes += info->size;
    }
    base_bytes_.store(base.size, std::memory_order_relaxed);
    earlier_bytes_.store(earlier_bytes, std::memory_order_relaxed);
    note_history();
    return {};
  }

  // Nothing touches the writer's file meanwhile, and its position stands still: it has failed.
  Status resume_locked(std::string_view temporary) {
    if (!writer_.failed()) return fail(Errc::kInvalidArgument, "the log has not failed");
    lock_.lock();
    const LogOpening opening{.position = writer_.position(), .salt = splitmix64(salt_state_)};
    unlock();
    const uint64_t seq = next_increment_seq();
    TRY_ASSIGN(File file, create_increment(fs_, location_, seq, opening));
    STRATA_CRASH_POINT("resumption.after_increment");
    Manifest next = manifest_;
    next.increments.push_back({increment_name(location_, seq), seq});
    const uint64_t old_seq = increment_seq_.exchange(seq, std::memory_order_relaxed);
    const Status adopted = adopt_locked(next, temporary, seq);
    if (!adopted) {
      increment_seq_ = old_seq;
      return adopted;
    }
    // Both may fail: then another start begins afresh, and does no harm.
    is_doubt_owed_ = false;
    if (fs_.remove(location_.doubt_path())) static_cast<void>(fs_.sync_directory(location_.log_directory()));
    static_cast<void>(
        remove_orphans(fs_, location_, manifest_));  // of attempts that failed; or the next start
    STRATA_CRASH_POINT("resumption.after_manifest");
    lock_.lock();
    const bool is_complete = writer_.resume(std::move(file), kOpeningBytes, opening.salt);
    if (is_complete) policy_ = wanted_policy_.load();
    unlock();
    if (!is_complete)
      return fail(Errc::kReadOnly, "writes that came after the snapshot found no room to wait");
    increment_position_ = opening.position;
    resumption_count_.fetch_add(1, std::memory_order_relaxed);
    return {};
  }

  void log_thread_main();
  void gather();
  void sync_thread_main();

  // Under kAlways the log thread syncs everything.
  bool wants_sync() const {
    return sync_wanted_ > writer_.durable_sequence() && policy() != SyncPolicy::kAlways && !writer_.failed();
  }

  void end_threads() {
    {
      std::scoped_lock guard(timer_mutex_);
      stopping_.store(true, std::memory_order_release);
    }
    timer_.notify_all();
    ring_bell();
    if (log_thread_.joinable()) log_thread_.join();
    if (sync_thread_.joinable()) sync_thread_.join();
  }

  FileSystem& fs_;
  const AofLocation location_;
  const OpLogOptions options_;
  LogRing& ring_;
  std::atomic<bool>& is_behind_;  // no credit until the sync has ended
  Clock& clock_;
  LogLock lock_;
  LogWriter writer_;   // guarded by lock_, but for its any-thread getters
  Manifest manifest_;  // guarded by sync_mutex_
  std::mutex sync_mutex_;
  std::atomic<Standing> standing_{Standing::kOff};
  std::atomic<bool> counts_{false};  // what is durable
  std::atomic<SyncPolicy> policy_;
  std::atomic<SyncPolicy> wanted_policy_;  // another one after a failure
  std::atomic<uint64_t> retention_s_;
  std::atomic<uint64_t> oldest_history_{kNoHistory};
  std::atomic<uint64_t> history_bytes_{0};
  uint64_t salt_state_;  // guarded by lock_
  std::atomic<uint64_t> base_bytes_{0};
  // The last that were tried. A number is never used twice: after a failure nobody knows whether a manifest
  // names it, nor whether its name outlives a power cut.
  uint64_t base_seq_ = 0;   // guarded by sync_mutex_, as the next
  uint64_t tried_seq_ = 0;  // of increments
  std::atomic<uint64_t> earlier_bytes_{0};
  std::atomic<uint64_t> increment_seq_{0};
  std::atomic<uint64_t> increment_position_{0};
  std::atomic<int64_t> last_sync_began_us_{0};  // all that is older is durable
  std::atomic<uint64_t> delayed_sync_count_{0};
  std::atomic<uint64_t> resumption_count_{0};
  std::atomic<bool> sync_in_flight_{false};
  std::atomic<bool> filler_wanted_{false};
  std::atomic<bool> is_doubt_owed_{false};  // the mark of it could not be made
  std::atomic<int64_t> last_sync_us_{0};
  std::atomic<uint32_t> quick_sync_count_{0};  // in a row, written with sync_mutex_
  std::function<void()> on_progress_;
  std::function<void(const Error&)> on_no_filler_;

  std::atomic<uint32_t> bell_{0};
  std::atomic<bool> stopping_{false};
  bool stopped_ = false;
  std::mutex timer_mutex_;
  std::condition_variable timer_;
  uint64_t sync_wanted_ = 0;      // guarded by timer_mutex_, as the next
  bool is_write_wanted_ = false;  // although a sync goes on
  std::thread log_thread_;
  std::thread sync_thread_;
};

}  // namespace strata

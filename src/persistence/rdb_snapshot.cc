#include "persistence/rdb_snapshot.h"

#include <algorithm>
#include <utility>

#include "base/crash_point.h"
#include "base/no_memory.h"
#include "keyspace/keyspace.h"
#include "platform/file_system.h"
#include "platform/process.h"

namespace strata {
namespace {

std::string temporary_prefix(std::string_view target) {
  return "temp-strata-" + std::string(target.substr(target.rfind('/') + 1)) + "-";
}

}  // namespace

RdbSnapshot::RdbSnapshot(Keyspace& keyspace, const RdbSaveOptions& options, Callbacks callbacks)
    : keyspace_(keyspace),
      options_(options),
      callbacks_(std::move(callbacks)),
      slots_(new Slot[keyspace.shard_count()]) {}

RdbSnapshot::~RdbSnapshot() { take_queued(); }

// Shards that it did not get to have nothing to save, and the walk passes them by.
void RdbSnapshot::begin() {
  try_to_save([this] { begin_shards(); });
}

void RdbSnapshot::begin_shards() {
  options_.writer.version = rdb_version_for(keyspace_, options_.writer.version);
  totals_.resize(keyspace_.database_count());
  for (uint16_t db = 0; db < keyspace_.database_count(); ++db) {
    totals_[db] = {keyspace_.key_count(db), keyspace_.deadline_count(db)};
    key_count_ += totals_[db].key_count;
  }
  used_bytes_ = keyspace_.used_bytes();
  for (uint32_t s = 0; s < keyspace_.shard_count(); ++s) keyspace_.shard(s).snapshot().begin(*this);
}

bool RdbSnapshot::is_full() const {
  if (is_void()) return false;
  if (is_large_handed_over_.load(std::memory_order_relaxed)) return part_bytes_.load() > 0;
  // While a value is half written nothing else is, so only its own bytes can become fewer.
  const auto& ahead = is_in_large_.load(std::memory_order_relaxed) ? part_bytes_ : queued_bytes_;
  return ahead.load() > kSnapshotAheadBytes;
}

void RdbSnapshot::save(uint32_t shard, uint16_t db, const Entry& entry) {
  if (is_void()) return;
  try_to_save([&] { save_entry(shard, db, entry); });
}

// Whoever changes the entry goes on; it is the snapshot that fails.
template <typename Work>
void RdbSnapshot::try_to_save(Work&& work) {
  const Status saved = without_throwing("no memory for the snapshot", [&]() -> Status {
    work();
    return {};
  });
  if (saved) return;
  is_starved_.store(true, std::memory_order_relaxed);
  is_void_.store(true, std::memory_order_release);
  ring();
}

void RdbSnapshot::save_entry(uint32_t shard, uint16_t db, const Entry& entry) {
  std::unique_ptr<SnapshotBuffer>& buffer = slots_[shard].buffer;
  if (!buffer) buffer = make_buffer();
  buffer->select(db);
  RdbEncoder<SnapshotBuffer> encoder(*buffer, entry, options_.writer.version);
  while (!encoder.step(SIZE_MAX)) {
  }
  ++buffer->key_count;
  if (buffer->size() >= kSnapshotBufferBytes) hand_over(std::move(buffer));
}

void RdbSnapshot::begin_large(uint16_t db, const Entry& entry) {
  is_in_large_.store(true, std::memory_order_relaxed);
  is_long_string_ = entry.type() == Type::kString;
  try_to_save([&] {
    part_ = make_buffer();
    part_->select(db);
    part_->key_count = 1;
    large_.emplace(*part_, entry, options_.writer.version);
  });
}

// The encoder writes to *part_ all the time, so what it holds is moved out between steps.
bool RdbSnapshot::step_large(size_t budget) {
  if (large_) {
    bool is_encoded = is_void();
    if (!is_encoded) {
      try_to_save([&] {
        is_encoded = large_->step(budget);
        if (is_encoded || part_->size() >= kSnapshotBufferBytes) hand_over_part(is_encoded);
      });
      is_encoded |= is_void();
    }
    if (!is_encoded) return false;
    large_.reset();
    part_.reset();
    is_large_handed_over_.store(is_long_string_, std::memory_order_relaxed);
  }
  const bool must_wait = is_long_string_ && budget != kAtOnce && !is_void();
  if (must_wait && part_bytes_.load() > 0) return false;
  is_large_handed_over_.store(false, std::memory_order_relaxed);
  is_in_large_.store(false, std::memory_order_relaxed);
  return true;
}

void RdbSnapshot::hand_over_part(bool is_last) {
  auto full = make_buffer();
  full->swap_contents(*part_);
  full->is_part = true;
  full->is_last_part = is_last;
  part_bytes_.fetch_add(full->size());
  hand_over(std::move(full));
}

void RdbSnapshot::end_shard(uint32_t shard) {
  if (slots_[shard].buffer) hand_over(std::move(slots_[shard].buffer));
}

void RdbSnapshot::hand_over(std::unique_ptr<SnapshotBuffer> buffer) {
  keys_saved_.fetch_add(buffer->key_count, std::memory_order_relaxed);
  const size_t bytes = buffer->size();
  const size_t queued_before = queued_bytes_.fetch_add(bytes);
  SnapshotBuffer* newest = buffer.release();
  newest->next = queue_.load(std::memory_order_relaxed);
  while (!queue_.compare_exchange_weak(newest->next, newest, std::memory_order_release,
                                       std::memory_order_relaxed)) {
  }
  ring();
  if (queued_before + bytes > kSnapshotBehindBytes && callbacks_.on_crowded) callbacks_.on_crowded();
}

Status RdbSnapshot::why_void() const {
  if (is_starved_.load(std::memory_order_relaxed))
    return fail(Errc::kOutOfMemory, "no memory for the snapshot");
  return fail(Errc::kCancelled, "the snapshot was cancelled");
}

void RdbSnapshot::ring() {
  if (bell_.exchange(1, std::memory_order_acq_rel) == 0) bell_.notify_one();
}

void RdbSnapshot::finish() {
  is_finished_.store(true, std::memory_order_release);
  ring();
}

void RdbSnapshot::cancel() {
  std::scoped_lock guard(publish_mutex_);
  cancel_soon();
}

void RdbSnapshot::cancel_soon() {
  is_void_.store(true, std::memory_order_release);
  ring();
}

RdbSnapshot::Chain RdbSnapshot::take_queued() {
  SnapshotBuffer* newest = queue_.exchange(nullptr, std::memory_order_acquire);
  SnapshotBuffer* oldest = nullptr;
  while (newest != nullptr) oldest = std::exchange(newest, std::exchange(newest->next, oldest));
  return Chain(oldest);
}

// Its pins go before anybody hears of it.
void RdbSnapshot::drop(std::unique_ptr<SnapshotBuffer> buffer) {
  const size_t bytes = buffer->size();
  const bool is_part = buffer->is_part;
  buffer.reset();
  if (is_part) part_bytes_.fetch_sub(bytes);
  queued_bytes_.fetch_sub(bytes);
}

Status RdbSnapshot::write_buffer(RdbWriter& writer, std::unique_ptr<SnapshotBuffer> buffer) {
  if (is_between_parts_ && !buffer->is_part) {
    deferred_.push_back(std::move(buffer));
    return {};
  }
  buffer->write_to(writer.output());
  writer.count_keys(buffer->key_count);
  if (buffer->is_part) is_between_parts_ = !buffer->is_last_part;
  drop(std::move(buffer));
  return writer.output().status();
}

Status RdbSnapshot::write_head(RdbWriter& writer) {
  RdbAux aux = options_.aux;
  if (aux.used_memory_bytes == 0) aux.used_memory_bytes = used_bytes_;
  TRY(writer.begin(aux));
  for (size_t db = 0; db < totals_.size(); ++db) {
    const auto& [key_count, deadline_count] = totals_[db];
    if (key_count > 0) TRY(writer.select(static_cast<uint16_t>(db), key_count, deadline_count));
  }
  return {};
}

Status RdbSnapshot::write_all(RdbWriter& writer) {
  TRY(write_head(writer));
  for (;;) {
    // In this order: what was handed over before the end is then in what is taken.
    const bool is_end = is_finished_.load(std::memory_order_acquire);
    if (is_void()) return why_void();
    Chain buffers = take_queued();
    const bool is_idle = buffers.empty() && (deferred_.empty() || is_between_parts_);
    if (is_idle && is_end) return {};
    if (is_idle) {
      bell_.wait(0, std::memory_order_acquire);
      bell_.exchange(0, std::memory_order_acq_rel);
      continue;
    }
    while (std::unique_ptr<SnapshotBuffer> buffer = buffers.pop()) {
      TRY(write_buffer(writer, std::move(buffer)));
      if (is_between_parts_) continue;
      for (auto& waiting : std::exchange(deferred_, {})) TRY(write_buffer(writer, std::move(waiting)));
    }
    STRATA_CRASH_POINT("snapshot.half_written");
    if (callbacks_.on_room) callbacks_.on_room();
    if (writer.bytes() - synced_bytes_ >= kSnapshotSyncBytes) {
      synced_bytes_ = writer.bytes();
      TRY(writer.output().file().sync_data());
    }
  }
}

Result<RdbSaveReport> RdbSnapshot::write(FileSystem& fs, const std::string& path) {
  const auto write_file = [&]() -> Result<RdbSaveReport> {
    TRY_ASSIGN(File file, fs.open(path, OpenMode::kTruncate));
    RdbWriter writer(file, options_.writer);
    TRY(write_all(writer));
    STRATA_CRASH_POINT("snapshot.before_sync");
    TRY(writer.finish());
    return RdbSaveReport{writer.key_count(), writer.bytes(), options_.writer.version};
  };
  Result<RdbSaveReport> report = without_throwing("no memory for the snapshot", write_file);
  if (report) return report;
  give_up();
  static_cast<void>(fs.remove(path));  // it may not be there; the first error is the one that matters
  return report;
}

Status RdbSnapshot::rename_unless_cancelled(FileSystem& fs, const std::string& from, const std::string& to) {
  std::scoped_lock guard(publish_mutex_);
  if (is_void()) return why_void();
  return fs.rename(from, to);
}

Result<RdbSaveReport> RdbSnapshot::replace(FileSystem& fs, const std::string& target,
                                           const std::string& temporary) {
  TRY_ASSIGN(const RdbSaveReport report, write(fs, temporary));
  STRATA_CRASH_POINT("snapshot.before_rename");
  const Status renamed = without_throwing("no memory for the snapshot",
                                          [&] { return rename_unless_cancelled(fs, temporary, target); });
  if (!renamed) {
    static_cast<void>(fs.remove(temporary));
    return std::unexpected(renamed.error());
  }
  STRATA_CRASH_POINT("snapshot.after_rename");
  TRY(fs.sync_directory(parent_directory(target)));
  return report;
}

// What comes now is thrown away, and nobody waits for it.
void RdbSnapshot::give_up() {
  is_void_.store(true, std::memory_order_seq_cst);
  take_queued();
  deferred_.clear();
  if (callbacks_.on_room) callbacks_.on_room();
}

std::string snapshot_temporary_path(std::string_view target, std::string_view kind) {
  return parent_directory(target) + "/" + temporary_prefix(target) + std::to_string(process_id()) + "." +
         std::string(kind);
}

Status remove_snapshot_leftovers(FileSystem& fs, std::string_view target) {
  const std::string directory = parent_directory(target);
  const std::string prefix = temporary_prefix(target);
  const Result<std::vector<std::string>> names = fs.list(directory);
  if (!names) return {};  // there is no directory, so there are no files
  for (const std::string& name : *names) {
    if (name.starts_with(prefix)) TRY(fs.remove(directory + "/" + name));
  }
  return {};
}

}  // namespace strata

#include "persistence/log_writer.h"

#include <algorithm>

#include "base/assert.h"
#include "base/crash_point.h"
#include "base/crc.h"
#include "base/no_memory.h"
#include "persistence/log_batch.h"

namespace strata {

// Room for the header, whose checksum is known last.
void LogWriter::begin_batch() { batch_.assign(kBatchHeaderBytes, ' '); }

void LogWriter::attach(File file, uint64_t size, uint64_t position, uint64_t salt) {
  file_ = std::move(file);
  salt_ = salt;
  current_db_ = 0;
  is_time_unnamed_ = true;
  file_bytes_.store(size, std::memory_order_relaxed);
  position_.store(position, std::memory_order_relaxed);
  durable_position_.store(position, std::memory_order_relaxed);
}

Status LogWriter::write_complete() {
  while (!failed()) {
    const Result<bool> wrote =
        without_throwing("no memory for a batch of the log", [this] { return write_batch(); });
    if (!wrote) {
      fail_with(wrote.error());
      break;
    }
    if (!*wrote) return {};
  }
  discard(Discard::kToMark);
  return std::unexpected(failure());
}

void LogWriter::make_room() {
  (void)write_complete();
  if (!failed()) return;
  const uint64_t taken = ring_.taken();
  discard(Discard::kAll);
  if (ring_.taken() != taken) has_lost_behind_mark_ = true;
}

// One batch of what is complete; false when there is nothing.
Result<bool> LogWriter::write_batch() {
  begin_batch();
  LogRing::Record record;
  while (batch_.size() < kBatchBytes && ring_.peek(record)) {
    // Whoever appended behind the mark entered its shard after it was set.
    if (record.end > stop_at_.load(std::memory_order_acquire)) break;
    if (record.poisoned) return fail(Errc::kOutOfMemory, "no memory for a large record of the log");
    if (record.large) {
      if (batch_.size() > kBatchHeaderBytes) break;
      TRY(write_large(record));
      return true;
    }
    if (batch_.size() == kBatchHeaderBytes) put_time();
    select(record.first_db);
    batch_.append(record.payload);
    current_db_ = record.last_db;
    ring_.take(record);
  }
  if (batch_.size() == kBatchHeaderBytes) return false;
  // The bytes are copied: appenders may have the space back before the disk has spoken.
  ring_.release_to(ring_.taken());
  const uint64_t sequence = ring_.taken();
  put_header({});
  STRATA_CRASH_POINT("log.before_write");
  TRY(write_at_end(batch_));
  STRATA_CRASH_POINT("log.after_write");
  advance(batch_.size() - kBatchHeaderBytes, sequence);
  return true;
}

// A batch of its own, whose body is written from the record's block.
Status LogWriter::write_large(const LogRing::Record& record) {
  put_time();
  select(record.first_db);
  current_db_ = record.last_db;
  ring_.take(record);
  ring_.release_to(record.end);
  put_header(record.payload);
  const uint64_t body_bytes = batch_.size() - kBatchHeaderBytes + record.payload.size();
  Status status = body_bytes <= kBatchBodyBytesMax
                      ? write_at_end(batch_)
                      : fail(Errc::kTooLarge, "a record of the log is too large");
  STRATA_CRASH_POINT("log.within_large_record");
  if (status) status = write_at_end(record.payload);
  ring_.free_large(record);
  if (status) advance(body_bytes, record.end);
  return status;
}

// As the body's first line, which Redis skips and its tools understand.
void LogWriter::put_time() {
  if (!names_times_.load(std::memory_order_relaxed)) return;
  const int64_t second = std::max(last_second_, clock_.wall_us() / 1'000'000);
  if (second == last_second_ && !is_time_unnamed_) return;
  last_second_ = second;
  is_time_unnamed_ = false;
  batch_.append(kTimeMark).append(std::to_string(second)).append("\r\n");
}

void LogWriter::select(uint16_t db) {
  if (db == current_db_) return;
  append_select_to(batch_, db);
  current_db_ = db;
}

void LogWriter::put_header(Bytes large_body) {
  const Bytes body = Bytes(batch_).substr(kBatchHeaderBytes);
  BatchHeader header{
      .position = position(), .bytes = body.size() + large_body.size(), .synced_to = durable_position()};
  STRATA_ASSERT(header.synced_to <= header.position);
  header.checksum = crc32c(crc32c(batch_checksum_seed(salt_, header), body), large_body);
  format_batch_header(batch_.data(), header);
}

Status LogWriter::write_at_end(Bytes bytes) {
  TRY(file_.write_at(file_bytes(), bytes));
  file_bytes_.store(file_bytes() + bytes.size(), std::memory_order_relaxed);
  return {};
}

void LogWriter::advance(uint64_t body_bytes, uint64_t sequence) {
  position_.store(position() + body_bytes, std::memory_order_relaxed);
  batch_count_.store(batch_count() + 1, std::memory_order_relaxed);
  written_sequence_.store(sequence, std::memory_order_release);
}

Status LogWriter::seal() {
  if (failed()) return std::unexpected(failure());
  STRATA_ASSERT(durable_position() == position());
  Status status = without_throwing("no memory for the end of the log", [this] {
    begin_batch();
    put_header({});
    return write_at_end(batch_);
  });
  STRATA_CRASH_POINT("log.before_sync_of_seal");
  if (status) status = file_.sync_data();
  if (!status) fail_with(status.error());
  return status;
}

LogWriter::Sync LogWriter::begin_sync() {
  const bool nothing = failed() || durable_sequence() == written_sequence();
  return {nothing ? nullptr : &file_, written_sequence(), position()};
}

void LogWriter::finish_sync(const Sync& sync, const Status& status) {
  if (failed()) return;
  if (!status) return fail_with(status.error());
  sync_count_.store(sync_count() + 1, std::memory_order_relaxed);
  durable_position_.store(sync.position, std::memory_order_relaxed);
  durable_sequence_.store(sync.sequence, std::memory_order_release);
}

void LogWriter::fail_with(const Error& error) {
  if (failed()) return;
  {
    std::scoped_lock guard(failure_mutex_);
    failure_ = error;
  }
  failed_.store(true, std::memory_order_release);
}

Error LogWriter::failure() const {
  std::scoped_lock guard(failure_mutex_);
  return failure_;
}

bool LogWriter::resume(File file, uint64_t size, uint64_t salt) {
  const uint64_t mark = stop_at_.load(std::memory_order_acquire);
  if (mark == kNever || has_lost_behind_mark_) return false;
  STRATA_ASSERT(failed());
  discard(Discard::kToMark);
  STRATA_ASSERT(ring_.taken() == mark, "all that was appended before the mark is complete");
  attach(std::move(file), size, position(), salt);
  written_sequence_.store(mark, std::memory_order_release);
  durable_sequence_.store(mark, std::memory_order_release);
  stop_at(kNever);
  failed_.store(false, std::memory_order_release);
  return true;
}

void LogWriter::discard(Discard what) {
  for (LogRing::Record record; ring_.peek(record); ring_.take(record)) {
    // As in write_batch(): whoever appended behind the mark entered its shard after it was set.
    if (what == Discard::kToMark && record.end > stop_at_.load(std::memory_order_acquire)) break;
    ring_.free_large(record);
  }
  ring_.release_to(ring_.taken());
}

}  // namespace strata

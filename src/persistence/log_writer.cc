#include "persistence/log_writer.h"

#include <algorithm>
#include <utility>

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
  time_line_.clear();
  filler_is_given_up_ = false;
  filled_to_.store(0, std::memory_order_relaxed);
  pages_.clear();
  end_ = size;
  next_position_ = position;
  file_bytes_.store(size, std::memory_order_relaxed);
  position_.store(position, std::memory_order_relaxed);
  durable_position_.store(position, std::memory_order_relaxed);
}

Status LogWriter::write_complete() {
  while (!failed()) {
    const Status done = without_throwing("no memory for a batch of the log", [this]() -> Status {
      for (;;) {
        TRY_ASSIGN(const bool wrote, write_batch());
        if (!wrote) return write_pages();
      }
    });
    if (done) return {};
    fail_with(done.error());
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

bool LogWriter::peek(LogRing::Record& record) const {
  // Whoever appended behind the mark entered its shard after it was set.
  return ring_.peek(record) && record.end <= stop_at_.load(std::memory_order_acquire);
}

size_t LogWriter::bytes_of(const LogRing::Record& record) const {
  return record.payload.size() + (record.first_db == current_db_ ? 0 : select_bytes(record.first_db));
}

// One batch of what is complete; false when there is nothing.
Result<bool> LogWriter::write_batch() {
  LogRing::Record record;
  if (!peek(record)) return false;
  if (record.poisoned) return fail(Errc::kOutOfMemory, "no memory for a large record of the log");
  note_time();
  const uint64_t bytes = kBatchHeaderBytes + time_line_.size() + bytes_of(record);
  const bool is_small = fits_in_page(0, bytes);
  small_batches_ = is_small ? small_batches_ + 1 : 0;
  if (has_filler() && !is_small) {
    // Durable before anything is appended: filler that came back with a crash, in front of a torn record that
    // crosses pages, would make the rest of that record look like what a real Redis appended.
    TRY(write_pages());
    TRY(drop_filler());
    TRY(noted(file_.sync_data()));
  }
  const bool may_not_cross = has_filler() || (is_small && is_group(record.payload));
  if (may_not_cross && !fits_in_page(end_, bytes)) go_to_next_page();
  TRY(fits_in_page(end_, bytes) ? put_together(record) : put_alone(record));
  return true;
}

// The record and those behind it, as many as the page takes.
Status LogWriter::put_together(LogRing::Record& record) {
  begin_batch();
  batch_.append(std::exchange(time_line_, {}));
  do {
    select(record.first_db);
    batch_.append(record.payload);
    current_db_ = record.last_db;
    ring_.take(record);
  } while (peek(record) && !record.poisoned && fits_in_page(end_, batch_.size() + bytes_of(record)));
  // The bytes are copied: appenders may have the space back before the disk has spoken.
  ring_.release_to(ring_.taken());
  return put_batch();
}

// A record that crosses pages, so that a kill may leave a part of it. A real Redis then cuts the file behind
// the command before it, SELECT too: the header must go as well, so nothing may stand between the two.
Status LogWriter::put_alone(const LogRing::Record& record) {
  if (record.first_db != current_db_ || !time_line_.empty()) {
    begin_batch();
    batch_.append(std::exchange(time_line_, {}));
    select(record.first_db);
    if (!fits_in_page(end_, batch_.size())) go_to_next_page();
    TRY(put_batch());
  }
  const uint64_t body_bytes = record.payload.size();
  pad_for_crossing(kBatchHeaderBytes + body_bytes);
  begin_batch();
  if (!record.large) batch_.append(record.payload);
  current_db_ = record.last_db;
  ring_.take(record);
  ring_.release_to(record.end);
  if (record.large) {
    const Status status = without_throwing("no memory for a large record of the log", [&]() -> Status {
      if (body_bytes > kBatchBodyBytesMax) return fail(Errc::kTooLarge, "a record of the log is too large");
      return write_large(record.payload);
    });
    ring_.free_large(record);
    return status;
  }
  return put_batch();
}

// The record goes to the file from where it lies, but for the bytes that share a page with the header.
Status LogWriter::write_large(Bytes record) {
  put_header(record);
  const size_t with_header = kPageBytes - (end_ + kBatchHeaderBytes) % kPageBytes;
  batch_.append(record.substr(0, with_header));
  pages_begin_ = pages_.empty() ? end_ : pages_begin_;
  pages_.append(batch_);
  end_ += batch_.size();
  TRY(write_pages());
  STRATA_CRASH_POINT("log.within_large_record");
  TRY(file_.write_at(end_, record.substr(with_header)));
  end_ += record.size() - with_header;
  advance(record.size(), ring_.taken());
  publish();
  return {};
}

// A header shares its page with the first byte of its record, and no single byte of a page remains.
void LogWriter::pad_for_crossing(uint64_t bytes) {
  constexpr Bytes kNudge = "#\n";
  const uint64_t room = kPageBytes - end_ % kPageBytes;
  if (room <= kBatchHeaderBytes + kNudge.size()) go_to_next_page();
  if ((end_ + bytes) % kPageBytes != kPageBytes - 1) return;
  if (pages_.empty()) pages_begin_ = end_;
  pages_.append(kNudge);
  end_ += kNudge.size();
}

// Leaves filler in what remains of this one.
void LogWriter::go_to_next_page() {
  const uint64_t begin = end_;
  const uint64_t room = kPageBytes - end_ % kPageBytes;
  if (room == kPageBytes) return;
  end_ += room;
  if (pages_.empty() && filled_to_.load(std::memory_order_relaxed) >= end_) return;  // it is there
  if (pages_.empty()) pages_begin_ = begin;
  pages_.resize(end_ - pages_begin_);
  format_filler(std::span(pages_).last(room), begin);
}

// What the next batch begins with: a line that Redis skips and its tools understand, or nothing.
void LogWriter::note_time() {
  if (!names_times_.load(std::memory_order_relaxed)) return;
  const int64_t second = std::max(last_second_, clock_.wall_us() / 1'000'000);
  if (second == last_second_ && !is_time_unnamed_) return;
  last_second_ = second;
  is_time_unnamed_ = false;
  time_line_.assign(kTimeMark).append(std::to_string(second)).append("\r\n");
}

void LogWriter::select(uint16_t db) {
  if (db == current_db_) return;
  append_select_to(batch_, db);
  current_db_ = db;
}

void LogWriter::put_header(Bytes body) {
  BatchHeader header{.position = next_position_, .bytes = body.size(), .synced_to = durable_position()};
  STRATA_ASSERT(header.synced_to <= header.position);
  header.checksum = crc32c(batch_checksum_seed(salt_, header), body);
  format_batch_header(batch_.data(), header);
}

// The batch waits in pages_ for those behind it, so that one write takes many.
Status LogWriter::put_batch() {
  const Bytes body = Bytes(batch_).substr(kBatchHeaderBytes);
  put_header(body);
  if (pages_.empty()) pages_begin_ = end_;
  pages_.append(batch_);
  end_ += batch_.size();
  advance(body.size(), ring_.taken());
  return pages_.size() < kWriteBytesMax ? Status{} : write_pages();
}

Status LogWriter::write_pages() {
  if (pages_.empty()) return {};
  const bool leaves_newline = has_filler() && end_ % kFillerLineBytes == kFillerLineBytes - 1;
  if (leaves_newline) pages_.push_back('#');
  STRATA_CRASH_POINT("log.before_write");
  TRY(file_.write_at(pages_begin_, pages_));
  STRATA_CRASH_POINT("log.after_write");
  pages_.clear();
  publish();
  return {};
}

bool LogWriter::wants_filler() const {
  return !failed() && !filler_is_given_up_ && small_batches_ >= prefill_.after_batches &&
         filler_bytes() + prefill_.chunk_bytes <= prefill_.ahead_bytes;
}

Status LogWriter::add_filler() {
  const uint64_t begin = std::max(end_, filled_to_.load(std::memory_order_relaxed));
  if (failed() || filler_is_given_up_) return {};
  const size_t bytes = prefill_.piece_bytes - begin % kPageBytes;
  const Status written = without_throwing("no memory for filler of the log", [&] {
    std::string piece(bytes, '\0');
    format_filler(piece, begin);
    return file_.write_at(begin, piece);
  });
  if (written) {
    filled_to_.store(begin + bytes, std::memory_order_relaxed);
    return {};
  }
  filler_is_given_up_ = true;
  Status truncated = file_.truncate(begin);
  if (!truncated) fail_with(truncated.error());
  return written;
}

Status LogWriter::drop_filler() {
  if (!has_filler()) return {};
  TRY(file_.truncate(end_));
  filled_to_.store(0, std::memory_order_relaxed);
  return {};
}

void LogWriter::advance(uint64_t body_bytes, uint64_t sequence) {
  next_position_ += body_bytes;
  next_sequence_ = sequence;
  ++next_batch_count_;
}

// What was put in order is written.
void LogWriter::publish() {
  file_bytes_.store(end_, std::memory_order_relaxed);
  position_.store(next_position_, std::memory_order_relaxed);
  batch_count_.store(next_batch_count_, std::memory_order_relaxed);
  written_sequence_.store(next_sequence_, std::memory_order_release);
}

Status LogWriter::seal() {
  if (failed()) return std::unexpected(failure());
  STRATA_ASSERT(durable_position() == position());
  Status status = without_throwing("no memory for the end of the log", [this]() -> Status {
    if (!fits_in_page(end_, kBatchHeaderBytes)) go_to_next_page();
    begin_batch();
    TRY(put_batch());
    return write_pages();
  });
  STRATA_CRASH_POINT("log.before_sync_of_seal");
  if (status) status = noted(file_.sync_data());
  if (status && has_filler()) {
    status = drop_filler();
    if (status) status = noted(file_.sync_all());
  }
  if (!status) fail_with(status.error());
  return status;
}

LogWriter::Sync LogWriter::begin_sync() {
  const bool nothing = failed() || durable_sequence() == written_sequence();
  return {nothing ? nullptr : &file_, written_sequence(), position()};
}

void LogWriter::finish_sync(const Sync& sync, const Status& status) {
  if (failed()) return;
  if (!noted(status)) return fail_with(status.error());
  sync_count_.store(sync_count() + 1, std::memory_order_relaxed);
  durable_position_.store(sync.position, std::memory_order_relaxed);
  durable_sequence_.store(sync.sequence, std::memory_order_release);
}

Status LogWriter::noted(Status synced) const {
  if (!synced && on_failed_sync_) on_failed_sync_();
  return synced;
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
  next_sequence_ = mark;
  written_sequence_.store(mark, std::memory_order_release);
  durable_sequence_.store(mark, std::memory_order_release);
  stop_at(kNever);
  failed_.store(false, std::memory_order_release);
  return true;
}

void LogWriter::begin_anew() {
  detach();
  end_ = 0;
  file_bytes_.store(0, std::memory_order_relaxed);
  next_sequence_ = ring_.taken();
  next_position_ = position();
  written_sequence_.store(next_sequence_, std::memory_order_release);
  durable_sequence_.store(next_sequence_, std::memory_order_release);
  durable_position_.store(position(), std::memory_order_relaxed);
  stop_at(next_sequence_);
  failed_.store(false, std::memory_order_release);
}

void LogWriter::detach() {
  discard(Discard::kAll);
  file_.close();
  pages_.clear();
  filled_to_.store(0, std::memory_order_relaxed);
  filler_is_given_up_ = true;  // until there is a file again
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

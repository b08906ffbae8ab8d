#include "persistence/log_writer.h"

#include "base/assert.h"
#include "base/crc.h"
#include "persistence/log_batch.h"

namespace strata {

// Room for the header, whose checksum is known last.
void LogWriter::begin_batch() { batch_.assign(kBatchHeaderBytes, ' '); }

void LogWriter::attach(File file, uint64_t size, uint64_t position, uint64_t salt) {
  file_ = std::move(file);
  salt_ = salt;
  current_db_ = 0;
  filler_is_given_up_ = false;
  filled_to_.store(0, std::memory_order_relaxed);
  file_bytes_.store(size, std::memory_order_relaxed);
  position_.store(position, std::memory_order_relaxed);
  durable_position_.store(position, std::memory_order_relaxed);
}

Status LogWriter::write_complete() {
  while (!failed()) {
    Result<bool> wrote = write_batch();
    if (!wrote) {
      fail_with(wrote.error());
      break;
    }
    if (!*wrote) return {};
  }
  discard();
  return std::unexpected(failure_);
}

// One batch of what is complete; false when there is nothing.
Result<bool> LogWriter::write_batch() {
  begin_batch();
  LogRing::Record record;
  while (batch_.size() < kBatchBytes && ring_.peek(record)) {
    if (record.poisoned) return fail(Errc::kOutOfMemory, "no memory for a large record of the log");
    if (record.large) {
      if (batch_.size() > kBatchHeaderBytes) break;
      TRY(write_large(record));
      return true;
    }
    const size_t bytes_before = batch_.size();
    const int32_t db_before = current_db_;
    select(record.first_db);
    batch_.append(record.payload);
    if (bytes_before == kBatchHeaderBytes) {
      TRY(find_room(batch_.size()));
    } else if (in_filler_ && !fits_in_filler_page(file_bytes(), batch_.size())) {
      batch_.resize(bytes_before);
      current_db_ = db_before;
      break;
    }
    current_db_ = record.last_db;
    ring_.take(record);
  }
  if (batch_.size() == kBatchHeaderBytes) return false;
  // The bytes are copied: appenders may have the space back before the disk has spoken.
  ring_.release_to(ring_.taken());
  const uint64_t sequence = ring_.taken();
  put_header({});
  const size_t body_bytes = batch_.size() - kBatchHeaderBytes;
  TRY(write_at_end(batch_));
  ++small_batches_;
  advance(body_bytes, sequence);
  return true;
}

// Where a batch of so many bytes may begin: moves file_bytes_ there.
Status LogWriter::find_room(uint64_t bytes) {
  in_filler_ = false;
  const bool is_small = fits_in_filler_page(0, bytes);
  if (!is_small) small_batches_ = 0;
  if (!has_filler()) return {};
  if (!is_small) {
    // Durable before anything is appended: filler that came back with a crash, in front of a torn record that
    // crosses pages, would make the rest of that record look like what a real Redis appended.
    TRY(drop_filler());
    return file_.sync_data();
  }
  uint64_t at = file_bytes();
  if (!fits_in_filler_page(at, bytes)) at += kFillerPageBytes - at % kFillerPageBytes;
  file_bytes_.store(at, std::memory_order_relaxed);
  in_filler_ = has_filler();
  return {};
}

// A batch of its own, whose body is written from the record's block.
Status LogWriter::write_large(const LogRing::Record& record) {
  select(record.first_db);
  current_db_ = record.last_db;
  ring_.take(record);
  ring_.release_to(record.end);
  put_header(record.payload);
  const uint64_t body_bytes = batch_.size() - kBatchHeaderBytes + record.payload.size();
  Status status = body_bytes <= kBatchBodyBytesMax
                      ? find_room(UINT64_MAX)
                      : fail(Errc::kTooLarge, "a record of the log is too large");
  if (status) status = write_at_end(batch_);
  if (status) status = write_at_end(record.payload);
  ring_.free_large(record);
  if (status) advance(body_bytes, record.end);
  return status;
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
  const uint64_t end = file_bytes() + bytes.size();
  const bool leaves_newline = end % kFillerLineBytes == kFillerLineBytes - 1;
  if (in_filler_ && leaves_newline) {
    batch_.push_back('#');  // what is written in filler is always batch_
    bytes = batch_;
  }
  TRY(file_.write_at(file_bytes(), bytes));
  file_bytes_.store(end, std::memory_order_relaxed);
  return {};
}

bool LogWriter::wants_filler() const {
  return !failed() && !filler_is_given_up_ && small_batches_ >= prefill_.after_batches &&
         filler_bytes() + prefill_.chunk_bytes <= prefill_.ahead_bytes;
}

Status LogWriter::add_filler() {
  const uint64_t begin = file_bytes() + filler_bytes();
  // A single byte of a page would remain; behind the next batch it is another one.
  const bool is_bad_place = begin % kFillerPageBytes == kFillerPageBytes - 1;
  if (failed() || filler_is_given_up_ || is_bad_place) return {};
  std::string piece(prefill_.piece_bytes - begin % kFillerPageBytes, '\0');
  format_filler(piece, begin);
  const Status written = file_.write_at(begin, piece);
  if (written) {
    filled_to_.store(begin + piece.size(), std::memory_order_relaxed);
    return {};
  }
  filler_is_given_up_ = true;
  Status truncated = file_.truncate(begin);
  if (!truncated) fail_with(truncated.error());
  return written;
}

Status LogWriter::drop_filler() {
  if (!has_filler()) return {};
  TRY(file_.truncate(file_bytes()));
  filled_to_.store(0, std::memory_order_relaxed);
  return {};
}

void LogWriter::advance(uint64_t body_bytes, uint64_t sequence) {
  position_.store(position() + body_bytes, std::memory_order_relaxed);
  batch_count_.store(batch_count() + 1, std::memory_order_relaxed);
  written_sequence_.store(sequence, std::memory_order_release);
}

Status LogWriter::seal() {
  if (failed()) return std::unexpected(failure_);
  STRATA_ASSERT(durable_position() == position());
  begin_batch();
  Status status = find_room(kBatchHeaderBytes);
  put_header({});
  if (status) status = write_at_end(batch_);
  if (status) status = file_.sync_data();
  if (status && has_filler()) {
    status = drop_filler();
    if (status) status = file_.sync_all();
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
  if (!status) return fail_with(status.error());
  sync_count_.store(sync_count() + 1, std::memory_order_relaxed);
  durable_position_.store(sync.position, std::memory_order_relaxed);
  durable_sequence_.store(sync.sequence, std::memory_order_release);
}

void LogWriter::fail_with(const Error& error) {
  if (failed()) return;
  failure_ = error;
  failed_.store(true, std::memory_order_release);
}

void LogWriter::discard() {
  for (LogRing::Record record; ring_.peek(record); ring_.take(record)) ring_.free_large(record);
  ring_.release_to(ring_.taken());
}

}  // namespace strata

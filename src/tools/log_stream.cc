#include "tools/log_stream.h"

#include <algorithm>

#include "base/crc.h"

namespace strata {
namespace {

// A unit takes the lines in front of it along, whatever they are.
bool takes_batch_header(Bytes unit) {
  while (unit.starts_with('#')) {
    if (unit.starts_with(kBatchMark)) return true;
    const size_t end = unit.find('\n');
    if (end == Bytes::npos) break;
    unit.remove_prefix(end + 1);
  }
  return false;
}

}  // namespace

Result<bool> LogStream::next(LogPiece& piece, Bytes& bytes) {
  window_.advance(static_cast<size_t>(std::exchange(taken_, 0)));
  if (window_.at_end() || damaged_at_) return false;
  TRY_ASSIGN(const bool is_intact, take(piece));
  if (!is_intact) {
    const bool is_batch = takes_batch_header(window_.rest());
    damaged_at_ = is_batch && foreign_at_ ? *foreign_at_ : window_.offset();
    return false;
  }
  bytes = window_.rest().substr(0, piece.bytes);
  taken_ = piece.bytes;
  return true;
}

Result<bool> LogStream::take(LogPiece& piece) {
  TRY(window_.fill(std::max(kOpeningBytes, kBatchHeaderBytes)));
  piece = {LogPiece::Kind::kOpening, window_.offset(), kOpeningBytes};
  if (!std::exchange(has_begun_, true) && looks_like_opening(window_.rest())) {
    LogOpening opening;
    if (!parse_opening(window_.rest(), opening)) return false;
    opening_ = opening;
    return true;
  }
  if (window_.rest().starts_with(kBatchMark)) return take_batch(piece, window_.rest());
  TRY_ASSIGN(const bool is_filler, take_filler(piece));
  if (is_filler) return true;
  TRY_ASSIGN(const bool is_batch, is_batch_out_of_form());
  if (is_batch) return false;
  return take_foreign(piece);
}

Result<bool> LogStream::take_batch(LogPiece& piece, Bytes header) {
  const bool can_be = opening_ && !foreign_at_;
  if (!can_be || !parse_batch_header(header, piece.header)) return false;
  if (piece.header.bytes > window_.remaining() - kBatchHeaderBytes) return false;
  piece.kind = LogPiece::Kind::kBatch;
  piece.bytes = kBatchHeaderBytes + piece.header.bytes;
  piece.record_bytes = piece.header.bytes;
  TRY(window_.fill(piece.bytes));
  const Bytes body = window_.rest().substr(kBatchHeaderBytes, piece.header.bytes);
  const bool is_good =
      crc32c(batch_checksum_seed(opening_->salt, piece.header), body) == piece.header.checksum;
  return is_good && count_commands(body);
}

// A comment, it seems, whose rest is the header of a good batch.
Result<bool> LogStream::is_batch_out_of_form() {
  const std::string header = opening_ ? header_in_form(window_.rest()) : std::string();
  LogPiece piece;
  if (header.empty()) return false;
  return take_batch(piece, header);
}

bool LogStream::count_commands(Bytes body) {
  for (size_t at = 0; at < body.size(); at += unit_.bytes) {
    if (scan_aof_unit(body.substr(at), command_, unit_) != AofParse::kOk) return false;
    command_count_ += unit_.record_bytes > 0;
  }
  return true;
}

// A line of '#' alone, in a file of ours.
Result<bool> LogStream::take_filler(LogPiece& piece) {
  if (!opening_) return false;
  size_t end;
  while ((end = window_.rest().find_first_not_of('#')) == Bytes::npos) {
    const size_t seen = window_.rest().size();
    if (seen == window_.remaining()) return false;
    TRY(window_.fill(2 * seen));
  }
  if (end == 0 || window_.rest()[end] != '\n') return false;
  piece.kind = LogPiece::Kind::kFiller;
  piece.bytes = end + 1;
  return true;
}

Result<bool> LogStream::take_foreign(LogPiece& piece) {
  AofParse parsed;
  while ((parsed = scan_aof_unit(window_.rest(), command_, unit_)) == AofParse::kIncomplete) {
    const size_t seen = window_.rest().size();
    if (seen == window_.remaining()) break;
    TRY(window_.fill(std::max<uint64_t>(unit_.bytes_wanted, seen + 1)));
  }
  const bool is_intact =
      parsed == AofParse::kOk && !takes_batch_header(window_.rest().substr(0, unit_.bytes));
  if (!is_intact) return false;
  if (!foreign_at_) foreign_at_ = window_.offset();
  piece.kind = LogPiece::Kind::kForeign;
  piece.bytes = unit_.bytes;
  piece.record_bytes = unit_.record_bytes;
  command_count_ += unit_.record_bytes > 0;
  return true;
}

}  // namespace strata

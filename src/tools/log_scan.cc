#include "tools/log_scan.h"

#include <algorithm>
#include <charconv>
#include <string>

#include "base/crc.h"
#include "persistence/aof_reader_resp.h"

namespace strata {
namespace {

constexpr size_t kSaltOffset = 24;
constexpr size_t kSaltDigits = 16;
constexpr size_t kPositionOffset = 7;
constexpr size_t kFixedBytesDamagedMax = 4;
constexpr Bytes kDigits = "0123456789abcdef";

bool parse_hex(Bytes text, uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, 16);
  return error == std::errc{} && end == text.data() + text.size();
}

class Scanner {
 public:
  explicit Scanner(Bytes file)
      : file_(file), budget_(std::max<uint64_t>(kScanBytesMin, kScanFactorMax * file.size())) {}

  LogScan run(uint64_t from) {
    at_ = from;
    if (looks_like_opening(rest())) read_opening();
    while (at_ < file_.size()) read_piece();
    return std::move(scan_);
  }

 private:
  Bytes rest() const { return file_.substr(at_); }

  void add(LogPiece piece) {
    if (piece.kind == LogPiece::Kind::kDamage && !scan_.pieces.empty() &&
        scan_.pieces.back().kind == LogPiece::Kind::kDamage) {
      scan_.pieces.back().bytes += piece.bytes;
    } else {
      scan_.pieces.push_back(piece);
    }
    at_ = piece.offset + piece.bytes;
  }

  void read_opening() {
    scan_.has_opening = true;
    if (parse_opening(rest(), scan_.opening)) return add({LogPiece::Kind::kOpening, at_, kOpeningBytes});
    scan_.opening_is_damaged = true;
    const uint64_t bytes = std::min<uint64_t>(kOpeningBytes, rest().size());
    recover_opening(rest().substr(0, bytes));
    add({LogPiece::Kind::kDamage, at_, bytes, "the first line of the file is damaged"});
  }

  // The salt is needed to verify the batches: as it stands, or with one digit exchanged.
  void recover_opening(Bytes line) {
    if (line.size() < kOpeningBytes) return;
    (void)parse_hex(line.substr(kPositionOffset, kSaltDigits), scan_.opening.position);
    std::string salt(line.substr(kSaltOffset, kSaltDigits));
    const uint64_t batch = at_ + kOpeningBytes;
    const auto fits = [&] {
      uint64_t number = 0;
      if (!parse_hex(salt, number)) return false;
      scan_.opening.salt = number;
      BatchHeader header;
      return is_batch(batch, header);
    };
    if (fits()) return;
    for (char& digit : salt) {
      const char was = digit;
      for (char other : kDigits) {
        digit = other;
        if (fits()) return;
      }
      digit = was;
    }
    (void)parse_hex(salt, scan_.opening.salt);
  }

  bool is_batch(uint64_t at, BatchHeader& header) {
    return scan_.has_opening && at < file_.size() && is_batch(file_.substr(at), file_.substr(at), header);
  }

  bool is_batch_but_for_fixed_bytes(BatchHeader& header) {
    if (!scan_.has_opening) return false;
    const std::string repaired = header_in_form(rest());
    return !repaired.empty() && is_batch(repaired, rest(), header);
  }

  bool is_batch(Bytes line, Bytes text, BatchHeader& header) {
    if (!parse_batch_header(line, header) || header.bytes > text.size() - kBatchHeaderBytes) return false;
    if (header.bytes > budget_) {
      scan_.gave_up = true;
      return false;
    }
    budget_ -= header.bytes;
    const Bytes body = text.substr(kBatchHeaderBytes, header.bytes);
    return crc32c(batch_checksum_seed(scan_.opening.salt, header), body) == header.checksum;
  }

  void read_piece() {
    LogPiece piece{LogPiece::Kind::kBatch, at_, 0};
    bool good = is_batch(at_, piece.header);
    if (!good && is_batch_but_for_fixed_bytes(piece.header)) {
      good = true;
      piece.what = "the form of a batch's header is damaged; its records are intact";
    }
    if (good) {
      piece.bytes = kBatchHeaderBytes + piece.header.bytes;
      piece.record_bytes = piece.header.bytes;
      if (!count_commands(rest().substr(kBatchHeaderBytes, piece.header.bytes))) {
        piece.kind = LogPiece::Kind::kDamage;
        piece.what = "a batch with a valid checksum holds no valid commands";
      }
      return add(piece);
    }
    if (const uint64_t filler = filler_bytes(); filler > 0)
      return add({LogPiece::Kind::kFiller, at_, filler});
    const uint64_t next = next_batch();
    if (next < file_.size() || rest().starts_with(kBatchMark)) {
      const char* what = rest().starts_with(kBatchMark) ? "a batch whose header or checksum is wrong"
                                                        : "bytes that belong to no batch";
      return add({LogPiece::Kind::kDamage, at_, next - at_, what});
    }
    read_foreign();
  }

  // Of a line of '#' alone, in a file of ours.
  uint64_t filler_bytes() const {
    const size_t end = scan_.has_opening ? rest().find_first_not_of('#') : 0;
    return end != Bytes::npos && end > 0 && rest()[end] == '\n' ? end + 1 : 0;
  }

  uint64_t next_batch() {
    for (uint64_t at = at_; !scan_.gave_up;) {
      at = file_.find(kBatchMark, at + 1);
      BatchHeader header;
      if (at == Bytes::npos) break;
      if (is_batch(at, header)) return at;
    }
    return file_.size();
  }

  bool count_commands(Bytes body) {
    uint64_t count = 0;
    for (size_t at = 0; at < body.size(); at += unit_.bytes) {
      if (scan_aof_unit(body.substr(at), command_, unit_) != AofParse::kOk) return false;
      count += unit_.record_bytes > 0;
    }
    scan_.command_count += count;
    return true;
  }

  void read_foreign() {
    const AofParse parsed = scan_aof_unit(rest(), command_, unit_);
    if (parsed == AofParse::kOk) {
      scan_.command_count += unit_.record_bytes > 0;
      LogPiece piece{LogPiece::Kind::kForeign, at_, unit_.bytes};
      piece.record_bytes = unit_.record_bytes;
      return add(piece);
    }
    LogPiece piece{LogPiece::Kind::kDamage, at_, rest().size()};
    piece.at_end = parsed == AofParse::kIncomplete;
    piece.what = piece.at_end ? "the file ends within a command or MULTI" : "neither a command nor a comment";
    add(piece);
  }

  const Bytes file_;
  uint64_t at_ = 0;
  uint64_t budget_;
  LogScan scan_;
  AofCommand command_;
  AofUnit unit_;
};

}  // namespace

bool looks_like_opening(Bytes file) {
  if (file.size() < kOpeningMark.size()) return false;
  size_t same = 0;
  for (size_t i = 0; i < kOpeningMark.size(); ++i) same += file[i] == kOpeningMark[i];
  return same + 1 >= kOpeningMark.size() && !file.starts_with(kBatchMark);
}

std::string header_in_form(Bytes text) {
  if (text.size() < kBatchHeaderBytes) return {};
  char form[kBatchHeaderBytes];
  format_batch_header(form, {});
  std::string repaired(text.substr(0, kBatchHeaderBytes));
  size_t changed = 0;
  for (size_t i = 0; i < repaired.size(); ++i) {
    if (form[i] == '0' || repaired[i] == form[i]) continue;
    repaired[i] = form[i];
    ++changed;
  }
  const bool is_likely = changed > 0 && changed <= kFixedBytesDamagedMax;
  return is_likely ? repaired : std::string();
}

LogScan scan_log(Bytes file, uint64_t from) { return Scanner(file).run(from); }

}  // namespace strata

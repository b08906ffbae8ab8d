#include "tools/copies.h"

#include <fmt/format.h>

#include <charconv>

#include "base/crc.h"
#include "persistence/aof_reader_resp.h"
#include "persistence/manifest.h"
#include "tools/check.h"
#include "tools/log_scan.h"

namespace strata {
namespace {

bool parse_number(Bytes text, uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size();
}

// The last second that the annotations in front of a record name.
std::optional<uint64_t> timestamp_of(Bytes unit) {
  std::optional<uint64_t> last;
  while (unit.starts_with('#')) {
    const size_t end = unit.find("\r\n");
    if (end == Bytes::npos) break;
    uint64_t stamp = 0;
    if (unit.starts_with(kTimeMark) &&
        parse_number(unit.substr(kTimeMark.size(), end - kTimeMark.size()), stamp))
      last = stamp;
    unit.remove_prefix(end + 2);
  }
  return last;
}

Status write_durably(FileSystem& fs, const std::string& path, Bytes contents) {
  TRY_ASSIGN(File file, fs.open(path, OpenMode::kCreateNew));
  TRY(file.write_at(0, contents));
  return file.sync_all();
}

Status make_directories(FileSystem& fs, const AofLocation& location) {
  TRY(fs.create_directory(location.directory));
  return fs.create_directory(location.log_directory());
}

Status make_durable(FileSystem& fs, const AofLocation& location) {
  TRY(fs.sync_directory(location.log_directory()));
  TRY(fs.sync_directory(location.directory));
  return fs.sync_directory(parent_directory(location.directory));
}

// Takes the increments up to the wanted point.
class Restorer {
 public:
  Restorer(const RestorePoint& at, CopyReport& report) : at_(at), report_(report) {}

  bool reached() const { return reached_; }
  bool has_seen_times() const { return has_seen_times_; }
  // Some record is known to be no younger than the wanted second.
  bool has_seen_older() const { return has_seen_older_; }

  // What is kept of an increment; nothing when the point lies before it.
  Result<std::string> take(const std::string& path, Bytes text) {
    const LogScan scan = scan_log(text, 0);
    if (scan.has_opening) {
      if (position_is_known_ && scan.opening.position != report_.position)
        return damaged(path, 0, "the file does not begin where the one before it ends");
      report_.position = scan.opening.position;
    }
    if (!position_is_known_ && at_.position && *at_.position < report_.position)
      return fail(Errc::kInvalidArgument, "the log that is there begins after this position");
    position_is_known_ = true;
    std::string out;
    for (const LogPiece& piece : scan.pieces) {
      const Bytes bytes = text.substr(piece.offset, piece.bytes);
      if (at_.position && report_.position >= *at_.position) reached_ = true;
      if (reached_) break;
      if (*piece.what != '\0') return damaged(path, piece.offset, "damage before the wanted point");
      if (piece.kind == LogPiece::Kind::kOpening) out.append(bytes);
      if (piece.kind == LogPiece::Kind::kBatch) take_batch(out, scan.opening.salt, piece, bytes);
      if (piece.kind == LogPiece::Kind::kForeign && keeps(bytes, piece.record_bytes)) {
        out.append(bytes);
        report_.position += piece.record_bytes;
      }
    }
    return out;
  }

 private:
  std::unexpected<Error> damaged(const std::string& path, uint64_t offset, const char* what) {
    report_.detail = path;
    return fail(Errc::kCorruption, what, offset);
  }

  bool keeps(Bytes unit, uint64_t record_bytes) {
    reached_ |= at_.position && report_.position + record_bytes > *at_.position;
    const std::optional<uint64_t> seconds = timestamp_of(unit);
    has_seen_times_ |= seconds.has_value();
    if (at_.unix_seconds && seconds) {
      reached_ |= *seconds > *at_.unix_seconds;
      has_seen_older_ |= *seconds <= *at_.unix_seconds;
    }
    return !reached_;
  }

  // Whole, or its first records under a header of their own.
  void take_batch(std::string& out, uint64_t salt, const LogPiece& piece, Bytes bytes) {
    const Bytes body = bytes.substr(kBatchHeaderBytes);
    size_t kept = 0;
    AofCommand command;
    AofUnit unit;
    const uint64_t begin = report_.position;
    while (kept < body.size() && scan_aof_unit(body.substr(kept), command, unit) == AofParse::kOk &&
           keeps(body.substr(kept, unit.bytes), unit.bytes)) {
      kept += unit.bytes;
      report_.position = begin + kept;
    }
    if (kept == body.size()) {
      out.append(bytes);
      return;
    }
    if (kept == 0) return;
    BatchHeader header = piece.header;
    header.bytes = kept;
    header.checksum = crc32c(batch_checksum_seed(salt, header), body.substr(0, kept));
    char line[kBatchHeaderBytes];
    format_batch_header(line, header);
    out.append(line, sizeof(line)).append(body.substr(0, kept));
  }

  const RestorePoint& at_;
  CopyReport& report_;
  bool reached_ = false;
  bool has_seen_times_ = false;
  bool has_seen_older_ = false;
  bool position_is_known_ = false;
};

Status back_up_once(FileSystem& fs, const AofLocation& from, const AofLocation& to, const Manifest& manifest,
                    CopyReport& report) {
  report.bytes = 0;
  if (manifest.has_base()) {
    const std::string target = to.path_of(manifest.base.name);
    const Status linked = fs.link(from.path_of(manifest.base.name), target);
    if (!linked && linked.error().code != Errc::kExists) return linked;
    TRY_ASSIGN(File file, fs.open(target, OpenMode::kReadWrite));
    TRY(file.sync_all());
    TRY_ASSIGN(const uint64_t size, file.size());
    report.bytes += size;
  }
  for (const ManifestFile& file : manifest.increments) {
    TRY_ASSIGN(const std::string text, read_whole_file(fs, from.path_of(file.name), kCheckFileBytesMax));
    const std::string target = to.path_of(file.name);
    if (fs.info(target)) TRY(fs.remove(target));
    TRY(write_durably(fs, target, text));
    report.bytes += text.size();
  }
  report.file_count = manifest.increments.size() + (manifest.has_base() ? 1 : 0);
  return store_manifest(fs, to, manifest);
}

}  // namespace

std::optional<RestorePoint> parse_restore_point(std::string_view text) {
  uint64_t number = 0;
  const bool is_position = text.starts_with('@');
  if (is_position) text.remove_prefix(1);
  if (!parse_number(text, number)) return std::nullopt;
  RestorePoint at;
  (is_position ? at.position : at.unix_seconds) = number;
  return at;
}

Status restore_log(FileSystem& fs, const std::string& from, const std::string& to, const RestorePoint& at,
                   CopyReport& report) {
  TRY_ASSIGN(const AofLocation source, find_log(fs, from));
  const AofLocation target{to, "appendonlydir", source.append_filename};
  TRY_ASSIGN(const Manifest manifest, load_manifest(fs, source));
  TRY(make_directories(fs, target));
  Manifest kept{.base = manifest.base};
  if (manifest.has_base()) {
    TRY_ASSIGN(const std::string text,
               read_whole_file(fs, source.path_of(manifest.base.name), kCheckFileBytesMax));
    TRY(write_durably(fs, target.path_of(manifest.base.name), text));
    report.bytes += text.size();
  }
  Restorer restorer(at, report);
  for (const ManifestFile& file : manifest.increments) {
    if (restorer.reached()) break;
    const std::string path = source.path_of(file.name);
    TRY_ASSIGN(const std::string text, read_whole_file(fs, path, kCheckFileBytesMax));
    TRY_ASSIGN(const std::string contents, restorer.take(path, text));
    TRY(write_durably(fs, target.path_of(file.name), contents));
    kept.increments.push_back(file);
    report.bytes += contents.size();
  }
  // Without this, a log that names no times would come back whole, as if it were old enough.
  if (at.unix_seconds && !restorer.has_seen_times())
    return fail(Errc::kInvalidArgument, "the log names no times (#TS: lines): give a position instead");
  // Nor does it say how old its base is.
  if (at.unix_seconds && manifest.has_base() && !restorer.has_seen_older())
    return fail(Errc::kInvalidArgument, "this second may lie within the base: the log's first time is later");
  report.file_count = kept.increments.size() + (kept.has_base() ? 1 : 0);
  TRY(store_manifest(fs, target, kept));
  return make_durable(fs, target);
}

Status back_up_log(FileSystem& fs, const std::string& from, const std::string& to, CopyReport& report) {
  TRY_ASSIGN(const AofLocation source, find_log(fs, from));
  const AofLocation target{to, "appendonlydir", source.append_filename};
  TRY(make_directories(fs, target));
  for (int i = 1;; ++i) {
    TRY_ASSIGN(const Manifest manifest, load_manifest(fs, source));
    const Status copied = back_up_once(fs, source, target, manifest, report);
    if (copied) break;
    if (copied.error().code != Errc::kNotFound || i == kBackupTriesMax) return copied;
  }
  return make_durable(fs, target);
}

}  // namespace strata

// Restoring: which base to begin with, and how far to go behind it.

#include <charconv>
#include <vector>

#include "base/crc.h"
#include "persistence/aof_reader_resp.h"
#include "persistence/rdb_log_position.h"
#include "persistence/rdb_reader.h"
#include "tools/check.h"
#include "tools/copies.h"
#include "tools/log_stream.h"
#include "tools/new_directory.h"

namespace strata {
namespace {

constexpr size_t kFileStartBytes = 16 << 10;  // holds the filler of some pages

bool parse_number(Bytes text, uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size();
}

// The last second that the lines in front of a record name.
std::optional<uint64_t> timestamp_of(Bytes unit) {
  std::optional<uint64_t> last;
  while (unit.starts_with('#')) {
    const size_t end = unit.find('\n');
    if (end == Bytes::npos) break;
    uint64_t stamp = 0;
    const Bytes line = unit.substr(0, end);
    if (line.starts_with(kTimeMark) && line.ends_with('\r') &&
        parse_number(line.substr(kTimeMark.size(), end - 1 - kTimeMark.size()), stamp))
      last = stamp;
    unit.remove_prefix(end + 1);
  }
  return last;
}

// What there is, in the log's order: history, the base, the increments. A base stands where its state was.
struct ChainFile {
  ManifestFile file;
  bool is_base;
};

std::vector<ChainFile> chain_of(const Manifest& manifest) {
  std::vector<ChainFile> chain;
  for (const ManifestFile& file : manifest.history) {
    const bool was_kept = file.since != 0;
    if (was_kept) chain.push_back({file, !file.name.ends_with(".incr.aof")});
  }
  if (manifest.has_base()) chain.push_back({manifest.base, true});
  for (const ManifestFile& file : manifest.increments) chain.push_back({file, false});
  return chain;
}

// What an increment says at its beginning.
struct FileStart {
  std::optional<uint64_t> position;
  std::optional<uint64_t> second;
};

Result<FileStart> start_of(FileSystem& fs, const std::string& path) {
  TRY_ASSIGN(File file, fs.open(path, OpenMode::kRead));
  std::string held(kFileStartBytes, '\0');
  TRY_ASSIGN(const size_t got, file.read_at(0, held));
  Bytes text = Bytes(held).substr(0, got);
  FileStart start;
  LogOpening opening;
  if (parse_opening(text, opening)) start.position = opening.position;
  start.second = timestamp_of(text);
  return start;
}

// When an RDB was begun; its state is no younger.
std::optional<uint64_t> second_of_base(FileSystem& fs, const std::string& path) {
  Result<File> file = fs.open(path, OpenMode::kRead);
  if (!file) return std::nullopt;
  RdbReader reader(*file, 0, file->size().value_or(0));
  RdbRecord record;
  if (!reader.next(&record)) return std::nullopt;
  for (const auto& [name, value] : reader.aux()) {
    uint64_t second = 0;
    if (name == "ctime" && parse_number(value, second) && second != 0) return second;
  }
  return std::nullopt;
}

// Where in the log it was taken; older ones do not say.
Result<std::optional<uint64_t>> position_of_base(FileSystem& fs, const std::string& path) {
  TRY_ASSIGN(File file, fs.open(path, OpenMode::kRead));
  return read_log_position(file);
}

class Chain {
 public:
  Chain(FileSystem& fs, const AofLocation& location, const Manifest& manifest)
      : fs_(fs), location_(location), files_(chain_of(manifest)) {}

  const std::vector<ChainFile>& files() const { return files_; }

  // Where to begin: the newest base that is known to be no younger than wanted, or the log's birth.
  Result<size_t> find_beginning(const RestorePoint& at) {
    for (size_t i = files_.size(); i-- > 0;) {
      if (!files_[i].is_base) continue;
      TRY_ASSIGN(const bool is_old_enough,
                 at.position ? is_below(i, *at.position) : is_before(i, *at.unix_seconds));
      if (is_old_enough) return i;
    }
    const bool has_base = !files_.empty() && files_.front().is_base;
    FileStart first;
    if (!has_base && !files_.empty()) {
      TRY_ASSIGN(first, start_of(fs_, path_of(0)));
    }
    const bool is_from_birth = !has_base && first.position.value_or(0) == 0;
    if (is_from_birth) return size_t{0};
    return fail(Errc::kInvalidArgument, at.position ? "the log that is there begins after this position"
                                                    : "what is there may be younger than this second");
  }

 private:
  std::string path_of(size_t i) const { return location_.path_of(files_[i].file.name); }

  Result<bool> is_below(size_t base, uint64_t position) {
    TRY_ASSIGN(const std::optional<uint64_t> taken_at, position_of_base(fs_, path_of(base)));
    if (taken_at) return *taken_at <= position;
    for (size_t i = base + 1; i < files_.size(); ++i) {
      if (files_[i].is_base) continue;
      TRY_ASSIGN(const FileStart start, start_of(fs_, path_of(i)));
      return start.position.value_or(0) <= position;
    }
    return true;
  }

  // By its own time, or by the first one named behind it.
  Result<bool> is_before(size_t base, uint64_t second) {
    const std::optional<uint64_t> begun = second_of_base(fs_, path_of(base));
    if (begun && *begun <= second) return true;
    for (size_t i = base + 1; i < files_.size(); ++i) {
      if (files_[i].is_base) continue;
      TRY_ASSIGN(const FileStart start, start_of(fs_, path_of(i)));
      if (start.second) return *start.second <= second;
    }
    return false;
  }

  FileSystem& fs_;
  const AofLocation& location_;
  const std::vector<ChainFile> files_;
};

// Takes the increments up to the wanted point.
class Restorer {
 public:
  Restorer(const RestorePoint& at, CopyReport& report) : at_(at), report_(report) {}

  bool reached() const { return reached_; }
  // What was kept last lies behind no time, or behind one of another file: it may be younger than wanted.
  bool is_time_unknown() const { return is_time_unknown_; }

  // The base that it begins with says where it was taken.
  void begin_at(uint64_t position) {
    report_.position = position;
    position_is_known_ = true;
    reached_ = at_.position && position >= *at_.position;
  }

  // Writes what is kept of an increment; nothing when the point lies before it.
  Status take(const std::string& path, LogStream& stream, NewFile& out) {
    is_time_named_ = false;
    LogPiece piece;
    Bytes bytes;
    uint64_t foreign_kept_to = 0;
    for (bool is_first = true;; is_first = false) {
      TRY_ASSIGN(const bool has_piece, stream.next(piece, bytes));
      if (!has_piece) break;
      if (is_first && stream.opening()) TRY(begin_increment(path, stream.opening()->position));
      position_is_known_ = true;
      const bool is_foreign = piece.kind == LogPiece::Kind::kForeign;
      if (at_.position && report_.position >= *at_.position) reached_ = true;
      // Behind records of a real Redis there is no batch: else they are none, but damage.
      if (reached_ && !is_foreign) return {};
      if (reached_) continue;
      if (piece.kind == LogPiece::Kind::kOpening) TRY(out.append(bytes));
      if (piece.kind == LogPiece::Kind::kBatch) TRY(take_batch(out, stream.opening()->salt, piece, bytes));
      if (is_foreign && keeps(bytes, piece.record_bytes)) {
        TRY(out.append(bytes));
        report_.position += piece.record_bytes;
        foreign_kept_to = piece.offset + piece.bytes;
      }
    }
    position_is_known_ = true;
    if (at_.position && report_.position >= *at_.position) reached_ = true;
    const std::optional<uint64_t> damaged_at = stream.damaged_at();
    const bool is_before = damaged_at && (!reached_ || *damaged_at < foreign_kept_to);
    return is_before ? damaged(path, *damaged_at, "damage before the wanted point") : Status();
  }

 private:
  Status begin_increment(const std::string& path, uint64_t position) {
    if (position_is_known_ && position != report_.position)
      return damaged(path, 0, "the file does not begin where the one before it ends");
    report_.position = position;
    return {};
  }

  std::unexpected<Error> damaged(const std::string& path, uint64_t offset, const char* what) {
    report_.detail = path;
    return fail(Errc::kCorruption, what, offset);
  }

  bool keeps(Bytes unit, uint64_t record_bytes) {
    reached_ |= at_.position && report_.position + record_bytes > *at_.position;
    const std::optional<uint64_t> seconds = timestamp_of(unit);
    if (at_.unix_seconds && seconds) {
      reached_ |= *seconds > *at_.unix_seconds;
      is_time_named_ = true;
      is_time_unknown_ &= reached_;
    }
    if (reached_) return false;
    is_time_unknown_ |= record_bytes > 0 && !is_time_named_;
    return true;
  }

  // Whole, or its first records under a header of their own.
  Status take_batch(NewFile& out, uint64_t salt, const LogPiece& piece, Bytes bytes) {
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
    if (kept == body.size()) return out.append(bytes);
    if (kept == 0) return {};
    BatchHeader header = piece.header;
    header.bytes = kept;
    header.checksum = crc32c(batch_checksum_seed(salt, header), body.substr(0, kept));
    char line[kBatchHeaderBytes];
    format_batch_header(line, header);
    TRY(out.append(Bytes(line, sizeof(line))));
    return out.append(body.substr(0, kept));
  }

  const RestorePoint& at_;
  CopyReport& report_;
  bool reached_ = false;
  bool is_time_named_ = false;  // in this file
  bool is_time_unknown_ = false;
  bool position_is_known_ = false;
};

Status restore_files(FileSystem& fs, const AofLocation& source, NewDirectory& target, const RestorePoint& at,
                     CopyReport& report) {
  TRY_ASSIGN(const Manifest manifest, load_manifest(fs, source));
  Chain chain(fs, source, manifest);
  TRY_ASSIGN(const size_t begin, chain.find_beginning(at));
  Manifest kept;
  Restorer restorer(at, report);
  for (size_t i = begin; i < chain.files().size() && !restorer.reached(); ++i) {
    const auto& [file, is_base] = chain.files()[i];
    const std::string path = source.path_of(file.name);
    if (is_base && i == begin) {
      TRY_ASSIGN(const std::optional<uint64_t> taken_at, position_of_base(fs, path));
      if (taken_at) restorer.begin_at(*taken_at);
      kept.base = {file.name, file.seq};
      TRY_ASSIGN(const uint64_t bytes, target.copy(path, file.name));
      report.bytes += bytes;
    }
    if (is_base) continue;
    TRY_ASSIGN(File increment, fs.open(path, OpenMode::kRead));
    TRY_ASSIGN(const uint64_t size, increment.size());
    LogStream stream(increment, size, 0);
    TRY_ASSIGN(NewFile copy, target.create_file(file.name));
    TRY(restorer.take(path, stream, copy));
    TRY(copy.finish());
    kept.increments.push_back({file.name, file.seq});
    report.bytes += copy.bytes();
  }
  // Without this, a log that names no times would come back whole, as if it were old enough.
  if (at.unix_seconds && restorer.is_time_unknown())
    return fail(Errc::kInvalidArgument,
                "records before this point name no time (#TS: lines): give a position instead");
  report.file_count = kept.increments.size() + (kept.has_base() ? 1 : 0);
  return target.finish(kept);
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
                   CopyReport& report, const ShowProgress& progress) {
  TRY_ASSIGN(const AofLocation source, find_log(fs, from));
  NewDirectory target(fs, to, source.append_filename, progress);
  TRY(target.create());
  return restore_files(fs, source, target, at, report);
}

}  // namespace strata

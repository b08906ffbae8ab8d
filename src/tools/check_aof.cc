#include <fmt/format.h>

#include <algorithm>

#include "base/crc.h"
#include "persistence/aof_reader.h"
#include "persistence/rdb_format.h"
#include "persistence/rdb_load.h"
#include "persistence/rdb_log_position.h"
#include "tools/check.h"
#include "tools/log_scan.h"
#include "tools/log_stream.h"
#include "tools/salvage.h"

namespace strata {
namespace {

constexpr const char* kForeignEnd =
    "with aof-load-truncated yes Strata and redis-server cut it off and start, else they refuse";
constexpr const char* kSynced =
    "Strata refuses to start where anything later says that this was synced, else it cuts the log here; "
    "redis-server does not see checksums, and refuses only what it cannot parse";

class RdbVerifier final : public BaseLoader {
 public:
  Result<uint64_t> load_rdb(File& file, std::string_view, bool) override {
    RdbLoadReport report;
    const Status verified = rdb_verify(file, 0, UINT16_MAX, {}, &report);
    detail = report.detail;
    keys = report.key_count;
    if (!verified) return std::unexpected(verified.error());
    return report.end_offset;
  }

  std::string detail;
  uint64_t keys = 0;
};

// Where an RDB at the beginning ends.
Result<uint64_t> rdb_end(File& file, const std::string& path, RdbVerifier& verifier) {
  char head[kRdbHeaderBytes];
  TRY_ASSIGN(const size_t got, file.read_at(0, head));
  if (!is_rdb_magic(Bytes(head, got))) return uint64_t{0};
  return verifier.load_rdb(file, path, true);
}

// The intact pieces under new headers, from `position` on; moves it.
std::string rebuilt(Bytes text, uint64_t from, const LogScan& scan, uint64_t& position) {
  std::string out(text.substr(0, from));
  if (scan.has_opening) {
    char line[kOpeningBytes];
    format_opening(line, {.position = position, .salt = scan.opening.salt});
    out.append(line, sizeof(line));
  }
  const auto add_batch = [&](Bytes body) {
    BatchHeader header{.position = position, .bytes = body.size(), .synced_to = position};
    header.checksum = crc32c(batch_checksum_seed(scan.opening.salt, header), body);
    const size_t at = out.size();
    out.resize(at + kBatchHeaderBytes);
    format_batch_header(out.data() + at, header);
    out.append(body);
    position += body.size();
  };
  for (const LogPiece& piece : scan.pieces) {
    const Bytes bytes = text.substr(piece.offset, piece.bytes);
    if (piece.kind == LogPiece::Kind::kBatch) add_batch(bytes.substr(kBatchHeaderBytes));
    if (piece.kind != LogPiece::Kind::kForeign) continue;
    out.append(bytes);
    position += piece.record_bytes;
  }
  return out;
}

class AofCheck {
 public:
  AofCheck(FileSystem& fs, bool fix, const ShowProgress& progress, CheckReport& out)
      : fs_(fs), fix_(fix), progress_(progress), out_(out) {}

  // `position`: where the log stands; moved to the end of what is intact.
  Status check_file(const std::string& path) {
    TRY_ASSIGN(File file, fs_.open(path, OpenMode::kRead));
    TRY_ASSIGN(const uint64_t size, file.size());
    RdbVerifier verifier;
    const Result<uint64_t> from = rdb_end(file, path, verifier);
    if (!from) return take_damaged_base(path, from.error(), size, verifier.detail);
    if (*from > 0) TRY(take_position_of_base(file));
    base_keys_ += verifier.keys;
    bytes_ += size;
    show(progress_, "checking", bytes_, std::max(bytes_, bytes_total_));
    TRY_ASSIGN(const bool is_intact, check_intact(file, size, *from));
    return is_intact ? Status() : check_whole(path, *from);
  }

  void finish() {
    out_.facts["bytes"] = bytes_;
    out_.facts["records"] = commands_;
    out_.facts["keys_in_base"] = base_keys_;
    if (unfixable_ && fix_) out_.verdict += " This base cannot be fixed.";
  }

  void expect(uint64_t bytes_total) { bytes_total_ = bytes_total; }

 private:
  Status take_position_of_base(File& file) {
    TRY_ASSIGN(const std::optional<uint64_t> taken_at, read_log_position(file));
    if (!taken_at || position_is_known_) return {};
    position_ = *taken_at;
    position_is_known_ = true;
    return {};
  }

  // In little memory. False, with nothing counted: there is damage, or records are missing before the file.
  Result<bool> check_intact(File& file, uint64_t size, uint64_t from) {
    LogStream stream(file, size, from);
    LogPiece piece;
    Bytes bytes;
    std::optional<uint64_t> begin;
    uint64_t expected = position_;
    for (;;) {
      TRY_ASSIGN(const bool has_piece, stream.next(piece, bytes));
      if (!has_piece) break;
      if (stream.opening() && !begin) {
        begin = expected = stream.opening()->position;
        if (position_is_known_ && *begin != position_) return false;
      }
      if (piece.kind == LogPiece::Kind::kBatch && piece.header.position != expected) return false;
      expected += piece.record_bytes;
    }
    if (stream.damaged_at()) return false;
    position_ = expected;
    position_is_known_ |= begin.has_value();
    commands_ += stream.command_count();
    return true;
  }

  // Says what is damaged, also behind other damage.
  Status check_whole(const std::string& path, uint64_t from) {
    TRY_ASSIGN(const std::string text, read_whole_file(fs_, path, kCheckFileBytesMax));
    const LogScan scan = scan_log(text, from);
    commands_ += scan.command_count;
    const bool damaged = note_damage(path, scan);
    const bool moved = scan.has_opening && position_is_known_ && scan.opening.position != position_;
    if (scan.has_opening && !scan.opening_is_damaged && !position_is_known_)
      position_ = scan.opening.position;
    if (moved && !damaged && !damaged_before_) {
      out_.findings.push_back({path, from, kOpeningBytes,
                               "the file does not begin where the one before it ends",
                               "Strata refuses to start; records are missing before this file"});
    }
    position_is_known_ |= scan.has_opening;
    const std::string whole = rebuilt(text, from, scan, position_);
    if (!damaged && !moved) return {};
    damaged_before_ = true;
    return fix_ ? replace(path, whole, text.size()) : Status{};
  }

  Status take_damaged_base(const std::string& path, const Error& error, uint64_t size,
                           const std::string& detail) {
    out_.findings.push_back({path, error.offset, size - std::min(size, error.offset), detail,
                             "Strata and redis-server refuse to start with this base"});
    const bool is_damage = error.code == Errc::kCorruption || error.code == Errc::kExists;
    const Status fixed =
        fix_ && is_damage ? fix_rdb(fs_, path, true, progress_, out_) : fail(Errc::kUnsupported, "");
    if (fixed) return check_file(path);
    unfixable_ = true;
    return fixed.error().code == Errc::kUnsupported || fixed.error().code == Errc::kCorruption ? Status()
                                                                                               : fixed;
  }

  bool note_damage(const std::string& path, const LogScan& scan) {
    bool damaged = false;
    uint64_t expected = scan.opening.position;
    for (const LogPiece& piece : scan.pieces) {
      if (*piece.what != '\0') {
        damaged = true;
        out_.findings.push_back(
            {path, piece.offset, piece.bytes, piece.what, piece.at_end ? kForeignEnd : kSynced});
      }
      if (piece.kind == LogPiece::Kind::kBatch && !damaged && piece.header.position != expected) {
        damaged = true;
        out_.findings.push_back(
            {path, piece.offset, piece.bytes, "batches are missing before this one", kSynced});
      }
      expected += piece.record_bytes;
    }
    return damaged;
  }

  Status replace(const std::string& path, const std::string& whole, uint64_t size) {
    TRY_ASSIGN(const std::string backup, keep_damaged(fs_, path));
    TRY(replace_file(fs_, path, whole));
    out_.fixed.push_back(
        fmt::format("{}: {} of {} bytes kept; the damaged file is {}. Where a lost batch changed the "
                    "database (SELECT), records behind it may have lost theirs",
                    path, whole.size(), size, backup));
    return {};
  }

  FileSystem& fs_;
  const bool fix_;
  const ShowProgress& progress_;
  CheckReport& out_;
  uint64_t position_ = 0;
  bool position_is_known_ = false;
  bool damaged_before_ = false;
  bool unfixable_ = false;
  uint64_t bytes_ = 0;
  uint64_t bytes_total_ = 0;
  uint64_t commands_ = 0;
  uint64_t base_keys_ = 0;
};

// What a start would do.
void note_verdict(FileSystem& fs, const AofLocation& location, const ShowProgress& progress,
                  CheckReport& out) {
  AofReadOptions options;
  options.on_progress = [&](uint64_t done, uint64_t total) {
    show(progress, "reading as a start would", done, total);
  };
  AofReader reader(fs, location, std::move(options));
  RdbVerifier base;
  const Status verified = reader.verify(base);
  const AofReport& report = reader.report();
  if (!verified) {
    out.verdict = fmt::format("Strata refuses to start: {}: {} at offset {}.", report.failed_file,
                              verified.error().what, verified.error().offset);
    if (out.findings.empty())
      out.findings.push_back(
          {report.failed_file, verified.error().offset, 0, verified.error().what, "Strata refuses to start"});
  } else if (report.cut_bytes > 0) {
    out.verdict =
        fmt::format("Strata starts, cuts {} at offset {} and so drops {} bytes that were never synced.",
                    report.cut_file, report.cut_offset, report.cut_bytes);
  } else {
    out.verdict = "Intact.";
  }
  out.facts["end_position"] = report.end_position;
}

Result<Manifest> load_or_fix_manifest(FileSystem& fs, const AofLocation& location, bool fix,
                                      CheckReport& out) {
  Result<Manifest> manifest = load_manifest(fs, location);
  if (manifest) return manifest;
  const bool is_gone = manifest.error().code == Errc::kNotFound;
  out.findings.push_back({location.manifest_path(), 0, 0,
                          is_gone
                              ? "the manifest is missing"
                              : fmt::format("{} (line {})", manifest.error().what, manifest.error().offset),
                          is_gone ? "Strata refuses to start; redis-server starts with no data"
                                  : "Strata refuses to start; redis-server does not look at the checksum"});
  if (!fix) return manifest;
  TRY_ASSIGN(const bool is_fixed, fix_manifest(fs, location, out));
  if (is_fixed) return load_manifest(fs, location);
  out.verdict = "The manifest cannot be made anew: the files that are there may be of more than one log.";
  return manifest;
}

// Files that are no part of the log any more: a start does not read them, a restore does.
Status check_history(FileSystem& fs, const AofLocation& location, const Manifest& manifest,
                     const ShowProgress& progress, CheckReport& out) {
  CheckReport of_history;
  AofCheck check(fs, false, progress, of_history);
  uint64_t bytes = 0;
  for (const ManifestFile& file : manifest.history) {
    if (file.since == 0) continue;  // was to be removed
    const std::string path = location.path_of(file.name);
    const Result<FileInfo> info = fs.info(path);
    if (!info) {
      of_history.findings.push_back({path, 0, 0, "a file of the history is missing", ""});
      continue;
    }
    bytes += info->size;
    TRY(check.check_file(path));
  }
  for (Finding& finding : of_history.findings) {
    finding.consequence = "servers start all the same; strata-check restore cannot pass here";
    out.findings.push_back(std::move(finding));
  }
  if (bytes != 0) out.facts["bytes_of_history"] = bytes;
  return {};
}

Status check_log(FileSystem& fs, const AofLocation& location, bool fix, const ShowProgress& progress,
                 AofCheck& check, CheckReport& out) {
  const Result<Manifest> manifest = load_or_fix_manifest(fs, location, fix, out);
  if (!manifest) return {};
  TRY_ASSIGN(const std::string text, read_whole_file(fs, location.manifest_path(), kManifestBytesMax));
  if (text.starts_with('#') && !text.starts_with("#SM:")) {
    out.findings.push_back({location.manifest_path(), 0, text.find('\n'),
                            "the first line is a comment and no checksum; nothing vouches for the rest",
                            "Strata and redis-server use the list as it is"});
  }
  std::vector<ManifestFile> files = manifest->increments;
  if (manifest->has_base()) files.insert(files.begin(), manifest->base);
  uint64_t bytes_total = 0;
  for (const ManifestFile& file : files) {
    if (const Result<FileInfo> info = fs.info(location.path_of(file.name))) bytes_total += info->size;
  }
  check.expect(bytes_total);
  for (const ManifestFile& file : files) {
    const std::string path = location.path_of(file.name);
    const Status checked = check.check_file(path);
    if (checked) continue;
    if (checked.error().code != Errc::kNotFound) return checked;
    out.findings.push_back(
        {path, 0, 0, "a file that the manifest names is missing", "Strata and redis-server refuse to start"});
  }
  return check_history(fs, location, *manifest, progress, out);
}

}  // namespace

Result<AofLocation> find_log(FileSystem& fs, const std::string& path) {
  constexpr std::string_view kEnd = ".manifest";
  for (const std::string& name : {std::string("."), std::string("appendonlydir")}) {
    const Result<std::vector<std::string>> files = fs.list(name == "." ? path : path + "/" + name);
    if (!files) continue;
    for (const std::string& file : *files) {
      if (file.ends_with(kEnd)) return AofLocation{path, name, file.substr(0, file.size() - kEnd.size())};
    }
  }
  return fail(Errc::kNotFound, "no manifest here");
}

namespace {

// Where somebody lost the manifest.
Result<AofLocation> find_log_without_manifest(FileSystem& fs, const std::string& path) {
  constexpr std::string_view kEnd = ".incr.aof";
  for (const std::string& name : {std::string("."), std::string("appendonlydir")}) {
    const Result<std::vector<std::string>> files = fs.list(name == "." ? path : path + "/" + name);
    if (!files) continue;
    for (const std::string& file : *files) {
      const size_t dot =
          file.ends_with(kEnd) ? file.rfind('.', file.size() - kEnd.size() - 1) : std::string::npos;
      if (dot != std::string::npos && dot != 0) return AofLocation{path, name, file.substr(0, dot)};
    }
  }
  return fail(Errc::kNotFound, "no log here");
}

}  // namespace

CheckReport check_aof(FileSystem& fs, const std::string& path, bool fix, const ShowProgress& progress) {
  CheckReport out{.path = path};
  AofCheck check(fs, fix, progress, out);
  Status checked;
  const Result<FileInfo> info = fs.info(path);
  if (info && info->is_directory) {
    Result<AofLocation> location = find_log(fs, path);
    if (!location) location = find_log_without_manifest(fs, path);
    checked = location ? check_log(fs, *location, fix, progress, check, out)
                       : Status(std::unexpected(location.error()));
    if (location && out.verdict.empty()) note_verdict(fs, *location, progress, out);
  } else {
    checked = check.check_file(path);
    out.verdict = out.findings.empty() ? "Intact." : "Damaged.";
  }
  check.finish();
  if (!checked) {
    out.cannot_read = true;
    out.verdict =
        fmt::format("Cannot be checked: {} ({}).", checked.error().what, error_text(checked.error().code));
  }
  return out;
}

}  // namespace strata

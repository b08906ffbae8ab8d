#include "tools/salvage.h"

#include <fmt/format.h>

#include <algorithm>

#include "persistence/rdb_load.h"
#include "persistence/rdb_salvage.h"

namespace strata {
namespace {

constexpr size_t kCopyBytes = 1 << 20;  // at once

// What stands behind a base: records of the log. Anything else means that the end mark is none.
Result<bool> are_records_at(File& file, uint64_t offset) {
  char first = 0;
  TRY_ASSIGN(const size_t got, file.read_at(offset, MutableBytes(&first, 1)));
  return got == 1 && (first == '*' || first == '#');
}

Status copy_rest(File& from, uint64_t offset, File& to) {
  TRY_ASSIGN(uint64_t at, to.size());
  std::string piece(kCopyBytes, '\0');
  for (;;) {
    TRY_ASSIGN(const size_t got, from.read_at(offset, piece));
    if (got == 0) return to.sync_all();
    TRY(to.write_at(at, Bytes(piece).substr(0, got)));
    offset += got;
    at += got;
  }
}

Status write_salvaged(FileSystem& fs, const std::string& path, const std::string& temporary,
                      const ShowProgress& progress, bool is_base, RdbSalvageReport& report) {
  TRY_ASSIGN(File damaged, fs.open(path, OpenMode::kRead));
  TRY_ASSIGN(File out, fs.open(temporary, OpenMode::kTruncate));
  TRY(rdb_salvage(damaged, out, &report,
                  [&](uint64_t done, uint64_t total) { show(progress, "salvaging", done, total); }));
  RdbLoadReport loaded;
  TRY(rdb_verify(out, 0, UINT16_MAX, {}, &loaded));
  TRY_ASSIGN(const uint64_t size, damaged.size());
  if (!report.reached_end || report.end_offset == size) return {};
  TRY_ASSIGN(const bool has_records, are_records_at(damaged, report.end_offset));
  if (is_base && has_records) return copy_rest(damaged, report.end_offset, out);
  report.reached_end = false;
  return {};
}

std::string what_was_done(const std::string& path, const std::string& backup, const RdbSalvageReport& report,
                          uint64_t size) {
  std::string text = fmt::format("{}: {} keys kept, {} dropped; the damaged file is {}", path,
                                 report.key_count, report.dropped_count, backup);
  if (!report.reached_end) {
    text +=
        fmt::format(". Everything from offset {} on ({} bytes) is lost: nothing says where its keys begin",
                    report.end_offset, size - report.end_offset);
  }
  if (report.checksum_was_wrong && report.dropped_count == 0) {
    text += ". The checksum was wrong, but every value decodes: one of them may not be what was stored";
  }
  for (const std::string& dropped : report.dropped) text += "\n          dropped: " + dropped;
  return text;
}

}  // namespace

Result<std::string> keep_damaged(FileSystem& fs, const std::string& path) {
  for (int i = 1; i <= kBackupsMax; ++i) {
    std::string name = fmt::format("{}.damaged-{}", path, i);
    const Status linked = fs.link(path, name);
    if (linked) return name;
    if (linked.error().code != Errc::kExists) return std::unexpected(linked.error());
  }
  return fail(Errc::kTooLarge, "too many backups");
}

Status fix_rdb(FileSystem& fs, const std::string& path, bool is_base, const ShowProgress& progress,
               CheckReport& out) {
  const std::string temporary = path + std::string(kTemporarySuffix);
  RdbSalvageReport report;
  const Status written = write_salvaged(fs, path, temporary, progress, is_base, report);
  if (!written) {
    static_cast<void>(fs.remove(temporary));  // it may not be there
    return written;
  }
  TRY_ASSIGN(const FileInfo info, fs.info(path));
  TRY_ASSIGN(const std::string backup, keep_damaged(fs, path));
  TRY(fs.rename(temporary, path));
  TRY(fs.sync_directory(parent_directory(path)));
  out.fixed.push_back(what_was_done(path, backup, report, info.size));
  return {};
}

}  // namespace strata

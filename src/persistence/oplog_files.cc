#include "persistence/oplog_files.h"

#include <algorithm>
#include <vector>

#include "base/crash_point.h"
#include "persistence/oplog.h"
#include "persistence/oplog_rewrite.h"
#include "persistence/rdb_snapshot.h"

namespace strata {
namespace {

Status sync_file(FileSystem& fs, const std::string& path) {
  TRY_ASSIGN(File file, fs.open(path, OpenMode::kReadWrite));
  return file.sync_all();
}

// What a kill left of the filler that was written ahead: no harm, but space.
Status trim_filler(FileSystem& fs, const std::string& path, const AofReport& recovered, StartedLog& log) {
  TRY_ASSIGN(File file, fs.open(path, OpenMode::kReadWrite));
  TRY_ASSIGN(const uint64_t bytes, file.size());
  if (bytes <= recovered.filler_offset) return {};
  log.earlier_bytes -= std::min(log.earlier_bytes, bytes - recovered.filler_offset);
  return file.truncate(recovered.filler_offset);
}

}  // namespace

Status ensure_log_directory(FileSystem& fs, const AofLocation& location) {
  Status made = fs.create_directory(location.log_directory());
  if (!made && made.error().code != Errc::kExists) return made;
  return fs.sync_directory(location.directory);
}

Status sync_log_files(FileSystem& fs, const AofLocation& location, const Manifest& manifest) {
  if (manifest.has_base()) {
    TRY(sync_file(fs, location.path_of(manifest.base.name)));
  }
  for (const ManifestFile& file : manifest.increments) {
    TRY(sync_file(fs, location.path_of(file.name)));
  }
  return {};
}

Result<File> create_increment(FileSystem& fs, const AofLocation& location, uint64_t seq,
                              const LogOpening& opening) {
  const std::string path = location.path_of(increment_name(location, seq));
  // A name that is there already may be one whose directory could not be synced: another sync would not make
  // it durable (sim_file_system.h). A new one is.
  if (fs.info(path)) {
    TRY(fs.remove(path));
  }
  TRY_ASSIGN(File file, fs.open(path, OpenMode::kCreateNew));
  STRATA_CRASH_POINT("increment.created");
  char line[kOpeningBytes];
  format_opening(line, opening);
  Status status = file.write_at(0, Bytes(line, sizeof(line)));
  STRATA_CRASH_POINT("increment.written");
  if (status) status = file.sync_all();
  if (status) status = fs.sync_directory(location.log_directory());
  if (!status) {
    (void)fs.remove(path);  // nothing names it; the next start tries again
    return std::unexpected(status.error());
  }
  return file;
}

Result<StartedLog> start_new_increment(FileSystem& fs, const AofLocation& location,
                                       const AofReport& recovered, uint64_t salt,
                                       const LogRetention& retention) {
  TRY(ensure_log_directory(fs, location));
  StartedLog log{.manifest = recovered.manifest};
  log.earlier_bytes = recovered.bytes_total;
  log.seq = log.manifest.next_increment_seq();
  std::vector<ManifestFile> unwanted = take_expired_history(log.manifest, retention);
  if (recovered.last_increment_is_bare && !log.manifest.increments.empty()) {
    unwanted.push_back(std::move(log.manifest.increments.back()));
    log.manifest.increments.pop_back();
  }
  TRY(remove_snapshot_leftovers(fs, location.path_of(location.append_filename)));
  if (recovered.filler_offset != 0 && !log.manifest.increments.empty() && !recovered.last_increment_is_bare) {
    TRY(trim_filler(fs, location.path_of(log.manifest.increments.back().name), recovered, log));
  }
  TRY(sync_log_files(fs, location, log.manifest));
  const LogOpening opening{.position = recovered.end_position, .salt = salt};
  TRY_ASSIGN(log.increment, create_increment(fs, location, log.seq, opening));
  log.manifest.increments.push_back({increment_name(location, log.seq), log.seq});
  TRY(store_manifest(fs, location, log.manifest));
  for (const ManifestFile& file : unwanted) {
    const Result<FileInfo> info = fs.info(location.path_of(file.name));
    if (!info) continue;
    if (recovered.last_increment_is_bare && &file == &unwanted.back())
      log.earlier_bytes -= std::min(log.earlier_bytes, info->size);
    (void)fs.remove(location.path_of(file.name));  // left behind, it costs space and nothing else
  }
  TRY(remove_orphans(fs, location, log.manifest));
  return log;
}

Result<AofReport> adopt_rdb_base(FileSystem& fs, const AofLocation& location, std::string_view rdb_path) {
  if (fs.info(location.manifest_path())) return fail(Errc::kExists, "there is a log already");
  TRY(ensure_log_directory(fs, location));
  AofReport report;
  report.found = true;
  report.manifest.base = {rdb_base_name(location, 1), 1};
  const std::string path = location.path_of(report.manifest.base.name);
  if (fs.info(path)) {
    TRY(fs.remove(path));  // from an attempt that did not reach the manifest
  }
  TRY(fs.link(rdb_path, path));
  TRY(sync_file(fs, path));
  TRY(fs.sync_directory(location.log_directory()));
  TRY(store_manifest(fs, location, report.manifest));
  TRY_ASSIGN(const FileInfo info, fs.info(path));
  report.base_bytes = info.size;
  report.bytes_total = info.size;
  return report;
}

}  // namespace strata

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

namespace {

// Where the increments can end at most: a batch's body is shorter than what it takes of the file.
Result<uint64_t> end_of_log_max(FileSystem& fs, const AofLocation& location, const Manifest& manifest) {
  uint64_t position = 0;
  for (const ManifestFile& increment : manifest.increments) {
    Result<File> file = fs.open(location.path_of(increment.name), OpenMode::kRead);
    if (!file) continue;  // the base that comes makes it superfluous
    char line[kOpeningBytes];
    LogOpening opening;
    TRY_ASSIGN(const size_t got, file->read_at(0, line));
    if (got == sizeof line && parse_opening(Bytes(line, got), opening)) position = opening.position;
    TRY_ASSIGN(const uint64_t bytes, file->size());
    position += bytes;
  }
  return position;
}

}  // namespace

Result<BeginningLog> prepare_beginning(FileSystem& fs, const AofLocation& location, uint64_t position_min) {
  TRY(ensure_log_directory(fs, location));
  TRY(remove_snapshot_leftovers(fs, location.path_of(location.append_filename)));
  BeginningLog log{.position = position_min};
  Result<Manifest> old = load_manifest(fs, location);
  if (old) {
    log.manifest = std::move(*old);
    log.seq = log.manifest.next_increment_seq();
    TRY_ASSIGN(const uint64_t end, end_of_log_max(fs, location, log.manifest));
    log.position = std::max(log.position, end);
    return log;
  }
  if (old.error().code != Errc::kNotFound) return std::unexpected(old.error());
  TRY(remove_unbegun(fs, location));
  // The increment's creation makes it durable.
  TRY(fs.open(location.beginning_path(), OpenMode::kCreate));
  // Not 1: where a real Redis finds no manifest it appends to that file, whatever is in it.
  log.seq = 2;
  return log;
}

Status remove_unbegun(FileSystem& fs, const AofLocation& location) {
  if (!fs.info(location.beginning_path())) return {};
  TRY_ASSIGN(const std::vector<std::string> names, fs.list(location.log_directory()));
  for (const std::string& name : names) {
    if (is_numbered_log_file(location, name)) TRY(fs.remove(location.path_of(name)));
  }
  TRY(fs.sync_directory(location.log_directory()));  // before the mark
  return fs.remove(location.beginning_path());
}

void undo_beginning(FileSystem& fs, const AofLocation& location, uint64_t seq) {
  const Result<Manifest> manifest = load_manifest(fs, location);
  if (!manifest && manifest.error().code == Errc::kNotFound) {
    static_cast<void>(remove_unbegun(fs, location));  // or the next start
    return;
  }
  const std::string name = increment_name(location, seq);
  const auto is_it = [&](const ManifestFile& file) { return file.name == name; };
  // A manifest that could not be synced may be in its place.
  if (!manifest || std::ranges::any_of(manifest->increments, is_it)) return;
  static_cast<void>(fs.remove(location.path_of(name)));
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
  if (fs.info(location.beginning_path())) TRY(fs.remove(location.beginning_path()));
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

#include "persistence/oplog_rewrite.h"

#include <algorithm>
#include <utility>

#include "base/crash_point.h"
#include "base/no_memory.h"
#include "persistence/oplog.h"
#include "persistence/oplog_files.h"
#include "persistence/rdb_snapshot.h"
#include "text/numbers.h"

namespace strata {
namespace {

Status adopt_without_log(FileSystem& fs, const AofLocation& location, const std::string& temporary,
                         const LogRetention& retention) {
  Manifest manifest;
  Result<Manifest> old = load_manifest(fs, location);
  if (old) {
    manifest = std::move(*old);
  } else if (old.error().code != Errc::kNotFound) {
    return std::unexpected(old.error());
  }
  TRY_ASSIGN(Manifest fresh, replace_base(fs, location, manifest, temporary, manifest.next_base_seq(),
                                          manifest.next_increment_seq(), retention));
  const std::vector<ManifestFile> expired = take_expired_history(fresh, retention);
  if (expired.empty()) return {};
  remove_files(fs, location, expired);
  static_cast<void>(store_manifest(fs, location, fresh));  // both are true
  return {};
}

// The number in "<head><number><tail>"; 0 when the name is another.
uint64_t number_between(Bytes name, Bytes head, Bytes tail) {
  if (!name.starts_with(head) || !name.ends_with(tail) || name.size() <= head.size() + tail.size()) return 0;
  const auto seq = parse_i64(name.substr(head.size(), name.size() - head.size() - tail.size()));
  return seq && *seq > 0 ? static_cast<uint64_t>(*seq) : 0;
}

}  // namespace

namespace {

Result<RdbSaveReport> write_and_adopt(FileSystem& fs, const AofLocation& location, OpLog* log,
                                      RdbSnapshot& snapshot, const std::string& temporary,
                                      const LogRetention& without_log) {
  const Status ready = log != nullptr ? log->rotate() : ensure_log_directory(fs, location);
  if (!ready) {
    snapshot.give_up();
    return std::unexpected(ready.error());
  }
  const uint64_t first_increment = log != nullptr ? log->stats().increment_seq : 0;
  if (log != nullptr) snapshot.set_log_position(log->stats().increment_position);
  TRY_ASSIGN(const RdbSaveReport report, snapshot.write(fs, temporary));
  const Status adopted = log != nullptr ? log->adopt_base(temporary, first_increment)
                                        : adopt_without_log(fs, location, temporary, without_log);
  if (!adopted) {
    static_cast<void>(fs.remove(temporary));  // unless it has become the base
    return std::unexpected(adopted.error());
  }
  return report;
}

Result<RdbSaveReport> write_and_resume(FileSystem& fs, OpLog& log, RdbSnapshot& snapshot,
                                       const std::string& temporary) {
  snapshot.set_log_position(log.stats().position);  // stands still, and so the increment will begin there
  const Result<RdbSaveReport> report = snapshot.write(fs, temporary);
  if (!report) {
    log.forget_rotation();
    return report;
  }
  const Status resumed = log.resume(temporary);
  if (!resumed) {
    static_cast<void>(fs.remove(temporary));  // unless it has become the base
    return std::unexpected(resumed.error());
  }
  return report;
}

// Without memory the snapshot is given up. A temporary file that cannot be removed goes at the next start.
template <typename Work>
Result<RdbSaveReport> with_temporary(FileSystem& fs, const AofLocation& location, RdbSnapshot& snapshot,
                                     Work&& work) {
  std::string temporary;
  const Result<RdbSaveReport> report =
      without_throwing("no memory to rewrite the log", [&]() -> Result<RdbSaveReport> {
        temporary = snapshot_temporary_path(location.path_of(location.append_filename), "base");
        return work(temporary);
      });
  if (!report && report.error().code == Errc::kOutOfMemory) {
    snapshot.give_up();
    static_cast<void>(without_throwing("removing", [&] { return fs.remove(temporary); }));
  }
  return report;
}

}  // namespace

Result<RdbSaveReport> rewrite_log(FileSystem& fs, const AofLocation& location, OpLog* log,
                                  RdbSnapshot& snapshot, const LogRetention& without_log) {
  return with_temporary(fs, location, snapshot, [&](const std::string& temporary) {
    return write_and_adopt(fs, location, log, snapshot, temporary, without_log);
  });
}

Result<RdbSaveReport> resume_log(FileSystem& fs, const AofLocation& location, OpLog& log,
                                 RdbSnapshot& snapshot) {
  return with_temporary(fs, location, snapshot, [&](const std::string& temporary) {
    return write_and_resume(fs, log, snapshot, temporary);
  });
}

Result<Manifest> replace_base(FileSystem& fs, const AofLocation& location, const Manifest& old,
                              std::string_view temporary, uint64_t seq, uint64_t first_increment,
                              const LogRetention& retention) {
  Manifest fresh{.history = old.history};
  fresh.base = {rdb_base_name(location, seq), seq};
  const uint64_t since = retention.seconds != 0 ? retention.now : 0;
  if (old.has_base()) fresh.history.push_back({old.base.name, old.base.seq, since});
  for (const ManifestFile& file : old.increments) {
    if (file.seq >= first_increment) {
      fresh.increments.push_back(file);
    } else {
      fresh.history.push_back({file.name, file.seq, since});
    }
  }
  const std::string path = location.path_of(fresh.base.name);
  STRATA_CRASH_POINT("rewrite.before_rename");
  TRY(fs.rename(temporary, path));
  STRATA_CRASH_POINT("rewrite.after_rename");
  const Status named = fs.sync_directory(location.log_directory());
  if (!named) {
    static_cast<void>(fs.remove(path));  // no manifest names it
    return std::unexpected(named.error());
  }
  STRATA_CRASH_POINT("rewrite.before_manifest");
  const Status stored = store_manifest(fs, location, fresh);
  STRATA_CRASH_POINT("rewrite.after_manifest");
  if (!stored) {
    // It may be in its place and just not known to be durable. Else the base only takes space, of which there
    // may be none.
    const Result<Manifest> found = load_manifest(fs, location);
    if (found && found->base != fresh.base) static_cast<void>(fs.remove(path));
    return std::unexpected(stored.error());
  }
  return fresh;
}

std::vector<ManifestFile> take_expired_history(Manifest& manifest, const LogRetention& retention) {
  std::vector<ManifestFile> kept;
  std::vector<ManifestFile> expired;
  for (ManifestFile& file : manifest.history)
    (retention.keeps(file) ? kept : expired).push_back(std::move(file));
  manifest.history = std::move(kept);
  return expired;
}

uint64_t history_bytes(FileSystem& fs, const AofLocation& location, const Manifest& manifest) {
  uint64_t bytes = 0;
  for (const ManifestFile& file : manifest.history) {
    if (const Result<FileInfo> info = fs.info(location.path_of(file.name))) bytes += info->size;
  }
  return bytes;
}

void remove_files(FileSystem& fs, const AofLocation& location, const std::vector<ManifestFile>& files) {
  for (const ManifestFile& file : files) {
    static_cast<void>(fs.remove(location.path_of(file.name)));
    STRATA_CRASH_POINT("rewrite.within_removal");
  }
}

bool is_numbered_log_file(const AofLocation& location, Bytes name) {
  const std::string head = location.append_filename + ".";
  return number_between(name, head, ".base.rdb") != 0 || number_between(name, head, ".base.aof") != 0 ||
         number_between(name, head, ".incr.aof") != 0;
}

Status remove_orphans(FileSystem& fs, const AofLocation& location, const Manifest& manifest) {
  const Result<std::vector<std::string>> names = fs.list(location.log_directory());
  if (!names) return {};
  const std::string head = location.append_filename + ".";
  if (manifest.increments.empty()) return {};
  const uint64_t first = manifest.increments.front().seq;
  const uint64_t last = manifest.increments.back().seq;
  for (const std::string& name : *names) {
    const auto is_it = [&](const ManifestFile& file) { return file.name == name; };
    if (name == manifest.base.name || std::ranges::any_of(manifest.history, is_it)) continue;
    const bool is_base =
        number_between(name, head, ".base.rdb") != 0 || number_between(name, head, ".base.aof") != 0;
    const uint64_t increment = number_between(name, head, ".incr.aof");
    const bool is_old = increment != 0 && increment < first;
    const bool is_of_failed_resumption = increment > last;
    if (is_base || is_old || is_of_failed_resumption) TRY(fs.remove(location.path_of(name)));
  }
  return {};
}

}  // namespace strata

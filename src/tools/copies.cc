#include "tools/copies.h"

#include "persistence/manifest.h"
#include "tools/check.h"
#include "tools/new_directory.h"

namespace strata {
namespace {

// History stays behind: a backup is the log as it is.
Status back_up_once(FileSystem& fs, const AofLocation& from, NewDirectory& target, CopyReport& report) {
  TRY_ASSIGN(const Manifest manifest, load_manifest(fs, from));
  report.bytes = 0;
  if (manifest.has_base()) {
    TRY_ASSIGN(report.bytes, target.link(from.path_of(manifest.base.name), manifest.base.name));
  }
  for (const ManifestFile& file : manifest.increments) {
    TRY_ASSIGN(const uint64_t bytes, target.copy(from.path_of(file.name), file.name));
    report.bytes += bytes;
  }
  report.file_count = manifest.increments.size() + (manifest.has_base() ? 1 : 0);
  return target.finish({.base = manifest.base, .increments = manifest.increments, .history = {}});
}

}  // namespace

Status back_up_log(FileSystem& fs, const std::string& from, const std::string& to, CopyReport& report,
                   const ShowProgress& progress) {
  TRY_ASSIGN(const AofLocation source, find_log(fs, from));
  NewDirectory target(fs, to, source.append_filename, progress);
  TRY(target.create());
  for (int i = 1;; ++i) {
    const Status copied = back_up_once(fs, source, target, report);
    const bool is_overtaken = !copied && copied.error().code == Errc::kNotFound && i < kBackupTriesMax;
    if (!is_overtaken) return copied;
    target.clear();
  }
}

}  // namespace strata

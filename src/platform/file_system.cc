#include "platform/file_system.h"

#include "base/crash_point.h"

namespace strata {

std::string parent_directory(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  while (slash > 0 && path[slash - 1] == '/') --slash;
  return slash == 0 ? "/" : std::string(path.substr(0, slash));
}

Result<std::string> read_whole_file(FileSystem& fs, std::string_view path, uint64_t limit_bytes) {
  TRY_ASSIGN(File file, fs.open(path, OpenMode::kRead));
  TRY_ASSIGN(uint64_t size, file.size());
  if (size > limit_bytes) return fail(Errc::kTooLarge, "file is larger than its limit", size);
  std::string contents(size, '\0');
  TRY_ASSIGN(size_t got, file.read_at(0, contents));
  contents.resize(got);
  return contents;
}

namespace {

Status write_new_file(FileSystem& fs, std::string_view path, Bytes contents) {
  TRY_ASSIGN(File file, fs.open(path, OpenMode::kTruncate));
  TRY(file.write_at(0, contents));
  return file.sync_all();
}

}  // namespace

Status replace_file(FileSystem& fs, std::string_view path, Bytes contents) {
  std::string temporary(path);
  temporary += kTemporarySuffix;
  Status done = write_new_file(fs, temporary, contents);
  STRATA_CRASH_POINT("replacement.before_rename");
  if (done) done = fs.rename(temporary, path);
  if (!done) {
    (void)fs.remove(temporary);  // the first error is the one to report
    return done;
  }
  STRATA_CRASH_POINT("replacement.after_rename");
  return fs.sync_directory(parent_directory(path));
}

}  // namespace strata

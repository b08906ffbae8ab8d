#include "persistence/aof_reader.h"

#include <optional>
#include <utility>
#include <vector>

#include "base/crash_point.h"
#include "base/no_memory.h"
#include "persistence/aof_reader_run.h"
#include "persistence/oplog_files.h"
#include "platform/file_system.h"

namespace strata {
namespace {

bool exists(FileSystem& fs, const std::string& path) { return fs.info(path).has_value(); }

// Without a manifest there is no log, unless files of one are there: then somebody lost it, and a start
// with no data would be the worst answer. A bare increment is what a crash of the first start leaves.
Status refuse_orphans(FileSystem& fs, const AofLocation& location) {
  const Result<std::vector<std::string>> names = fs.list(location.log_directory());
  if (!names) return {};
  for (const std::string& name : *names) {
    if (!name.starts_with(location.append_filename + ".") || !name.ends_with(".incr.aof")) continue;
    const Result<FileInfo> info = fs.info(location.path_of(name));
    if (info && info->size > kOpeningBytes)
      return fail(Errc::kCorruption, "the log's directory holds increments but no manifest");
  }
  return {};
}

Manifest old_style_manifest(const AofLocation& location) {
  Manifest manifest;
  manifest.base = {location.append_filename, 1};
  return manifest;
}

// Before Redis 7 the log was one file in the data directory. It becomes the base, in Redis 7's order:
// manifest first, then the move; a crash between the two is recognised and continued.
Status finish_upgrade(FileSystem& fs, const AofLocation& location) {
  TRY(fs.rename(location.old_style_path(), location.path_of(location.append_filename)));
  TRY(fs.sync_directory(location.log_directory()));
  return fs.sync_directory(location.directory);
}

Result<Manifest> find_manifest(FileSystem& fs, const AofLocation& location, bool may_upgrade) {
  Result<Manifest> manifest = load_manifest(fs, location);
  Manifest old_style = old_style_manifest(location);
  const bool has_old = exists(fs, location.old_style_path());
  if (manifest) {
    const bool half_upgraded =
        *manifest == old_style && has_old && !exists(fs, location.path_of(location.append_filename));
    if (half_upgraded && may_upgrade) {
      TRY(finish_upgrade(fs, location));
    }
    return manifest;
  }
  if (manifest.error().code != Errc::kNotFound) return manifest;
  if (exists(fs, location.beginning_path())) {
    if (may_upgrade) TRY(remove_unbegun(fs, location));
  } else {
    TRY(refuse_orphans(fs, location));
  }
  if (!has_old) return manifest;
  if (may_upgrade) {
    TRY(ensure_log_directory(fs, location));
    TRY(store_manifest(fs, location, old_style));
    TRY(finish_upgrade(fs, location));
  }
  return old_style;
}

Result<AofInput> find_input(FileSystem& fs, const AofLocation& location, const ManifestFile& file,
                            bool is_base) {
  AofInput input{.name = file.name, .path = location.path_of(file.name), .is_base = is_base};
  if (is_base && file.name == location.append_filename && !exists(fs, input.path))
    input.path = location.old_style_path();
  const Result<FileInfo> info = fs.info(input.path);
  if (!info && info.error().code == Errc::kNotFound)
    return fail(Errc::kCorruption, "a file that the manifest names is missing");
  if (!info) return std::unexpected(info.error());
  input.bytes = info->size;
  return input;
}

Result<std::vector<AofInput>> find_inputs(FileSystem& fs, const AofLocation& location, AofReport& report) {
  std::vector<AofInput> inputs;
  const Manifest& manifest = report.manifest;
  if (manifest.has_base()) {
    report.failed_file = manifest.base.name;
    TRY_ASSIGN(inputs.emplace_back(), find_input(fs, location, manifest.base, true));
    report.base_bytes = inputs.back().bytes;
  }
  for (const ManifestFile& file : manifest.increments) {
    report.failed_file = file.name;
    TRY_ASSIGN(inputs.emplace_back(), find_input(fs, location, file, false));
  }
  report.failed_file.clear();
  for (const AofInput& input : inputs) report.bytes_total += input.bytes;
  return inputs;
}

// The report of a log that ends at `cut`; its files are untouched.
void note_cut(AofReport& report, const std::vector<AofInput>& inputs, const AofReaderRun::Cut& cut) {
  report.cut_file = inputs[cut.input].name;
  report.cut_offset = cut.offset;
  report.cut_bytes = inputs[cut.input].bytes - cut.offset;
  for (size_t i = cut.input + 1; i < inputs.size(); ++i) report.cut_bytes += inputs[i].bytes;
  report.bytes_total -= report.cut_bytes;
  if (inputs[cut.input].is_base) report.base_bytes = cut.offset;
  const size_t base_count = report.manifest.has_base() ? 1 : 0;
  report.manifest.increments.resize(cut.input + 1 - base_count);
}

// First the manifest: a crash in between leaves a log whose last file is still to be cut.
Status cut_files(FileSystem& fs, const AofLocation& location, const AofReport& report,
                 const std::vector<AofInput>& inputs, const AofReaderRun::Cut& cut) {
  if (cut.input + 1 < inputs.size()) {
    TRY(store_manifest(fs, location, report.manifest));
    STRATA_CRASH_POINT("cut.after_manifest");
  }
  TRY_ASSIGN(File file, fs.open(inputs[cut.input].path, OpenMode::kReadWrite));
  STRATA_CRASH_POINT("cut.before_truncation");
  TRY(file.truncate(cut.offset));
  STRATA_CRASH_POINT("cut.after_truncation");
  TRY(file.sync_all());
  for (size_t i = cut.input + 1; i < inputs.size(); ++i) {
    TRY(fs.remove(inputs[i].path));
  }
  return {};
}

}  // namespace

AofReader::AofReader(FileSystem& fs, AofLocation location, AofReadOptions options)
    : fs_(fs), location_(std::move(location)), options_(std::move(options)) {}

Status AofReader::load(Applier& applier, BaseLoader& base_loader) {
  return without_throwing("no memory to read the log", [&] { return run(&applier, base_loader); });
}

Status AofReader::verify(BaseLoader& base_loader) {
  return without_throwing("no memory to read the log", [&] { return run(nullptr, base_loader); });
}

Status AofReader::run(Applier* applier, BaseLoader& base_loader) {
  report_ = AofReport{};
  const bool may_write = applier != nullptr && !options_.read_only;
  report_.failed_file = location_.append_filename + ".manifest";
  Result<Manifest> manifest = find_manifest(fs_, location_, may_write);
  if (!manifest && manifest.error().code == Errc::kNotFound) {
    report_.failed_file.clear();
    return {};
  }
  if (!manifest) return std::unexpected(manifest.error());
  report_.found = true;
  report_.is_in_doubt = exists(fs_, location_.doubt_path());
  report_.manifest = std::move(*manifest);
  TRY_ASSIGN(std::vector<AofInput> inputs, find_inputs(fs_, location_, report_));
  AofReaderRun pass(fs_, options_, std::move(inputs), applier, base_loader, report_);
  TRY_ASSIGN(const std::optional<AofReaderRun::Cut> cut, pass.read_all());
  if (!cut) return {};
  note_cut(report_, pass.inputs(), *cut);
  report_.failed_file = report_.cut_file;
  if (may_write) {
    TRY(cut_files(fs_, location_, report_, pass.inputs(), *cut));
  }
  report_.failed_file.clear();
  return {};
}

}  // namespace strata

#include <fmt/format.h>

#include "persistence/rdb_load.h"
#include "platform/clock.h"
#include "tools/check.h"
#include "tools/salvage.h"

namespace strata {

CheckReport check_rdb(FileSystem& fs, const std::string& path, bool fix, const ShowProgress& progress) {
  CheckReport out{.path = path};
  Result<File> file = fs.open(path, OpenMode::kRead);
  if (!file) {
    out.cannot_read = true;
    out.verdict = fmt::format("Cannot be read: {}.", error_text(file.error().code));
    return out;
  }
  RdbLoadOptions options;
  options.now_ms = system_clock().wall_us() / 1000;
  options.progress = [&](const RdbProgress& at) {
    show(progress, "checking", at.bytes_done, at.bytes_total);
    return true;
  };
  RdbLoadReport report;
  const Status verified = rdb_verify(*file, 0, UINT16_MAX, options, &report);
  const uint64_t size = file->size().value_or(0);
  static constexpr const char* kTypes[] = {"strings", "lists", "sets", "sorted_sets", "hashes", "streams"};
  static_assert(std::size(kTypes) == kTypeCount);
  out.facts["bytes"] = size;
  out.facts["version"] = report.version;
  out.facts["keys"] = report.key_count;
  out.facts["keys_with_expiry"] = report.deadline_count;
  out.facts["checksum"] = report.checksum_verified ? "verified" : "absent or not reached";
  for (size_t i = 0; i < report.type_counts.size(); ++i) out.facts[kTypes[i]] = report.type_counts[i];
  if (!verified) {
    const uint64_t offset = std::min(verified.error().offset, size);
    out.findings.push_back({path, offset, size - offset, report.detail,
                            "Strata and redis-server refuse to start with this file, and leave it as it is"});
    out.verdict = fmt::format("{} keys before the damage are readable.", report.key_count);
    const Errc code = verified.error().code;
    const Status fixed = fix && (code == Errc::kCorruption || code == Errc::kExists)
                             ? fix_rdb(fs, path, false, progress, out)
                             : Status();
    if (!fixed) out.verdict += fmt::format(" It cannot be fixed: {}.", fixed.error().what);
  } else if (size > report.end_offset) {
    out.findings.push_back({path, report.end_offset, size - report.end_offset,
                            "bytes behind the end of the dump",
                            "as a dump they are ignored; a log may go on there, see strata-check aof"});
    out.verdict = "The dump itself is intact.";
  } else {
    out.verdict =
        report.checksum_verified ? "Intact." : "Readable; there is no checksum that could prove more.";
  }
  return out;
}

}  // namespace strata

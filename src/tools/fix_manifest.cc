// A manifest anew: corrected, or made of the files that are there.

#include <fmt/format.h>

#include <algorithm>

#include "persistence/rdb_load.h"
#include "persistence/rdb_log_position.h"
#include "text/numbers.h"
#include "tools/check.h"
#include "tools/log_scan.h"
#include "tools/salvage.h"

namespace strata {
namespace {

// Longer ones are not tried bit by bit: that takes a checksum of the whole for each.
constexpr size_t kFlipBytesMax = 16 << 10;

// The one flip that makes the checksum right. CRC-32C tells one flipped bit of so few from every other.
bool correct_one_bit(std::string& text, Manifest& manifest) {
  if (text.size() > kFlipBytesMax) return false;
  for (size_t bit = 0; bit < 8 * text.size(); ++bit) {
    const char mask = static_cast<char>(1 << bit % 8);
    text[bit / 8] = static_cast<char>(text[bit / 8] ^ mask);
    Result<Manifest> parsed =
        text.starts_with("#SM:") ? parse_manifest(text) : fail(Errc::kCorruption, "no checksum");
    if (parsed) {
      manifest = std::move(*parsed);
      return true;
    }
    text[bit / 8] = static_cast<char>(text[bit / 8] ^ mask);
  }
  return false;
}

uint64_t number_in(Bytes name, Bytes head, Bytes tail) {
  if (!name.starts_with(head) || !name.ends_with(tail) || name.size() <= head.size() + tail.size()) return 0;
  const auto number = parse_i64(name.substr(head.size(), name.size() - head.size() - tail.size()));
  return number && *number > 0 ? static_cast<uint64_t>(*number) : 0;
}

// Every file of a log that is there. False where there is more than one base: a rewrite was interrupted, or
// there is history, and the files do not say which base the increments go on from.
Result<bool> gather(FileSystem& fs, const AofLocation& location, Manifest& manifest) {
  TRY_ASSIGN(const std::vector<std::string> names, fs.list(location.log_directory()));
  const std::string head = location.append_filename + ".";
  for (const std::string& name : names) {
    const uint64_t base = std::max(number_in(name, head, ".base.rdb"), number_in(name, head, ".base.aof"));
    const uint64_t increment = number_in(name, head, ".incr.aof");
    const bool is_old_style = name == location.append_filename;
    if (increment != 0) manifest.increments.push_back({name, increment});
    if (base == 0 && !is_old_style) continue;
    if (manifest.has_base()) return false;
    manifest.base = {name, is_old_style ? 1 : base};
  }
  std::ranges::sort(manifest.increments, {}, &ManifestFile::seq);
  return !manifest.empty();
}

// Each increment begins where the one before it ends, the first where the base was taken, as far as undamaged
// files say.
Result<bool> is_one_log(FileSystem& fs, const AofLocation& location, const Manifest& manifest) {
  bool is_known = false;
  uint64_t position = 0;
  if (manifest.has_base()) {
    TRY_ASSIGN(File base, fs.open(location.path_of(manifest.base.name), OpenMode::kRead));
    TRY_ASSIGN(const std::optional<uint64_t> taken_at, read_log_position(base));
    is_known = taken_at.has_value();
    position = taken_at.value_or(0);
  }
  for (const ManifestFile& file : manifest.increments) {
    TRY_ASSIGN(const std::string text, read_whole_file(fs, location.path_of(file.name), kCheckFileBytesMax));
    const LogScan scan = scan_log(text, 0);
    const bool has_position = scan.has_opening && !scan.opening_is_damaged;
    if (has_position && is_known && scan.opening.position != position) return false;
    if (has_position) position = scan.opening.position;
    is_known |= has_position;
    for (const LogPiece& piece : scan.pieces) {
      is_known &= piece.kind != LogPiece::Kind::kDamage;
      position += piece.record_bytes;
    }
  }
  return true;
}

}  // namespace

Result<bool> fix_manifest(FileSystem& fs, const AofLocation& location, CheckReport& out) {
  const std::string path = location.manifest_path();
  Manifest manifest;
  Result<std::string> text = read_whole_file(fs, path, kManifestBytesMax);
  if (!text && text.error().code != Errc::kNotFound) return std::unexpected(text.error());
  const bool is_corrected = text && correct_one_bit(*text, manifest);
  if (!is_corrected) {
    manifest = {};
    TRY_ASSIGN(const bool is_clear, gather(fs, location, manifest));
    if (!is_clear) return false;
    TRY_ASSIGN(const bool fits, is_one_log(fs, location, manifest));
    if (!fits) return false;
  }
  std::string kept;
  if (text) {
    TRY_ASSIGN(kept, keep_damaged(fs, path));
  }
  TRY(store_manifest(fs, location, manifest));
  out.fixed.push_back(fmt::format(
      "{}: {}{}", path, is_corrected ? "one flipped bit corrected" : "made anew of the files that are there",
      kept.empty() ? "" : "; the damaged one is " + kept));
  return true;
}

}  // namespace strata

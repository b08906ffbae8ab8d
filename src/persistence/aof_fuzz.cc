// Hostile log files: the input becomes an increment (after a real opening or not, see the first byte), is
// verified, replayed and cut, and what is left must load again without a cut and with the same commands.

#include <cstdlib>
#include <string>
#include <vector>

#include "base/crc.h"
#include "persistence/aof_reader.h"
#include "persistence/log_batch.h"
#include "persistence/log_record.h"
#include "platform/sim_file_system.h"

namespace strata {
namespace {

class CountingApplier final : public Applier {
 public:
  Status apply(uint16_t db, std::span<const Bytes> args) override {
    text += std::to_string(db) + (in_group_ ? "[" : ":");
    append_command_to(text, args);
    return {};
  }
  Status begin_group() override {
    if (in_group_) std::abort();
    in_group_ = true;
    return {};
  }
  Status end_group() override {
    if (!in_group_) std::abort();
    in_group_ = false;
    return {};
  }

  std::string text;

 private:
  bool in_group_ = false;
};

class NoRdb final : public BaseLoader {
 public:
  Result<uint64_t> load_rdb(File&, std::string_view, bool) override {
    return fail(Errc::kUnsupported, "no RDB here");
  }
};

void write_file(FileSystem& fs, const std::string& path, Bytes contents) {
  File file = fs.open(path, OpenMode::kTruncate).value();
  if (!file.write_at(0, contents)) std::abort();
}

// Rewrites the checksums of batches whose form is right, so that mutations get past them.
std::string with_checksums(std::string text, uint64_t salt) {
  for (size_t at = text.find(kBatchMark); at != std::string::npos; at = text.find(kBatchMark, at + 1)) {
    BatchHeader header;
    const Bytes rest = Bytes(text).substr(at);
    if (!parse_batch_header(rest, header) || header.bytes > rest.size() - kBatchHeaderBytes) continue;
    const Bytes body = rest.substr(kBatchHeaderBytes, header.bytes);
    header.checksum = crc32c(batch_checksum_seed(salt, header), body);
    format_batch_header(text.data() + at, header);
  }
  return text;
}

}  // namespace
}  // namespace strata

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace strata;  // NOLINT
  if (size == 0) return 0;
  std::string contents(reinterpret_cast<const char*>(data) + 1, size - 1);
  constexpr uint64_t kSalt = 7;
  if ((data[0] & 1) != 0) {
    char line[kOpeningBytes];
    format_opening(line, {.salt = kSalt});
    contents.insert(0, line, sizeof(line));
  }
  if ((data[0] & 2) != 0) contents = with_checksums(std::move(contents), kSalt);
  SimFileSystem fs({.trace = false});
  const AofLocation location{.directory = "/"};
  (void)fs.create_directory(location.log_directory());
  Manifest manifest;
  manifest.increments = {{increment_name(location, 1), 1}};
  if (!store_manifest(fs, location, manifest)) std::abort();
  const std::string path = location.path_of(manifest.increments[0].name);
  write_file(fs, path, contents);

  NoRdb no_rdb;
  AofReader reader(fs, location);
  const bool verified = reader.verify(no_rdb).has_value();
  const uint64_t would_cut = reader.report().cut_bytes;
  CountingApplier first;
  const bool loaded = reader.load(first, no_rdb).has_value();
  if (loaded != verified || (loaded && reader.report().cut_bytes != would_cut)) std::abort();
  if (!loaded) return 0;
  CountingApplier second;
  if (!reader.load(second, no_rdb) || reader.report().cut_bytes != 0) std::abort();
  if (first.text != second.text) std::abort();
  return 0;
}

// The manifest of a multi-part AOF: which files make up the log, in which order.
//
// Recovery reads it, the log writes it. It is Redis 7's text file, byte for byte, so that either server
// opens the other's directory (docs/formats/oplog.md draws it):
//
//   #SM:5f0c2a91
//   file appendonly.aof.1.base.rdb seq 1 type b
//   file appendonly.aof.4.incr.aof seq 4 type i
//
// The first line, a comment to Redis, is the CRC-32C of all that follows it; without it nothing would
// notice that an increment's "i" has become "h". A manifest that Redis wrote has none and is not checked.
//
//   1. There is at most one base; increments stand in ascending order of seq.
//   2. It is replaced as a whole (temporary file, sync, rename, directory sync), so a crash leaves the
//      old list or the new one.
//   3. A file is complete and durable before a manifest names it.
//
// Not thread-safe; plain values. Input may be hostile: every limit has a name, and an error carries the
// number of its line in Error::offset.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace strata {

class FileSystem;

constexpr uint64_t kManifestBytesMax = 16 << 20;
constexpr size_t kManifestLineBytesMax = 1024;
constexpr size_t kManifestFilesMax = 100'000;

// Where a log lives. The names are those of the options dir, appenddirname and appendfilename.
struct AofLocation {
  std::string directory = ".";
  std::string append_directory = "appendonlydir";
  std::string append_filename = "appendonly.aof";

  std::string log_directory() const { return directory + "/" + append_directory; }
  std::string path_of(std::string_view name) const { return log_directory() + "/" + std::string(name); }
  std::string manifest_path() const { return path_of(append_filename + ".manifest"); }
  // There while the log is in doubt: a sync of it has failed (oplog.h).
  std::string doubt_path() const { return path_of(append_filename + ".in-doubt"); }
  // There while a first log begins beside running traffic: what lies here without a manifest never counted.
  std::string beginning_path() const { return path_of(append_filename + ".beginning"); }
  std::string old_style_path() const { return directory + "/" + append_filename; }
};

struct ManifestFile {
  std::string name;  // in the log's directory, never a path
  uint64_t seq = 0;
  uint64_t since = 0;  // of history: the unix second when it became that; 0: it was not to be kept

  bool operator==(const ManifestFile&) const = default;
};

struct Manifest {
  ManifestFile base;  // none when its name is empty
  std::vector<ManifestFile> increments;
  // No longer part of the log: kept for a while (log-retention), or to be removed. In the order of the log:
  // each base before the increments behind it.
  std::vector<ManifestFile> history;

  bool has_base() const { return !base.name.empty(); }
  bool empty() const { return !has_base() && increments.empty(); }
  uint64_t next_increment_seq() const { return increments.empty() ? 1 : increments.back().seq + 1; }
  uint64_t next_base_seq() const { return has_base() ? base.seq + 1 : 1; }

  bool operator==(const Manifest&) const = default;
};

std::string increment_name(const AofLocation& location, uint64_t seq);  // appendonly.aof.N.incr.aof
std::string rdb_base_name(const AofLocation& location, uint64_t seq);   // appendonly.aof.N.base.rdb

Result<Manifest> parse_manifest(Bytes text);
std::string format_manifest(const Manifest& manifest);

// kNotFound when there is none.
Result<Manifest> load_manifest(FileSystem& fs, const AofLocation& location);
Status store_manifest(FileSystem& fs, const AofLocation& location, const Manifest& manifest);

}  // namespace strata

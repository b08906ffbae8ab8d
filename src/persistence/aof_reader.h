// Recovery: reads a log back, verifies it, cuts what a crash left unfinished and replays the rest.
//
// The server runs it once at start, before there is an OpLog; a check tool runs verify(). Files are read
// in the manifest's order: the base (an RDB goes to the BaseLoader), then the increments. Every batch is
// verified before its first command is handed out, and a MULTI…EXEC is handed out whole or not at all.
//
// The rule for damage (DESIGN §7): below the highest synced-to of any valid header in the log it is
// corruption, refused with file and offset. At or above it, it is what a crash leaves: the log is cut
// there, even when valid batches follow, and the bytes are reported. Whole records outside any batch
// were written by a real Redis and load as in Redis.
//
// Threads: one. Lifetime: arguments given to the Applier are views into the reader's buffer and stay
// valid until the next drain() returns. Cost: each byte is read once (twice where Redis has appended to
// a file of ours), memory is the largest batch or foreign transaction, at least kAofWindowBytes.
// Failure: Error::what and Error::offset, report().failed_file for the file's name. Input may be hostile.

#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "persistence/manifest.h"

namespace strata {

class File;
class FileSystem;

constexpr size_t kAofWindowBytes = 4 << 20;
constexpr uint64_t kAofArgumentsMax = 0x7fffffff;      // of one command, as in Redis
constexpr uint64_t kAofArgumentBytesMax = 1ull << 40;  // more than any proto-max-bulk-len in use
constexpr uint64_t kAofLineBytesMax = 1024;            // of an annotation; Redis stops at as many
constexpr uint64_t kAofDatabasesMax = 1 << 16;

// Who runs replayed commands.
class Applier {
 public:
  virtual ~Applier() = default;
  // One command, in the log's order. SELECT, MULTI and EXEC never come here: they have become `db` and
  // the two calls below. `args` itself lives until apply() returns, the bytes behind it until drain().
  virtual Status apply(uint16_t db, std::span<const Bytes> args) = 0;
  // What lies between takes effect together.
  virtual Status begin_group() { return {}; }
  virtual Status end_group() { return {}; }
  // The bytes behind earlier arguments are about to go away: finish what was only queued. Called every
  // few megabytes and at the end of every file, also when reading it has failed.
  virtual Status drain() { return {}; }
};

// Who loads an RDB, as base or as the beginning of a file.
class BaseLoader {
 public:
  virtual ~BaseLoader() = default;
  // Returns the offset just behind the RDB. `verify_only`: check it, load nothing.
  virtual Result<uint64_t> load_rdb(File& file, std::string_view path, bool verify_only) = 0;
};

struct AofReadOptions {
  bool load_truncated = true;  // aof-load-truncated: for the tail that a real Redis left
  std::function<void(uint64_t bytes_read, uint64_t bytes_total)> on_progress;
  bool read_only = false;           // load() neither cuts nor upgrades: files stay as they are
  bool test_skip_checksum = false;  // a mutant for the crash tests
};

// What was found. OpLog::open() continues from it.
struct AofReport {
  bool found = false;  // there is a log; else everything below is empty
  Manifest manifest;   // after cutting
  uint64_t end_position = 0;
  uint64_t bytes_total = 0;  // of all files, after cutting
  uint64_t base_bytes = 0;
  uint64_t command_count = 0;
  uint64_t batch_count = 0;
  uint64_t foreign_record_count = 0;
  bool is_in_doubt = false;             // the last process left it so (oplog.h)
  bool last_increment_is_bare = false;  // ours and without a record: the next start replaces it
  uint64_t filler_offset = 0;  // where the filler at the end of the last file begins; 0: there is none

  uint64_t cut_bytes = 0;  // 0: nothing was cut
  std::string cut_file;
  uint64_t cut_offset = 0;

  std::string failed_file;  // for the error returned
};

class AofReader {
 public:
  AofReader(FileSystem& fs, AofLocation location, AofReadOptions options = {});

  // Upgrades an old single-file AOF, replays the log and cuts it where the rule says so (the cut is
  // durable when this returns). A missing log is success with report().found == false.
  Status load(Applier& applier, BaseLoader& base_loader);
  // Changes nothing on disk and applies nothing; the report says what load() would cut.
  Status verify(BaseLoader& base_loader);

  const AofReport& report() const { return report_; }

 private:
  Status run(Applier* applier, BaseLoader& base_loader);

  FileSystem& fs_;
  AofLocation location_;
  AofReadOptions options_;
  AofReport report_;
};

}  // namespace strata

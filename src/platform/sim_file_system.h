// A file system in memory that forgets, tears and fails on command, by seed.
//
// Crash tests run the code under test on it, cut the power, and look at what is left:
//
//   SimFileSystem fs({.seed = seed});
//   fs.cut_power_at(k, CutWhen::kBefore);   // everything from the k-th operation on is kClosed
//   run_workload(fs);                       // notes what was acknowledged
//   fs.crash(seed);                         // the machine starts again with what the disk kept
//   check(recover(fs));
//
// What a crash leaves. Each file has a synced image and a list of changes (writes, truncations) made
// since. Of these a crash keeps none, all, a prefix or any subset, in their order; a kept write may be
// torn where a 512-byte sector of the file begins: what follows the tear is lost, zeros or garbage.
// Bytes outside the write are never touched, holes read as zeros. Names are kept apart from files: of
// the creates, links, renames, removals in a directory since its last sync_directory() a crash again
// keeps none, all, a prefix or any subset. A rename is kept or lost as a whole. A file whose name is
// lost is lost, synced or not; a name whose removal is lost comes back, with what the file now holds.
//
// Until a crash, reads see every write (they come from the page cache).
//
// A sync covers the changes that were complete when it was called. A sync that fails leaves the
// changes it should have covered in doubt for ever: a later sync "succeeds" without them, and a crash
// may still lose each of them (what Linux does; PostgreSQL's people named it fsyncgate). The same
// holds for a failed sync_directory().
//
// Operations are what a crash test cuts between: opens, writes (append is one), truncations, syncs,
// renames, links, removals, creation and removal of directories, directory syncs. They are numbered from 1 in
// the order in which they begin. Reads (read_at, size, info, list) have no number but can be made to fail.
//
// Threads: all calls may come from any thread; one mutex guards everything, and is not held while a
// hook runs. With one calling thread the same seeds give the same trace. Files may outlive the file
// system. Costs memory: a file is held twice, and each unsynced change once more. Renaming a
// directory to another parent is kUnsupported. Paths are taken from the root whether they begin with
// a slash or not.
// After LevelDB's FaultInjectionTestEnv, RocksDB's, and SQLite's test_journal and crash VFS.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "platform/file_system.h"

namespace strata {

enum class SimOperation : uint8_t {
  kOpen,
  kWrite,
  kTruncate,
  kSync,
  kRename,
  kLink,
  kRemove,
  kCreateDirectory,
  kRemoveDirectory,
  kSyncDirectory,
  kRead,  // the only kind without a number: read_at, size, info, list
};
inline constexpr size_t kSimOperationKinds = 11;
const char* sim_operation_name(SimOperation kind);  // "sync_directory"

struct SimEvent {
  uint64_t index = 0;  // its number; 0 for reads
  SimOperation kind = SimOperation::kOpen;
  std::string_view path;  // as the caller gave it, or as the file was opened
};

struct SimOptions {
  uint64_t seed = 0;  // of partial writes; crashes have their own
  uint64_t capacity_bytes = UINT64_MAX;
  bool trace = true;
};

struct SimFault {
  SimOperation kind = SimOperation::kWrite;
  Errc error = Errc::kIo;
  uint64_t nth = 1;    // the next such operation is the first
  uint64_t count = 1;  // how many in a row fail; UINT64_MAX: all from the nth on
  // Only operations whose path contains this are counted and fail; empty: all.
  std::string path_part;
};

enum class CutWhen : uint8_t {
  kBefore,  // the operation does not happen
  kAfter,   // it happens, but its caller never hears of it
};

class SimFileSystem final : public FileSystem {
 public:
  explicit SimFileSystem(SimOptions options = {});
  ~SimFileSystem() override;
  SimFileSystem(const SimFileSystem&) = delete;
  SimFileSystem& operator=(const SimFileSystem&) = delete;

  // Cuts the power now, if it is not cut already, and starts the machine again: open files answer
  // kClosed for ever, names and contents are what `seed` lets survive. Faults, hook, capacity and
  // numbering stay; a pending cut_power_at() is forgotten.
  void crash(uint64_t seed);
  // As crash(), but everything that was written survives: a process that was killed.
  void kill_process();

  // From the operation with this number on (before or after it) everything is kClosed until crash().
  void cut_power_at(uint64_t operation, CutWhen when);
  bool power_is_cut() const;

  void add_fault(SimFault fault);
  void clear_faults();
  uint64_t faults_hit() const;  // operations failed by faults or by the hook
  // A write that does not fit writes what fits and is kNoSpace. Sizes count, not blocks.
  void set_capacity(uint64_t bytes);
  uint64_t used_bytes() const;

  // Called before each operation takes effect, on the caller's thread; may block to hold a sync
  // back; a returned code makes the operation fail. Must not call this file system.
  using Hook = std::function<std::optional<Errc>(const SimEvent&)>;
  void set_hook(Hook hook);

  uint64_t operation_count() const;  // numbered ones begun so far
  uint64_t operation_count(SimOperation kind) const;

  // One line for each operation and each decision of a crash; the first kSimTraceLinesMax of them.
  std::vector<std::string> trace() const;

  // What would surely survive a crash now: the bytes covered by syncs. kNotFound unless the name
  // would survive too.
  Result<std::string> synced_contents(std::string_view path) const;
  // Changes of the file that a crash now could lose.
  Result<uint64_t> unsynced_changes(std::string_view path) const;

  Result<File> open(std::string_view path, OpenMode mode) override;
  Result<FileInfo> info(std::string_view path) override;
  Status rename(std::string_view from, std::string_view to) override;
  Status remove(std::string_view path) override;
  Status link(std::string_view existing, std::string_view name) override;
  Status create_directory(std::string_view path) override;
  Status remove_directory(std::string_view path) override;
  Result<std::vector<std::string>> list(std::string_view directory) override;
  Status sync_directory(std::string_view directory) override;
  Result<uint64_t> free_bytes(std::string_view directory) override;

 private:
  struct State;
  class OpenFile;
  std::shared_ptr<State> state_;
};

inline constexpr size_t kSimTraceLinesMax = 100'000;
inline constexpr uint64_t kSimSectorBytes = 512;  // what a disk writes whole

}  // namespace strata

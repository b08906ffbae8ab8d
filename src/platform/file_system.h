// Files and directories, behind an interface so that crash tests can pass a file system that loses
// what was not synced (platform/sim_file_system.h); real_file_system() is the operating system's.
//
// Threads: a FileSystem may be used by any thread; a File by one thread at a time, except that
// sync_data() and sync_all() may run beside write_at() and append() on the same File.
// A failed sync says nothing about which bytes reached the disk: the caller must not retry it as if
// nothing had happened (DESIGN §7).

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace strata {

enum class OpenMode : uint8_t {
  kRead,       // must exist
  kReadWrite,  // must exist
  kCreate,     // read and write; created empty when missing
  kCreateNew,  // read and write; kExists when it is there
  kTruncate,   // read and write; created, or emptied when it is there
};

// What a file system gives for an open file. Implemented by real and simulated file systems.
class FileImplementation {
 public:
  virtual ~FileImplementation() = default;
  // Reads up to out.size() bytes; fewer only at the end of the file.
  virtual Result<size_t> read_at(uint64_t offset, MutableBytes out) = 0;
  // All or an error; short writes and EINTR are continued inside. On error the bytes actually
  // written before it are unknown.
  virtual Status write_at(uint64_t offset, Bytes bytes) = 0;
  virtual Status append(Bytes bytes) = 0;
  virtual Status sync_data() = 0;  // contents and size (fdatasync)
  virtual Status sync_all() = 0;   // and the other metadata (fsync)
  virtual Status truncate(uint64_t size) = 0;
  virtual Result<uint64_t> size() = 0;
  // Asks for pages before they are read; only a hint.
  virtual void prefetch(uint64_t offset, uint64_t bytes) = 0;
  // The operating system's descriptor, for a back end that writes and syncs by itself; -1 where
  // there is none, as in the simulation.
  virtual int handle() const { return -1; }
};

// An open file; closes itself. Movable, not copyable.
class File {
 public:
  File() = default;
  explicit File(std::unique_ptr<FileImplementation> impl) : impl_(std::move(impl)) {}
  explicit operator bool() const { return impl_ != nullptr; }
  void close() { impl_.reset(); }

  Result<size_t> read_at(uint64_t offset, MutableBytes out) { return impl_->read_at(offset, out); }
  Status write_at(uint64_t offset, Bytes bytes) { return impl_->write_at(offset, bytes); }
  Status append(Bytes bytes) { return impl_->append(bytes); }
  Status sync_data() { return impl_->sync_data(); }
  Status sync_all() { return impl_->sync_all(); }
  Status truncate(uint64_t size) { return impl_->truncate(size); }
  Result<uint64_t> size() { return impl_->size(); }
  void prefetch(uint64_t offset, uint64_t bytes) { impl_->prefetch(offset, bytes); }
  int handle() const { return impl_->handle(); }

 private:
  std::unique_ptr<FileImplementation> impl_;
};

struct FileInfo {
  uint64_t size = 0;
  int64_t modified_us = 0;  // since the Unix epoch
  bool is_directory = false;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual Result<File> open(std::string_view path, OpenMode mode) = 0;
  virtual Result<FileInfo> info(std::string_view path) = 0;               // kNotFound when missing
  virtual Status rename(std::string_view from, std::string_view to) = 0;  // replaces `to`, atomically
  virtual Status remove(std::string_view path) = 0;                       // a file
  virtual Status link(std::string_view existing, std::string_view name) = 0;
  virtual Status create_directory(std::string_view path) = 0;                     // kExists when it is there
  virtual Status remove_directory(std::string_view path) = 0;                     // must be empty
  virtual Result<std::vector<std::string>> list(std::string_view directory) = 0;  // names, sorted
  // Makes creates, renames, links and removals in `directory` durable.
  virtual Status sync_directory(std::string_view directory) = 0;
  // What a process without privileges may still write to the disk that holds `directory`.
  virtual Result<uint64_t> free_bytes(std::string_view directory) = 0;
};

FileSystem& real_file_system();

// The directory that holds `path`: "a/b" of "a/b/c", "/" of "/c", "." of "c".
std::string parent_directory(std::string_view path);

// Whole-file helpers over any FileSystem.
// kTooLarge when the file has more than limit_bytes.
Result<std::string> read_whole_file(FileSystem& fs, std::string_view path, uint64_t limit_bytes);
// Writes `path` + kTemporarySuffix, syncs it, renames it over `path` and syncs the directory: old or
// new, never half. The temporary file is removed on failure; one left by a crash is overwritten by
// the next call. One call at a time for one path. After an error from the last step the new contents
// are in place, but may not be there after a power cut.
inline constexpr std::string_view kTemporarySuffix = ".tmp";
Status replace_file(FileSystem& fs, std::string_view path, Bytes contents);

}  // namespace strata

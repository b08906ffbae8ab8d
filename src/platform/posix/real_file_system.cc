// The operating system's file system.
//
// Files get mode 0644 under the umask, as Redis gives its own; descriptors are close-on-exec.
// EINTR and short reads and writes are continued here, so callers see all or an error. A sync that
// fails is reported once and never repeated: Linux marks the pages clean although they were not
// written, and a second fsync would say that all is well.

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>

#include "platform/file_system.h"
#include "platform/posix/os_error.h"

namespace strata {
namespace {

constexpr mode_t kFileMode = 0644;
constexpr mode_t kDirectoryMode = 0755;

// One write(2) moves at most 0x7ffff000 bytes; asking for less keeps offsets page-aligned.
constexpr size_t kTransferBytesMax = size_t{1} << 30;

class RealFile final : public FileImplementation {
 public:
  explicit RealFile(int fd) : fd_(fd) {}
  ~RealFile() override { ::close(fd_); }

  Result<size_t> read_at(uint64_t offset, MutableBytes out) override {
    size_t done = 0;
    while (done < out.size()) {
      size_t part = std::min(out.size() - done, kTransferBytesMax);
      auto at = static_cast<off_t>(offset + done);
      ssize_t got = retry_interrupted([&] { return ::pread(fd_, out.data() + done, part, at); });
      if (got < 0) return fail_errno("read");
      if (got == 0) break;
      done += static_cast<size_t>(got);
    }
    return done;
  }

  Status write_at(uint64_t offset, Bytes bytes) override {
    while (!bytes.empty()) {
      size_t part = std::min(bytes.size(), kTransferBytesMax);
      auto at = static_cast<off_t>(offset);
      ssize_t put = retry_interrupted([&] { return ::pwrite(fd_, bytes.data(), part, at); });
      if (put < 0) return fail_errno("write");
      if (put == 0) return fail(Errc::kIo, "write makes no progress", offset);
      bytes.remove_prefix(static_cast<size_t>(put));
      offset += static_cast<uint64_t>(put);
    }
    return {};
  }

  Status append(Bytes bytes) override {
#ifdef RWF_APPEND
    // One call that finds the end and writes there; O_APPEND would bend write_at() as well.
    while (!bytes.empty()) {
      iovec part{const_cast<char*>(bytes.data()), std::min(bytes.size(), kTransferBytesMax)};
      ssize_t put = retry_interrupted([&] { return ::pwritev2(fd_, &part, 1, 0, RWF_APPEND); });
      if (put < 0 && errno == EOPNOTSUPP) return append_at_size(bytes);
      if (put < 0) return fail_errno("append");
      if (put == 0) return fail(Errc::kIo, "append makes no progress");
      bytes.remove_prefix(static_cast<size_t>(put));
    }
    return {};
#else
    return append_at_size(bytes);
#endif
  }

  Status sync_data() override {
#ifdef __APPLE__
    int result = retry_interrupted([&] { return ::fcntl(fd_, F_FULLFSYNC); });
#else
    int result = retry_interrupted([&] { return ::fdatasync(fd_); });
#endif
    if (result < 0) return fail_errno("sync data");
    return {};
  }

  Status sync_all() override {
    if (retry_interrupted([&] { return ::fsync(fd_); }) < 0) return fail_errno("sync");
    return {};
  }

  Status truncate(uint64_t size) override {
    auto length = static_cast<off_t>(size);
    if (retry_interrupted([&] { return ::ftruncate(fd_, length); }) < 0) return fail_errno("truncate");
    return {};
  }

  Result<uint64_t> size() override {
    struct stat status{};
    if (::fstat(fd_, &status) < 0) return fail_errno("size");
    return static_cast<uint64_t>(status.st_size);
  }

  void prefetch(uint64_t offset, uint64_t bytes) override {
    (void)::posix_fadvise(fd_, static_cast<off_t>(offset), static_cast<off_t>(bytes), POSIX_FADV_WILLNEED);
  }

  int handle() const override { return fd_; }

 private:
  Status append_at_size(Bytes bytes) {
    TRY_ASSIGN(uint64_t end, size());
    return write_at(end, bytes);
  }

  int fd_;
};

int open_flags(OpenMode mode) {
  switch (mode) {
    case OpenMode::kRead:
      return O_RDONLY;
    case OpenMode::kReadWrite:
      return O_RDWR;
    case OpenMode::kCreate:
      return O_RDWR | O_CREAT;
    case OpenMode::kCreateNew:
      return O_RDWR | O_CREAT | O_EXCL;
    case OpenMode::kTruncate:
      return O_RDWR | O_CREAT | O_TRUNC;
  }
  return O_RDONLY;
}

class RealFileSystem final : public FileSystem {
 public:
  Result<File> open(std::string_view path, OpenMode mode) override {
    std::string name(path);
    int flags = open_flags(mode) | O_CLOEXEC;
    int fd = retry_interrupted([&] { return ::open(name.c_str(), flags, kFileMode); });
    if (fd < 0) return fail_errno("open");
    File file(std::make_unique<RealFile>(fd));
    // Linux opens a directory for reading; every later read would fail.
    struct stat status{};
    if (mode == OpenMode::kRead && ::fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) {
      return fail_os(Errc::kInvalidArgument, EISDIR, "open");
    }
    return file;
  }

  Result<FileInfo> info(std::string_view path) override {
    struct stat status{};
    if (::stat(std::string(path).c_str(), &status) < 0) return fail_errno("file information");
    FileInfo info;
    info.is_directory = S_ISDIR(status.st_mode);
    info.size = info.is_directory ? 0 : static_cast<uint64_t>(status.st_size);
    info.modified_us = int64_t{status.st_mtim.tv_sec} * 1'000'000 + status.st_mtim.tv_nsec / 1'000;
    return info;
  }

  Status rename(std::string_view from, std::string_view to) override {
    if (::rename(std::string(from).c_str(), std::string(to).c_str()) < 0) return fail_errno("rename");
    return {};
  }

  Status remove(std::string_view path) override {
    if (::unlink(std::string(path).c_str()) < 0) return fail_errno("remove");
    return {};
  }

  Status link(std::string_view existing, std::string_view name) override {
    if (::link(std::string(existing).c_str(), std::string(name).c_str()) < 0) return fail_errno("link");
    return {};
  }

  Status create_directory(std::string_view path) override {
    if (::mkdir(std::string(path).c_str(), kDirectoryMode) < 0) return fail_errno("create directory");
    return {};
  }

  Status remove_directory(std::string_view path) override {
    if (::rmdir(std::string(path).c_str()) < 0) return fail_errno("remove directory");
    return {};
  }

  Result<std::vector<std::string>> list(std::string_view directory) override {
    DIR* stream = ::opendir(std::string(directory).c_str());
    if (stream == nullptr) return fail_errno("list directory");
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = ::readdir(stream)) {
      std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
      errno = 0;
    }
    int error = errno;
    ::closedir(stream);
    if (error != 0) return fail_os(errc_from_errno(error), error, "list directory");
    std::ranges::sort(names);
    return names;
  }

  Status sync_directory(std::string_view directory) override {
    std::string name(directory);
    int fd = retry_interrupted([&] { return ::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
    if (fd < 0) return fail_errno("open directory");
    RealFile file(fd);
    return file.sync_all();
  }

  Result<uint64_t> free_bytes(std::string_view directory) override {
    struct statvfs found;
    std::string name(directory);
    if (::statvfs(name.c_str(), &found) != 0) return fail_errno("statvfs");
    return uint64_t{found.f_bavail} * found.f_frsize;
  }
};

}  // namespace

FileSystem& real_file_system() {
  static RealFileSystem instance;
  return instance;
}

}  // namespace strata

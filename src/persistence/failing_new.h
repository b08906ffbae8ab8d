// For tests (M1): makes the n-th `new` of the whole program fail, once or from then on.
//
//   for (uint64_t n = 1;; ++n) {
//     FailingNew failing(n, FailingNew::kOnce);
//     const Status done = work();
//     if (!failing.was_hit()) break;      // it takes fewer than n allocations
//   }
//
// failing_new_test.cc replaces the operators of the test program. What the test itself allocates meanwhile,
// and its simulated disk (RoomyFiles), does not count.

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "platform/file_system.h"

// Not beside the thread sanitizer, which brings operators of its own.
#define STRATA_NEW_MAY_FAIL 1
#if defined(__SANITIZE_THREAD__)
#undef STRATA_NEW_MAY_FAIL
#define STRATA_NEW_MAY_FAIL 0
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#undef STRATA_NEW_MAY_FAIL
#define STRATA_NEW_MAY_FAIL 0
#endif
#endif

namespace strata::testing_tools {

class FailingNew {
 public:
  static constexpr bool kIsPossible = STRATA_NEW_MAY_FAIL;
  enum Mode : uint8_t { kOnce, kFromThenOn };
  FailingNew(uint64_t nth, Mode mode);
  ~FailingNew() { stop(); }
  FailingNew(const FailingNew&) = delete;
  FailingNew& operator=(const FailingNew&) = delete;
  void stop();
  bool was_hit() const;

  // On this thread, for as long as it lives, everything succeeds.
  class Pause {
   public:
    Pause();
    ~Pause();
    Pause(const Pause&) = delete;
    Pause& operator=(const Pause&) = delete;
  };
};

// A file system whose own memory never fails.
class RoomyFiles final : public FileSystem {
 public:
  template <typename Work>
  static auto pausing(Work&& work) {
    FailingNew::Pause pause;
    return work();
  }

  explicit RoomyFiles(FileSystem& files) : files_(files) {}
  Result<File> open(std::string_view path, OpenMode mode) override;
  Result<FileInfo> info(std::string_view path) override {
    return pausing([&] { return files_.info(path); });
  }
  Status rename(std::string_view from, std::string_view to) override {
    return pausing([&] { return files_.rename(from, to); });
  }
  Status remove(std::string_view path) override {
    return pausing([&] { return files_.remove(path); });
  }
  Status link(std::string_view existing, std::string_view name) override {
    return pausing([&] { return files_.link(existing, name); });
  }
  Status create_directory(std::string_view path) override {
    return pausing([&] { return files_.create_directory(path); });
  }
  Status remove_directory(std::string_view path) override {
    return pausing([&] { return files_.remove_directory(path); });
  }
  Result<std::vector<std::string>> list(std::string_view directory) override {
    return pausing([&] { return files_.list(directory); });
  }
  Status sync_directory(std::string_view directory) override {
    return pausing([&] { return files_.sync_directory(directory); });
  }

  Result<uint64_t> free_bytes(std::string_view directory) override {
    return pausing([&] { return files_.free_bytes(directory); });
  }

 private:
  FileSystem& files_;
};

}  // namespace strata::testing_tools

// When a failed log is given a fresh generation (persistence/oplog_rewrite.h): after a second, then after
// later and later attempts, and at once when a disk that was full has room again.
//
//   first sight of the failure ──1 s──> attempt ──2 s──> attempt ──4 s──> … ──30 s──> …
//
// After an attempt that found the disk full the next comes early if much more is free than that one had.
// Asking for it is one statfs(2) every 200 ms, and only then.
//
// The attempts themselves are BackgroundSave's; it reports them here. Any thread; a mutex guards it all.

#pragma once

#include <cstdint>
#include <mutex>
#include <string>

#include "base/result.h"

namespace strata {

class FileSystem;

class LogResumption {
 public:
  static constexpr int64_t kDelayMs = 1000;
  static constexpr int64_t kDelayMaxMs = 30'000;
  static constexpr int64_t kProbeMs = 200;
  static constexpr uint64_t kRoomBytesMin = 64 << 10;  // less that has become free is not worth an attempt

  // `directory` is where the log lies.
  LogResumption(FileSystem& fs, std::string directory) : fs_(fs), directory_(std::move(directory)) {}

  // The log has failed, with this error. Whether to try now; asked again and again.
  bool is_due(const Error& failure, int64_t now_ms);
  void attempt_begins();
  void attempt_failed(const Error& error, int64_t now_ms);
  // The log goes on.
  void succeeded();
  // Until the next attempt at the latest.
  int64_t delay_ms() const;

 private:
  void wait_for_room();
  bool has_room(int64_t now_ms);

  FileSystem& fs_;
  const std::string directory_;
  mutable std::mutex mutex_;
  bool is_known_ = false;  // the failure
  int64_t next_ms_ = 0;
  int64_t delay_ms_ = kDelayMs;
  bool waits_for_room_ = false;
  uint64_t free_bytes_ = 0;    // at the beginning of the last attempt
  uint64_t wanted_bytes_ = 0;  // free, for an early attempt
  int64_t next_probe_ms_ = 0;
};

}  // namespace strata

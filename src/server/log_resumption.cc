#include "server/log_resumption.h"

#include <algorithm>

#include "platform/file_system.h"

namespace strata {

bool LogResumption::is_due(const Error& failure, int64_t now_ms) {
  std::scoped_lock guard(mutex_);
  if (!is_known_) {
    is_known_ = true;
    delay_ms_ = kDelayMs;
    next_ms_ = now_ms + delay_ms_;
    free_bytes_ = fs_.free_bytes(directory_).value_or(0);
    waits_for_room_ = false;
    if (failure.code == Errc::kNoSpace) wait_for_room();
    return false;
  }
  return now_ms >= next_ms_ || has_room(now_ms);
}

void LogResumption::attempt_begins() {
  std::scoped_lock guard(mutex_);
  is_known_ = true;  // also one by hand, before the first by itself
  free_bytes_ = fs_.free_bytes(directory_).value_or(0);
}

void LogResumption::attempt_failed(const Error& error, int64_t now_ms) {
  std::scoped_lock guard(mutex_);
  delay_ms_ = std::min(2 * delay_ms_, kDelayMaxMs);
  next_ms_ = now_ms + delay_ms_;
  waits_for_room_ = false;
  if (error.code == Errc::kNoSpace) wait_for_room();
}

void LogResumption::succeeded() {
  std::scoped_lock guard(mutex_);
  is_known_ = false;
}

int64_t LogResumption::delay_ms() const {
  std::scoped_lock guard(mutex_);
  return delay_ms_;
}

// What was free was not enough.
void LogResumption::wait_for_room() {
  waits_for_room_ = true;
  wanted_bytes_ = free_bytes_ + std::max(free_bytes_ / 8, kRoomBytesMin);
  next_probe_ms_ = 0;
}

bool LogResumption::has_room(int64_t now_ms) {
  if (!waits_for_room_ || now_ms < next_probe_ms_) return false;
  next_probe_ms_ = now_ms + kProbeMs;
  return fs_.free_bytes(directory_).value_or(0) >= wanted_bytes_;
}

}  // namespace strata

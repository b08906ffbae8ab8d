// SLOWLOG: the commands that took longest, newest first, bounded in number and size.
//
// Any thread may call everything; a mutex guards it, which slow commands can afford.

#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace strata {

struct Session;

struct SlowLogEntry {
  int64_t id;
  int64_t unix_time_s;
  uint64_t duration_us;
  std::vector<std::string> args;
  std::string client_address;
  std::string client_name;
};

class SlowLog {
 public:
  static constexpr size_t kArgumentsMax = 32;
  static constexpr size_t kArgumentBytesMax = 128;

  void add(std::span<const Bytes> args, uint64_t duration_us, int64_t now_ms, const Session& session);
  std::vector<SlowLogEntry> newest(size_t count) const;
  size_t length() const;
  void reset();
  void set_max_length(size_t length);

 private:
  mutable std::mutex mutex_;
  std::deque<SlowLogEntry> entries_;  // newest first
  size_t max_length_ = 128;
  int64_t next_id_ = 0;
};

}  // namespace strata

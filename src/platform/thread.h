// Threads: names, placement, and the event a sleeping loop is woken by.

#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace strata {

// The name shown by top and gdb; cut to 15 bytes.
void name_this_thread(std::string_view name);

// Processors this process may run on: the affinity mask counts, not what the machine has.
int usable_cpu_count();
std::vector<int> usable_cpus();
Status pin_this_thread(std::span<const int> cpus);

// The operating system's number of the calling thread.
int64_t this_thread_id();

// Gives the rest of the time slice away.
void yield_thread();
// Sleeps for at least so many microseconds, and as much longer as the system's timer slack allows (50 us on
// Linux by default).
void nap_thread(int64_t at_least_us);

// Wakes a loop that sleeps in epoll or io_uring: readable from signal() until drain().
//
// signal() may be called by any thread and from a signal handler; it never blocks, and many signals
// before a drain are one. drain() belongs to the woken thread. The event outlives its last signaller.
class WakeEvent {
 public:
  static Result<WakeEvent> create();
  WakeEvent() = default;
  WakeEvent(WakeEvent&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  WakeEvent& operator=(WakeEvent&& other) noexcept;
  ~WakeEvent();

  void signal();
  // True if there was a signal since the last drain.
  bool drain();
  // Blocks until signalled; false after timeout_ms (-1: for ever). Does not drain.
  bool wait(int timeout_ms);
  int handle() const { return fd_; }

 private:
  explicit WakeEvent(int fd) : fd_(fd) {}
  int fd_ = -1;
};

}  // namespace strata

// The lock around the log writer, made for loops that must not wait.
//
// A loop that finds it taken leaves a mark and goes on; whoever holds it learns at unlock() that somebody
// came by, and looks at the ring again (or has the log thread do it). So nothing complete stays unwritten,
// and nobody waits.
//
// Every change of the state is a read-modify-write, and those of one atomic form a single order: a mark set
// before unlock() is seen by it, and with it, by release and acquire, the records appended before the mark.

#pragma once

#include <atomic>
#include <cstdint>

namespace strata {

class LogLock {
 public:
  // Taken, or marked.
  bool try_lock_or_mark() {
    for (;;) {
      if ((state_.fetch_or(kHeld, std::memory_order_acq_rel) & kHeld) == 0) return true;
      if ((state_.fetch_or(kMarked, std::memory_order_acq_rel) & kHeld) != 0) return false;
      // It was given back between the two. The mark stays and costs its next holder one look.
    }
  }
  void lock() {
    for (;;) {
      const uint32_t seen = state_.fetch_or(kHeld, std::memory_order_acq_rel);
      if ((seen & kHeld) == 0) return;
      state_.wait(seen, std::memory_order_acquire);
    }
  }
  // True when somebody left a mark meanwhile.
  [[nodiscard]] bool unlock() {
    const uint32_t seen = state_.exchange(0, std::memory_order_acq_rel);
    state_.notify_one();
    return (seen & kMarked) != 0;
  }

 private:
  static constexpr uint32_t kHeld = 1;
  static constexpr uint32_t kMarked = 2;

  std::atomic<uint32_t> state_{0};
};

}  // namespace strata

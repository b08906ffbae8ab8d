// Segments of huge pages that are there before a heap needs them.
//
// Writing the first byte of a huge page makes the system find 2 MiB and clear them: some 100 µs where memory
// is at hand, 2.6 to 8 ms on a virtual machine whose host has taken it back. That is too long for a thread
// that is inside a shard. So the heaps of a keyspace share a stock, which a thread of its own fills.
//
//   prepare()  a heap will want a segment soon: fills the stock, and starts the thread on the first call
//   take()     a segment, or null when there is none; then the heap maps one itself
//
// Both may be called by any thread, never wait for memory, and hold the mutex for a few instructions; a
// thread that touches memory does not hold it. Memory in stock belongs to no heap: it is in nobody's
// `resident` and in no limit, only in what the system says of the process. It is at most kSegmentsMax
// segments, and goes back after kIdleMs without a call.
//
// A stock that cannot have memory or a thread stays empty, silently: the next call tries again. The
// destructor waits for the page that is being touched. A child of fork() has no thread and must not use the
// stock.

#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <thread>

namespace strata {

class SegmentStock {
 public:
  // A segment lasts 10 ms at the rate at which one thread fills small blocks, and takes as long to prepare
  // where memory is slowest, so one more is enough. More would be noticed: 8 MiB are 8 bytes for each of a
  // million keys.
  static constexpr size_t kSegmentsMax = 2;
  static constexpr int64_t kIdleMs = 2000;

  explicit SegmentStock(int64_t idle_ms = kIdleMs) : idle_ms_(idle_ms) {}
  ~SegmentStock();
  SegmentStock(const SegmentStock&) = delete;
  SegmentStock& operator=(const SegmentStock&) = delete;

  void prepare();
  // kSegmentBytes at a multiple of kSegmentBytes, all zero, with huge pages asked for. The caller's now.
  [[nodiscard]] void* take();
  size_t count() const;

 private:
  void wish();
  void work();
  void give_back(std::unique_lock<std::mutex>& lock);

  const int64_t idle_ms_;
  mutable std::mutex mutex_;  // guards everything below
  std::condition_variable wished_;
  void* segments_[kSegmentsMax] = {};
  size_t count_ = 0;
  uint64_t wishes_ = 0;  // so far
  bool ends_ = false;
  std::thread thread_;
};

}  // namespace strata

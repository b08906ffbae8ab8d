// Segments of huge pages that are there before a heap needs them.
//
// Writing the first byte of a huge page makes the system find 2 MiB and clear them: some 100 µs where memory
// is at hand, 2.6 to 8 ms on a virtual machine whose host has taken it back. That is too long for a thread
// that is inside a shard. So the heaps of a keyspace share a stock, which a thread of its own fills.
//
//   prepare()  a heap will want a segment soon: one is made for it, by a thread that the first call starts
//   take()     a segment; where there is none, whether one is coming
//
// A heap that is faster than the stock takes 4 KiB pages for a segment; if none is coming it maps one of huge
// pages itself.
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
  static constexpr size_t kSegmentsMax = 4;
  // A heap that grows more slowly than by half a segment in this time finds the stock empty.
  static constexpr int64_t kIdleMs = 10'000;

  explicit SegmentStock(int64_t idle_ms = kIdleMs) : idle_ms_(idle_ms) {}
  ~SegmentStock();
  SegmentStock(const SegmentStock&) = delete;
  SegmentStock& operator=(const SegmentStock&) = delete;

  void prepare();
  struct Taken {
    void* segment;   // kSegmentBytes at a multiple of that, all zero, huge pages: the caller's now. Or null.
    bool is_coming;  // another one, announced by prepare()
  };
  [[nodiscard]] Taken take();
  size_t count() const;

 private:
  void work();
  void fill(std::unique_lock<std::mutex>& lock);
  void give_back(std::unique_lock<std::mutex>& lock);

  const int64_t idle_ms_;
  mutable std::mutex mutex_;  // guards everything below
  std::condition_variable wished_;
  void* segments_[kSegmentsMax] = {};
  size_t count_ = 0;
  size_t wanted_ = 0;  // not yet made; count_ + wanted_ <= kSegmentsMax
  bool ends_ = false;
  std::thread thread_;
};

}  // namespace strata

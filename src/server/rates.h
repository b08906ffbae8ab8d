// How much of something happens in a second, from samples of counters: instantaneous_ops_per_sec and the
// like.
//
// sample() belongs to one thread, ten times a second; the rates may be read by all.

#pragma once

#include <array>
#include <atomic>
#include <cstdint>

namespace strata {

class Rate {
 public:
  void sample(int64_t now_ms, uint64_t total) {
    int64_t elapsed_ms = now_ms - last_ms_;
    // A counter that was reset begins anew.
    uint64_t grown = total >= last_total_ ? total - last_total_ : 0;
    if (last_ms_ != 0 && elapsed_ms > 0) {
      samples_[next_++ % kSamples].store(grown * 1000 / static_cast<uint64_t>(elapsed_ms),
                                         std::memory_order_relaxed);
    }
    last_ms_ = now_ms;
    last_total_ = total;
  }
  uint64_t per_second() const {
    uint64_t sum = 0;
    for (const auto& sample : samples_) sum += sample.load(std::memory_order_relaxed);
    return sum / kSamples;
  }

 private:
  static constexpr size_t kSamples = 16;
  std::array<std::atomic<uint64_t>, kSamples> samples_{};
  size_t next_ = 0;
  int64_t last_ms_ = 0;
  uint64_t last_total_ = 0;
};

struct Rates {
  Rate commands;
  Rate input_bytes;
  Rate output_bytes;
};

}  // namespace strata

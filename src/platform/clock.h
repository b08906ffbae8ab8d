// Time, as something passed in, so that tests can own it.

#pragma once

#include <cstdint>

namespace strata {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual int64_t wall_us() = 0;       // since the Unix epoch; may jump
  virtual int64_t monotonic_us() = 0;  // since some start; never goes back
};

Clock& system_clock();

// Set by hand; for tests. Starts at 1,000,000 s so that small subtractions stay positive.
class ManualClock final : public Clock {
 public:
  int64_t wall_us() override { return now_us_; }
  int64_t monotonic_us() override { return now_us_; }
  void advance_us(int64_t us) { now_us_ += us; }

 private:
  int64_t now_us_ = 1'000'000'000'000;
};

int64_t thread_cpu_us();  // CPU time of the calling thread

}  // namespace strata

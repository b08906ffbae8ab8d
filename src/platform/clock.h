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

int64_t thread_cpu_us();  // CPU time of the calling thread; a system call, some 0.7 µs
int64_t monotonic_ns();   // about 40 ns a call

// A counter for measuring short times, about 10 ns a call where the processor has one (x86 and ARM
// count at a fixed rate, whatever the clock frequency); nanoseconds elsewhere.
inline uint64_t cycles_now() {
#if defined(__x86_64__)
  return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
  uint64_t count;
  asm volatile("mrs %0, cntvct_el0" : "=r"(count));
  return count;
#else
  return static_cast<uint64_t>(monotonic_ns());
#endif
}

// The rate of cycles_now(). The first call measures for kCalibrationUs; call it at start-up.
inline constexpr int64_t kCalibrationUs = 5'000;
double cycles_per_us();

}  // namespace strata

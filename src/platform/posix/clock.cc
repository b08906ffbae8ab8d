#include "platform/clock.h"

#include <ctime>

namespace strata {
namespace {

int64_t read_ns(clockid_t id) {
  timespec now{};
  ::clock_gettime(id, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

class SystemClock final : public Clock {
 public:
  int64_t wall_us() override { return read_ns(CLOCK_REALTIME) / 1'000; }
  int64_t monotonic_us() override { return read_ns(CLOCK_MONOTONIC) / 1'000; }
};

// A reading of both counters at one moment: of several tries, the one that was disturbed least.
struct Moment {
  uint64_t cycles = 0;
  int64_t ns = 0;
};

Moment read_both() {
  constexpr int kTries = 8;
  Moment best;
  uint64_t best_width = UINT64_MAX;
  for (int i = 0; i < kTries; ++i) {
    uint64_t before = cycles_now();
    int64_t ns = monotonic_ns();
    uint64_t width = cycles_now() - before;
    if (width < best_width) {
      best_width = width;
      best = {before + width / 2, ns};
    }
  }
  return best;
}

double measure_cycles_per_us() {
  Moment start = read_both();
  while (monotonic_ns() - start.ns < kCalibrationUs * 1'000) {
  }
  Moment end = read_both();
  return static_cast<double>(end.cycles - start.cycles) * 1e3 / static_cast<double>(end.ns - start.ns);
}

}  // namespace

Clock& system_clock() {
  static SystemClock instance;
  return instance;
}

int64_t monotonic_ns() { return read_ns(CLOCK_MONOTONIC); }

int64_t thread_cpu_us() { return read_ns(CLOCK_THREAD_CPUTIME_ID) / 1'000; }

double cycles_per_us() {
  static const double rate = measure_cycles_per_us();
  return rate;
}

}  // namespace strata

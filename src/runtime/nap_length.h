// How long a loop naps: short, or long while that is seen to pay.
//
// With several busy loops each gets a part of the clients, so that a short nap gathers a part of the
// requests: two loops with 25 clients each were woken for 7 requests at a time where one with 50 took 20. A
// nap three times as long brings that back, but where all active clients wait for it anyway it would only
// make them wait longer. So it is tried and measured: a window of long naps must serve about as many events
// a second as the window of short ones before it, with clearly more events a nap. A trial in vain doubles
// the number of windows until the next; a length that pays is put to the test again now and then, because
// the load changes.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace strata {

class NapLength {
 public:
  static constexpr int64_t kShortUs = 1;  // plus the timer slack, about 50 us
  static constexpr int64_t kLongUs = 100;
  static constexpr uint32_t kWindowNaps = 128;
  static constexpr uint32_t kPlentyEvents = 16;  // a nap: then there is nothing to gain
  static constexpr uint32_t kTrialAfterMax = 1024;
  static constexpr uint32_t kLongWindowsMax = 64;

  int64_t us() const { return is_long_ ? kLongUs : kShortUs; }

  // A nap has ended and found `ready` events. Turns without naps in between count as time, not as naps.
  void on_nap(size_t ready, int64_t now_us) {
    if (window_began_us_ == 0) window_began_us_ = now_us;
    events_ += static_cast<uint32_t>(ready);
    if (++naps_ < kWindowNaps) return;
    const double elapsed_us = static_cast<double>(std::max<int64_t>(now_us - window_began_us_, 1));
    end_window({events_ / elapsed_us, static_cast<double>(events_) / naps_});
    events_ = naps_ = 0;
    window_began_us_ = now_us;
  }

 private:
  struct Yield {
    double per_us = 0;
    double per_nap = 0;
  };

  void end_window(Yield yield) {
    if (!is_long_) {
      short_ = yield;
      if (yield.per_nap < kPlentyEvents && ++windows_ >= trial_after_) become(true);
      return;
    }
    if (yield.per_us < 0.9 * short_.per_us || yield.per_nap < 1.25 * short_.per_nap) {
      trial_after_ = std::min(2 * trial_after_, kTrialAfterMax);
      become(false);
    } else if (++windows_ == kLongWindowsMax) {
      trial_after_ = 1;
      become(false);
    }
  }

  void become(bool is_long) {
    is_long_ = is_long;
    windows_ = 0;
  }

  Yield short_;
  int64_t window_began_us_ = 0;
  uint32_t events_ = 0;
  uint32_t naps_ = 0;
  uint32_t windows_ = 0;
  uint32_t trial_after_ = 1;
  bool is_long_ = false;
};

}  // namespace strata

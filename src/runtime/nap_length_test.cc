#include "runtime/nap_length.h"

#include <gtest/gtest.h>

namespace strata {
namespace {

// A load whose naps find so many events, short or long, and take that much time each.
struct Load {
  size_t short_ready, long_ready;
  int64_t short_us, long_us;
};

// Windows that were spent in long naps, of so many.
uint32_t long_windows(NapLength& length, const Load& load, uint32_t windows) {
  static int64_t now_us = 0;
  uint32_t long_ones = 0;
  for (uint32_t window = 0; window < windows; ++window) {
    const bool is_long = length.us() == NapLength::kLongUs;
    long_ones += is_long ? 1 : 0;
    for (uint32_t nap = 0; nap < NapLength::kWindowNaps; ++nap) {
      now_us += is_long ? load.long_us : load.short_us;
      length.on_nap(is_long ? load.long_ready : load.short_ready, now_us);
    }
  }
  return long_ones;
}

TEST(NapLength, StaysLongWhereThatGathersMoreAtTheSameRate) {
  NapLength length;
  EXPECT_EQ(length.us(), NapLength::kShortUs);
  long_windows(length, {7, 14, 100, 200}, 10);
  EXPECT_GE(long_windows(length, {7, 14, 100, 200}, 1000), 950u);
}

TEST(NapLength, GoesBackWhereClientsOnlyWaitLonger) {
  NapLength length;
  const Load closed{10, 10, 100, 200};  // ten clients, all of them waiting for us
  EXPECT_LE(long_windows(length, closed, 4000), 16u);
}

TEST(NapLength, GoesBackWhereTheRateFalls) {
  NapLength length;
  const Load slower{6, 10, 100, 250};
  EXPECT_LE(long_windows(length, slower, 4000), 16u);
}

TEST(NapLength, StaysShortWherePlentyCome) {
  NapLength length;
  EXPECT_EQ(long_windows(length, {NapLength::kPlentyEvents, 40, 100, 200}, 100), 0u);
}

TEST(NapLength, FollowsTheLoad) {
  NapLength length;
  long_windows(length, {10, 10, 100, 200}, 100);
  // The pause after trials in vain has an end, and a length that has paid is given up when it pays no more.
  EXPECT_GT(long_windows(length, {7, 14, 100, 200}, 2 * NapLength::kTrialAfterMax), 0u);
  EXPECT_LE(long_windows(length, {10, 10, 100, 200}, 4000), NapLength::kLongWindowsMax + 20);
}

}  // namespace
}  // namespace strata

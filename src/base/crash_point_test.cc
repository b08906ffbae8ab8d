#include "base/crash_point.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace strata {
namespace {

TEST(CrashPoint, IsNothingWithoutTheVariable) {
  EXPECT_FALSE(crash_points::kAreArmed);
  STRATA_CRASH_POINT("test.point");
}

void pass_thrice() {
  setenv("STRATA_CRASH_POINT", "test.point:3", 1);
  crash_points::pass("test.other");
  crash_points::pass("test.point");
  crash_points::pass("test.point");
  crash_points::pass("test.point.more");
  std::fputs("two passes", stderr);
  crash_points::pass("test.point");
  std::fputs("and on", stderr);
}

TEST(CrashPointDeathTest, EndsTheProcessAtItsPass) {
  EXPECT_EXIT(pass_thrice(), testing::ExitedWithCode(kCrashPointExitCode), "^two passes$");
}

}  // namespace
}  // namespace strata

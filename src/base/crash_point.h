// Named places at which a test ends the process, as kill -9 would: at once, with nothing tidied up.
//
//   STRATA_CRASH_POINT("rewrite.after_rename");
//
//   STRATA_CRASH_POINT=rewrite.after_rename:3 strata-server …     ends at its third pass, with
//   kCrashPointExitCode
//
// Points stand between steps on files, where a death in between must not matter; tests/crash/crash_points.py
// finds them in the sources, and fails when one was never reached. Any thread. A point costs one load and one
// branch that is never taken, so it may stand wherever a system call is made anyway, and nowhere hotter.

#pragma once

namespace strata {

inline constexpr int kCrashPointExitCode = 137;  // what a shell makes of SIGKILL

namespace crash_points {

// Whether the environment names a point; from before main() on.
extern const bool kAreArmed;
// Ends the process if it is the pass that was asked for.
void pass(const char* name);

}  // namespace crash_points
}  // namespace strata

#define STRATA_CRASH_POINT(name)                        \
  do {                                                  \
    if (::strata::crash_points::kAreArmed) [[unlikely]] \
      ::strata::crash_points::pass(name);               \
  } while (false)

// How long the next rewrite by itself waits after failures, as Redis does: from the third failure in a row on
// a minute, then twice as long with each, at most an hour.

#pragma once

#include <algorithm>
#include <cstdint>

namespace strata {

inline constexpr uint64_t kRewriteFailuresWithoutDelay = 3;
inline constexpr int64_t kRewriteDelayMinS = 60;
inline constexpr int64_t kRewriteDelayMaxS = 60 * 60;

inline int64_t rewrite_delay_s(uint64_t failures) {
  if (failures < kRewriteFailuresWithoutDelay) return 0;
  const uint64_t doublings = std::min<uint64_t>(failures - kRewriteFailuresWithoutDelay, 10);
  return std::min(kRewriteDelayMaxS, kRewriteDelayMinS << doublings);
}

}  // namespace strata

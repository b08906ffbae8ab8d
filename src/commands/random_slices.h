// SRANDMEMBER, HRANDFIELD and ZRANDMEMBER with so large a count that they are done in slices.
//
// Different members are then chosen as all pass by (PassingSample): a walk over the whole collection, but it
// needs no memory and can stop anywhere. Chosen one by one they would need a table of those seen.

#pragma once

#include <algorithm>
#include <optional>

#include "base/random.h"
#include "commands/collections.h"

namespace strata {

// Below this many, different members are chosen one by one within one slice, about 3 ms.
inline constexpr uint64_t kSampledAtOnce = 8 * kSliceElements;

inline bool wants_random_slices(Context& context, const RandomCount& wanted, uint64_t count) {
  return wants_slices(context, wanted.is_repeated ? count : count / (kSampledAtOnce / kSliceElements));
}

// Replies `count` of `size` elements after an array header of `header` replies.
//   draw(slice, n)              replies n elements, each drawn from all
//   pass(slice, cursor, sample) shows some elements to the sample, from the cursor on, replies those it
//                               takes, and returns true at the end
template <typename Draw, typename Pass>
void reply_random_in_slices(Context& context, const RandomCount& wanted, uint64_t count, uint64_t size,
                            uint64_t header, Draw draw, Pass pass) {
  in_slices(context, false,
            [draw, pass, header, size, is_repeated = wanted.is_repeated, left = count, cursor = uint64_t{0},
             sample = std::optional<PassingSample>()](Context& slice) mutable {
              if (!sample) {
                slice.reply().array(header);
                sample.emplace(slice.random(slice.key(1)), size, left);
              }
              if (!is_repeated) return pass(slice, cursor, *sample);
              const uint64_t some = std::min<uint64_t>(left, kSliceElements);
              draw(slice, some);
              left -= some;
              return left == 0;
            });
}

}  // namespace strata

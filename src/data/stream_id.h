// The ID of a stream's entry: milliseconds and a sequence number, ordered as one number of 128 bits.
//
// In RDB files and in the index it is 16 bytes, both halves big-endian, so that bytes compare like IDs.

#pragma once

#include <compare>
#include <cstdint>
#include <optional>

namespace strata {

struct StreamId {
  uint64_t ms = 0;
  uint64_t sequence = 0;

  friend auto operator<=>(const StreamId&, const StreamId&) = default;
};

inline constexpr StreamId kStreamIdMin{};
inline constexpr StreamId kStreamIdMax{UINT64_MAX, UINT64_MAX};

// The neighbours; nothing beyond the ends.
inline std::optional<StreamId> next_id(StreamId id) {
  if (id == kStreamIdMax) return std::nullopt;
  if (id.sequence == UINT64_MAX) return StreamId{id.ms + 1, 0};
  return StreamId{id.ms, id.sequence + 1};
}
inline std::optional<StreamId> previous_id(StreamId id) {
  if (id == kStreamIdMin) return std::nullopt;
  if (id.sequence == 0) return StreamId{id.ms - 1, UINT64_MAX};
  return StreamId{id.ms, id.sequence - 1};
}

}  // namespace strata

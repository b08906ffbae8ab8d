// IDs of stream entries as text: "5-1", "5", "5-*", "-", "+", "(5-1".
//
// Numbers are read as Redis reads them, which is with strtoull: blanks and signs may stand in front, zeros
// too.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "data/stream_id.h"

namespace strata {

inline constexpr size_t kStreamIdTextBytes = 41;  // two numbers of 64 bits and the dash

// Room for the text of one ID.
struct StreamIdText {
  explicit StreamIdText(StreamId id);
  Bytes view() const { return {text, size}; }

  char text[kStreamIdTextBytes + 1];
  size_t size;
};

// What XADD takes: a part of the ID may be left to the stream.
struct PartialStreamId {
  StreamId id;
  bool has_sequence = true;  // false: "5-*"
};

// "ms-seq", or "ms" with `missing_sequence`. Neither "-" nor "+".
std::optional<StreamId> parse_stream_id(Bytes text, uint64_t missing_sequence);
// The same, and "-" and "+" for the ends.
std::optional<StreamId> parse_stream_id_or_end(Bytes text, uint64_t missing_sequence);
// The same as parse_stream_id(), and "ms-*".
std::optional<PartialStreamId> parse_partial_stream_id(Bytes text);

// An end of a range. It may be exclusive, and is then moved inwards.
struct StreamBound {
  enum class Error : uint8_t { kNone, kNoId, kNoNeighbour };
  StreamId id;
  Error error = Error::kNone;
};
enum class StreamEnd : uint8_t { kStart, kEnd };
StreamBound parse_stream_bound(Bytes text, StreamEnd end);

}  // namespace strata

#include "commands/stream_ids.h"

#include "text/ascii.h"
#include "text/numbers.h"

namespace strata {
namespace {

constexpr size_t kIdBytesMax = 127;

// strtoull, and no canonical negative number. Others wrap around.
std::optional<uint64_t> parse_number(Bytes text) {
  if (std::optional<int64_t> number = parse_i64(text)) {
    if (*number < 0) return std::nullopt;
    return static_cast<uint64_t>(*number);
  }
  while (!text.empty() && ascii_is_space(text.front())) text.remove_prefix(1);
  bool is_negative = false;
  if (text.starts_with('-') || text.starts_with('+')) {
    is_negative = text.front() == '-';
    text.remove_prefix(1);
  }
  if (text.empty()) return std::nullopt;
  uint64_t value = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    if (__builtin_mul_overflow(value, uint64_t{10}, &value)) return std::nullopt;
    if (__builtin_add_overflow(value, static_cast<uint64_t>(c - '0'), &value)) return std::nullopt;
  }
  return is_negative ? 0 - value : value;
}

std::optional<PartialStreamId> parse(Bytes text, uint64_t missing_sequence, bool may_be_partial) {
  if (text.size() > kIdBytesMax) return std::nullopt;
  text = text.substr(0, text.find('\0'));
  const size_t dash = text.find('-');
  std::optional<uint64_t> ms = parse_number(text.substr(0, dash));
  if (!ms) return std::nullopt;
  if (dash == Bytes::npos) return PartialStreamId{{*ms, missing_sequence}};
  const Bytes rest = text.substr(dash + 1);
  if (may_be_partial && rest == "*") return PartialStreamId{{*ms, 0}, false};
  std::optional<uint64_t> sequence = parse_number(rest);
  if (!sequence) return std::nullopt;
  return PartialStreamId{{*ms, *sequence}};
}

}  // namespace

StreamIdText::StreamIdText(StreamId id) {
  size = print_u64(id.ms, text);
  text[size++] = '-';
  size += print_u64(id.sequence, text + size);
}

std::optional<StreamId> parse_stream_id(Bytes text, uint64_t missing_sequence) {
  std::optional<PartialStreamId> parsed = parse(text, missing_sequence, false);
  if (!parsed) return std::nullopt;
  return parsed->id;
}

std::optional<StreamId> parse_stream_id_or_end(Bytes text, uint64_t missing_sequence) {
  if (text == "-") return kStreamIdMin;
  if (text == "+") return kStreamIdMax;
  return parse_stream_id(text, missing_sequence);
}

std::optional<PartialStreamId> parse_partial_stream_id(Bytes text) { return parse(text, 0, true); }

StreamBound parse_stream_bound(Bytes text, StreamEnd end) {
  const uint64_t missing_sequence = end == StreamEnd::kStart ? 0 : UINT64_MAX;
  const bool is_exclusive = text.size() > 1 && text.front() == '(';
  std::optional<StreamId> id = is_exclusive ? parse_stream_id(text.substr(1), missing_sequence)
                                            : parse_stream_id_or_end(text, missing_sequence);
  if (!id) return {{}, StreamBound::Error::kNoId};
  if (!is_exclusive) return {*id};
  std::optional<StreamId> inner = end == StreamEnd::kStart ? next_id(*id) : previous_id(*id);
  if (!inner) return {{}, StreamBound::Error::kNoNeighbour};
  return {*inner};
}

}  // namespace strata

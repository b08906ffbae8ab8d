// The parser's two promises: it survives anything, and where the input was cut does not matter.
// Input: a byte of options, a byte that seeds the cuts, then what the client sends.

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "base/assert.h"
#include "protocol/request_parser.h"

namespace {

using strata::Bytes;

struct Outcome {
  std::vector<std::string> parts;  // arguments, raw bytes and flags in order
  std::string error;
  size_t left = 0;
  bool operator==(const Outcome&) const = default;
};

void collect(const strata::ParsedBatch& batch, Bytes input, Outcome& outcome) {
  size_t end = 0;
  for (const strata::ParsedCommand& command : batch.commands()) {
    STRATA_ASSERT(!command.args.empty() && command.end > end && command.end <= input.size());
    STRATA_ASSERT(command.raw == input.substr(command.end - command.raw.size(), command.raw.size()));
    end = command.end;
    if (command.canonical) {
      std::string again("*");
      again.append(std::to_string(command.args.size())).append("\r\n");
      for (const Bytes argument : command.args) {
        again.append("$")
            .append(std::to_string(argument.size()))
            .append("\r\n")
            .append(argument)
            .append("\r\n");
      }
      STRATA_ASSERT(again == command.raw);
    }
    for (const Bytes argument : command.args) outcome.parts.emplace_back(argument);
    outcome.parts.emplace_back(command.raw);
    outcome.parts.emplace_back(command.canonical ? "canonical" : "not canonical");
  }
  outcome.error = batch.error();
}

// Cuts come from a small generator, so that the fuzzer can steer them with one byte.
Outcome parse(Bytes stream, const strata::RequestLimits& limits, uint32_t cuts) {
  strata::RequestParser parser;
  parser.limits() = limits;
  strata::ParsedBatch batch;
  Outcome outcome;
  std::string buffer;
  while (!stream.empty()) {
    cuts = cuts * 1664525 + 1013904223;
    const size_t piece = cuts == 0 || (cuts >> 8) % 16 == 0 ? stream.size() : 1 + (cuts >> 16) % 13;
    buffer += stream.substr(0, piece);
    stream.remove_prefix(std::min(piece, stream.size()));
    for (;;) {
      const std::string moved(buffer);
      const size_t consumed = parser.parse(moved, batch);
      STRATA_ASSERT(consumed <= moved.size());
      collect(batch, moved, outcome);
      buffer.erase(0, consumed);
      if (!outcome.error.empty()) return outcome;
      if (consumed > 0) continue;
      STRATA_ASSERT(parser.needed_bytes() > buffer.size());
      break;
    }
  }
  outcome.left = buffer.size();
  return outcome;
}

Outcome parse_whole(Bytes stream, const strata::RequestLimits& limits) {
  strata::RequestParser parser;
  parser.limits() = limits;
  strata::ParsedBatch batch;
  Outcome outcome;
  for (size_t consumed = 1; consumed > 0 && outcome.error.empty(); stream.remove_prefix(consumed)) {
    consumed = parser.parse(stream, batch);
    collect(batch, stream, outcome);
    if (!outcome.error.empty()) return outcome;
  }
  outcome.left = stream.size();
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  strata::RequestLimits limits;
  limits.authenticated = (data[0] & 1) == 0;
  if ((data[0] & 2) != 0) limits.max_line_bytes = 16;
  if ((data[0] & 4) != 0) limits.max_bulk_bytes = 100;
  if ((data[0] & 8) != 0) limits.max_arguments = 5;
  const Bytes stream(reinterpret_cast<const char*>(data) + 2, size - 2);
  const Outcome whole = parse_whole(stream, limits);
  STRATA_ASSERT(parse(stream, limits, data[1]) == whole);
  return 0;
}

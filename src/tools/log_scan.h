// Looks at one file of a log piece by piece and goes on behind damage, where recovery would stop.
//
// strata-check uses it to say where every damage is and to keep what is intact around it. What is a batch, an
// opening, a command is decided by the decoders of persistence; nothing here trusts a byte that they do not.
//
// Pure: bytes in, pieces out; pieces cover the input without gaps. Cost: each byte once; behind damage each
// candidate header costs its checksum, all of them together at most kScanFactorMax times the file.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "persistence/log_batch.h"

namespace strata {

constexpr uint64_t kScanFactorMax = 64;
constexpr uint64_t kScanBytesMin = 64 << 20;

// Filler: lines of '#' alone between batches.
struct LogPiece {
  enum class Kind : uint8_t { kOpening, kBatch, kFiller, kForeign, kDamage } kind;
  uint64_t offset;  // in the file
  uint64_t bytes;
  const char* what = "";      // what is wrong; of a batch, with its header's form only
  BatchHeader header{};       // kBatch
  uint64_t record_bytes = 0;  // kBatch, kForeign: what it adds to the position
  bool at_end = false;        // kDamage: the file ends within a command, as after a crash of a real Redis
};

struct LogScan {
  bool has_opening = false;
  bool opening_is_damaged = false;  // its salt was recovered from the text, or guessed
  LogOpening opening;
  std::vector<LogPiece> pieces;
  uint64_t command_count = 0;  // of intact pieces
  bool gave_up = false;        // the search behind damage hit its limit: the rest is one damage
};

// Whether a file's first line is meant to be an opening: one byte of the mark may be damaged.
bool looks_like_opening(Bytes file);

// The line of a batch's header with the bytes that are always the same put right; nothing when none or too
// many were wrong. They are not in the checksum: damage to them harms no record.
std::string header_in_form(Bytes text);

// `from`: behind an RDB at the beginning.
LogScan scan_log(Bytes file, uint64_t from);

}  // namespace strata

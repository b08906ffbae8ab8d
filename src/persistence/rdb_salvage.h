// Keeps what is intact of a damaged RDB file: every key whose record is whole and whose value decodes.
//
// A value that does not decode costs its own key. Damage to the frame (a length, an opcode) ends it: nothing
// says where the next record begins. Where only the checksum is wrong every key may be kept, and one of them
// may hold a value that was not stored: the report says so by reached_end and checksum_was_wrong.
//
// The new file says what the old one said about itself, in its version, with a checksum of its own. Records
// are copied byte for byte. One thread. Memory: the keys and the largest value.
//
// Failure: kUnsupported for what Strata has no type for (nobody may drop that as damage), and what reading
// and writing give. The output is then of no use.

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "platform/file_system.h"

namespace strata {

inline constexpr size_t kRdbSalvageDetailsMax = 100;  // of dropped keys

struct RdbSalvageReport {
  uint64_t key_count = 0;
  uint64_t dropped_count = 0;
  std::vector<std::string> dropped;  // the first of them, in words
  bool reached_end = false;          // of the old dump; else everything from end_offset on is lost
  bool checksum_was_wrong = false;
  uint64_t end_offset = 0;
};

[[nodiscard]] Status rdb_salvage(File& damaged, File& out, RdbSalvageReport* report,
                                 const std::function<void(uint64_t done, uint64_t total)>& progress = {});

}  // namespace strata

// The commands inside an AOF: RESP arrays of bulk strings, annotations between them, MULTI … EXEC around
// some. Pure functions over bytes in memory; input may be hostile.

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/bytes.h"

namespace strata {

enum class AofParse : uint8_t {
  kOk,
  kIncomplete,  // fine so far, but the input ends within it
  kMalformed,
};

struct AofCommand {
  std::vector<Bytes> args;  // views into the input
  size_t bytes = 0;         // how much of the input it takes, annotations before it included
  size_t record_bytes = 0;  // without them; 0 when there was nothing but annotations
  size_t bytes_wanted = 0;  // kIncomplete: the input must be at least this long to get further
};

// Skips annotations, then reads one command. When the input ends after annotations: kOk without args.
// Reuses `command.args`.
AofParse parse_aof_command(Bytes in, AofCommand& command);

// What is handed out as a whole: one command, or MULTI … EXEC.
struct AofUnit {
  size_t bytes = 0;
  size_t record_bytes = 0;
  bool is_group = false;
  size_t bytes_wanted = 0;
};
// `command` is scratch, and for a unit that is no group it holds the command afterwards.
AofParse scan_aof_unit(Bytes in, AofCommand& command, AofUnit& unit);

bool is_command(const AofCommand& command, Bytes upper_name, size_t arg_count);
// SELECT's argument; false when it is no database number.
bool parse_database(Bytes text, uint16_t& db);

}  // namespace strata

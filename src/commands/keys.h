// Which arguments of a command are keys, by its key specifications.

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "commands/registry.h"

namespace strata {

struct KeyPosition {
  uint32_t index;  // into args
  uint16_t flags;  // KeyFlag
};

// Appends the positions in the order of the specifications. False when the arguments make no sense for them
// (a count that is no number or larger than what follows): the handler will say why.
bool find_keys(const RegisteredCommand& command, std::span<const Bytes> args,
               std::vector<KeyPosition>& positions);

// Whether the command looks up keys of its database that no argument names: it needs every shard then.
bool has_key_patterns(const RegisteredCommand& command, std::span<const Bytes> args);

}  // namespace strata

// The groups of commands on data, by name; registry.cc lists them.

#pragma once

#include "commands/command.h"

namespace strata {

extern const CommandGroup kStringGroup;
extern const CommandGroup kGenericGroup;
extern const CommandGroup kKeyspaceGroup;
extern const CommandGroup kListGroup;
extern const CommandGroup kHashGroup;
extern const CommandGroup kSetGroup;
extern const CommandGroup kSortedSetGroup;
extern const CommandGroup kBitmapGroup;
extern const CommandGroup kHyperLogLogGroup;
extern const CommandGroup kGeoGroup;
extern const CommandGroup kStreamGroup;

}  // namespace strata

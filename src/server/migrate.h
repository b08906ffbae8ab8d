// MIGRATE: keys go to another server and, when that has them, away from here.

#pragma once

#include <span>
#include <vector>

#include "commands/context.h"
#include "commands/keys.h"

namespace strata {

void migrate(Context& context);
// The keys of MIGRATE: the third argument, or those behind KEYS when it is empty.
bool migrate_keys(std::span<const Bytes> args, std::vector<KeyPosition>& positions);

extern const CommandGroup kMigrateGroup;

}  // namespace strata

// Handlers of DUMP and RESTORE, and the parts of them that MIGRATE shares.

#pragma once

#include "commands/context.h"

namespace strata {

void dump_key(Context& context);
void restore_key(Context& context);

}  // namespace strata

// Handlers of set commands that do not stand beside their table (sets.cc).

#pragma once

#include "commands/context.h"

namespace strata {

// sets_pop.cc
void spop(Context& context);

// sets_algebra.cc: intersections, unions, differences.
void sinter(Context& context);
void sunion(Context& context);
void sdiff(Context& context);
void sinterstore(Context& context);
void sunionstore(Context& context);
void sdiffstore(Context& context);
void sintercard(Context& context);
void sunioncard(Context& context);
void sdiffcard(Context& context);

}  // namespace strata

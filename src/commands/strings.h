// Handlers of string commands that do not stand beside their table (strings.cc).

#pragma once

#include "commands/context.h"

namespace strata {

// strings_edit.cc: parts of strings, and numbers in them.
void append(Context& context);
void setrange(Context& context);
void getrange(Context& context);
void string_length(Context& context);
void incr(Context& context);
void decr(Context& context);
void incrby(Context& context);
void decrby(Context& context);
void incrbyfloat(Context& context);

// strings_conditions.cc
void digest(Context& context);
void delex(Context& context);
void delifeq(Context& context);

// strings_ex.cc
void msetex(Context& context);
void increx(Context& context);

// strings_lcs.cc
void lcs(Context& context);

}  // namespace strata

// Handlers of generic commands that do not stand beside their table (generic.cc).

#pragma once

#include "commands/context.h"

namespace strata {

// generic_expire.cc: deadlines.
void expire(Context& context);
void pexpire(Context& context);
void expireat(Context& context);
void pexpireat(Context& context);
void ttl(Context& context);
void pttl(Context& context);
void expiretime(Context& context);
void pexpiretime(Context& context);
void persist(Context& context);

// generic_move.cc: values that get another key or database.
void copy_key(Context& context);
void move_key(Context& context);
void rename_key(Context& context);
void renamenx(Context& context);

// generic_walk.cc: the whole keyspace.
void keys(Context& context);
void scan(Context& context);
void randomkey(Context& context);

// What TYPE answers.
const char* type_name(Type type);

}  // namespace strata

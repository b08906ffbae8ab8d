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

// sort.cc
void sort(Context& context);
void sort_ro(Context& context);
bool find_sort_keys(std::span<const Bytes> args, std::vector<KeyPosition>& positions);
bool find_sort_ro_keys(std::span<const Bytes> args, std::vector<KeyPosition>& positions);
bool sort_has_patterns(std::span<const Bytes> args);
bool sort_ro_has_patterns(std::span<const Bytes> args);

// What TYPE answers.
const char* type_name(Type type);

}  // namespace strata

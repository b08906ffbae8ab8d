// Handlers of hash commands that do not stand beside their table (hashes.cc), and what they share with it.

#pragma once

#include "commands/collections.h"

namespace strata {

// The hash at args[1] to be changed, and a new one if there is none. False: the error was replied.
bool open_or_create_hash(Context& context, const Key& key, Entry*& entry, Value& hash);
// A field or value among args[first…] that is too long for the packed form ends it before the command begins,
// as in Redis.
Status prepare_hash(Context& context, const Key& key, Value& hash, size_t first);

// hash_fields.cc: deadlines of fields.
void hexpire(Context& context);
void hpexpire(Context& context);
void hexpireat(Context& context);
void hpexpireat(Context& context);
void httl(Context& context);
void hpttl(Context& context);
void hexpiretime(Context& context);
void hpexpiretime(Context& context);
void hpersist(Context& context);

// hash_fields_ex.cc: values together with deadlines.
void hgetdel(Context& context);
void hgetex(Context& context);
void hsetex(Context& context);

}  // namespace strata

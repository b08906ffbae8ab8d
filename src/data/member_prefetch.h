// Where a member of a large hash, set or sorted set will be looked for, so that the cache misses of a whole
// pipeline on one key can overlap.
//
// Only while nobody else is inside the shard, or in it oneself: the tables are read. A place is for these two
// calls, before the value changes.

#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "data/value.h"

namespace strata {

class Table;

struct MemberPlace {
  const Table* table = nullptr;  // null: a small value, or one of another type
  uint64_t hash = 0;
};

MemberPlace member_place(const Value& value, Bytes member);
// First for all places, then the second for all.
void prefetch_bucket(const MemberPlace& place);
void prefetch_entry(const MemberPlace& place);

}  // namespace strata

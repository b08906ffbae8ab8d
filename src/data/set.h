// Sets: unordered members, in an integer set or a packed node while small, then in a table.
//
//   kIntset    Blob* of sorted integers (data/intset.h)
//   kListpack  Blob* of a packed node: member, member…
//   kTable     Table* (data/table.h), members in no particular order
//
// Used by the handlers of commands and by the RDB reader and writer, inside the shard. A set of integers
// stays one while it has no other members and not too many; then packed, then table; never back.
//
//   1. Out of memory is the error kOutOfMemory, and the set is then what it was before.
//   2. Members handed out live until the set changes or the shard is left. Visitors must not change
//      the set.
//   3. The owner deletes the key when set_size() is 0; an empty set is otherwise a valid one.
//   4. Members given to a change must not lie inside the same set.
//
// Integer sets are searched by bisection, packed ones from the front; in a table every single operation
// is O(1).

#pragma once

#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "base/function_ref.h"
#include "base/result.h"
#include "data/context.h"
#include "data/value.h"

namespace strata {

class Random;

// set-max-intset-entries, set-max-listpack-entries and set-max-listpack-value.
struct SetLimits {
  uint32_t intset_entries = 512;
  uint32_t packed_entries = 128;
  uint32_t packed_value_bytes = 64;
};

using SetVisitor = FunctionRef<void(const Element& member)>;

// Empty, in the form that suits the member which is about to be added, and about so many in all.
[[nodiscard]] Result<Value> set_create(const DataContext& context, const SetLimits& limits,
                                       Bytes first_member, uint64_t size_hint = 1);
// A packed node or an integer set, as RDB files hold it. Takes the blob over if it is a valid one without
// duplicates; kCorruption and left alone otherwise. It becomes a table when it exceeds the limits.
[[nodiscard]] Result<Value> set_adopt_packed(const DataContext& context, const SetLimits& limits,
                                             Blob* packed);
[[nodiscard]] Result<Value> set_adopt_intset(const DataContext& context, const SetLimits& limits,
                                             Blob* intset);
// A copy in the context's heap.
[[nodiscard]] Result<Value> set_copy(const DataContext& context, const Value& set);
// Frees up to about `budget` members; true when the whole is gone. Nothing else may be called in between.
bool set_destroy_some(Heap& heap, Value& set, size_t budget);
void set_destroy(Heap& heap, Value& set);

uint64_t set_size(const Value& set);
// Usable bytes of everything the set has allocated; O(members) in a table, or an estimate from the first
// `samples` members when that is not 0.
size_t set_memory(const Value& set, size_t samples = 0);
bool set_contains(const Value& set, Bytes member);
bool set_contains(const Value& set, const Element& member);

// Keeps, in order and at the front, those members that are in the set (`wanted` true) or that are not
// (false), and returns their number. A table is asked for many at once, so that cache misses overlap.
size_t set_filter(const Value& set, std::span<Element> members, bool wanted);

// True when the member is new.
[[nodiscard]] Result<bool> set_add(const DataContext& context, const SetLimits& limits, Value& set,
                                   Bytes member);
// True when the member was there.
[[nodiscard]] Result<bool> set_remove(const DataContext& context, Value& set, Bytes member);

// Every member once.
void set_visit(const Value& set, SetVisitor visit);
// The same in slices: visits at least `budget` members if there are so many, and moves the cursor, which
// begins as 0; true at the end. The set must not change in between.
bool set_visit_some(const Value& set, uint64_t& cursor, size_t budget, SetVisitor visit);
// SSCAN: visits about `count` members and returns the next cursor, 0 at the end. Members that are there from
// the first call to the last are visited at least once, whatever changes in between. Any cursor is safe.
uint64_t set_scan(const Value& set, uint64_t cursor, size_t count, SetVisitor visit);

// One member, each with the same probability. The set must not be empty.
void set_random(const Value& set, Random& random, SetVisitor visit);
// `count` times one member, repetitions allowed.
void set_random_repeated(const Value& set, Random& random, uint64_t count, SetVisitor visit);
// `count` different members, all if there are no more. Needs memory in proportion to the smaller of
// count and 1/3 of the members.
[[nodiscard]] Status set_random_distinct(const DataContext& context, const Value& set, Random& random,
                                         uint64_t count, SetVisitor visit);
// Removes up to `count` random members; visits each just before it goes.
[[nodiscard]] Status set_pop(const DataContext& context, Value& set, Random& random, uint64_t count,
                             SetVisitor visit);

}  // namespace strata

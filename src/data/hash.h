// Hashes: fields and their values, in a packed node while small, then in a table.
//
//   kListpack  Blob* of a packed node: field, value, field, value…
//   kTable     Table* (data/table.h), fields in no particular order
//   kTimed     TimedHash* (data/hash_deadlines.h): one of the two, and deadlines of fields
//
// Used by the handlers of commands and by the RDB reader and writer, inside the shard. A hash changes
// from packed to table when it gets too many or too long elements for its limits, and never back.
//
//   1. Out of memory is the error kOutOfMemory, and the hash is then what it was before.
//   2. Elements handed out live until the hash changes or the shard is left; `blob` is set where the bytes
//      are worth pinning. Visitors must not change the hash.
//   3. The owner deletes the key when hash_size() is 0; an empty hash is otherwise a valid one.
//   4. Fields and values given to a change must not lie inside the same hash.
//
// Packed hashes are searched from the front; in a table every single operation is O(1).

#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/function_ref.h"
#include "base/result.h"
#include "data/context.h"
#include "data/value.h"

namespace strata {

class Random;

// hash-max-listpack-entries and hash-max-listpack-value.
struct HashLimits {
  uint32_t packed_entries = 512;
  uint32_t packed_value_bytes = 64;
};

using HashVisitor = FunctionRef<void(const Element& field, const Element& value)>;

[[nodiscard]] Result<Value> hash_create(const DataContext& context);
// A packed node of alternating fields and values, as RDB files hold it. Takes the node over if it is a
// valid hash (even count, no field twice); kCorruption and left alone otherwise. It may exceed the limits.
[[nodiscard]] Result<Value> hash_adopt(const DataContext& context, const HashLimits& limits, Blob* packed);
// A copy in the context's heap.
[[nodiscard]] Result<Value> hash_copy(const DataContext& context, const Value& hash);
// Frees up to about `budget` elements; true when the whole is gone. Nothing else may be called in between.
bool hash_destroy_some(Heap& heap, Value& hash, size_t budget);
void hash_destroy(Heap& heap, Value& hash);

uint64_t hash_size(const Value& hash);
// Usable bytes of everything the hash has allocated; O(fields) in a table, or an estimate from the first
// `samples` fields when that is not 0.
size_t hash_memory(const Value& hash, size_t samples = 0);

std::optional<Element> hash_get(const Value& hash, Bytes field);
inline bool hash_contains(const Value& hash, Bytes field) { return hash_get(hash, field).has_value(); }

// Makes room for fields and values of these sizes to come, that is, leaves the packed form at once if one is
// too long.
[[nodiscard]] Status hash_prepare(const DataContext& context, const HashLimits& limits, Value& hash,
                                  size_t longest_element_bytes);

// True when the field is new.
[[nodiscard]] Result<bool> hash_set(const DataContext& context, const HashLimits& limits, Value& hash,
                                    Bytes field, Bytes value);
// True when the field was not there and is now; changes nothing otherwise.
[[nodiscard]] Result<bool> hash_set_if_absent(const DataContext& context, const HashLimits& limits,
                                              Value& hash, Bytes field, Bytes value);
// True when the field was there.
[[nodiscard]] Result<bool> hash_remove(const DataContext& context, Value& hash, Bytes field);
// The new value. kInvalidArgument: the old one is not an integer; kTooLarge: the sum would overflow.
[[nodiscard]] Result<int64_t> hash_increment(const DataContext& context, const HashLimits& limits,
                                             Value& hash, Bytes field, int64_t by);

// Every field once.
void hash_visit(const Value& hash, HashVisitor visit);
// The same in slices: visits at least `budget` fields if there are so many, and moves the cursor, which
// begins as 0; true at the end. The hash must not change in between.
bool hash_visit_some(const Value& hash, uint64_t& cursor, size_t budget, HashVisitor visit);
// HSCAN: visits about `count` fields and returns the next cursor, 0 at the end. Fields that are there from
// the first call to the last are visited at least once, whatever changes in between. Any cursor is safe.
uint64_t hash_scan(const Value& hash, uint64_t cursor, size_t count, HashVisitor visit);

// One field, each with the same probability. The hash must not be empty.
void hash_random(const Value& hash, Random& random, HashVisitor visit);
// `count` times one field, repetitions allowed.
void hash_random_repeated(const Value& hash, Random& random, uint64_t count, HashVisitor visit);
// `count` different fields, all if there are no more. Needs memory in proportion to the smaller of count
// and 1/3 of the fields.
[[nodiscard]] Status hash_random_distinct(const DataContext& context, const Value& hash, Random& random,
                                          uint64_t count, HashVisitor visit);

}  // namespace strata

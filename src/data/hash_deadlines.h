// Deadlines of a hash's fields.
//
// A hash with at least one is a TimedHash: a plain hash, and beside it the deadlines as a sorted set of field
// names, so that what is due is found without a look at the rest, and a plain hash pays nothing. With its
// last deadline the hash becomes a plain one again.
//
//   kTimed  TimedHash ─┬─ plain      kListpack or kTable
//                      └─ deadlines  a sorted set: score = milliseconds of the wall clock
//
// The functions of hash.h take either kind. They know no clock: a field whose time has come is there until
// somebody calls hash_expire_some(). hash_set() and hash_increment() leave a field's deadline alone, as
// Redis's HINCRBY does; hash_remove() takes it away. Errors are as there.

#pragma once

#include <cstdint>

#include "data/hash.h"

namespace strata {

inline constexpr int64_t kNoFieldDeadline = -1;
// Redis keeps 48 bits; all of them are exact in a score.
inline constexpr int64_t kFieldDeadlineMaxMs = (int64_t{1} << 48) - 2;

struct TimedHash {
  Value plain;
  Value deadlines;
};

inline bool hash_is_timed(const Value& hash) { return hash.encoding == Encoding::kTimed; }
// The hash without its deadlines: itself when it has none.
inline const Value& plain_hash(const Value& hash) {
  return hash_is_timed(hash) ? static_cast<const TimedHash*>(hash.pointer)->plain : hash;
}
inline Value& plain_hash(Value& hash) {
  return hash_is_timed(hash) ? static_cast<TimedHash*>(hash.pointer)->plain : hash;
}

// The field's deadline, or kNoFieldDeadline.
int64_t hash_deadline(const Value& hash, Bytes field);
// The earliest of all; INT64_MAX when there is none.
int64_t hash_first_deadline(const Value& hash);
uint64_t hash_deadline_count(const Value& hash);

// The field must be there, and the deadline between 0 and kFieldDeadlineMaxMs.
[[nodiscard]] Status hash_set_deadline(const DataContext& context, Value& hash, Bytes field,
                                       int64_t deadline_ms);
// True when it had one.
[[nodiscard]] Result<bool> hash_clear_deadline(const DataContext& context, Value& hash, Bytes field);
// Removes fields whose deadline is `now_ms` or before, up to `budget`, the earliest first; shows each before
// it goes. How many there were.
[[nodiscard]] Result<uint64_t> hash_expire_some(const DataContext& context, Value& hash, int64_t now_ms,
                                                uint64_t budget, FunctionRef<void(Bytes field)> visit);

}  // namespace strata

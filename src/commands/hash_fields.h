// What the commands on fields of hashes have in common: their lists of fields, and what of them is logged.

#pragma once

#include <vector>

#include "commands/hashes.h"
#include "data/hash_deadlines.h"

namespace strata {

// Redis takes no deadline of a field beyond this.
inline constexpr int64_t kFieldDeadlineLatestMs = kFieldDeadlineMaxMs >> 2;

// FIELDS numfields field [field …] from args[at] to the end. False: the error was replied; `bad_count` is for
// a number that is none or below 1.
bool parse_fields(Context& context, size_t at, Bytes bad_count, std::span<const Bytes>& fields);

// Some fields of a command, and the command that says so in the log: HDEL key field …, or HPEXPIREAT key
// deadline FIELDS n field ….
class LoggedFields {
 public:
  void add(Bytes field) { fields_.push_back(field); }
  uint64_t count() const { return fields_.size(); }
  void log_removed(Context& context, const Key& key) const;
  void log_deadline(Context& context, const Key& key, int64_t deadline_ms) const;
  void log_persisted(Context& context, const Key& key) const;

 private:
  std::vector<Bytes> fields_;
};

// Whether a field that gets this deadline goes at once. Never while the log is replayed: nothing expires
// then.
inline bool has_passed(Context& context, int64_t deadline_ms) {
  return deadline_ms <= context.now_ms() && context.keyspace().expiry_enabled();
}

}  // namespace strata

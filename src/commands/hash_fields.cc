// HEXPIRE and its kin: deadlines of fields. What is logged says which fields got which absolute deadline, and
// which went because theirs had passed.

#include "commands/hash_fields.h"

#include "text/numbers.h"

namespace strata {
namespace {

constexpr int64_t kNoField = -2;
constexpr int64_t kNoDeadlineReply = -1;
constexpr int64_t kNotMet = 0;
constexpr int64_t kSet = 1;
constexpr int64_t kDeleted = 2;

constexpr Bytes kCountOfReaders = "ERR Number of fields must be a positive integer";

enum class Condition : uint8_t { kNone, kIfNone, kIfAny, kIfLater, kIfEarlier };

Condition condition_at(const Context& context, size_t i) {
  if (context.is_word(i, "NX")) return Condition::kIfNone;
  if (context.is_word(i, "XX")) return Condition::kIfAny;
  if (context.is_word(i, "GT")) return Condition::kIfLater;
  return context.is_word(i, "LT") ? Condition::kIfEarlier : Condition::kNone;
}

// A field without a deadline counts as one that is infinitely late.
bool is_met(Condition condition, int64_t now_has, int64_t wanted) {
  const bool has_one = now_has != kNoFieldDeadline;
  switch (condition) {
    case Condition::kNone:
      return true;
    case Condition::kIfNone:
      return !has_one;
    case Condition::kIfAny:
      return has_one;
    case Condition::kIfLater:
      return has_one && wanted > now_has;
    case Condition::kIfEarlier:
      return !has_one || wanted < now_has;
  }
  return false;
}

void reply_all(Context& context, const std::vector<int64_t>& results) {
  context.reply().array(results.size());
  for (int64_t result : results) context.reply().integer(result);
}

bool parse_time(Context& context, int64_t unit_ms, int64_t base_ms, int64_t& deadline_ms) {
  int64_t time;
  if (!context.parse_integer(2, time)) return false;
  if (time < 0) {
    context.reply().error("ERR invalid expire time, must be >= 0");
    return false;
  }
  if (time > kFieldDeadlineLatestMs / unit_ms || time * unit_ms > kFieldDeadlineLatestMs - base_ms) {
    context.reply().error("ERR invalid expire time in '", context.command().name, "' command");
    return false;
  }
  deadline_ms = time * unit_ms + base_ms;
  return true;
}

struct Change {
  Condition condition;
  int64_t deadline_ms;
  LoggedFields set;
  LoggedFields removed;

  Result<int64_t> apply(Context& context, const Key& key, Value& hash, Bytes field) {
    if (!hash_contains(hash, field)) return kNoField;
    if (!is_met(condition, hash_deadline(hash, field), deadline_ms)) return kNotMet;
    if (has_passed(context, deadline_ms)) {
      TRY(hash_remove(context.data(key), hash, field));
      removed.add(field);
      return kDeleted;
    }
    TRY(hash_set_deadline(context.data(key), hash, field, deadline_ms));
    set.add(field);
    return kSet;
  }
};

void expire_fields(Context& context, int64_t unit_ms, int64_t base_ms) {
  const Key key = context.key(1);
  Entry* entry;
  if (!context.find_for_write(key, Type::kHash, entry)) return;
  Change change{};
  if (!parse_time(context, unit_ms, base_ms, change.deadline_ms)) return;
  change.condition = condition_at(context, 3);
  std::span<const Bytes> fields;
  const size_t fields_at = change.condition == Condition::kNone ? 3 : 4;
  if (!parse_fields(context, fields_at, "ERR Parameter `numFields` should be greater than 0", fields)) return;
  std::vector<int64_t> results(fields.size(), kNoField);
  if (!entry) return reply_all(context, results);

  Value hash = entry->value();
  Status status;
  for (size_t i = 0; i < fields.size() && status; ++i) {
    const Result<int64_t> result = change.apply(context, key, hash, fields[i]);
    result ? static_cast<void>(results[i] = *result)
           : static_cast<void>(status = std::unexpected(result.error()));
  }
  const uint64_t changes = change.set.count() + change.removed.count();
  change.set.log_deadline(context, key, change.deadline_ms);
  change.removed.log_removed(context, key);
  store_rest(context, key, entry, hash, hash_size(hash) == 0, changes);
  if (context.check(status)) reply_all(context, results);
}

// show(deadline) makes the reply for a field that has one.
template <typename Show>
void reply_deadlines(Context& context, Show show) {
  Entry* entry;
  context.set_touches_access(false);
  if (!context.find(context.key(1), Type::kHash, entry)) return;
  std::span<const Bytes> fields;
  if (!parse_fields(context, 2, kCountOfReaders, fields)) return;
  context.reply().array(fields.size());
  for (Bytes field : fields) {
    if (!entry || !hash_contains(entry->value(), field)) {
      context.reply().integer(kNoField);
      continue;
    }
    const int64_t deadline_ms = hash_deadline(entry->value(), field);
    context.reply().integer(deadline_ms == kNoFieldDeadline ? kNoDeadlineReply : show(deadline_ms));
  }
}

void reply_time_left(Context& context, int64_t unit_ms) {
  reply_deadlines(context, [&](int64_t deadline_ms) {
    return (std::max<int64_t>(deadline_ms - context.now_ms(), 0) + unit_ms - 1) / unit_ms;
  });
}
void reply_time(Context& context, int64_t unit_ms) {
  reply_deadlines(context, [&](int64_t deadline_ms) { return (deadline_ms + unit_ms - 1) / unit_ms; });
}

}  // namespace

bool parse_fields(Context& context, size_t at, Bytes bad_count, std::span<const Bytes>& fields) {
  if (at + 1 >= context.argc() || !context.is_word(at, "FIELDS")) {
    context.reply().error("ERR Mandatory argument FIELDS is missing or not at the right position");
    return false;
  }
  const std::optional<int64_t> count = parse_i64(context.arg(at + 1));
  if (!count || *count < 1) {
    context.reply().error(bad_count);
    return false;
  }
  fields = context.args().subspan(at + 2);
  if (fields.size() == static_cast<uint64_t>(*count)) return true;
  context.reply().error("ERR The `numfields` parameter must match the number of arguments");
  return false;
}

void LoggedFields::log_removed(Context& context, const Key& key) const {
  if (fields_.empty()) return;
  std::vector<Bytes> args = {"HDEL", key.name};
  args.insert(args.end(), fields_.begin(), fields_.end());
  context.effect(args);
}

void LoggedFields::log_deadline(Context& context, const Key& key, int64_t deadline_ms) const {
  if (fields_.empty()) return;
  char deadline[kI64TextBytes], count[kI64TextBytes];
  std::vector<Bytes> args = {"HPEXPIREAT", key.name, Bytes(deadline, print_i64(deadline_ms, deadline)),
                             "FIELDS", Bytes(count, print_u64(fields_.size(), count))};
  args.insert(args.end(), fields_.begin(), fields_.end());
  context.effect(args);
}

void LoggedFields::log_persisted(Context& context, const Key& key) const {
  if (fields_.empty()) return;
  char count[kI64TextBytes];
  std::vector<Bytes> args = {"HPERSIST", key.name, "FIELDS", Bytes(count, print_u64(fields_.size(), count))};
  args.insert(args.end(), fields_.begin(), fields_.end());
  context.effect(args);
}

void hexpire(Context& context) { expire_fields(context, 1000, context.now_ms()); }
void hpexpire(Context& context) { expire_fields(context, 1, context.now_ms()); }
void hexpireat(Context& context) { expire_fields(context, 1000, 0); }
void hpexpireat(Context& context) { expire_fields(context, 1, 0); }
void httl(Context& context) { reply_time_left(context, 1000); }
void hpttl(Context& context) { reply_time_left(context, 1); }
void hexpiretime(Context& context) { reply_time(context, 1000); }
void hpexpiretime(Context& context) { reply_time(context, 1); }

void hpersist(Context& context) {
  const Key key = context.key(1);
  Entry* entry;
  if (!context.find_for_write(key, Type::kHash, entry)) return;
  std::span<const Bytes> fields;
  if (!parse_fields(context, 2, kCountOfReaders, fields)) return;
  std::vector<int64_t> results(fields.size(), kNoField);
  if (!entry) return reply_all(context, results);
  Value hash = entry->value();
  LoggedFields persisted;
  Status status;
  for (size_t i = 0; i < fields.size() && status; ++i) {
    if (!hash_contains(hash, fields[i])) continue;
    const Result<bool> had_one = hash_clear_deadline(context.data(key), hash, fields[i]);
    if (!had_one) {
      status = std::unexpected(had_one.error());
      break;
    }
    results[i] = *had_one ? kSet : kNoDeadlineReply;
    if (*had_one) persisted.add(fields[i]);
  }
  persisted.log_persisted(context, key);
  store_rest(context, key, entry, hash, false, persisted.count());
  if (context.check(status)) reply_all(context, results);
}

}  // namespace strata

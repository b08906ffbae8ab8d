#include <algorithm>
#include <cmath>
#include <vector>

#include "commands/groups.h"
#include "commands/hash_fields.h"
#include "commands/random_slices.h"
#include "text/numbers.h"

namespace strata {
namespace {

const HashLimits& limits(const Context& context) { return context.options().hash; }

// Sets all pairs and replies with `reply(number of new fields)`.
template <typename ReplyWith>
void set_pairs(Context& context, ReplyWith&& reply) {
  if (context.argc() % 2 != 0) return reply_wrong_arity(context);
  Key key = context.key(1);
  Entry* entry;
  Value hash;
  if (!open_or_create_hash(context, key, entry, hash)) return;
  if (Status prepared = prepare_hash(context, key, hash, 2); !prepared) {
    return store_part(context, key, entry, hash, prepared.error(), 0, 0);
  }
  int64_t added = 0;
  for (size_t i = 2; i < context.argc(); i += 2) {
    Result<bool> is_new =
        hash_set(context.data(key), limits(context), hash, context.arg(i), context.arg(i + 1));
    if (!is_new) return store_part(context, key, entry, hash, is_new.error(), i, i / 2 - 1);
    added += *is_new;
    // A new value has no deadline.
    const Result<bool> cleared = hash_clear_deadline(context.data(key), hash, context.arg(i));
    if (!cleared) return store_part(context, key, entry, hash, cleared.error(), i, i / 2 - 1);
  }
  if (!store(context, key, entry, hash)) return;
  context.changed(key, context.argc() / 2 - 1);
  reply(added);
}

void hset(Context& context) {
  set_pairs(context, [&](int64_t added) { context.reply().integer(added); });
}

void hmset(Context& context) {
  set_pairs(context, [&](int64_t) { context.reply().ok(); });
}

void hsetnx(Context& context) {
  Key key = context.key(1);
  Entry* entry;
  if (!context.find_for_write(key, Type::kHash, entry)) return;
  if (entry && hash_contains(entry->value(), context.arg(2))) return context.reply().integer(0);
  set_pairs(context, [&](int64_t) { context.reply().integer(1); });
}

void hincrby(Context& context) {
  int64_t by;
  if (!context.parse_integer(3, by)) return;
  Key key = context.key(1);
  Entry* entry;
  Value hash;
  if (!open_or_create_hash(context, key, entry, hash)) return;
  Result<int64_t> sum = hash_increment(context.data(key), limits(context), hash, context.arg(2), by);
  if (!sum) return store_part(context, key, entry, hash, sum.error(), 0, 0);
  if (!store(context, key, entry, hash)) return;
  context.changed(key);
  context.reply().integer(*sum);
}

// The number in the field, 0 without one. False: it is none.
bool field_number(const Value& hash, Bytes field, long double& number) {
  number = 0;
  std::optional<Element> old = hash_get(hash, field);
  if (!old) return true;
  char scratch[kIntegerTextBytes];
  std::optional<long double> parsed = parse_long_double(element_text(*old, scratch));
  if (parsed) number = *parsed;
  return parsed.has_value();
}

void hincrbyfloat(Context& context) {
  std::optional<long double> by = parse_long_double(context.arg(3));
  if (!by) return context.reply().error("ERR value is not a valid float");
  if (!std::isfinite(*by)) return context.reply().error("ERR value is NaN or Infinity");
  Key key = context.key(1);
  Entry* entry;
  if (!context.find_for_write(key, Type::kHash, entry)) return;
  long double number = 0;
  if (entry && !field_number(entry->value(), context.arg(2), number)) {
    return context.reply().error("ERR hash value is not a float");
  }
  number += *by;
  if (!std::isfinite(number)) return context.reply().error("ERR increment would produce NaN or Infinity");
  Value hash;
  if (!open_or_create_hash(context, key, entry, hash)) return;
  char digits[kLongDoubleTextBytes];
  Bytes text(digits, print_long_double_human(number, digits));
  Result<bool> is_new = hash_set(context.data(key), limits(context), hash, context.arg(2), text);
  if (!is_new) return store_part(context, key, entry, hash, is_new.error(), 0, 0);
  if (!store(context, key, entry, hash)) return;
  // Another machine's long double may be another number. HSET would take a deadline away.
  if (hash_deadline(hash, context.arg(2)) == kNoFieldDeadline) {
    context.effect({"HSET", key.name, context.arg(2), text});
  } else {
    context.effect({"HSETEX", key.name, "KEEPTTL", "FIELDS", "1", context.arg(2), text});
  }
  context.changed(key);
  context.reply().bulk(text);
}

void hdel(Context& context) {
  Key key = context.key(1);
  Entry* entry;
  if (!context.find_for_write(key, Type::kHash, entry)) return;
  if (!entry) return context.reply().integer(0);
  Value hash = entry->value();
  uint64_t removed = 0;
  for (size_t i = 2; i < context.argc() && hash_size(hash) > 0; ++i) {
    Result<bool> was_there = hash_remove(context.data(key), hash, context.arg(i));
    if (!was_there) return store_part(context, key, entry, hash, was_there.error(), i, removed);
    removed += *was_there;
  }
  store_rest(context, key, entry, hash, hash_size(hash) == 0, removed);
  context.reply().integer(static_cast<int64_t>(removed));
}

void hget(Context& context) {
  Entry* entry;
  if (!context.find(context.key(1), Type::kHash, entry)) return;
  std::optional<Element> value;
  if (entry) value = hash_get(entry->value(), context.arg(2));
  value ? context.reply_element(*value) : context.reply().null();
}

void hmget(Context& context) {
  Entry* entry;
  if (!context.find(context.key(1), Type::kHash, entry)) return;
  context.reply().array(context.argc() - 2);
  for (Bytes field : context.args().subspan(2)) {
    std::optional<Element> value;
    if (entry) value = hash_get(entry->value(), field);
    value ? context.reply_element(*value) : context.reply().null();
  }
}

void hlen(Context& context) {
  Entry* entry;
  if (!context.find(context.key(1), Type::kHash, entry)) return;
  context.reply().integer(entry ? static_cast<int64_t>(hash_size(entry->value())) : 0);
}

void hstrlen(Context& context) {
  Entry* entry;
  if (!context.find(context.key(1), Type::kHash, entry)) return;
  std::optional<Element> value;
  if (entry) value = hash_get(entry->value(), context.arg(2));
  char scratch[kIntegerTextBytes];
  context.reply().integer(value ? static_cast<int64_t>(element_text(*value, scratch).size()) : 0);
}

void hexists(Context& context) {
  Entry* entry;
  if (!context.find(context.key(1), Type::kHash, entry)) return;
  context.reply().integer(entry && hash_contains(entry->value(), context.arg(2)));
}

// HGETALL, HKEYS and HVALS: visit(context, field, value) replies what is wanted of each pair.
template <typename Visit>
void reply_all(Context& context, bool is_map, Visit visit) {
  Entry* entry;
  if (!context.find(context.key(1), Type::kHash, entry)) return;
  auto header = [is_map](Reply& reply, uint64_t size) { is_map ? reply.map(size) : reply.array(size); };
  uint64_t size = entry ? hash_size(entry->value()) : 0;
  if (wants_slices(context, size)) {
    return in_slices(context, false, [cursor = uint64_t{0}, size, header, visit](Context& slice) mutable {
      if (cursor == 0) header(slice.reply(), size);
      return hash_visit_some(latched_entry(slice)->value(), cursor, kSliceElements,
                             [&](const Element& field, const Element& value) { visit(slice, field, value); });
    });
  }
  header(context.reply(), size);
  if (!entry) return;
  hash_visit(entry->value(),
             [&](const Element& field, const Element& value) { visit(context, field, value); });
}

void hgetall(Context& context) {
  reply_all(context, true, [](Context& to, const Element& field, const Element& value) {
    reply_many(to, to.reply(), field);
    reply_many(to, to.reply(), value);
  });
}

void hkeys(Context& context) {
  reply_all(context, false,
            [](Context& to, const Element& field, const Element&) { reply_many(to, to.reply(), field); });
}

void hvals(Context& context) {
  reply_all(context, false,
            [](Context& to, const Element&, const Element& value) { reply_many(to, to.reply(), value); });
}

void hscan(Context& context) {
  ScanArguments arguments;
  Entry* entry;
  if (!begin_scan(context, Type::kHash, arguments, entry)) return;
  std::vector<Element> found;
  uint64_t next = hash_scan(entry->value(), arguments.cursor, arguments.count,
                            [&](const Element& field, const Element& value) {
                              if (!arguments.matches(field)) return;
                              found.push_back(field);
                              if (!arguments.without_values) found.push_back(value);
                            });
  reply_scan_cursor(context, next);
  context.reply().array(found.size());
  for (const Element& element : found) context.reply_element(element);
}

// `count` fields, with their values or without. Together they are a flat array in RESP2, pairs in RESP3.
void reply_random(Context& context, const Key& key, const Value& hash, RandomCount wanted, bool with_values) {
  const uint64_t count = wanted.is_repeated ? wanted.count : std::min(wanted.count, hash_size(hash));
  const bool is_nested = with_values && context.reply().resp3();
  const uint64_t header = with_values && !is_nested ? 2 * count : count;
  auto show = [=](Context& slice, const Element& field, const Element& value) {
    if (is_nested) slice.reply().array(2);
    reply_many(slice, slice.reply(), field);
    if (with_values) reply_many(slice, slice.reply(), value);
  };
  if (wants_random_slices(context, wanted, count)) {
    return reply_random_in_slices(
        context, wanted, count, hash_size(hash), header,
        [show](Context& slice, uint64_t some) {
          hash_random_repeated(
              latched_entry(slice)->value(), slice.random(slice.key(1)), some,
              [&](const Element& field, const Element& value) { show(slice, field, value); });
        },
        [show](Context& slice, uint64_t& cursor, PassingSample& sample) {
          return hash_visit_some(latched_entry(slice)->value(), cursor, kSliceElements,
                                 [&](const Element& field, const Element& value) {
                                   if (sample.take()) show(slice, field, value);
                                 });
        });
  }
  bool is_first = true;
  auto show_here = [&](const Element& field, const Element& value) {
    // Choosing different fields takes memory, which may end before the first.
    if (is_first) context.reply().array(header);
    is_first = false;
    show(context, field, value);
  };
  if (wanted.is_repeated) {
    hash_random_repeated(hash, context.random(key), count, show_here);
  } else {
    context.check(hash_random_distinct(context.data(key), hash, context.random(key), count, show_here));
  }
}

void hrandfield(Context& context) {
  RandomCount wanted{};
  bool has_count = context.argc() > 2;
  bool with_values = context.argc() == 4 && context.is_word(3, "WITHVALUES");
  if (has_count) {
    if (!parse_random_count(context, 2, wanted)) return;
    if (context.argc() > 3 && !with_values) return context.syntax_error();
    if (with_values && !check_random_pairs(context, wanted)) return;
  }
  Key key = context.key(1);
  Entry* entry;
  if (!context.find(key, Type::kHash, entry)) return;
  Reply& reply = context.reply();
  if (!entry) return has_count ? reply.empty_array() : reply.null();
  if (!has_count) {
    return hash_random(entry->value(), context.random(key),
                       [&](const Element& field, const Element&) { context.reply_element(field); });
  }
  if (wanted.count == 0) return reply.empty_array();
  if (check_repetitions(context, wanted)) reply_random(context, key, entry->value(), wanted, with_values);
}

constexpr KeySpec kGetexKey[] = {
    {.flags = kKeyRW | kKeyAccess | kKeyUpdate, .notes = "RW and UPDATE because it changes the TTL"}};
constexpr const char* kFieldsComplexity = "O(N) where N is the number of specified fields";

// clang-format off
constexpr Command kHashCommands[] = {
    {.name = "hset", .syntax = "key field value [field value ...]", .flags = kWrite | kDenyOom | kFast,
     .keys = kFirstKeyUpdate, .acl = kAclHash, .since = "2.0.0",
     .complexity = "O(1) for each field/value pair added, so O(N) to add N field/value pairs when the command is called "
                   "with multiple field/value pairs.",
     .summary = "Set the string value of a hash field", .run = hset,
     .history = "4.0.0=Accepts multiple `field` and `value` arguments."},
    {.name = "hmset", .syntax = "key field value [field value ...]", .flags = kWrite | kDenyOom | kFast,
     .keys = kFirstKeyUpdate, .acl = kAclHash, .since = "2.0.0",
     .complexity = "O(N) where N is the number of fields being set.",
     .summary = "Set multiple hash fields to multiple values", .run = hmset,
     .deprecated_since = "4.0.0", .replaced_by = "`HSET` with multiple field-value pairs"},
    {.name = "hsetnx", .syntax = "key field value", .flags = kWrite | kDenyOom | kFast, .keys = kFirstKeyInsert,
     .acl = kAclHash, .since = "2.0.0",
     .summary = "Set the value of a hash field, only if the field does not exist", .run = hsetnx},
    {.name = "hget", .syntax = "key field", .flags = kReadOnly | kFast, .keys = kFirstKeyRead, .acl = kAclHash,
     .since = "2.0.0", .summary = "Get the value of a hash field", .run = hget},
    {.name = "hmget", .syntax = "key field [field ...]", .flags = kReadOnly | kFast, .keys = kFirstKeyRead,
     .acl = kAclHash, .since = "2.0.0", .complexity = "O(N) where N is the number of fields being requested.",
     .summary = "Get the values of all the given hash fields", .run = hmget},
    {.name = "hgetall", .syntax = "key", .flags = kReadOnly, .keys = kFirstKeyRead, .acl = kAclHash,
     .since = "2.0.0", .complexity = "O(N) where N is the size of the hash.",
     .summary = "Get all the fields and values in a hash", .run = hgetall, .tips = "nondeterministic_output_order"},
    {.name = "hdel", .syntax = "key field [field ...]", .flags = kWrite | kFast, .keys = kFirstKeyDelete,
     .acl = kAclHash, .since = "2.0.0", .complexity = "O(N) where N is the number of fields to be removed.",
     .summary = "Delete one or more hash fields", .run = hdel,
     .history = "2.4.0=Accepts multiple `field` arguments."},
    {.name = "hlen", .syntax = "key", .flags = kReadOnly | kFast, .keys = kFirstKeyMeta, .acl = kAclHash,
     .since = "2.0.0", .summary = "Get the number of fields in a hash", .run = hlen},
    {.name = "hstrlen", .syntax = "key field", .flags = kReadOnly | kFast, .keys = kFirstKeyMeta, .acl = kAclHash,
     .since = "3.2.0", .summary = "Get the length of the value of a hash field", .run = hstrlen},
    {.name = "hexists", .syntax = "key field", .flags = kReadOnly | kFast, .keys = kFirstKeyMeta, .acl = kAclHash,
     .since = "2.0.0", .summary = "Determine if a hash field exists", .run = hexists},
    {.name = "hkeys", .syntax = "key", .flags = kReadOnly, .keys = kFirstKeyRead, .acl = kAclHash, .since = "2.0.0",
     .complexity = "O(N) where N is the size of the hash.", .summary = "Get all the fields in a hash", .run = hkeys,
     .tips = "nondeterministic_output_order"},
    {.name = "hvals", .syntax = "key", .flags = kReadOnly, .keys = kFirstKeyRead, .acl = kAclHash, .since = "2.0.0",
     .complexity = "O(N) where N is the size of the hash.", .summary = "Get all the values in a hash", .run = hvals,
     .tips = "nondeterministic_output_order"},
    {.name = "hincrby", .syntax = "key field increment", .flags = kWrite | kDenyOom | kFast,
     .keys = kFirstKeyAccessUpdate, .acl = kAclHash, .since = "2.0.0",
     .summary = "Increment the integer value of a hash field by the given number", .run = hincrby},
    {.name = "hincrbyfloat", .syntax = "key field increment", .flags = kWrite | kDenyOom | kFast,
     .keys = kFirstKeyAccessUpdate, .acl = kAclHash, .since = "2.6.0",
     .summary = "Increment the float value of a hash field by the given amount", .run = hincrbyfloat},
    {.name = "hexpire", .syntax = "key seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]",
     .flags = kWrite | kDenyOom | kFast, .keys = kFirstKeyUpdate, .acl = kAclHash, .since = "7.4.0",
     .complexity = kFieldsComplexity, .summary = "Set expiry for hash field using relative time to expire (seconds)", .run = hexpire},
    {.name = "hpexpire", .syntax = "key milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]",
     .flags = kWrite | kDenyOom | kFast, .keys = kFirstKeyUpdate, .acl = kAclHash, .since = "7.4.0",
     .complexity = kFieldsComplexity, .summary = "Set expiry for hash field using relative time to expire (milliseconds)", .run = hpexpire},
    {.name = "hexpireat", .syntax = "key unix-time-seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]",
     .flags = kWrite | kDenyOom | kFast, .keys = kFirstKeyUpdate, .acl = kAclHash, .since = "7.4.0",
     .complexity = kFieldsComplexity, .summary = "Set expiry for hash field using an absolute Unix timestamp (seconds)", .run = hexpireat},
    {.name = "hpexpireat", .syntax = "key unix-time-milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]",
     .flags = kWrite | kDenyOom | kFast, .keys = kFirstKeyUpdate, .acl = kAclHash, .since = "7.4.0",
     .complexity = kFieldsComplexity, .summary = "Set expiry for hash field using an absolute Unix timestamp (milliseconds)", .run = hpexpireat},
    {.name = "httl", .syntax = "key FIELDS numfields field [field ...]", .flags = kReadOnly | kFast,
     .keys = kFirstKeyRead, .acl = kAclHash, .since = "7.4.0", .complexity = kFieldsComplexity,
     .summary = "Returns the TTL in seconds of a hash field.", .run = httl, .tips = "nondeterministic_output"},
    {.name = "hpttl", .syntax = "key FIELDS numfields field [field ...]", .flags = kReadOnly | kFast,
     .keys = kFirstKeyRead, .acl = kAclHash, .since = "7.4.0", .complexity = kFieldsComplexity,
     .summary = "Returns the TTL in milliseconds of a hash field.", .run = hpttl, .tips = "nondeterministic_output"},
    {.name = "hexpiretime", .syntax = "key FIELDS numfields field [field ...]", .flags = kReadOnly | kFast,
     .keys = kFirstKeyRead, .acl = kAclHash, .since = "7.4.0", .complexity = kFieldsComplexity,
     .summary = "Returns the expiration time of a hash field as a Unix timestamp, in seconds.", .run = hexpiretime},
    {.name = "hpexpiretime", .syntax = "key FIELDS numfields field [field ...]", .flags = kReadOnly | kFast,
     .keys = kFirstKeyRead, .acl = kAclHash, .since = "7.4.0", .complexity = kFieldsComplexity,
     .summary = "Returns the expiration time of a hash field as a Unix timestamp, in msec.", .run = hpexpiretime},
    {.name = "hpersist", .syntax = "key FIELDS numfields field [field ...]", .flags = kWrite | kFast,
     .keys = kFirstKeyUpdate, .acl = kAclHash, .since = "7.4.0", .complexity = kFieldsComplexity,
     .summary = "Removes the expiration time for each specified field", .run = hpersist},
    {.name = "hgetdel", .syntax = "key FIELDS numfields field [field ...]", .flags = kWrite | kFast,
     .keys = kFirstKeyAccessDelete, .acl = kAclHash, .since = "8.0.0", .complexity = kFieldsComplexity,
     .summary = "Returns the value of a field and deletes it from the hash.", .run = hgetdel},
    {.name = "hgetex",
     .syntax = "key [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST] "
               "FIELDS numfields field [field ...]",
     .flags = kWrite | kFast, .keys = kGetexKey, .acl = kAclHash, .since = "8.0.0", .complexity = kFieldsComplexity,
     .summary = "Get the value of one or more fields of a given hash key, and optionally set their expiration.",
     .run = hgetex},
    {.name = "hsetex",
     .syntax = "key [FNX | FXX] [EX seconds | PX milliseconds | EXAT unix-time-seconds | "
               "PXAT unix-time-milliseconds | KEEPTTL] FIELDS numfields field value [field value ...]",
     .flags = kWrite | kDenyOom | kFast, .keys = kFirstKeyUpdate, .acl = kAclHash, .since = "8.0.0",
     .complexity = "O(N) where N is the number of fields being set.",
     .summary = "Set the value of one or more fields of a given hash key, and optionally set their expiration.",
     .run = hsetex},
    {.name = "hscan", .syntax = "key cursor [MATCH pattern] [COUNT count] [NOVALUES]", .flags = kReadOnly,
     .keys = kFirstKeyRead, .acl = kAclHash, .since = "2.8.0",
     .complexity = "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to "
                   "return back to 0. N is the number of elements inside the collection..",
     .summary = "Incrementally iterate hash fields and associated values", .run = hscan,
     .tips = "nondeterministic_output"},
    {.name = "hrandfield", .syntax = "key [count [WITHVALUES]]", .flags = kReadOnly, .keys = kFirstKeyRead,
     .acl = kAclHash, .since = "6.2.0", .complexity = "O(N) where N is the number of fields returned",
     .summary = "Get one or multiple random fields from a hash", .run = hrandfield,
     .tips = "nondeterministic_output"},
};
// clang-format on
static_assert(well_formed(kHashCommands));

}  // namespace

bool open_or_create_hash(Context& context, const Key& key, Entry*& entry, Value& hash) {
  if (!context.find_for_write(key, Type::kHash, entry)) return false;
  if (entry) {
    hash = entry->value();
    return true;
  }
  Result<Value> created = hash_create(context.data(key));
  if (!context.check(created)) return false;
  hash = *created;
  return true;
}

Status prepare_hash(Context& context, const Key& key, Value& hash, size_t first) {
  size_t longest = 0;
  for (Bytes arg : context.args().subspan(first)) longest = std::max(longest, arg.size());
  if (longest <= limits(context).packed_value_bytes) return {};
  return hash_prepare(context.data(key), limits(context), hash, longest);
}

const CommandGroup kHashGroup = {"hash", kHashCommands};

}  // namespace strata

#include "commands/sets.h"

#include <algorithm>
#include <vector>

#include "base/assert.h"
#include "commands/collections.h"
#include "commands/groups.h"
#include "commands/random_slices.h"

namespace strata {
namespace {

const SetLimits& limits(const Context& context) { return context.options().set; }

void sadd(Context& context) {
  Key key = context.key(1);
  Entry* entry;
  if (!context.find_for_write(key, Type::kSet, entry)) return;
  Result<Value> set =
      entry ? entry->value()
            : set_create(context.data(key), limits(context), context.arg(2), context.argc() - 2);
  if (!context.check(set)) return;
  uint64_t added = 0;
  for (size_t i = 2; i < context.argc(); ++i) {
    Result<bool> is_new = set_add(context.data(key), limits(context), *set, context.arg(i));
    if (!is_new) return store_part(context, key, entry, *set, is_new.error(), i, added);
    added += *is_new;
  }
  if (!store(context, key, entry, *set)) return;
  if (added > 0) context.changed(key, added);
  context.reply().integer(static_cast<int64_t>(added));
}

void srem(Context& context) {
  Key key = context.key(1);
  Entry* entry;
  if (!context.find_for_write(key, Type::kSet, entry)) return;
  if (!entry) return context.reply().integer(0);
  Value set = entry->value();
  uint64_t removed = 0;
  for (size_t i = 2; i < context.argc() && set_size(set) > 0; ++i) {
    Result<bool> was_there = set_remove(context.data(key), set, context.arg(i));
    if (!was_there) return store_part(context, key, entry, set, was_there.error(), i, removed);
    removed += *was_there;
  }
  store_rest(context, key, entry, set, set_size(set) == 0, removed);
  context.reply().integer(static_cast<int64_t>(removed));
}

// Adds to the target before anything leaves the source, so that memory may end at any point. False: OOM was
// replied.
bool add_to_target(Context& context, const Key& target, Entry* entry, Bytes member, bool& is_new) {
  Result<Value> set = entry ? entry->value() : set_create(context.data(target), limits(context), member);
  if (!context.check(set)) return false;
  Result<bool> added = set_add(context.data(target), limits(context), *set, member);
  if (!added) {
    store_part(context, target, entry, *set, added.error(), 0, 0);
    return false;
  }
  is_new = *added;
  return store(context, target, entry, *set);
}

void take_back(Context& context, const Key& target, Bytes member) {
  Entry* entry = context.find_for_write(target);
  Value set = entry->value();
  Result<bool> undone = set_remove(context.data(target), set, member);
  STRATA_ASSERT(undone.has_value(), "the set was just written, so nobody pins it");
  entry->set_value(set);
  if (set_size(set) == 0) context.database(target).erase(target);
}

void smove(Context& context) {
  Key source = context.key(1);
  Key target = context.key(2);
  Bytes member = context.arg(3);
  Entry* target_entry = context.find_for_write(target);
  Entry* entry = context.find_for_write(source);
  if (!entry) return context.reply().integer(0);
  if (entry->type() != Type::kSet || (target_entry && target_entry->type() != Type::kSet)) {
    return context.wrong_type();
  }
  bool is_member = set_contains(entry->value(), member);
  if (!is_member || source.name == target.name) return context.reply().integer(is_member);

  bool is_new = false;
  if (!add_to_target(context, target, target_entry, member, is_new)) return;
  // Entries may have moved for the target's sake.
  entry = context.find_for_write(source);
  Value set = entry->value();
  Result<bool> removed = set_remove(context.data(source), set, member);
  if (!removed) {
    entry->set_value(set);
    if (is_new) take_back(context, target, member);
    context.check(removed);
    return;
  }
  store_rest(context, source, entry, set, set_size(set) == 0, 1);
  if (is_new) context.changed(target);
  context.reply().integer(1);
}

void scard(Context& context) {
  Entry* entry;
  if (!context.find(context.key(1), Type::kSet, entry)) return;
  context.reply().integer(entry ? static_cast<int64_t>(set_size(entry->value())) : 0);
}

void sismember(Context& context) {
  Entry* entry;
  if (!context.find(context.key(1), Type::kSet, entry)) return;
  context.reply().integer(entry && set_contains(entry->value(), context.arg(2)));
}

void smismember(Context& context) {
  Entry* entry;
  if (!context.find(context.key(1), Type::kSet, entry)) return;
  context.reply().array(context.argc() - 2);
  for (Bytes member : context.args().subspan(2)) {
    context.reply().integer(entry && set_contains(entry->value(), member));
  }
}

void smembers(Context& context) {
  Entry* entry;
  if (!context.find(context.key(1), Type::kSet, entry)) return;
  Reply& reply = context.reply();
  if (!entry) return reply.set(0);
  uint64_t size = set_size(entry->value());
  if (wants_slices(context, size)) {
    return in_slices(context, false, [cursor = uint64_t{0}, size](Context& slice) mutable {
      if (cursor == 0) slice.reply().set(size);
      return set_visit_some(latched_entry(slice)->value(), cursor, kSliceElements,
                            [&](const Element& member) { reply_many(slice, slice.reply(), member); });
    });
  }
  reply.set(size);
  set_visit(entry->value(), [&](const Element& member) { reply_many(context, reply, member); });
}

void sscan(Context& context) {
  ScanArguments arguments;
  Entry* entry;
  if (!begin_scan(context, Type::kSet, arguments, entry)) return;
  std::vector<Element> found;
  uint64_t next = set_scan(entry->value(), arguments.cursor, arguments.count, [&](const Element& member) {
    if (arguments.matches(member)) found.push_back(member);
  });
  reply_scan_cursor(context, next);
  context.reply().array(found.size());
  for (const Element& member : found) context.reply_element(member);
}

void srandmember_many(Context& context) {
  RandomCount wanted;
  if (!parse_random_count(context, 2, wanted)) return;
  Key key = context.key(1);
  Entry* entry;
  if (!context.find(key, Type::kSet, entry)) return;
  Reply& reply = context.reply();
  if (!entry || wanted.count == 0) return reply.empty_array();
  if (!check_repetitions(context, wanted)) return;
  Value set = entry->value();
  uint64_t count = wanted.is_repeated ? wanted.count : std::min(wanted.count, set_size(set));
  if (wants_random_slices(context, wanted, count)) {
    return reply_random_in_slices(
        context, wanted, count, set_size(set), count,
        [](Context& slice, uint64_t some) {
          set_random_repeated(latched_entry(slice)->value(), slice.random(slice.key(1)), some,
                              [&](const Element& member) { reply_many(slice, slice.reply(), member); });
        },
        [](Context& slice, uint64_t& cursor, PassingSample& sample) {
          return set_visit_some(latched_entry(slice)->value(), cursor, kSliceElements,
                                [&](const Element& member) {
                                  if (sample.take()) reply_many(slice, slice.reply(), member);
                                });
        });
  }
  bool is_first = true;
  auto show = [&](const Element& member) {
    // Choosing different members takes memory, which may end before the first.
    if (is_first) reply.array(count);
    is_first = false;
    reply_many(context, reply, member);
  };
  if (wanted.is_repeated) return set_random_repeated(set, context.random(key), count, show);
  context.check(set_random_distinct(context.data(key), set, context.random(key), count, show));
}

void srandmember(Context& context) {
  if (context.argc() == 3) return srandmember_many(context);
  if (context.argc() > 3) return context.syntax_error();
  Key key = context.key(1);
  Entry* entry;
  if (!context.find(key, Type::kSet, entry)) return;
  if (!entry) return context.reply().null();
  set_random(entry->value(), context.random(key),
             [&](const Element& member) { context.reply_element(member); });
}

constexpr KeySpec kSourceAndTarget[] = {
    {.flags = kKeyRW | kKeyAccess | kKeyDelete},
    {.flags = kKeyRW | kKeyInsert, .index = 2},
};
constexpr KeySpec kTargetAndSources[] = {
    {.flags = kKeyOW | kKeyUpdate},
    {.flags = kKeyRO | kKeyAccess, .index = 2, .last = -1},
};
constexpr KeySpec kCountedKeys[] = {{.flags = kKeyRO | kKeyAccess, .count_index = 0, .first_key = 1}};

constexpr const char* kInterComplexity =
    "O(N*M) worst case where N is the cardinality of the smallest set and M is the number of sets.";
constexpr const char* kUnionComplexity = "O(N) where N is the total number of elements in all given sets.";

// clang-format off
constexpr Command kSetCommands[] = {
    {.name = "sadd", .syntax = "key member [member ...]", .flags = kWrite | kDenyOom | kFast,
     .keys = kFirstKeyInsert, .acl = kAclSet,
     .complexity = "O(1) for each element added, so O(N) to add N elements when the command is called with multiple "
                   "arguments.",
     .summary = "Add one or more members to a set", .run = sadd,
     .history = "2.4.0=Accepts multiple `member` arguments."},
    {.name = "srem", .syntax = "key member [member ...]", .flags = kWrite | kFast, .keys = kFirstKeyDelete,
     .acl = kAclSet, .complexity = "O(N) where N is the number of members to be removed.",
     .summary = "Remove one or more members from a set", .run = srem,
     .history = "2.4.0=Accepts multiple `member` arguments."},
    {.name = "smembers", .syntax = "key", .flags = kReadOnly, .keys = kFirstKeyRead, .acl = kAclSet,
     .complexity = "O(N) where N is the set cardinality.", .summary = "Get all the members in a set",
     .run = smembers, .tips = "nondeterministic_output_order"},
    {.name = "scard", .syntax = "key", .flags = kReadOnly | kFast, .keys = kFirstKeyMeta, .acl = kAclSet,
     .summary = "Get the number of members in a set", .run = scard},
    {.name = "sismember", .syntax = "key member", .flags = kReadOnly | kFast, .keys = kFirstKeyMeta,
     .acl = kAclSet, .summary = "Determine if a given value is a member of a set", .run = sismember},
    {.name = "smismember", .syntax = "key member [member ...]", .flags = kReadOnly | kFast, .keys = kFirstKeyRead,
     .acl = kAclSet, .since = "6.2.0",
     .complexity = "O(N) where N is the number of elements being checked for membership",
     .summary = "Returns the membership associated with the given elements for a set", .run = smismember},
    {.name = "spop", .syntax = "key [count]", .flags = kWrite | kFast, .keys = kFirstKeyAccessDelete,
     .acl = kAclSet,
     .complexity = "Without the count argument O(1), otherwise O(N) where N is the value of the passed count.",
     .summary = "Remove and return one or multiple random members from a set", .run = spop,
     .history = "3.2.0=Added the `count` argument.", .tips = "nondeterministic_output"},
    {.name = "srandmember", .syntax = "key [count]", .flags = kReadOnly, .keys = kFirstKeyRead, .acl = kAclSet,
     .complexity = "Without the count argument O(1), otherwise O(N) where N is the absolute value of the passed count.",
     .summary = "Get one or multiple random members from a set", .run = srandmember,
     .history = "2.6.0=Added the optional `count` argument.", .tips = "nondeterministic_output"},
    {.name = "sscan", .syntax = "key cursor [MATCH pattern] [COUNT count]", .flags = kReadOnly,
     .keys = kFirstKeyRead, .acl = kAclSet, .since = "2.8.0",
     .complexity = "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to "
                   "return back to 0. N is the number of elements inside the collection..",
     .summary = "Incrementally iterate Set elements", .run = sscan, .tips = "nondeterministic_output"},
    {.name = "smove", .syntax = "source destination member", .flags = kWrite | kFast, .keys = kSourceAndTarget,
     .acl = kAclSet, .summary = "Move a member from one set to another", .run = smove},
    {.name = "sinter", .syntax = "key [key ...]", .flags = kReadOnly, .keys = kAllKeysRead, .acl = kAclSet,
     .complexity = kInterComplexity, .summary = "Intersect multiple sets", .run = sinter,
     .tips = "nondeterministic_output_order"},
    {.name = "sintercard", .syntax = "numkeys key [key ...] [LIMIT limit]", .flags = kReadOnly | kMovableKeys,
     .keys = kCountedKeys, .acl = kAclSet, .since = "7.0.0", .complexity = kInterComplexity,
     .summary = "Intersect multiple sets and return the cardinality of the result", .run = sintercard},
    {.name = "sunioncard", .syntax = "numkeys key [key ...] [APPROX] [LIMIT limit]",
     .flags = kReadOnly | kMovableKeys, .keys = kCountedKeys, .acl = kAclSet, .since = "8.10.0",
     .complexity = kUnionComplexity, .summary = "Return the number of members of the union of multiple sets",
     .run = sunioncard},
    {.name = "sdiffcard", .syntax = "numkeys key [key ...] [LIMIT limit]", .flags = kReadOnly | kMovableKeys,
     .keys = kCountedKeys, .acl = kAclSet, .since = "8.10.0", .complexity = kUnionComplexity,
     .summary = "Return the number of members of the difference between the first set and all successive sets",
     .run = sdiffcard},
    {.name = "sinterstore", .syntax = "destination key [key ...]", .flags = kWrite | kDenyOom,
     .keys = kTargetAndSources, .acl = kAclSet, .complexity = kInterComplexity,
     .summary = "Intersect multiple sets and store the resulting set in a key", .run = sinterstore},
    {.name = "sunion", .syntax = "key [key ...]", .flags = kReadOnly, .keys = kAllKeysRead, .acl = kAclSet,
     .complexity = kUnionComplexity, .summary = "Add multiple sets", .run = sunion,
     .tips = "nondeterministic_output_order"},
    {.name = "sunionstore", .syntax = "destination key [key ...]", .flags = kWrite | kDenyOom,
     .keys = kTargetAndSources, .acl = kAclSet, .complexity = kUnionComplexity,
     .summary = "Add multiple sets and store the resulting set in a key", .run = sunionstore},
    {.name = "sdiff", .syntax = "key [key ...]", .flags = kReadOnly, .keys = kAllKeysRead, .acl = kAclSet,
     .complexity = kUnionComplexity, .summary = "Subtract multiple sets", .run = sdiff,
     .tips = "nondeterministic_output_order"},
    {.name = "sdiffstore", .syntax = "destination key [key ...]", .flags = kWrite | kDenyOom,
     .keys = kTargetAndSources, .acl = kAclSet, .complexity = kUnionComplexity,
     .summary = "Subtract multiple sets and store the resulting set in a key", .run = sdiffstore},
};
// clang-format on
static_assert(well_formed(kSetCommands));

}  // namespace

const CommandGroup kSetGroup = {"set", kSetCommands};

}  // namespace strata

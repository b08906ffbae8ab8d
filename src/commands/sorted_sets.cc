#include "commands/sorted_sets.h"

#include <array>
#include <vector>

#include "commands/collections.h"
#include "commands/groups.h"
#include "text/numbers.h"

namespace strata {
namespace {

const ZsetLimits& limits(const Context& context) { return context.options().zset; }

struct ZaddArguments {
  ZaddFlags flags;
  bool counts_updates = false;  // CH
  size_t pairs_begin = 2;

  bool parse_flag(const Context& context, size_t i) {
    if (context.is_word(i, "NX")) return flags.if_absent = true;
    if (context.is_word(i, "XX")) return flags.if_present = true;
    if (context.is_word(i, "GT")) return flags.if_greater = true;
    if (context.is_word(i, "LT")) return flags.if_less = true;
    if (context.is_word(i, "CH")) return counts_updates = true;
    if (context.is_word(i, "INCR")) return flags.increment = true;
    return false;
  }
};

bool parse_zadd(Context& context, ZaddArguments& parsed) {
  while (parsed.pairs_begin < context.argc() && parsed.parse_flag(context, parsed.pairs_begin))
    ++parsed.pairs_begin;
  const ZaddFlags& flags = parsed.flags;
  size_t rest = context.argc() - parsed.pairs_begin;
  if (rest == 0 || rest % 2 != 0) return context.syntax_error(), false;
  Bytes error;
  if (flags.if_absent && flags.if_present) {
    error = "ERR XX and NX options at the same time are not compatible";
  } else if (flags.if_absent + flags.if_greater + flags.if_less > 1) {
    error = "ERR GT, LT, and/or NX options at the same time are not compatible";
  } else if (flags.increment && rest > 2) {
    error = "ERR INCR option supports a single increment-element pair";
  } else {
    return true;
  }
  context.reply().error(error);
  return false;
}

// All scores are checked before the first is used.
class Scores {
 public:
  bool parse(Context& context, size_t first) {
    size_t count = (context.argc() - first) / 2;
    if (count > few_.size()) {
      many_.resize(count);
      scores_ = many_.data();
    }
    for (size_t i = 0; i < count; ++i) {
      if (!context.parse_double_arg(first + 2 * i, scores_[i])) return false;
    }
    return true;
  }
  double operator[](size_t i) const { return scores_[i]; }

 private:
  std::array<double, 16> few_;
  std::vector<double> many_;
  double* scores_ = few_.data();
};

struct ZaddCounts {
  uint64_t added = 0;
  uint64_t updated = 0;
};

// ZADD … INCR and ZINCRBY reply the new score.
void reply_increment(Context& context, const ZaddResult& result) {
  if (result.change == ZaddChange::kNotANumber) {
    context.reply().error("ERR resulting score is not a number (NaN)");
  } else if (result.change == ZaddChange::kSkipped) {
    context.reply().null();
  } else {
    context.reply().double_(result.score);
  }
}

// Adds the pairs from args[arguments.pairs_begin] on.
void add_pairs(Context& context, const ZaddArguments& arguments, const Scores& scores) {
  Key key = context.key(1);
  Entry* entry;
  if (!context.find_for_write(key, Type::kZset, entry)) return;
  if (!entry && arguments.flags.if_present) {
    return arguments.flags.increment ? context.reply().null() : context.reply().integer(0);
  }
  size_t first_member = arguments.pairs_begin + 1;
  Result<Value> zset =
      entry ? entry->value()
            : zset_create(context.data(key), limits(context), context.arg(first_member).size());
  if (!context.check(zset)) return;
  ZaddCounts counts;
  ZaddResult last{};
  for (size_t i = first_member; i < context.argc(); i += 2) {
    Result<ZaddResult> result = zset_add(context.data(key), limits(context), *zset,
                                         scores[(i - first_member) / 2], context.arg(i), arguments.flags);
    if (!result) {
      return store_part(context, key, entry, *zset, result.error(), i - 1, counts.added + counts.updated);
    }
    last = *result;
    counts.added += last.change == ZaddChange::kAdded;
    counts.updated += last.change == ZaddChange::kUpdated;
  }
  if (!store(context, key, entry, *zset)) return;
  if (counts.added + counts.updated > 0) context.changed(key, counts.added + counts.updated);
  if (arguments.flags.increment) return reply_increment(context, last);
  uint64_t replied = counts.added + (arguments.counts_updates ? counts.updated : 0);
  context.reply().integer(static_cast<int64_t>(replied));
}

void zadd(Context& context) {
  ZaddArguments arguments;
  Scores scores;
  if (!parse_zadd(context, arguments) || !scores.parse(context, arguments.pairs_begin)) return;
  add_pairs(context, arguments, scores);
}

// ZADD key INCR increment member, options and all: Redis takes an increment that reads as one for an option.
void zincrby(Context& context) {
  ZaddArguments arguments;
  if (ZaddArguments().parse_flag(context, 2)) return context.syntax_error();
  arguments.flags.increment = true;
  Scores scores;
  if (scores.parse(context, arguments.pairs_begin)) add_pairs(context, arguments, scores);
}

void zrem(Context& context) {
  Key key = context.key(1);
  Entry* entry;
  if (!context.find_for_write(key, Type::kZset, entry)) return;
  if (!entry) return context.reply().integer(0);
  Value zset = entry->value();
  uint64_t removed = 0;
  for (size_t i = 2; i < context.argc() && zset_size(zset) > 0; ++i) {
    Result<bool> was_there = zset_remove(context.data(key), zset, context.arg(i));
    if (!was_there) return store_part(context, key, entry, zset, was_there.error(), i, removed);
    removed += *was_there;
  }
  store_rest(context, key, entry, zset, zset_size(zset) == 0, removed);
  context.reply().integer(static_cast<int64_t>(removed));
}

constexpr const char* kRangeComplexity =
    "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements being "
    "returned. If M is constant (e.g. always asking for the first 10 elements with LIMIT), you can consider "
    "it O(log(N)).";
constexpr const char* kRemoveComplexity =
    "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements removed "
    "by the operation.";
constexpr const char* kPopComplexity =
    "O(log(N)*M) with N being the number of elements in the sorted set, and M being the number of elements "
    "popped.";

constexpr KeySpec kKeysBeforeTimeout[] = {{.flags = kKeyRW | kKeyAccess | kKeyDelete, .last = -2}};
constexpr KeySpec kCountedKeysBehindTimeout[] = {
    {.flags = kKeyRW | kKeyAccess | kKeyDelete, .index = 2, .count_index = 0, .first_key = 1}};
constexpr const char* kDoubleTimeout = "6.0.0=`timeout` is interpreted as a double instead of an integer.";
constexpr const char* kDifferenceComplexity =
    "O(L + (N-K)log(N)) worst case where L is the total number of elements in all the sets, N is the size of "
    "the first set, and K is the size of the result set.";
constexpr const char* kIntersectionComplexity =
    "O(N*K)+O(M*log(M)) worst case with N being the smallest input sorted set, K being the number of input "
    "sorted sets and M being the number of elements in the resulting sorted set.";

constexpr KeySpec kCountedKeys[] = {{.flags = kKeyRO | kKeyAccess, .count_index = 0, .first_key = 1}};
constexpr KeySpec kPoppedKeys[] = {
    {.flags = kKeyRW | kKeyAccess | kKeyDelete, .count_index = 0, .first_key = 1}};
constexpr KeySpec kTargetAndCountedKeys[] = {
    {.flags = kKeyOW | kKeyUpdate},
    {.flags = kKeyRO | kKeyAccess, .index = 2, .count_index = 0, .first_key = 1}};
constexpr KeySpec kTargetAndSource[] = {{.flags = kKeyOW | kKeyUpdate},
                                        {.flags = kKeyRO | kKeyAccess, .index = 2}};

// clang-format off
constexpr Command kSortedSetCommands[] = {
    {.name = "bzmpop", .syntax = "timeout numkeys key [key ...] <MIN | MAX> [COUNT count]",
     .flags = kWrite | kBlocking, .keys = kCountedKeysBehindTimeout, .acl = kAclSortedSet, .since = "7.0.0",
     .complexity = "O(K) + O(M*log(N)) where K is the number of provided keys, N being the number of elements in the "
                   "sorted set, and M being the number of elements popped.",
     .summary = "Remove and return members with scores in a sorted set or block until one is available",
     .run = bzmpop},
    {.name = "bzpopmax", .syntax = "key [key ...] timeout", .flags = kWrite | kNoScript | kBlocking | kFast,
     .keys = kKeysBeforeTimeout, .acl = kAclSortedSet, .since = "5.0.0",
     .complexity = "O(log(N)) with N being the number of elements in the sorted set.",
     .summary = "Remove and return the member with the highest score from one or more sorted sets, or block until one "
                "is available",
     .run = bzpopmax, .history = kDoubleTimeout},
    {.name = "bzpopmin", .syntax = "key [key ...] timeout", .flags = kWrite | kNoScript | kBlocking | kFast,
     .keys = kKeysBeforeTimeout, .acl = kAclSortedSet, .since = "5.0.0",
     .complexity = "O(log(N)) with N being the number of elements in the sorted set.",
     .summary = "Remove and return the member with the lowest score from one or more sorted sets, or block until one "
                "is available",
     .run = bzpopmin, .history = kDoubleTimeout},
    {.name = "zadd",
     .syntax = "key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...]",
     .flags = kWrite | kDenyOom | kFast, .keys = kFirstKeyUpdate, .acl = kAclSortedSet, .since = "1.2.0",
     .complexity = "O(log(N)) for each item added, where N is the number of elements in the sorted set.",
     .summary = "Add one or more members to a sorted set, or update its score if it already exists", .run = zadd,
     .history = "2.4.0=Accepts multiple elements.|3.0.2=Added the `XX`, `NX`, `CH` and `INCR` options.|"
                "6.2.0=Added the `GT` and `LT` options."},
    {.name = "zrem", .syntax = "key member [member ...]", .flags = kWrite | kFast, .keys = kFirstKeyDelete,
     .acl = kAclSortedSet, .since = "1.2.0",
     .complexity = "O(M*log(N)) with N being the number of elements in the sorted set and M the number of elements to be "
                   "removed.",
     .summary = "Remove one or more members from a sorted set", .run = zrem,
     .history = "2.4.0=Accepts multiple elements."},
    {.name = "zscore", .syntax = "key member", .flags = kReadOnly | kFast, .keys = kFirstKeyRead,
     .acl = kAclSortedSet, .since = "1.2.0",
     .summary = "Get the score associated with the given member in a sorted set", .run = zscore},
    {.name = "zmscore", .syntax = "key member [member ...]", .flags = kReadOnly | kFast, .keys = kFirstKeyRead,
     .acl = kAclSortedSet, .since = "6.2.0", .complexity = "O(N) where N is the number of members being requested.",
     .summary = "Get the score associated with the given members in a sorted set", .run = zmscore},
    {.name = "zcard", .syntax = "key", .flags = kReadOnly | kFast, .keys = kFirstKeyMeta, .acl = kAclSortedSet,
     .since = "1.2.0", .summary = "Get the number of members in a sorted set", .run = zcard},
    {.name = "zincrby", .syntax = "key increment member", .flags = kWrite | kDenyOom | kFast,
     .keys = kFirstKeyAccessUpdate, .acl = kAclSortedSet, .since = "1.2.0",
     .complexity = "O(log(N)) where N is the number of elements in the sorted set.",
     .summary = "Increment the score of a member in a sorted set", .run = zincrby},
    {.name = "zrank", .syntax = "key member [WITHSCORE]", .flags = kReadOnly | kFast, .keys = kFirstKeyRead,
     .acl = kAclSortedSet, .since = "2.0.0", .complexity = "O(log(N))",
     .summary = "Determine the index of a member in a sorted set", .run = zrank,
     .history = "7.2.0=Added the optional `WITHSCORE` argument."},
    {.name = "zrevrank", .syntax = "key member [WITHSCORE]", .flags = kReadOnly | kFast, .keys = kFirstKeyRead,
     .acl = kAclSortedSet, .since = "2.0.0", .complexity = "O(log(N))",
     .summary = "Determine the index of a member in a sorted set, with scores ordered from high to low",
     .run = zrevrank, .history = "7.2.0=Added the optional `WITHSCORE` argument."},
    {.name = "zrange",
     .syntax = "key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]",
     .flags = kReadOnly, .keys = kFirstKeyRead, .acl = kAclSortedSet, .since = "1.2.0",
     .complexity = "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements "
                   "returned.",
     .summary = "Return a range of members in a sorted set", .run = zrange,
     .history = "6.2.0=Added the `REV`, `BYSCORE`, `BYLEX` and `LIMIT` options."},
    {.name = "zrevrange", .syntax = "key start stop [WITHSCORES]", .flags = kReadOnly, .keys = kFirstKeyRead,
     .acl = kAclSortedSet, .since = "1.2.0",
     .complexity = "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements "
                   "returned.",
     .summary = "Return a range of members in a sorted set, by index, with scores ordered from high to low",
     .run = zrevrange, .deprecated_since = "6.2.0", .replaced_by = "`ZRANGE` with the `REV` argument"},
    {.name = "zrangebyscore", .syntax = "key min max [WITHSCORES] [LIMIT offset count]", .flags = kReadOnly,
     .keys = kFirstKeyRead, .acl = kAclSortedSet, .since = "1.0.5", .complexity = kRangeComplexity,
     .summary = "Return a range of members in a sorted set, by score", .run = zrangebyscore,
     .history = "2.0.0=Added the `WITHSCORES` modifier.", .deprecated_since = "6.2.0",
     .replaced_by = "`ZRANGE` with the `BYSCORE` argument"},
    {.name = "zrevrangebyscore", .syntax = "key max min [WITHSCORES] [LIMIT offset count]", .flags = kReadOnly,
     .keys = kFirstKeyRead, .acl = kAclSortedSet, .since = "2.2.0", .complexity = kRangeComplexity,
     .summary = "Return a range of members in a sorted set, by score, with scores ordered from high to low",
     .run = zrevrangebyscore, .history = "2.1.6=`min` and `max` can be exclusive.", .deprecated_since = "6.2.0",
     .replaced_by = "`ZRANGE` with the `REV` and `BYSCORE` arguments"},
    {.name = "zrangebylex", .syntax = "key min max [LIMIT offset count]", .flags = kReadOnly,
     .keys = kFirstKeyRead, .acl = kAclSortedSet, .since = "2.8.9", .complexity = kRangeComplexity,
     .summary = "Return a range of members in a sorted set, by lexicographical range", .run = zrangebylex,
     .deprecated_since = "6.2.0", .replaced_by = "`ZRANGE` with the `BYLEX` argument"},
    {.name = "zrevrangebylex", .syntax = "key max min [LIMIT offset count]", .flags = kReadOnly,
     .keys = kFirstKeyRead, .acl = kAclSortedSet, .since = "2.8.9", .complexity = kRangeComplexity,
     .summary = "Return a range of members in a sorted set, by lexicographical range, ordered from higher to lower "
                "strings.",
     .run = zrevrangebylex, .deprecated_since = "6.2.0",
     .replaced_by = "`ZRANGE` with the `REV` and `BYLEX` arguments"},
    {.name = "zcount", .syntax = "key min max", .flags = kReadOnly | kFast, .keys = kFirstKeyRead,
     .acl = kAclSortedSet, .since = "2.0.0",
     .complexity = "O(log(N)) with N being the number of elements in the sorted set.",
     .summary = "Count the members in a sorted set with scores within the given values", .run = zcount},
    {.name = "zlexcount", .syntax = "key min max", .flags = kReadOnly | kFast, .keys = kFirstKeyRead,
     .acl = kAclSortedSet, .since = "2.8.9",
     .complexity = "O(log(N)) with N being the number of elements in the sorted set.",
     .summary = "Count the number of members in a sorted set between a given lexicographical range", .run = zlexcount},
    {.name = "zpopmin", .syntax = "key [count]", .flags = kWrite | kFast, .keys = kFirstKeyAccessDelete,
     .acl = kAclSortedSet, .since = "5.0.0", .complexity = kPopComplexity,
     .summary = "Remove and return members with the lowest scores in a sorted set", .run = zpopmin},
    {.name = "zpopmax", .syntax = "key [count]", .flags = kWrite | kFast, .keys = kFirstKeyAccessDelete,
     .acl = kAclSortedSet, .since = "5.0.0", .complexity = kPopComplexity,
     .summary = "Remove and return members with the highest scores in a sorted set", .run = zpopmax},
    {.name = "zscan", .syntax = "key cursor [MATCH pattern] [COUNT count]", .flags = kReadOnly,
     .keys = kFirstKeyRead, .acl = kAclSortedSet, .since = "2.8.0",
     .complexity = "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to "
                   "return back to 0. N is the number of elements inside the collection..",
     .summary = "Incrementally iterate sorted sets elements and associated scores", .run = zscan,
     .tips = "nondeterministic_output"},
    {.name = "zrandmember", .syntax = "key [count [WITHSCORES]]", .flags = kReadOnly, .keys = kFirstKeyRead,
     .acl = kAclSortedSet, .since = "6.2.0", .complexity = "O(N) where N is the number of elements returned",
     .summary = "Get one or multiple random elements from a sorted set", .run = zrandmember,
     .tips = "nondeterministic_output"},
    {.name = "zrangestore", .syntax = "dst src min max [BYSCORE | BYLEX] [REV] [LIMIT offset count]",
     .flags = kWrite | kDenyOom, .keys = kTargetAndSource, .acl = kAclSortedSet, .since = "6.2.0",
     .complexity = "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements stored "
                   "into the destination key.",
     .summary = "Store a range of members from sorted set into another key", .run = zrangestore},
    {.name = "zmpop", .syntax = "numkeys key [key ...] <MIN | MAX> [COUNT count]", .flags = kWrite | kMovableKeys,
     .keys = kPoppedKeys, .acl = kAclSortedSet, .since = "7.0.0",
     .complexity = "O(K) + O(M*log(N)) where K is the number of provided keys, N being the number of elements in the "
                   "sorted set, and M being the number of elements popped.",
     .summary = "Remove and return members with scores in a sorted set", .run = zmpop},
    {.name = "zunion",
     .syntax = "numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX | COUNT>] [WITHSCORES]",
     .flags = kReadOnly | kMovableKeys, .keys = kCountedKeys, .acl = kAclSortedSet, .since = "6.2.0",
     .complexity = "O(N)+O(M*log(M)) with N being the sum of the sizes of the input sorted sets, and M being the number of "
                   "elements in the resulting sorted set.",
     .summary = "Add multiple sorted sets", .run = zunion,
     .history = "8.8.0=Added the `COUNT` aggregation."},
    {.name = "zunionstore",
     .syntax = "destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX | COUNT>]",
     .flags = kWrite | kDenyOom | kMovableKeys, .keys = kTargetAndCountedKeys, .acl = kAclSortedSet,
     .since = "2.0.0",
     .complexity = "O(N)+O(M log(M)) with N being the sum of the sizes of the input sorted sets, and M being the number of "
                   "elements in the resulting sorted set.",
     .summary = "Add multiple sorted sets and store the resulting sorted set in a new key", .run = zunionstore,
     .history = "8.8.0=Added the `COUNT` aggregation."},
    {.name = "zinter",
     .syntax = "numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX | COUNT>] [WITHSCORES]",
     .flags = kReadOnly | kMovableKeys, .keys = kCountedKeys, .acl = kAclSortedSet, .since = "6.2.0",
     .complexity = kIntersectionComplexity, .summary = "Intersect multiple sorted sets", .run = zinter,
     .history = "8.8.0=Added the `COUNT` aggregation."},
    {.name = "zinterstore",
     .syntax = "destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX | COUNT>]",
     .flags = kWrite | kDenyOom | kMovableKeys, .keys = kTargetAndCountedKeys, .acl = kAclSortedSet,
     .since = "2.0.0", .complexity = kIntersectionComplexity,
     .summary = "Intersect multiple sorted sets and store the resulting sorted set in a new key",
     .run = zinterstore, .history = "8.8.0=Added the `COUNT` aggregation."},
    {.name = "zdiff", .syntax = "numkeys key [key ...] [WITHSCORES]", .flags = kReadOnly | kMovableKeys,
     .keys = kCountedKeys, .acl = kAclSortedSet, .since = "6.2.0", .complexity = kDifferenceComplexity,
     .summary = "Subtract multiple sorted sets", .run = zdiff},
    {.name = "zdiffstore", .syntax = "destination numkeys key [key ...]",
     .flags = kWrite | kDenyOom | kMovableKeys, .keys = kTargetAndCountedKeys, .acl = kAclSortedSet,
     .since = "6.2.0", .complexity = kDifferenceComplexity,
     .summary = "Subtract multiple sorted sets and store the resulting sorted set in a new key", .run = zdiffstore},
    {.name = "zintercard", .syntax = "numkeys key [key ...] [LIMIT limit]", .flags = kReadOnly | kMovableKeys,
     .keys = kCountedKeys, .acl = kAclSortedSet, .since = "7.0.0",
     .complexity = "O(N*K) worst case with N being the smallest input sorted set, K being the number of input sorted sets.",
     .summary = "Intersect multiple sorted sets and return the cardinality of the result", .run = zintercard},
    {.name = "zremrangebyrank", .syntax = "key start stop", .flags = kWrite, .keys = kFirstKeyDelete,
     .acl = kAclSortedSet, .since = "2.0.0", .complexity = kRemoveComplexity,
     .summary = "Remove all members in a sorted set within the given indexes", .run = zremrangebyrank},
    {.name = "zremrangebyscore", .syntax = "key min max", .flags = kWrite, .keys = kFirstKeyDelete,
     .acl = kAclSortedSet, .since = "1.2.0", .complexity = kRemoveComplexity,
     .summary = "Remove all members in a sorted set within the given scores", .run = zremrangebyscore},
    {.name = "zremrangebylex", .syntax = "key min max", .flags = kWrite, .keys = kFirstKeyDelete,
     .acl = kAclSortedSet, .since = "2.8.9", .complexity = kRemoveComplexity,
     .summary = "Remove all members in a sorted set between the given lexicographical range", .run = zremrangebylex},
};
// clang-format on
static_assert(well_formed(kSortedSetCommands));

}  // namespace

const CommandGroup kSortedSetGroup = {"sorted-set", kSortedSetCommands};

}  // namespace strata

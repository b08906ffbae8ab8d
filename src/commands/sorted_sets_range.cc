// Ranges of sorted sets. Whatever a range is given by, it is one of ranks: a bound by score or member is the
// number of members below it, which the tree knows in O(log n). So ZRANGE in all its forms, ZCOUNT and
// ZREMRANGEBY… differ only in what they do with the ranks.

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <utility>

#include "base/assert.h"
#include "commands/algebra.h"
#include "commands/collections.h"
#include "commands/sorted_sets.h"
#include "text/ascii.h"
#include "text/numbers.h"

namespace strata {
namespace {

enum class By : uint8_t { kRank, kScore, kLex };

struct ScoreBound {
  double score;
  bool is_exclusive;
};

struct LexBound {
  enum class Place : uint8_t { kBelowAll, kMember, kAboveAll };
  Place place;
  Bytes member;
  bool is_exclusive;
};

// What the client asked for; only what belongs to `by` is set.
struct RangeSpec {
  By by;
  int64_t start, stop;
  ScoreBound min_score, max_score;
  LexBound min_lex, max_lex;
};

// Members of ranks [first, last).
struct Ranks {
  uint64_t first = 0;
  uint64_t last = 0;

  uint64_t count() const { return last - first; }
};

// A score as strtod reads it, which is what Redis accepts here: nothing is 0, blanks may stand in front, and
// what is too large is infinite.
std::optional<double> parse_score(Bytes text) {
  if (text.empty()) return 0.0;
  while (!text.empty() && ascii_is_space(text.front())) text.remove_prefix(1);
  if (std::optional<double> score = parse_double(text)) return score;
  std::optional<long double> wide = parse_long_double(text);
  if (!wide) return std::nullopt;
  return static_cast<double>(*wide);
}

bool parse_score_bound(Bytes text, ScoreBound& bound) {
  bound.is_exclusive = text.starts_with('(');
  if (bound.is_exclusive) text.remove_prefix(1);
  std::optional<double> score = parse_score(text);
  if (score) bound.score = *score;
  return score.has_value();
}

// -  +  [member  (member
bool parse_lex_bound(Bytes text, LexBound& bound) {
  if (text == "-" || text == "+") {
    bound = {text == "-" ? LexBound::Place::kBelowAll : LexBound::Place::kAboveAll, {}, false};
    return true;
  }
  if (!text.starts_with('[') && !text.starts_with('(')) return false;
  bound = {LexBound::Place::kMember, text.substr(1), text[0] == '('};
  return true;
}

// Bounds at args[min_at] and args[max_at]; by rank these are start and stop.
bool parse_range(Context& context, By by, size_t min_at, size_t max_at, RangeSpec& range) {
  range.by = by;
  Bytes min = context.arg(min_at);
  Bytes max = context.arg(max_at);
  switch (by) {
    case By::kRank:
      return context.parse_integer(min_at, range.start) && context.parse_integer(max_at, range.stop);
    case By::kScore:
      if (parse_score_bound(min, range.min_score) && parse_score_bound(max, range.max_score)) return true;
      context.reply().error("ERR min or max is not a float");
      return false;
    case By::kLex:
      if (parse_lex_bound(min, range.min_lex) && parse_lex_bound(max, range.max_lex)) return true;
      context.reply().error("ERR min or max not valid string range item");
      return false;
  }
  return false;
}

// Number of members below the bound, the bound itself included or not.
uint64_t members_below(const Value& zset, const LexBound& bound, bool is_included) {
  switch (bound.place) {
    case LexBound::Place::kBelowAll:
      return 0;
    case LexBound::Place::kMember:
      return zset_count_below_member(zset, bound.member, is_included);
    case LexBound::Place::kAboveAll:
      break;
  }
  return zset_size(zset);
}

// Ranks count from the high end when `reverse`.
Ranks resolve(const Value& zset, const RangeSpec& range, bool reverse) {
  Ranks ranks;
  uint64_t size = zset_size(zset);
  switch (range.by) {
    case By::kRank: {
      list::Range clipped = list::resolve_range(range.start, range.stop, size);
      ranks.first = reverse ? size - clipped.first - clipped.count : clipped.first;
      ranks.last = ranks.first + clipped.count;
      break;
    }
    case By::kScore:
      ranks.first = zset_count_below_score(zset, range.min_score.score, range.min_score.is_exclusive);
      ranks.last = zset_count_below_score(zset, range.max_score.score, !range.max_score.is_exclusive);
      break;
    case By::kLex:
      ranks.first = members_below(zset, range.min_lex, range.min_lex.is_exclusive);
      ranks.last = members_below(zset, range.max_lex, !range.max_lex.is_exclusive);
      break;
  }
  ranks.last = std::max(ranks.first, ranks.last);
  return ranks;
}

// ---- ZRANGE and its older forms --------------------------------------------------------------------

// The commands differ in what their names fix already.
struct Form {
  std::optional<By> by;
  std::optional<bool> is_reverse;
  bool is_stored = false;  // ZRANGESTORE: the target stands before the source

  size_t source() const { return is_stored ? 2 : 1; }
};

struct Options {
  By by = By::kRank;
  bool is_reverse = false;
  bool with_scores = false;
  int64_t offset = 0;
  int64_t limit = -1;  // negative: no limit
};

bool parse_option(Context& context, const Form& form, size_t& i, Options& options, bool& has_by,
                  bool& has_rev) {
  if (!form.is_stored && context.is_word(i, "WITHSCORES")) {
    options.with_scores = true;
  } else if (context.is_word(i, "LIMIT") && i + 2 < context.argc()) {
    if (!context.parse_integer(i + 1, options.offset) || !context.parse_integer(i + 2, options.limit))
      return false;
    i += 2;
  } else if (!form.is_reverse && !has_rev && context.is_word(i, "REV")) {
    options.is_reverse = has_rev = true;
  } else if (!form.by && !has_by && context.is_word(i, "BYSCORE")) {
    options.by = By::kScore;
    has_by = true;
  } else if (!form.by && !has_by && context.is_word(i, "BYLEX")) {
    options.by = By::kLex;
    has_by = true;
  } else {
    context.syntax_error();
    return false;
  }
  return true;
}

bool parse_options(Context& context, const Form& form, Options& options) {
  options.by = form.by.value_or(By::kRank);
  options.is_reverse = form.is_reverse.value_or(false);
  bool has_by = false;
  bool has_rev = false;
  for (size_t i = form.source() + 3; i < context.argc(); ++i) {
    if (!parse_option(context, form, i, options, has_by, has_rev)) return false;
  }
  if (options.limit != -1 && options.by == By::kRank) {
    context.reply().error(
        "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX");
    return false;
  }
  if (options.with_scores && options.by == By::kLex) {
    context.reply().error("ERR syntax error, WITHSCORES not supported in combination with BYLEX");
    return false;
  }
  return true;
}

// LIMIT counts from the end where the reply begins. A negative offset skips everything, as in Redis.
Ranks limited(Ranks ranks, const Options& options) {
  uint64_t skipped =
      options.offset < 0 ? ranks.count() : std::min(static_cast<uint64_t>(options.offset), ranks.count());
  uint64_t rest = ranks.count() - skipped;
  uint64_t count = options.limit < 0 ? rest : std::min(static_cast<uint64_t>(options.limit), rest);
  uint64_t first = options.is_reverse ? ranks.last - skipped - count : ranks.first + skipped;
  return {first, first + count};
}

void reply_member(Context& context, const Element& member, double score, bool with_scores) {
  Reply& reply = context.reply();
  if (with_scores && reply.resp3()) reply.array(2);
  reply_many(context, reply, member);
  if (with_scores) reply.double_(score);
}

void reply_range_in_slices(Context& context, Ranks ranks, const Options& options) {
  in_slices(context, false, [ranks, options, shown = uint64_t{0}](Context& slice) mutable {
    if (shown == 0)
      slice.reply().array(ranks.count() * (options.with_scores && !slice.reply().resp3() ? 2 : 1));
    const uint64_t some = std::min<uint64_t>(ranks.count() - shown, kSliceElements);
    const uint64_t first = options.is_reverse ? ranks.last - shown - some : ranks.first + shown;
    zset_visit(latched_entry(slice)->value(), first, first + some, options.is_reverse,
               [&](const Element& member, double score) {
                 reply_member(slice, member, score, options.with_scores);
               });
    shown += some;
    return shown == ranks.count();
  });
}

void reply_range(Context& context, const Value& zset, Ranks ranks, const Options& options) {
  if (wants_slices(context, ranks.count())) return reply_range_in_slices(context, ranks, options);
  Reply& reply = context.reply();
  if (!options.with_scores) {
    reply.array(ranks.count());
    zset_visit(zset, ranks.first, ranks.last, options.is_reverse,
               [&](const Element& member, double) { reply_many(context, reply, member); });
    return;
  }
  reply.array(reply.resp3() ? ranks.count() : 2 * ranks.count());
  zset_visit(zset, ranks.first, ranks.last, options.is_reverse,
             [&](const Element& member, double score) { reply_member(context, member, score, true); });
}

// Options, then bounds; the ranks of what is asked for. False: an error was replied. Null: no such key.
bool find_range(Context& context, const Form& form, Options& options, Entry*& entry, Ranks& ranks) {
  if (!parse_options(context, form, options)) return false;
  // Ranges by score and member name their high end first when they are reversed.
  const bool is_swapped = options.is_reverse && options.by != By::kRank;
  const size_t bounds = form.source() + 1;
  RangeSpec range;
  if (!parse_range(context, options.by, bounds + is_swapped, bounds + !is_swapped, range)) return false;
  if (!context.find(context.key(form.source()), Type::kZset, entry)) return false;
  if (!entry) return true;
  ranks = resolve(entry->value(), range, options.is_reverse);
  if (options.by != By::kRank) ranks = limited(ranks, options);
  return true;
}

void range_command(Context& context, const Form& form) {
  Options options;
  Entry* entry;
  Ranks ranks;
  if (!find_range(context, form, options, entry, ranks)) return;
  if (!entry) return context.reply().empty_array();
  reply_range(context, entry->value(), ranks, options);
}

// Copies the range into a sorted set of its own, from where it stopped.
class StoreRange final : public SlicedWork {
 public:
  StoreRange(const Value& source, Ranks ranks) : source_(source), next_(ranks.first), ranks_(ranks) {}

  bool step(Context& context) override { return run(context, kSliceElements); }

  bool run(Context& context, uint64_t budget) {
    const Key target = context.key(1);
    const DataContext data = context.data(target);
    const uint64_t end = next_ + std::min<uint64_t>(ranks_.last - next_, budget);
    Status status;
    zset_visit(source_, next_, end, false, [&](const Element& member, double score) {
      if (status) status = add_new_member(data, context.options().zset, result_, member, score);
    });
    next_ = end;
    if (!status) {
      if (result_) context.database(target).discard(*result_);
      return context.check(status), true;
    }
    if (next_ < ranks_.last) return false;
    store_result(context, target, result_, ranks_.count());
    return true;
  }

 private:
  const Value source_;  // unchanged while its key is latched
  uint64_t next_;
  const Ranks ranks_;
  std::optional<Value> result_;
};

void count_range(Context& context, By by) {
  RangeSpec range;
  if (!parse_range(context, by, 2, 3, range)) return;
  Entry* entry;
  if (!context.find(context.key(1), Type::kZset, entry)) return;
  context.reply().integer(entry ? static_cast<int64_t>(resolve(entry->value(), range, false).count()) : 0);
}

// A tree, in which removing needs no memory.
void remove_in_slices(Context& context, Ranks ranks) {
  in_slices(context, true, [ranks, left = ranks.count()](Context& slice) mutable {
    const Key key = slice.key(1);
    Entry* entry = latched_entry(slice);
    Value zset = entry->value();
    const uint64_t some = std::min<uint64_t>(left, kSliceElements);
    Status removed = zset_remove_ranks(slice.data(key), zset, ranks.first, ranks.first + some,
                                       [](const Element&, double) {});
    STRATA_ASSERT(removed.has_value(), "nobody pins a latched tree");
    left -= some;
    if (left > 0) {
      entry->set_value(zset);
      return false;
    }
    store_rest(slice, key, entry, zset, zset_size(zset) == 0, ranks.count());
    slice.reply().integer(static_cast<int64_t>(ranks.count()));
    return true;
  });
}

void remove_range(Context& context, By by) {
  RangeSpec range;
  if (!parse_range(context, by, 2, 3, range)) return;
  Key key = context.key(1);
  Entry* entry;
  if (!context.find_for_write(key, Type::kZset, entry)) return;
  if (!entry) return context.reply().integer(0);
  Value zset = entry->value();
  Ranks ranks = resolve(zset, range, false);
  if (zset.encoding != Encoding::kListpack && wants_slices(context, ranks.count()))
    return remove_in_slices(context, ranks);
  Status removed =
      zset_remove_ranks(context.data(key), zset, ranks.first, ranks.last, [](const Element&, double) {});
  store_rest(context, key, entry, zset, zset_size(zset) == 0, removed ? ranks.count() : 0);
  if (context.check(removed)) context.reply().integer(static_cast<int64_t>(ranks.count()));
}

}  // namespace

void zrange(Context& context) { range_command(context, {}); }
void zrevrange(Context& context) { range_command(context, {By::kRank, true}); }
void zrangebyscore(Context& context) { range_command(context, {By::kScore, false}); }
void zrevrangebyscore(Context& context) { range_command(context, {By::kScore, true}); }
void zrangebylex(Context& context) { range_command(context, {By::kLex, false}); }
void zrevrangebylex(Context& context) { range_command(context, {By::kLex, true}); }
void zrangestore(Context& context) {
  Options options;
  Entry* entry;
  Ranks ranks;
  if (!find_range(context, {.is_stored = true}, options, entry, ranks)) return;
  if (!entry) return store_result(context, context.key(1), std::nullopt, 0);
  const bool is_sliced = wants_slices(context, ranks.count());
  auto work = std::make_unique<StoreRange>(entry->value(), ranks);
  if (is_sliced) return context.slice(std::move(work), algebra_latches(context, {2, 3, 1}));
  work->run(context, UINT64_MAX);
}

void zcount(Context& context) { count_range(context, By::kScore); }
void zlexcount(Context& context) { count_range(context, By::kLex); }
void zremrangebyrank(Context& context) { remove_range(context, By::kRank); }
void zremrangebyscore(Context& context) { remove_range(context, By::kScore); }
void zremrangebylex(Context& context) { remove_range(context, By::kLex); }

}  // namespace strata

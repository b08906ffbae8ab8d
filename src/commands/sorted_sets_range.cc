// Ranges of sorted sets. Whatever a range is given by, it is one of ranks: a bound by score or member is the
// number of members below it, which the tree knows in O(log n). So ZRANGE in all its forms, ZCOUNT and
// ZREMRANGEBY… differ only in what they do with the ranks.

#include <algorithm>
#include <limits>
#include <optional>

#include "base/assert.h"
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
  if (context.is_word(i, "WITHSCORES")) {
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
  for (size_t i = 4; i < context.argc(); ++i) {
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

void reply_range(Context& context, const Value& zset, Ranks ranks, const Options& options) {
  Reply& reply = context.reply();
  if (!options.with_scores) {
    reply.array(ranks.count());
    zset_visit(zset, ranks.first, ranks.last, options.is_reverse,
               [&](const Element& member, double) { reply_many(context, reply, member); });
    return;
  }
  bool is_nested = reply.resp3();
  reply.array(is_nested ? ranks.count() : 2 * ranks.count());
  zset_visit(zset, ranks.first, ranks.last, options.is_reverse, [&](const Element& member, double score) {
    if (is_nested) reply.array(2);
    reply_many(context, reply, member);
    reply.double_(score);
  });
}

void range_command(Context& context, const Form& form) {
  Options options;
  if (!parse_options(context, form, options)) return;
  // Ranges by score and member name their high end first when they are reversed.
  bool is_swapped = options.is_reverse && options.by != By::kRank;
  RangeSpec range;
  if (!parse_range(context, options.by, is_swapped ? 3 : 2, is_swapped ? 2 : 3, range)) return;
  Entry* entry;
  if (!context.find(context.key(1), Type::kZset, entry)) return;
  if (!entry) return context.reply().empty_array();
  Value zset = entry->value();
  Ranks ranks = resolve(zset, range, options.is_reverse);
  if (options.by != By::kRank) ranks = limited(ranks, options);
  reply_range(context, zset, ranks, options);
}

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
void zcount(Context& context) { count_range(context, By::kScore); }
void zlexcount(Context& context) { count_range(context, By::kLex); }
void zremrangebyrank(Context& context) { remove_range(context, By::kRank); }
void zremrangebyscore(Context& context) { remove_range(context, By::kScore); }
void zremrangebylex(Context& context) { remove_range(context, By::kLex); }

}  // namespace strata

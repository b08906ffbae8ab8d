// Single members and their scores; popping, scanning, choosing at random.

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "commands/collections.h"
#include "commands/random_slices.h"
#include "commands/sorted_sets.h"
#include "text/numbers.h"

namespace strata {
namespace {

void rank(Context& context, bool reverse) {
  if (context.argc() > 4) return reply_wrong_arity(context);
  bool with_score = context.argc() == 4;
  if (with_score && !context.is_word(3, "WITHSCORE")) return context.syntax_error();
  Entry* entry;
  if (!context.find(context.key(1), Type::kZset, entry)) return;
  Reply& reply = context.reply();
  std::optional<uint64_t> found;
  if (entry) found = zset_rank(entry->value(), context.arg(2));
  if (!found) return with_score ? reply.null_array() : reply.null();
  Value zset = entry->value();
  uint64_t rank = reverse ? zset_size(zset) - 1 - *found : *found;
  if (with_score) reply.array(2);
  reply.integer(static_cast<int64_t>(rank));
  if (with_score) reply.double_(*zset_score(zset, context.arg(2)));
}

// Copied: a member that is pinned could not leave its node without memory.
void reply_popped(Reply& reply, bool is_nested, const Element& member, double score) {
  if (is_nested) reply.array(2);
  char scratch[kIntegerTextBytes];
  reply.bulk(element_text(member, scratch));
  reply.double_(score);
}

// BZMPOP is logged as the plain pop of the key that served it.
void log_if_blocking(Context& context, const Key& key, bool from_high_end, uint64_t count) {
  if (!(context.command().flags & kBlocking)) return;
  char digits[kI64TextBytes];
  context.effect({from_high_end ? "ZPOPMAX" : "ZPOPMIN", key.name, Bytes(digits, print_u64(count, digits))});
}

// A tree, in which taking members away needs no memory. The key is args[key_at]; `head` replies what comes
// before the members.
template <typename Head>
void pop_in_slices(Context& context, size_t key_at, bool from_high_end, uint64_t count, bool is_nested,
                   Head head) {
  auto step = [=, left = count](Context& slice) mutable {
    const Key key = slice.key(key_at);
    Entry* entry = slice.database(key).find(key);
    Value zset = entry->value();
    Reply& reply = slice.reply();
    if (left == count) head(slice);
    const uint64_t some = std::min<uint64_t>(left, kSliceElements);
    Status popped =
        zset_pop(slice.data(key), zset, from_high_end, some,
                 [&](const Element& member, double score) { reply_popped(reply, is_nested, member, score); });
    STRATA_ASSERT(popped.has_value(), "nobody pins a latched tree");
    left -= some;
    const bool is_last = left == 0;
    if (is_last) {
      log_if_blocking(slice, key, from_high_end, count);
      store_rest(slice, key, entry, zset, zset_size(zset) == 0, count);
    } else {
      entry->set_value(zset);
    }
    return is_last;
  };
  context.slice(std::make_unique<SlicedStep<decltype(step)>>(std::move(step)),
                {{.arg = key_at, .is_exclusive = true}});
}

// Without a count: member and score, or nothing. With one, RESP3 has pairs in an array.
void pop(Context& context, bool from_high_end) {
  if (context.argc() > 3) return context.syntax_error();
  uint64_t count = 1;
  bool has_count = context.argc() == 3;
  if (has_count && !parse_count(context, 2, count)) return;
  Key key = context.key(1);
  Entry* entry;
  if (!context.find_for_write(key, Type::kZset, entry)) return;
  Reply& reply = context.reply();
  if (!entry || count == 0) return reply.empty_array();
  Value zset = entry->value();
  uint64_t size = zset_size(zset);
  count = std::min(count, size);
  bool is_nested = has_count && reply.resp3();
  if (zset.encoding != Encoding::kListpack && wants_slices(context, count))
    return pop_in_slices(context, 1, from_high_end, count, is_nested,
                         [=](Context& slice) { slice.reply().array(is_nested ? count : 2 * count); });
  bool is_first = true;
  Status popped =
      zset_pop(context.data(key), zset, from_high_end, count, [&](const Element& member, double score) {
        if (is_first) reply.array(is_nested ? count : 2 * count);
        is_first = false;
        reply_popped(reply, is_nested, member, score);
      });
  store_rest(context, key, entry, zset, popped && count == size, popped ? count : 0);
  context.check(popped);
}

}  // namespace

void pop_several_members(Context& context, size_t key_at, Entry* entry, const PopOfSeveral& arguments) {
  const Key key = context.key(key_at);
  Value zset = entry->value();
  const uint64_t size = zset_size(zset);
  const uint64_t count = std::min(arguments.count, size);
  auto head = [=](Context& slice) {
    slice.reply().array(2);
    slice.reply().bulk(slice.arg(key_at));
    slice.reply().array(count);
  };
  if (zset.encoding != Encoding::kListpack && wants_slices(context, count))
    return pop_in_slices(context, key_at, arguments.from_back, count, true, head);
  bool is_first = true;
  Status popped =
      zset_pop(context.data(key), zset, arguments.from_back, count, [&](const Element& member, double score) {
        if (is_first) head(context);
        is_first = false;
        reply_popped(context.reply(), true, member, score);
      });
  if (popped) log_if_blocking(context, key, arguments.from_back, count);
  store_rest(context, key, entry, zset, popped && count == size, popped ? count : 0);
  context.check(popped);
}

namespace {

// `count` members, with their scores or without. Together they are a flat array in RESP2, pairs in RESP3.
void reply_random(Context& context, const Key& key, const Value& zset, RandomCount wanted, bool with_scores) {
  const uint64_t size = zset_size(zset);
  const uint64_t count = wanted.is_repeated ? wanted.count : std::min(wanted.count, size);
  const bool is_nested = with_scores && context.reply().resp3();
  const uint64_t header = with_scores && !is_nested ? 2 * count : count;
  auto show = [=](Context& slice, const Element& member, double score) {
    if (is_nested) slice.reply().array(2);
    reply_many(slice, slice.reply(), member);
    if (with_scores) slice.reply().double_(score);
  };
  if (wants_random_slices(context, wanted, count)) {
    return reply_random_in_slices(
        context, wanted, count, size, header,
        [show](Context& slice, uint64_t some) {
          zset_random_repeated(latched_entry(slice)->value(), slice.random(slice.key(1)), some,
                               [&](const Element& member, double score) { show(slice, member, score); });
        },
        [show, size](Context& slice, uint64_t& cursor, PassingSample& sample) {
          const uint64_t first = cursor;
          cursor = std::min<uint64_t>(first + kSliceElements, size);
          zset_visit(latched_entry(slice)->value(), first, cursor, false,
                     [&](const Element& member, double score) {
                       if (sample.take()) show(slice, member, score);
                     });
          return cursor == size;
        });
  }
  bool is_first = true;
  auto show_here = [&](const Element& member, double score) {
    // Choosing different members takes memory, which may end before the first.
    if (is_first) context.reply().array(header);
    is_first = false;
    show(context, member, score);
  };
  if (wanted.is_repeated) return zset_random_repeated(zset, context.random(key), count, show_here);
  context.check(zset_random_distinct(context.data(key), zset, context.random(key), count, show_here));
}

}  // namespace

void zscore(Context& context) {
  Entry* entry;
  if (!context.find(context.key(1), Type::kZset, entry)) return;
  std::optional<double> score;
  if (entry) score = zset_score(entry->value(), context.arg(2));
  score ? context.reply().double_(*score) : context.reply().null();
}

void zmscore(Context& context) {
  Entry* entry;
  if (!context.find(context.key(1), Type::kZset, entry)) return;
  context.reply().array(context.argc() - 2);
  for (Bytes member : context.args().subspan(2)) {
    std::optional<double> score;
    if (entry) score = zset_score(entry->value(), member);
    score ? context.reply().double_(*score) : context.reply().null();
  }
}

void zcard(Context& context) {
  Entry* entry;
  if (!context.find(context.key(1), Type::kZset, entry)) return;
  context.reply().integer(entry ? static_cast<int64_t>(zset_size(entry->value())) : 0);
}

void zrank(Context& context) { rank(context, false); }
void zrevrank(Context& context) { rank(context, true); }
void zpopmin(Context& context) { pop(context, false); }
void zpopmax(Context& context) { pop(context, true); }

void zmpop(Context& context) {
  PopOfSeveral arguments;
  if (!parse_pop_of_several(context, 1, "MIN", "MAX", arguments)) return;
  for (size_t i = 2; i < arguments.keys_end; ++i) {
    Entry* entry;
    if (!context.find_for_write(context.key(i), Type::kZset, entry)) return;
    if (entry) return pop_several_members(context, i, entry, arguments);
  }
  context.reply().null_array();
}

void zscan(Context& context) {
  ScanArguments arguments;
  Entry* entry;
  if (!begin_scan(context, Type::kZset, arguments, entry)) return;
  std::vector<std::pair<Element, double>> found;
  uint64_t next =
      zset_scan(entry->value(), arguments.cursor, arguments.count, [&](const Element& member, double score) {
        if (arguments.matches(member)) found.emplace_back(member, score);
      });
  reply_scan_cursor(context, next);
  context.reply().array(2 * found.size());
  for (const auto& [member, score] : found) {
    context.reply_element(member);
    context.reply().bulk_double(score);
  }
}

void zrandmember(Context& context) {
  RandomCount wanted{};
  bool has_count = context.argc() > 2;
  bool with_scores = context.argc() == 4 && context.is_word(3, "WITHSCORES");
  if (has_count) {
    if (!parse_random_count(context, 2, wanted)) return;
    if (context.argc() > 3 && !with_scores) return context.syntax_error();
    if (with_scores && !check_random_pairs(context, wanted)) return;
  }
  Key key = context.key(1);
  Entry* entry;
  if (!context.find(key, Type::kZset, entry)) return;
  Reply& reply = context.reply();
  if (!entry) return has_count ? reply.empty_array() : reply.null();
  if (!has_count) {
    return zset_random(entry->value(), context.random(key),
                       [&](const Element& member, double) { context.reply_element(member); });
  }
  if (wanted.count == 0) return reply.empty_array();
  if (check_repetitions(context, wanted)) reply_random(context, key, entry->value(), wanted, with_scores);
}

}  // namespace strata

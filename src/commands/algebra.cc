#include "commands/algebra.h"

#include <algorithm>

#include "base/assert.h"

namespace strata {

std::vector<LatchWish> algebra_latches(const Context& context, const AlgebraKeys& keys) {
  std::vector<LatchWish> wishes;
  if (keys.target) wishes.push_back({.arg = *keys.target, .is_exclusive = true});
  for (size_t i = keys.first; i < keys.last; ++i) {
    bool is_known = std::any_of(wishes.begin(), wishes.end(), [&](const LatchWish& wish) {
      return context.arg(wish.arg) == context.arg(i);
    });
    if (!is_known) wishes.push_back({.arg = i, .is_exclusive = false});
  }
  return wishes;
}

Status add_new_member(const DataContext& data, const ZsetLimits& limits, std::optional<Value>& result,
                      const Element& member, double score) {
  char scratch[kIntegerTextBytes];
  const Bytes text = element_text(member, scratch);
  if (!result) {
    TRY_ASSIGN(result, zset_create(data, limits, text.size()));
  }
  TRY_ASSIGN(ZaddResult added, zset_add(data, limits, *result, score, text));
  STRATA_ASSERT(added.change == ZaddChange::kAdded);
  return {};
}

void store_result(Context& context, const Key& target, const std::optional<Value>& result, uint64_t size) {
  if (!result) {
    if (context.find_for_write(target)) context.erase(target);
    return context.reply().integer(0);
  }
  context.find_for_write(target);  // expired: its deletion is logged before
  Result<Entry*> placed = context.database(target).put(target, *result, kNoDeadline);
  if (!placed) context.database(target).discard(*result);
  if (!context.check(placed)) return;
  context.shard(target).ask_for_cleaning();  // the old value may be large
  context.changed(target);
  context.reply().integer(static_cast<int64_t>(size));
}

bool parse_counted_keys(Context& context, size_t at, AlgebraKeys& keys) {
  int64_t count;
  if (!context.parse_integer_in(at, 1, INT64_MAX, count, "ERR numkeys should be greater than 0"))
    return false;
  keys.first = at + 1;
  if (static_cast<uint64_t>(count) > context.argc() - keys.first) {
    context.reply().error("ERR Number of keys can't be greater than number of args");
    return false;
  }
  keys.last = keys.first + static_cast<size_t>(count);
  return true;
}

}  // namespace strata

// BZPOPMIN, BZPOPMAX and BZMPOP: they pop at once, or wait until there is something to pop.

#include <algorithm>
#include <memory>

#include "commands/collections.h"
#include "commands/sorted_sets.h"
#include "text/numbers.h"

namespace strata {
namespace {

struct ZsetPop {
  PopOfSeveral of;
  bool is_flat = false;  // BZPOPMIN: key, member and score beside each other
};

// Logged as the plain pop of this key.
void pop(Context& context, const Key& key, Entry* entry, const ZsetPop& arguments) {
  Reply& reply = context.reply();
  Value zset = entry->value();
  const uint64_t size = zset_size(zset);
  const uint64_t count = std::min(arguments.of.count, size);
  bool is_first = true;
  const auto show = [&](const Element& member, double score) {
    // The header waits for the first member: before it, memory may end and an error be the reply.
    if (is_first) {
      reply.array(arguments.is_flat ? 3 : 2);
      reply.bulk(key.name);
      if (!arguments.is_flat) reply.array(count);
    }
    is_first = false;
    if (!arguments.is_flat) reply.array(2);
    char scratch[kIntegerTextBytes];
    reply.bulk(element_text(member, scratch));
    reply.double_(score);
  };
  Status popped = zset_pop(context.data(key), zset, arguments.of.from_back, count, show);
  if (popped) {
    const Bytes name = arguments.of.from_back ? "ZPOPMAX" : "ZPOPMIN";
    char digits[kI64TextBytes];
    if (arguments.is_flat) {
      context.effect({name, key.name});
    } else {
      context.effect({name, key.name, Bytes(digits, print_u64(count, digits))});
    }
  }
  store_rest(context, key, entry, zset, popped && count == size, popped ? count : 0);
  context.check(popped);
}

class BlockedZsetPop final : public BlockedCommand {
 public:
  explicit BlockedZsetPop(const ZsetPop& arguments) : arguments_(arguments) {}
  void serve(Context& context, const Key& key) override {
    pop(context, key, context.find_for_write(key), arguments_);
  }

 private:
  ZsetPop arguments_;
};

void pop_or_wait(Context& context, size_t first_key, const ZsetPop& arguments, int64_t timeout_ms) {
  for (size_t i = first_key; i < arguments.of.keys_end; ++i) {
    Key key = context.key(i);
    Entry* entry;
    if (!context.find_for_write(key, Type::kZset, entry)) return;
    if (entry) return pop(context, key, entry, arguments);
  }
  if (!context.may_block()) return context.reply().null_array();
  context.block({.command = std::make_unique<BlockedZsetPop>(arguments),
                 .timeout_ms = timeout_ms,
                 .first_key = first_key,
                 .last_key = arguments.of.keys_end - 1,
                 .wish = {Type::kZset}});
}

void pop_end_or_wait(Context& context, bool from_high_end) {
  const size_t keys_end = context.argc() - 1;
  int64_t timeout_ms;
  if (!parse_timeout(context, keys_end, timeout_ms)) return;
  pop_or_wait(context, 1, {.of = {.keys_end = keys_end, .from_back = from_high_end}, .is_flat = true},
              timeout_ms);
}

}  // namespace

void bzpopmin(Context& context) { pop_end_or_wait(context, false); }
void bzpopmax(Context& context) { pop_end_or_wait(context, true); }

void bzmpop(Context& context) {
  ZsetPop arguments;
  int64_t timeout_ms;
  if (!parse_pop_of_several(context, 2, "MIN", "MAX", arguments.of) || !parse_timeout(context, 1, timeout_ms))
    return;
  pop_or_wait(context, 3, arguments, timeout_ms);
}

}  // namespace strata

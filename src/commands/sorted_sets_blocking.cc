// BZPOPMIN, BZPOPMAX and BZMPOP: they pop at once, or wait until there is something to pop.

#include <memory>

#include "commands/collections.h"
#include "commands/sorted_sets.h"

namespace strata {
namespace {

struct ZsetPop {
  PopOfSeveral of;
  bool is_flat = false;  // BZPOPMIN: key, member and score beside each other
};

// Logged as the plain pop of this key.
void pop_one(Context& context, const Key& key, Entry* entry, bool from_high_end) {
  Reply& reply = context.reply();
  Value zset = entry->value();
  const auto show = [&](const Element& member, double score) {
    reply.array(3);
    reply.bulk(key.name);
    char scratch[kIntegerTextBytes];
    reply.bulk(element_text(member, scratch));
    reply.double_(score);
  };
  Status popped = zset_pop(context.data(key), zset, from_high_end, 1, show);
  if (popped) context.effect({from_high_end ? "ZPOPMAX" : "ZPOPMIN", key.name});
  store_rest(context, key, entry, zset, popped && zset_size(zset) == 0, popped ? 1 : 0);
  context.check(popped);
}

void pop(Context& context, size_t key_at, Entry* entry, const ZsetPop& arguments) {
  if (arguments.is_flat) return pop_one(context, context.key(key_at), entry, arguments.of.from_back);
  pop_several_members(context, key_at, entry, arguments.of);
}

class BlockedZsetPop final : public BlockedCommand {
 public:
  BlockedZsetPop(const ZsetPop& arguments, size_t first_key) : arguments_(arguments), first_key_(first_key) {}
  void serve(Context& context, const Key& key) override {
    size_t key_at = first_key_;
    while (context.arg(key_at) != key.name) ++key_at;
    pop(context, key_at, context.find_for_write(key), arguments_);
  }

 private:
  const ZsetPop arguments_;
  const size_t first_key_;
};

void pop_or_wait(Context& context, size_t first_key, const ZsetPop& arguments, int64_t timeout_ms) {
  for (size_t i = first_key; i < arguments.of.keys_end; ++i) {
    Key key = context.key(i);
    Entry* entry;
    if (!context.find_for_write(key, Type::kZset, entry)) return;
    if (entry) return pop(context, i, entry, arguments);
  }
  if (!context.may_block()) return context.reply().null_array();
  context.block({.command = std::make_unique<BlockedZsetPop>(arguments, first_key),
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

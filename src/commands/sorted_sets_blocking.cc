// BZPOPMIN, BZPOPMAX and BZMPOP: they pop at once, or wait until there is something to pop.

#include <algorithm>
#include <memory>

#include "commands/collections.h"
#include "commands/sorted_sets.h"
#include "text/numbers.h"

namespace strata {
namespace {

struct ZsetPop {
  size_t keys_end;  // the argument behind the last key
  bool from_high_end;
  uint64_t count = 1;
  bool is_flat = false;  // BZPOPMIN: key, member and score beside each other
};

// Logged as the plain pop of this key.
void pop(Context& context, const Key& key, Entry* entry, const ZsetPop& arguments) {
  Reply& reply = context.reply();
  Value zset = entry->value();
  const uint64_t size = zset_size(zset);
  const uint64_t count = std::min(arguments.count, size);
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
  Status popped = zset_pop(context.data(key), zset, arguments.from_high_end, count, show);
  if (popped) {
    const Bytes name = arguments.from_high_end ? "ZPOPMAX" : "ZPOPMIN";
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
  for (size_t i = first_key; i < arguments.keys_end; ++i) {
    Key key = context.key(i);
    Entry* entry;
    if (!context.find_for_write(key, Type::kZset, entry)) return;
    if (entry) return pop(context, key, entry, arguments);
  }
  if (!context.may_block()) return context.reply().null_array();
  context.block({.command = std::make_unique<BlockedZsetPop>(arguments),
                 .timeout_ms = timeout_ms,
                 .first_key = first_key,
                 .last_key = arguments.keys_end - 1,
                 .wish = {Type::kZset}});
}

void pop_end_or_wait(Context& context, bool from_high_end) {
  const size_t keys_end = context.argc() - 1;
  int64_t timeout_ms;
  if (!parse_timeout(context, keys_end, timeout_ms)) return;
  pop_or_wait(context, 1, {.keys_end = keys_end, .from_high_end = from_high_end, .is_flat = true},
              timeout_ms);
}

// timeout numkeys key… MIN|MAX [COUNT count]
bool parse_bzmpop(Context& context, ZsetPop& parsed) {
  int64_t keys;
  if (!context.parse_integer_in(2, 1, INT64_MAX, keys, "ERR numkeys should be greater than 0")) return false;
  const auto key_count = static_cast<uint64_t>(keys);
  if (key_count > context.argc() - 4) return context.syntax_error(), false;
  parsed.keys_end = 3 + key_count;
  parsed.from_high_end = context.is_word(parsed.keys_end, "MAX");
  if (!parsed.from_high_end && !context.is_word(parsed.keys_end, "MIN")) return context.syntax_error(), false;
  bool has_count = false;
  for (size_t i = parsed.keys_end + 1; i < context.argc(); i += 2) {
    if (has_count || i + 1 == context.argc() || !context.is_word(i, "COUNT"))
      return context.syntax_error(), false;
    has_count = true;
    int64_t count;
    if (!context.parse_integer_in(i + 1, 1, INT64_MAX, count, "ERR count should be greater than 0"))
      return false;
    parsed.count = static_cast<uint64_t>(count);
  }
  return true;
}

}  // namespace

void bzpopmin(Context& context) { pop_end_or_wait(context, false); }
void bzpopmax(Context& context) { pop_end_or_wait(context, true); }

void bzmpop(Context& context) {
  ZsetPop arguments{};
  int64_t timeout_ms;
  if (!parse_bzmpop(context, arguments) || !parse_timeout(context, 1, timeout_ms)) return;
  pop_or_wait(context, 3, arguments, timeout_ms);
}

}  // namespace strata

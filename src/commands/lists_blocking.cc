// BLPOP, BRPOP, BLMOVE, BLMOVEM, BRPOPLPUSH and BLMPOP: they pop at once, or wait until there is something to
// pop.

#include <memory>

#include "commands/collections.h"
#include "commands/lists.h"
#include "text/numbers.h"

namespace strata {
namespace {

using list::End;

// Pops an element for BLPOP and BRPOP; logged as the plain pop of this key.
void pop_one(Context& context, const Key& key, Entry* entry, End end) {
  Reply& reply = context.reply();
  Value value = entry->value();
  bool popped =
      list::pop(value, heap_of(context, key), list_limits(context), end, 1, [&](const Element& element) {
        reply.array(2);
        reply.bulk(key.name);
        context.reply_element(element);
      });
  if (popped) context.effect({end == End::kFront ? "LPOP" : "RPOP", key.name});
  store_rest(context, key, entry, value, popped && list::length(value) == 0, popped ? 1 : 0);
  check_memory(context, popped);
}

class BlockedPop final : public BlockedCommand {
 public:
  explicit BlockedPop(End end) : end_(end) {}
  void serve(Context& context, const Key& key) override {
    pop_one(context, key, context.find_for_write(key), end_);
  }

 private:
  End end_;
};

constexpr size_t kFirstKeyOfBlmpop = 3;

class BlockedPopSeveral final : public BlockedCommand {
 public:
  explicit BlockedPopSeveral(const PopOfSeveral& arguments) : arguments_(arguments) {}
  void serve(Context& context, const Key& key) override {
    size_t key_at = kFirstKeyOfBlmpop;
    while (context.arg(key_at) != key.name) ++key_at;
    pop_several(context, key_at, context.find_for_write(key), arguments_);
  }

 private:
  PopOfSeveral arguments_;
};

// Logged without the timeout.
void move_and_log(Context& context, End from, End to) {
  const uint64_t changes = context.changes();
  move_element(context, from, to);
  if (context.changes() == changes) return;
  const auto name_of = [](End end) { return end == End::kFront ? Bytes("LEFT") : Bytes("RIGHT"); };
  if (context.argc() == 4) return context.effect({"RPOPLPUSH", context.arg(1), context.arg(2)});
  context.effect({"LMOVE", context.arg(1), context.arg(2), name_of(from), name_of(to)});
}

class BlockedMove final : public BlockedCommand {
 public:
  BlockedMove(End from, End to) : from_(from), to_(to) {}
  void serve(Context& context, const Key&) override { move_and_log(context, from_, to_); }

 private:
  End from_;
  End to_;
};

// With EXACTLY a list that is there may still be too short.
class BlockedMoveOfSeveral final : public BlockedCommand {
 public:
  explicit BlockedMoveOfSeveral(const MoveOfSeveral& arguments) : arguments_(arguments) {}
  bool can_serve(const Key&, const Entry* entry) const override {
    return list::length(entry->value()) >= arguments_.needed();
  }
  void serve(Context& context, const Key&) override { move_several(context, arguments_); }

 private:
  MoveOfSeveral arguments_;
};

void pop_or_wait(Context& context, End end) {
  int64_t timeout_ms;
  const size_t last_key = context.argc() - 2;
  if (!parse_timeout(context, last_key + 1, timeout_ms)) return;
  for (size_t i = 1; i <= last_key; ++i) {
    Key key = context.key(i);
    Entry* entry;
    if (!context.find_for_write(key, Type::kList, entry)) return;
    if (entry) return pop_one(context, key, entry, end);
  }
  if (!context.may_block()) return context.reply().null_array();
  context.block(
      {.command = std::make_unique<BlockedPop>(end), .timeout_ms = timeout_ms, .last_key = last_key});
}

void move_or_wait(Context& context, End from, End to, size_t timeout_at) {
  int64_t timeout_ms;
  if (!parse_timeout(context, timeout_at, timeout_ms)) return;
  Entry* entry;
  if (!context.find_for_write(context.key(1), Type::kList, entry)) return;
  if (entry) return move_and_log(context, from, to);
  if (!context.may_block()) return context.reply().null();
  context.block(
      {.command = std::make_unique<BlockedMove>(from, to), .timeout_ms = timeout_ms, .needs_all_keys = true});
}

}  // namespace

void blpop(Context& context) { pop_or_wait(context, End::kFront); }
void brpop(Context& context) { pop_or_wait(context, End::kBack); }

void blmove(Context& context) {
  std::optional<End> from = parse_end(context, 3);
  std::optional<End> to = parse_end(context, 4);
  if (!from || !to) return context.syntax_error();
  move_or_wait(context, *from, *to, 5);
}

void blmovem(Context& context) {
  constexpr size_t kTimeout = 5;
  std::optional<End> from = parse_end(context, 3);
  std::optional<End> to = parse_end(context, 4);
  if (!from || !to) return context.syntax_error();
  MoveOfSeveral arguments{.from = *from, .to = *to};
  int64_t timeout_ms;
  if (!parse_timeout(context, kTimeout, timeout_ms) ||
      !parse_move_of_several(context, kTimeout + 1, arguments)) {
    return;
  }
  Entry* entry;
  if (!context.find_for_write(context.key(1), Type::kList, entry)) return;
  if (entry && list::length(entry->value()) >= arguments.needed()) return move_several(context, arguments);
  if (!context.may_block()) return context.reply().null_array();
  context.block({.command = std::make_unique<BlockedMoveOfSeveral>(arguments),
                 .timeout_ms = timeout_ms,
                 .needs_all_keys = true});
}

void brpoplpush(Context& context) { move_or_wait(context, End::kBack, End::kFront, 3); }

void blmpop(Context& context) {
  PopOfSeveral arguments;
  int64_t timeout_ms;
  if (!parse_pop_of_several(context, 2, "LEFT", "RIGHT", arguments) || !parse_timeout(context, 1, timeout_ms))
    return;
  for (size_t i = kFirstKeyOfBlmpop; i < arguments.keys_end; ++i) {
    Key key = context.key(i);
    Entry* entry;
    if (!context.find_for_write(key, Type::kList, entry)) return;
    if (entry) return pop_several(context, i, entry, arguments);
  }
  if (!context.may_block()) return context.reply().null_array();
  context.block({.command = std::make_unique<BlockedPopSeveral>(arguments),
                 .timeout_ms = timeout_ms,
                 .first_key = kFirstKeyOfBlmpop,
                 .last_key = arguments.keys_end - 1});
}

}  // namespace strata

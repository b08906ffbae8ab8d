// LMOVEM, and what BLMOVEM does when there is enough: many elements from one list to another, or within one.
//
// They lie together at an end of the source and lie together at an end of the target afterwards: in the same
// order (BULK), or in the one in which they would arrive one by one (OBO), which is reversed when both ends
// are of the same side. The target's copies are complete, and the source's removal is prepared, before the
// first reply; until then memory may end and all is taken back. With many elements it is done in slices
// (sliced.h), while both keys are latched.
//
// The log gets what redis-server 7.0 knows: LMOVE, or the elements' pop and their push.

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "commands/lists.h"
#include "commands/logged_elements.h"
#include "text/numbers.h"

namespace strata {
namespace {

using list::End;

constexpr size_t kSource = 1;  // arguments
constexpr size_t kTarget = 2;

class Moving {
 public:
  // So many elements of a source of that length: at least one.
  Moving(const Context& context, const MoveOfSeveral& arguments, uint64_t length)
      : arguments_(arguments),
        count_(std::min(arguments.count, length)),
        rest_(length - count_),
        is_reversed_(arguments.is_one_by_one && arguments.from == arguments.to),
        is_within_(context.arg(kSource) == context.arg(kTarget)) {
    const bool stays = is_within_ && arguments.from == arguments.to && !is_reversed_;
    phase_ = stays ? Phase::kReply : is_within_ ? Phase::kCopy : Phase::kPush;
    changes_nothing_ = stays;
  }

  uint64_t count() const { return count_; }
  // True when all is done and replied.
  bool step(Context& context, uint64_t budget) {
    switch (phase_) {
      case Phase::kCopy:
        return copy_some(context, budget);
      case Phase::kPush:
        return push_some(context, budget);
      case Phase::kReply:
        return reply_some(context, budget);
    }
    return true;
  }

 private:
  enum class Phase : uint8_t { kCopy, kPush, kReply };

  static Entry* entry_of(Context& context, const Key& key) { return context.database(key).find(key); }
  static End opposite(End end) { return end == End::kFront ? End::kBack : End::kFront; }
  // Where one begins to show the elements as the target will hold them, and as they are pushed onto it.
  End shown_from() const { return is_reversed_ ? End::kBack : End::kFront; }
  End pushed_from() const { return arguments_.to == End::kFront ? opposite(shown_from()) : shown_from(); }
  void peek_source(const Value& source, End direction, uint64_t some,
                   FunctionRef<void(const Element&)> visit) const {
    list::peek(source, direction, (direction == arguments_.from ? 0 : rest_) + done_, some, visit);
  }
  uint64_t some_of(uint64_t budget) const { return std::min(budget, count_ - done_); }

  bool copy_some(Context& context, uint64_t budget);
  bool push_some(Context& context, uint64_t budget);
  bool prepare(Context& context);
  bool reply_some(Context& context, uint64_t budget);
  void finish(Context& context);
  bool logs_elements(const Context& context) const { return count_ > 1 && context.environment().sink; }
  void log(Context& context) const;
  list::Range source_range() const;
  void take_back(Context& context);
  bool fail(Context& context);

  const MoveOfSeveral arguments_;
  const uint64_t count_;
  const uint64_t rest_;  // what stays in the source
  const bool is_reversed_;
  const bool is_within_;  // source and target are the same
  bool changes_nothing_;
  Phase phase_;
  uint64_t done_ = 0;           // elements, of this phase
  std::optional<Value> copy_;   // within one list: in the order in which they are pushed
  std::optional<Value> fresh_;  // the target, while it has no key
  LoggedElements logged_;
};

// What is given to a change must not lie inside the list.
bool Moving::copy_some(Context& context, uint64_t budget) {
  const Key key = context.key(kSource);
  if (!copy_) {
    Value empty;
    if (!list::create(heap_of(context, key), &empty)) return fail(context);
    copy_ = empty;
  }
  const uint64_t some = some_of(budget);
  bool is_ok = true;
  peek_source(entry_of(context, key)->value(), pushed_from(), some, [&](const Element& element) {
    is_ok = is_ok && list::push(*copy_, heap_of(context, key), list_limits(context), End::kBack, element);
  });
  if (!is_ok) return fail(context);
  done_ += some;
  if (done_ < count_) return false;
  done_ = 0;
  phase_ = Phase::kPush;
  return false;
}

bool Moving::push_some(Context& context, uint64_t budget) {
  const Key target = context.key(kTarget);
  Heap& heap = heap_of(context, target);
  Entry* entry = entry_of(context, target);
  if (!entry && !fresh_) {
    Value empty;
    if (!list::create(heap, &empty)) return fail(context);
    fresh_ = empty;
  }
  Value value = entry ? entry->value() : *fresh_;
  const uint64_t some = some_of(budget);
  bool is_ok = true;
  auto push = [&](const Element& element) {
    if (!is_ok) return;
    is_ok = list::push(value, heap, list_limits(context), arguments_.to, element);
    done_ += is_ok;
    char scratch[kIntegerTextBytes];
    if (is_ok && logs_elements(context)) logged_.add(element_text(element, scratch));
  };
  if (copy_)
    list::peek(*copy_, End::kFront, done_, some, push);
  else
    peek_source(entry_of(context, context.key(kSource))->value(), pushed_from(), some, push);
  entry ? entry->set_value(value) : static_cast<void>(fresh_ = value);
  if (!is_ok) return take_back(context), fail(context);
  return done_ == count_ && !prepare(context);
}

// The old place of the elements, when the new ones are there.
list::Range Moving::source_range() const {
  uint64_t first = arguments_.from == End::kFront ? 0 : rest_;
  if (is_within_ && arguments_.to == End::kFront) first += count_;
  return {first, count_};
}

// From here on nothing fails. False: it was over before.
bool Moving::prepare(Context& context) {
  if (fresh_) {
    const Value fresh = *std::exchange(fresh_, std::nullopt);
    if (!store(context, context.key(kTarget), nullptr, fresh)) return false;
  }
  const Key source = context.key(kSource);
  Entry* entry = entry_of(context, source);
  Value value = entry->value();
  const bool is_ready = list::prepare_erase(value, heap_of(context, source), source_range());
  entry->set_value(value);
  if (!is_ready) {
    take_back(context);
    return !fail(context);
  }
  done_ = 0;
  phase_ = Phase::kReply;
  return true;
}

bool Moving::reply_some(Context& context, uint64_t budget) {
  if (done_ == 0) context.reply().array(count_);
  const uint64_t some = some_of(budget);
  auto show = [&](const Element& element) { reply_many(context, context.reply(), element); };
  if (copy_)
    list::peek(*copy_, arguments_.to == End::kFront ? End::kBack : End::kFront, done_, some, show);
  else
    peek_source(entry_of(context, context.key(kSource))->value(), shown_from(), some, show);
  done_ += some;
  if (done_ < count_) return false;
  finish(context);
  return true;
}

void Moving::finish(Context& context) {
  const Key source = context.key(kSource);
  const Key target = context.key(kTarget);
  if (copy_) context.database(source).discard(*std::exchange(copy_, std::nullopt));
  log(context);
  if (!changes_nothing_) {
    Entry* entry = entry_of(context, source);
    Value value = entry->value();
    const bool is_erased =
        list::erase_range(value, heap_of(context, source), list_limits(context), source_range());
    STRATA_ASSERT(is_erased, "it was prepared, and nobody has pinned a node since");
    entry->set_value(value);
  }
  if (is_within_) return context.changed(source, count_);
  if (rest_ == 0)
    context.erase(source);
  else
    context.changed(source, count_);
  context.changed(target, count_);
}

// The pop comes first, but where it would delete the key and its deadline before the push.
void Moving::log(Context& context) const {
  if (changes_nothing_) return context.no_effect();
  const Bytes source = context.arg(kSource);
  const Bytes target = context.arg(kTarget);
  const auto name_of = [](End end) { return end == End::kFront ? Bytes("LEFT") : Bytes("RIGHT"); };
  if (count_ == 1)
    return context.effect({"LMOVE", source, target, name_of(arguments_.from), name_of(arguments_.to)});
  const bool pops_last = is_within_ && rest_ == 0;
  const End popped_from = pops_last ? opposite(arguments_.to) : arguments_.from;
  char digits[kI64TextBytes];
  const Bytes count(digits, print_u64(count_, digits));
  const auto pop = [&] { context.effect({popped_from == End::kFront ? "LPOP" : "RPOP", source, count}); };
  if (!pops_last) pop();
  logged_.log(context, arguments_.to == End::kFront ? "LPUSH" : "RPUSH", target);
  if (pops_last) pop();
}

// What was pushed goes again: its nodes were just written, so nobody pins them.
void Moving::take_back(Context& context) {
  const Key target = context.key(kTarget);
  Entry* entry = entry_of(context, target);
  if (!entry || done_ == 0) return;
  Value value = entry->value();
  const list::Range range = list::range_at(arguments_.to, done_, list::length(value));
  const bool is_undone = list::erase_range(value, heap_of(context, target), list_limits(context), range);
  STRATA_ASSERT(is_undone, "the nodes were just written");
  entry->set_value(value);
  if (list::length(value) == 0) context.database(target).erase(target);
}

bool Moving::fail(Context& context) {
  if (copy_) context.database(context.key(kSource)).discard(*std::exchange(copy_, std::nullopt));
  if (fresh_) context.database(context.key(kTarget)).discard(*std::exchange(fresh_, std::nullopt));
  check_memory(context, false);
  return true;
}

class MoveWork final : public SlicedWork {
 public:
  explicit MoveWork(Moving moving) : moving_(std::move(moving)) {}
  bool step(Context& context) override { return moving_.step(context, kSliceElements); }

 private:
  Moving moving_;
};

}  // namespace

bool parse_move_of_several(Context& context, size_t options_at, MoveOfSeveral& parsed) {
  if (context.argc() == options_at) return true;
  if (context.argc() != options_at + 3) return context.syntax_error(), false;
  parsed.is_exact = context.is_word(options_at, "EXACTLY");
  if (!parsed.is_exact && !context.is_word(options_at, "COUNT")) return context.syntax_error(), false;
  parsed.is_one_by_one = context.is_word(options_at + 2, "OBO");
  if (!parsed.is_one_by_one && !context.is_word(options_at + 2, "BULK")) return context.syntax_error(), false;
  return parse_count(context, options_at + 1, parsed.count);
}

void move_several(Context& context, const MoveOfSeveral& arguments) {
  const Key source = context.key(kSource);
  const Entry* target_entry = context.find_for_write(context.key(kTarget));
  const bool fits = !target_entry || target_entry->type() == Type::kList;
  Entry* entry;
  if (!context.find_for_write(source, Type::kList, entry)) return;
  const uint64_t length = entry ? list::length(entry->value()) : 0;
  if (!entry || (arguments.is_exact && length < arguments.count)) return context.reply().null_array();
  if (!fits) return context.wrong_type();
  if (arguments.count == 0) return context.reply().empty_array();
  Moving moving(context, arguments, length);
  if (!wants_slices(context, moving.count())) {
    while (!moving.step(context, UINT64_MAX)) {
    }
    return;
  }
  std::vector<LatchWish> latches = {{.arg = kSource, .is_exclusive = true}};
  if (context.arg(kTarget) != source.name) latches.push_back({.arg = kTarget, .is_exclusive = true});
  context.slice(std::make_unique<MoveWork>(std::move(moving)), std::move(latches));
}

void lmovem(Context& context) {
  MoveOfSeveral arguments;
  std::optional<End> from = parse_end(context, 3);
  std::optional<End> to = parse_end(context, 4);
  if (!from || !to) return context.syntax_error();
  arguments.from = *from;
  arguments.to = *to;
  if (parse_move_of_several(context, 5, arguments)) move_several(context, arguments);
}

}  // namespace strata

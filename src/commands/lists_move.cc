// LMOVE and RPOPLPUSH, which take an element from one list to another, and LMPOP, which tries several lists.

#include <algorithm>
#include <string>

#include "base/assert.h"
#include "commands/collections.h"
#include "commands/lists.h"
#include "text/numbers.h"

namespace strata {
namespace {

using list::End;

Element outermost(const Value& value, End end) {
  Element element;
  bool found = list::index(value, end == End::kFront ? 0 : -1, &element);
  STRATA_ASSERT(found, "no key holds an empty list");
  return element;
}

bool pop_unseen(Context& context, const Key& key, Value& value, End end) {
  return list::pop(value, heap_of(context, key), list_limits(context), end, 1, [](const Element&) {});
}

// Within one list. The element is pushed before the other copy goes, so that memory may end at any point.
void rotate(Context& context, const Key& key, Entry* entry, End from, End to) {
  Value value = entry->value();
  char scratch[kIntegerTextBytes];
  std::string text(element_text(outermost(value, from), scratch));
  if (from != to) {
    Element element = Element::of(Bytes(text));
    bool pushed = list::push(value, heap_of(context, key), list_limits(context), to, element);
    bool popped = pushed && pop_unseen(context, key, value, from);
    if (pushed && !popped) {
      bool undone = pop_unseen(context, key, value, to);
      STRATA_ASSERT(undone, "the node was just written, so nobody pins it");
    }
    entry->set_value(value);
    if (!check_memory(context, popped)) return;
  }
  context.reply().bulk(text);
  context.changed(key);
}

// Pushes a copy of the element onto the target, which may be new. False: OOM was replied.
bool push_copy(Context& context, const Key& target, Entry* entry, End to, const Element& element) {
  Heap& heap = heap_of(context, target);
  Value value;
  if (entry) {
    value = entry->value();
  } else if (!check_memory(context, list::create(heap, &value))) {
    return false;
  }
  bool pushed = list::push(value, heap, list_limits(context), to, element);
  if (!pushed && !entry) {
    context.database(target).discard(value);
  } else if (!store(context, target, entry, value)) {
    return false;
  }
  return check_memory(context, pushed);
}

void take_back(Context& context, const Key& target, End to) {
  Entry* entry = context.find_for_write(target);
  Value value = entry->value();
  bool undone = pop_unseen(context, target, value, to);
  STRATA_ASSERT(undone, "the node was just written, so nobody pins it");
  entry->set_value(value);
  if (list::length(value) == 0) context.database(target).erase(target);
}

void move_between(Context& context, const Key& source, const Key& target, End from, End to) {
  Entry* target_entry = context.find_for_write(target);
  Entry* entry;
  if (!context.find_for_write(source, Type::kList, entry)) return;
  if (!entry) return context.reply().null();
  if (target_entry && target_entry->type() != Type::kList) return context.wrong_type();
  if (source.name == target.name) return rotate(context, source, entry, from, to);

  if (!push_copy(context, target, target_entry, to, outermost(entry->value(), from))) return;
  // Entries may have moved for the target's sake.
  entry = context.find_for_write(source);
  Value value = entry->value();
  bool popped = list::pop(value, heap_of(context, source), list_limits(context), from, 1,
                          [&](const Element& element) { context.reply_element(element); });
  entry->set_value(value);
  if (!popped) {
    take_back(context, target, to);
    check_memory(context, false);
    return;
  }
  if (list::length(value) == 0)
    context.erase(source);
  else
    context.changed(source);
  context.changed(target);
}

}  // namespace

void pop_several(Context& context, size_t key_at, Entry* entry, const PopOfSeveral& arguments) {
  const Key key = context.key(key_at);
  const End end = arguments.from_back ? End::kBack : End::kFront;
  Value value = entry->value();
  uint64_t length = list::length(value);
  uint64_t count = std::min(arguments.count, length);
  auto head = [key_at](Context& slice, uint64_t elements) {
    slice.reply().array(2);
    slice.reply().bulk(slice.arg(key_at));
    slice.reply().array(elements);
  };
  if (pop_in_slices(context, key_at, entry, end, count, head)) return;
  bool is_first = true;
  bool popped =
      list::pop(value, heap_of(context, key), list_limits(context), end, count, [&](const Element& element) {
        if (is_first) head(context, count);
        is_first = false;
        context.reply_element(element);
      });
  if (popped) {
    // Which of the lists was not empty need not be found out again.
    char digits[kI64TextBytes];
    context.effect({end == End::kFront ? "LPOP" : "RPOP", key.name, Bytes(digits, print_u64(count, digits))});
  }
  store_rest(context, key, entry, value, popped && count == length, popped ? count : 0);
  check_memory(context, popped);
}

void move_element(Context& context, End from, End to) {
  move_between(context, context.key(1), context.key(2), from, to);
}

void lmove(Context& context) {
  std::optional<End> from = parse_end(context, 3);
  std::optional<End> to = parse_end(context, 4);
  if (!from || !to) return context.syntax_error();
  move_element(context, *from, *to);
}

void rpoplpush(Context& context) { move_element(context, End::kBack, End::kFront); }

void lmpop(Context& context) {
  PopOfSeveral arguments;
  if (!parse_pop_of_several(context, 1, "LEFT", "RIGHT", arguments)) return;
  for (size_t i = 2; i < arguments.keys_end; ++i) {
    Key key = context.key(i);
    Entry* entry;
    if (!context.find_for_write(key, Type::kList, entry)) return;
    if (entry) return pop_several(context, i, entry, arguments);
  }
  context.reply().null_array();
}

}  // namespace strata

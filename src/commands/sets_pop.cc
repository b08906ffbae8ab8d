// SPOP. Another run would take other members, so the log gets those that were taken, as SREM, or DEL when all
// were. Where very many were, it gets DEL and those that are left, which are fewer.

#include <algorithm>
#include <optional>

#include "base/assert.h"
#include "commands/collections.h"
#include "commands/logged_elements.h"
#include "commands/sets.h"
#include "text/numbers.h"

namespace strata {
namespace {

// Takes a member out: copied, because a pinned one could not leave its node without memory.
Bytes reply_taken(Context& context, const Element& member, char (&scratch)[kIntegerTextBytes]) {
  const Bytes text = element_text(member, scratch);
  context.reply().bulk(text);
  return text;
}

// All members leave with the key. Their bytes are pinned by the reply, or copied.
void pop_all(Context& context, const Key& key, const Value& set) {
  const uint64_t size = set_size(set);
  if (wants_slices(context, size)) {
    return in_slices(context, true, [size, cursor = uint64_t{0}](Context& slice) mutable {
      if (cursor == 0) slice.reply().set(size);
      if (!set_visit_some(latched_entry(slice)->value(), cursor, kSliceElements,
                          [&](const Element& member) { reply_many(slice, slice.reply(), member); })) {
        return false;
      }
      const Key slice_key = slice.key(1);
      slice.effect({"DEL", slice_key.name});
      slice.erase(slice_key);
      return true;
    });
  }
  context.reply().set(size);
  set_visit(set, [&](const Element& member) { reply_many(context, context.reply(), member); });
  context.effect({"DEL", key.name});
  context.erase(key);
}

// A table, from which taking members away needs no memory.
class PopInSlices {
 public:
  PopInSlices(uint64_t count, uint64_t size)
      : count_(count), left_(count), logs_rest_(size - count < count) {}

  bool operator()(Context& context) {
    const Key key = context.key(1);
    Entry* entry = latched_entry(context);
    if (left_ > 0) {
      pop_some(context, key, entry);
      if (left_ > 0 || logs_rest_) return false;
    } else if (!keep_some(entry)) {
      return false;
    }
    log(context, key, *entry);
    context.changed(key, count_);
    return true;
  }

 private:
  void pop_some(Context& context, const Key& key, Entry* entry) {
    Value set = entry->value();
    if (left_ == count_) context.reply().set(count_);
    const uint64_t some = std::min<uint64_t>(left_, kSliceElements);
    Status popped = set_pop(context.data(key), set, context.random(key), some, [&](const Element& member) {
      char scratch[kIntegerTextBytes];
      const Bytes text = reply_taken(context, member, scratch);
      if (!logs_rest_) members_.add(text);
    });
    STRATA_ASSERT(popped.has_value(), "a table gives members away without memory");
    left_ -= some;
    entry->set_value(set);
  }
  // True when all that is left has been seen.
  bool keep_some(const Entry* entry) {
    return set_visit_some(entry->value(), cursor_, kSliceElements, [&](const Element& member) {
      char scratch[kIntegerTextBytes];
      members_.add(element_text(member, scratch));
    });
  }
  void log(Context& context, const Key& key, const Entry& entry) const {
    if (!logs_rest_) return members_.log(context, "SREM", key.name);
    context.effect({"DEL", key.name});
    members_.log(context, "SADD", key.name);
    if (!entry.has_deadline()) return;
    char digits[kI64TextBytes];
    context.effect({"PEXPIREAT", key.name, Bytes(digits, print_i64(entry.deadline_ms(), digits))});
  }

  const uint64_t count_;
  uint64_t left_;           // to be taken
  const bool logs_rest_;    // what is left, not what was taken
  LoggedElements members_;  // so far
  uint64_t cursor_ = 0;     // in what is left
};

void spop_many(Context& context) {
  uint64_t count;
  if (!parse_count(context, 2, count)) return;
  Key key = context.key(1);
  Entry* entry;
  if (!context.find_for_write(key, Type::kSet, entry)) return;
  Reply& reply = context.reply();
  if (!entry || count == 0) return reply.set(0);
  Value set = entry->value();
  if (count >= set_size(set)) return pop_all(context, key, set);
  if (set.encoding == Encoding::kTable && wants_slices(context, count))
    return in_slices(context, true, PopInSlices(count, set_size(set)));
  LoggedElements taken;
  bool is_first = true;
  Status popped = set_pop(context.data(key), set, context.random(key), count, [&](const Element& member) {
    if (is_first) reply.set(count);
    is_first = false;
    char scratch[kIntegerTextBytes];
    taken.add(reply_taken(context, member, scratch));
  });
  entry->set_value(set);
  if (!context.check(popped)) return;
  taken.log(context, "SREM", key.name);
  context.changed(key, count);
}

}  // namespace

void spop(Context& context) {
  if (context.argc() == 3) return spop_many(context);
  if (context.argc() > 3) return context.syntax_error();
  Key key = context.key(1);
  Entry* entry;
  if (!context.find_for_write(key, Type::kSet, entry)) return;
  if (!entry) return context.reply().null();
  Value set = entry->value();
  Status popped = set_pop(context.data(key), set, context.random(key), 1, [&](const Element& member) {
    char scratch[kIntegerTextBytes];
    Bytes text = element_text(member, scratch);
    context.reply().bulk(text);
    context.effect({"SREM", key.name, text});
  });
  store_rest(context, key, entry, set, set_size(set) == 0, popped ? 1 : 0);
  context.check(popped);
}

}  // namespace strata

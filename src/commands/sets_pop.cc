// SPOP. Another run would take other members, so the log gets those that were taken, as SREM, or DEL when all
// were.

#include <algorithm>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/assert.h"
#include "commands/collections.h"
#include "commands/sets.h"

namespace strata {
namespace {

// The members that were taken, as SREM commands of some thousand each. In pieces, because one string of
// millions of bytes would be copied as it grows, and cost as much again to be given back.
class Removals {
 public:
  void add(Bytes member) {
    if (pieces_.empty() || pieces_.back().ends.size() == kMembersPerCommand) pieces_.emplace_back();
    Piece& piece = pieces_.back();
    piece.members.append(member);
    piece.ends.push_back(piece.members.size());
  }
  void log(Context& context, Bytes key) const {
    std::vector<Bytes> words;
    for (const Piece& piece : pieces_) {
      words.assign({"SREM", key});
      size_t begin = 0;
      for (size_t end : piece.ends) {
        words.push_back(Bytes(piece.members).substr(begin, end - begin));
        begin = end;
      }
      context.effect(words);
    }
  }

 private:
  static constexpr size_t kMembersPerCommand = 1024;
  struct Piece {
    std::string members;  // one after the other
    std::vector<size_t> ends;
  };

  std::deque<Piece> pieces_;
};

// Takes a member out: copied, because a pinned one could not leave its node without memory.
void take(Context& context, const Element& member, Removals& removals) {
  char scratch[kIntegerTextBytes];
  const Bytes text = element_text(member, scratch);
  context.reply().bulk(text);
  removals.add(text);
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
void pop_in_slices(Context& context, uint64_t count) {
  in_slices(context, true, [count, left = count, removals = Removals()](Context& slice) mutable {
    const Key key = slice.key(1);
    Entry* entry = latched_entry(slice);
    Value set = entry->value();
    if (left == count) slice.reply().set(count);
    const uint64_t some = std::min<uint64_t>(left, kSliceElements);
    Status popped = set_pop(slice.data(key), set, slice.random(key), some,
                            [&](const Element& member) { take(slice, member, removals); });
    STRATA_ASSERT(popped.has_value(), "a table gives members away without memory");
    left -= some;
    entry->set_value(set);
    if (left > 0) return false;
    removals.log(slice, key.name);
    slice.changed(key, count);
    return true;
  });
}

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
  if (set.encoding == Encoding::kTable && wants_slices(context, count)) return pop_in_slices(context, count);
  Removals removals;
  bool is_first = true;
  Status popped = set_pop(context.data(key), set, context.random(key), count, [&](const Element& member) {
    if (is_first) reply.set(count);
    is_first = false;
    take(context, member, removals);
  });
  entry->set_value(set);
  if (!context.check(popped)) return;
  removals.log(context, key.name);
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

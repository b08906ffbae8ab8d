// SINTER, SUNION, SDIFF and their STORE forms.
//
// Intersections and differences need no memory: they walk one set and look each member up in the others, so
// their members go straight into the reply. An intersection walks the smallest set and asks the next
// smallest first, a difference asks the largest first: each is the order in which a member is most likely
// decided early. A union needs to know what it has shown already, so it is built as a set.
//
// A stored result is complete before the target is touched: the target may be one of the sources.

#include <algorithm>
#include <optional>
#include <vector>

#include "commands/collections.h"
#include "commands/sets.h"

namespace strata {
namespace {

enum class Operation : uint8_t { kIntersection, kUnion, kDifference };

// The sets of args[first…last), null for missing keys. False: one is of another type, and that was replied.
class Sources {
 public:
  bool find(Context& context, size_t first, size_t last) {
    sets_.reserve(last - first);
    for (size_t i = first; i < last; ++i) {
      Entry* entry;
      if (!context.find(context.key(i), Type::kSet, entry)) return false;
      sets_.push_back(entry ? std::optional(entry->value()) : std::nullopt);
    }
    return true;
  }

  // Calls show(member) for every member of the result, once; stops when it returns false.
  template <typename Show>
  void intersection(Show show) {
    for (const auto& set : sets_) {
      if (!set) return;
    }
    std::sort(sets_.begin(), sets_.end(), [](const auto& a, const auto& b) { return size(a) < size(b); });
    walk(*sets_[0], [&](const Element& member) { return !everywhere(member) || show(member); });
  }
  template <typename Show>
  void difference(Show show) {
    if (!sets_[0]) return;
    std::sort(sets_.begin() + 1, sets_.end(), [](const auto& a, const auto& b) { return size(a) > size(b); });
    walk(*sets_[0], [&](const Element& member) { return elsewhere(member) || show(member); });
  }
  template <typename Show>
  void all(Show show) {
    bool goes_on = true;
    for (const auto& set : sets_) {
      if (set && goes_on) goes_on = walk(*set, show);
    }
  }

 private:
  // Members between two looks at whether the walk is to go on.
  static constexpr size_t kStride = 256;

  static uint64_t size(const std::optional<Value>& set) { return set ? set_size(*set) : 0; }
  template <typename Show>
  static bool walk(const Value& set, Show show) {
    bool goes_on = true;
    uint64_t cursor = 0;
    bool is_end = false;
    while (goes_on && !is_end) {
      is_end = set_visit_some(set, cursor, kStride,
                              [&](const Element& member) { goes_on = goes_on && show(member); });
    }
    return goes_on;
  }
  bool everywhere(const Element& member) const {
    for (size_t i = 1; i < sets_.size(); ++i) {
      if (!set_contains(*sets_[i], member)) return false;
    }
    return true;
  }
  bool elsewhere(const Element& member) const {
    for (size_t i = 1; i < sets_.size(); ++i) {
      if (sets_[i] && set_contains(*sets_[i], member)) return true;
    }
    return false;
  }

  std::vector<std::optional<Value>> sets_;
};

// A set that grows in a key's shard; given back unless it was taken.
class NewSet {
 public:
  NewSet(Context& context, const Key& key) : context_(context), key_(key) {}
  ~NewSet() {
    if (set_) context_.database(key_).discard(*set_);
  }
  NewSet(const NewSet&) = delete;
  NewSet& operator=(const NewSet&) = delete;

  // False when there is no memory: then ok() says so.
  bool add(const Element& member) {
    char scratch[kIntegerTextBytes];
    Bytes text = element_text(member, scratch);
    DataContext data = context_.data(key_);
    const SetLimits& limits = context_.options().set;
    if (!set_) {
      Result<Value> created = set_create(data, limits, text);
      if (!created) return failed(created.error());
      set_ = *created;
    }
    Result<bool> added = set_add(data, limits, *set_, text);
    return added ? true : failed(added.error());
  }
  const Status& status() const { return status_; }
  const std::optional<Value>& value() const { return set_; }
  void release() { set_.reset(); }

 private:
  bool failed(const Error& error) {
    status_ = std::unexpected(error);
    return false;
  }

  Context& context_;
  const Key key_;
  std::optional<Value> set_;
  Status status_;
};

template <typename Show>
void compute(Sources& sources, Operation operation, Show show) {
  switch (operation) {
    case Operation::kIntersection:
      return sources.intersection(show);
    case Operation::kUnion:
      return sources.all(show);
    case Operation::kDifference:
      return sources.difference(show);
  }
}

void reply_members(Context& context, Operation operation) {
  Sources sources;
  if (!sources.find(context, 1, context.argc())) return;
  Reply& reply = context.reply();
  auto set = reply.begin_set();
  uint64_t count = 0;
  compute(sources, operation, [&](const Element& member) {
    reply_many(context, reply, member);
    ++count;
    return true;
  });
  reply.end_set(set, count);
}

// The target's old value, of whatever type, makes way for the result; an empty result leaves no key.
void store_members(Context& context, Operation operation) {
  Sources sources;
  if (!sources.find(context, 2, context.argc())) return;
  Key target = context.key(1);
  NewSet result(context, target);
  compute(sources, operation, [&](const Element& member) { return result.add(member); });
  if (!context.check(result.status())) return;
  if (!result.value()) {
    if (context.find_for_write(target)) context.erase(target);
    return context.reply().integer(0);
  }
  context.find_for_write(target);  // expired: its deletion is logged before
  if (!context.check(context.database(target).put(target, *result.value(), kNoDeadline))) return;
  uint64_t size = set_size(*result.value());
  result.release();
  context.shard(target).ask_for_cleaning();  // the old value may be large
  context.changed(target);
  context.reply().integer(static_cast<int64_t>(size));
}

}  // namespace

void sinter(Context& context) { reply_members(context, Operation::kIntersection); }
void sdiff(Context& context) { reply_members(context, Operation::kDifference); }
void sinterstore(Context& context) { store_members(context, Operation::kIntersection); }
void sunionstore(Context& context) { store_members(context, Operation::kUnion); }
void sdiffstore(Context& context) { store_members(context, Operation::kDifference); }

void sunion(Context& context) {
  Sources sources;
  if (!sources.find(context, 1, context.argc())) return;
  NewSet result(context, context.key(1));
  sources.all([&](const Element& member) { return result.add(member); });
  if (!context.check(result.status())) return;
  Reply& reply = context.reply();
  if (!result.value()) return reply.set(0);
  reply.set(set_size(*result.value()));
  // The bytes go with the result: nothing may be replied by reference without a pin, which reply_many() sets.
  set_visit(*result.value(), [&](const Element& member) { reply_many(context, reply, member); });
}

void sintercard(Context& context) {
  int64_t keys;
  int64_t limit = 0;
  if (!context.parse_integer_in(1, 1, INT64_MAX, keys, "ERR numkeys should be greater than 0")) return;
  size_t room = context.argc() - 2;
  if (static_cast<uint64_t>(keys) > room) {
    return context.reply().error("ERR Number of keys can't be greater than number of args");
  }
  size_t keys_end = 2 + static_cast<size_t>(keys);
  for (size_t i = keys_end; i < context.argc(); i += 2) {
    if (!context.is_word(i, "LIMIT") || i + 1 >= context.argc()) return context.syntax_error();
    if (!context.parse_integer_in(i + 1, 0, INT64_MAX, limit, "ERR LIMIT can't be negative")) return;
  }
  Sources sources;
  if (!sources.find(context, 2, keys_end)) return;
  int64_t count = 0;
  sources.intersection([&](const Element&) { return ++count != limit; });
  context.reply().integer(count);
}

}  // namespace strata

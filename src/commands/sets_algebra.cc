// SINTER, SUNION, SDIFF, their STORE and CARD forms.
//
// Intersections and differences need no memory: they walk one set and look its members up in the others, some
// dozens at a time, so their members go straight into the reply. An intersection walks the smallest set and
// asks the next smallest first, a difference asks the largest first: each is the order in which a member is
// most likely decided early. A union needs to know what it has shown already, so it is built as a set.
//
// A stored result is complete before the target is touched: the target may be one of the sources. With many
// members all of it is done in slices (sliced.h), while the keys are latched.

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "commands/algebra.h"
#include "commands/collections.h"
#include "commands/sets.h"
#include "data/hyperloglog.h"
#include "data/set_sieve.h"

namespace strata {
namespace {

enum class Operation : uint8_t { kIntersection, kUnion, kDifference };

// Walks the members of a result, from where it stopped. The sets must not change meanwhile.
class SetAlgebra {
 public:
  explicit SetAlgebra(Operation operation)
      : operation_(operation), sieve_(operation == Operation::kIntersection) {}

  // False: one is of another type, and that was replied.
  bool find(Context& context, const AlgebraKeys& keys) {
    bool is_first_missing = false;
    bool is_any_missing = false;
    sets_.reserve(keys.last - keys.first);
    for (size_t i = keys.first; i < keys.last; ++i) {
      Entry* entry;
      if (!context.find(context.key(i), Type::kSet, entry)) return false;
      if (entry) sets_.push_back(entry->value());
      is_any_missing |= !entry;
      is_first_missing |= !entry && i == keys.first;
    }
    order(is_first_missing, is_any_missing);
    return true;
  }
  // Members that will be walked.
  uint64_t work() const {
    uint64_t members = 0;
    for (size_t i = 0; i < walked_sets(); ++i) members += set_size(sets_[i]);
    return members;
  }
  // Walks about `budget` members and calls show(member) for those of the result, once each in intersections
  // and differences. True at the end, or when show() returned false.
  template <typename Show>
  bool step(size_t budget, Show show) {
    for (size_t seen = 0; seen < budget && walked_ < walked_sets();) {
      seen += next_batch();
      for (const Element& member : sieve_.members()) {
        if (!show(member)) return true;
      }
    }
    return walked_ == walked_sets();
  }

 private:
  void order(bool is_first_missing, bool is_any_missing) {
    auto is_smaller = [](const Value& a, const Value& b) { return set_size(a) < set_size(b); };
    if (operation_ == Operation::kIntersection) {
      if (is_any_missing) sets_.clear();
      std::sort(sets_.begin(), sets_.end(), is_smaller);
    } else if (operation_ == Operation::kDifference) {
      if (is_first_missing) sets_.clear();
      if (!sets_.empty()) std::sort(sets_.rbegin(), sets_.rend() - 1, is_smaller);
    }
  }
  size_t walked_sets() const {
    return operation_ == Operation::kUnion ? sets_.size() : std::min<size_t>(sets_.size(), 1);
  }
  // Some members more of the set that is being walked.
  size_t next_batch() {
    std::span<const Value> others;
    if (operation_ != Operation::kUnion) others = std::span(sets_).subspan(1);
    if (sieve_.step(sets_[walked_], others, cursor_)) {
      ++walked_;
      cursor_ = 0;
    }
    return sieve_.seen();
  }

  const Operation operation_;
  std::vector<Value> sets_;  // without those that are missing
  size_t walked_ = 0;        // of sets_
  uint64_t cursor_ = 0;
  SetSieve sieve_;
};

// A set that grows in a key's shard. Who has one takes it, or gives it back.
class NewSet {
 public:
  // False when there is no memory: then status() says so.
  bool add(Context& context, const Key& key, const Element& member) {
    char scratch[kIntegerTextBytes];
    Bytes text = element_text(member, scratch);
    DataContext data = context.data(key);
    const SetLimits& limits = context.options().set;
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
  uint64_t size() const { return set_ ? set_size(*set_) : 0; }
  void give_back(Context& context, const Key& key) {
    if (set_) context.database(key).discard(*set_);
    set_.reset();
  }

 private:
  bool failed(const Error& error) {
    status_ = std::unexpected(error);
    return false;
  }

  std::optional<Value> set_;
  Status status_;
};

// The budget of what is done at once.
constexpr size_t kWhole = SIZE_MAX;

// Each goal is a step(context, algebra, budget), called until it returns true.

// SINTER and SDIFF: the size is known when all members are.
class ReplyMembers {
 public:
  bool operator()(Context& context, SetAlgebra& algebra, size_t budget) {
    if (budget == kWhole) {
      auto set = context.reply().begin_set();
      show(context, algebra, budget, context.reply());
      context.reply().end_set(set, count_);
      return true;
    }
    Reply found(output_, context.reply().resp3());
    if (!show(context, algebra, budget, found)) return false;
    context.reply().set(count_);
    if (!context.reply().muted()) context.reply().output().splice(std::move(output_));
    return true;
  }

 private:
  bool show(Context& context, SetAlgebra& algebra, size_t budget, Reply& reply) {
    return algebra.step(budget, [&](const Element& member) {
      reply_many(context, reply, member);
      ++count_;
      return true;
    });
  }

  Output output_;  // of the slices so far
  uint64_t count_ = 0;
};

// SUNION: built first, then shown.
class ReplyUnion {
 public:
  bool operator()(Context& context, SetAlgebra& algebra, size_t budget) {
    const Key home = context.key(1);
    if (!is_built_) {
      is_built_ =
          algebra.step(budget, [&](const Element& member) { return result_.add(context, home, member); });
      if (!is_built_) return false;
      if (!context.check(result_.status())) return result_.give_back(context, home), true;
      context.reply().set(result_.size());
      if (result_.size() > budget) return false;  // the showing begins with the next slice
    }
    Reply& reply = context.reply();
    // Large members are pinned by reply_many(), so they outlive the result.
    bool is_end = !result_.value() ||
                  set_visit_some(*result_.value(), cursor_, budget,
                                 [&](const Element& member) { reply_many(context, reply, member); });
    if (is_end) result_.give_back(context, home);
    return is_end;
  }

 private:
  NewSet result_;
  bool is_built_ = false;
  uint64_t cursor_ = 0;
};

class StoreMembers {
 public:
  bool operator()(Context& context, SetAlgebra& algebra, size_t budget) {
    const Key target = context.key(1);
    if (!algebra.step(budget, [&](const Element& member) { return result_.add(context, target, member); }))
      return false;
    if (context.check(result_.status())) {
      store_result(context, target, result_.value(), result_.size());
    } else {
      result_.give_back(context, target);
    }
    return true;
  }

 private:
  NewSet result_;
};

// SINTERCARD and SDIFFCARD; a limit of 0 is none.
class CountMembers {
 public:
  explicit CountMembers(uint64_t limit) : limit_(limit) {}
  bool operator()(Context& context, SetAlgebra& algebra, size_t budget) {
    if (!algebra.step(budget, [&](const Element&) { return ++count_ != limit_; })) return false;
    context.reply().integer(static_cast<int64_t>(count_));
    return true;
  }

 private:
  const uint64_t limit_;
  uint64_t count_ = 0;
};

// SUNIONCARD.
class CountUnion {
 public:
  explicit CountUnion(uint64_t limit) : limit_(limit) {}
  bool operator()(Context& context, SetAlgebra& algebra, size_t budget) {
    const Key home = context.key(2);
    bool is_end = algebra.step(budget, [&](const Element& member) {
      return result_.add(context, home, member) && result_.size() != limit_;
    });
    if (!is_end) return false;
    if (context.check(result_.status())) context.reply().integer(static_cast<int64_t>(result_.size()));
    result_.give_back(context, home);
    return true;
  }

 private:
  const uint64_t limit_;
  NewSet result_;
};

// SUNIONCARD … APPROX: a HyperLogLog instead of the union, 16 KiB whatever the sets' sizes.
class EstimateUnion {
 public:
  explicit EstimateUnion(uint64_t limit) : limit_(limit) {}
  bool operator()(Context& context, SetAlgebra& algebra, size_t budget) {
    bool is_end = algebra.step(budget, [&](const Element& member) {
      char scratch[kIntegerTextBytes];
      seen_->raise(hyperloglog::place_of(element_text(member, scratch)));
      return true;
    });
    if (!is_end) return false;
    const uint64_t count = seen_->count();
    context.reply().integer(static_cast<int64_t>(limit_ == 0 ? count : std::min(count, limit_)));
    return true;
  }

 private:
  const uint64_t limit_;
  std::unique_ptr<hyperloglog::Union> seen_ = std::make_unique<hyperloglog::Union>();
};

template <typename Goal>
class AlgebraWork final : public SlicedWork {
 public:
  AlgebraWork(SetAlgebra algebra, Goal goal) : algebra_(std::move(algebra)), goal_(std::move(goal)) {}
  bool step(Context& context) override { return goal_(context, algebra_, kSliceElements); }

 private:
  SetAlgebra algebra_;
  Goal goal_;
};

template <typename Goal>
void run(Context& context, Operation operation, const AlgebraKeys& keys, Goal goal) {
  SetAlgebra algebra(operation);
  if (!algebra.find(context, keys)) return;
  if (wants_slices(context, algebra.work())) {
    return context.slice(std::make_unique<AlgebraWork<Goal>>(std::move(algebra), std::move(goal)),
                         algebra_latches(context, keys));
  }
  while (!goal(context, algebra, kWhole)) {
  }
}

AlgebraKeys all_keys(const Context& context) { return {1, context.argc(), std::nullopt}; }
AlgebraKeys stored_keys(const Context& context) { return {2, context.argc(), 1}; }

// Behind the keys: [LIMIT limit], and APPROX where it is allowed.
bool parse_card_options(Context& context, const AlgebraKeys& keys, int64_t& limit, bool* is_approximate) {
  limit = 0;
  for (size_t i = keys.last; i < context.argc(); ++i) {
    if (is_approximate && context.is_word(i, "APPROX")) {
      *is_approximate = true;
      continue;
    }
    if (!context.is_word(i, "LIMIT") || i + 1 >= context.argc()) return context.syntax_error(), false;
    if (!context.parse_integer_in(++i, 0, INT64_MAX, limit, "ERR LIMIT can't be negative")) return false;
  }
  return true;
}

void count(Context& context, Operation operation) {
  AlgebraKeys keys{};
  int64_t limit;
  if (!parse_counted_keys(context, 1, keys) || !parse_card_options(context, keys, limit, nullptr)) return;
  run(context, operation, keys, CountMembers(static_cast<uint64_t>(limit)));
}

}  // namespace

void sinter(Context& context) { run(context, Operation::kIntersection, all_keys(context), ReplyMembers()); }
void sdiff(Context& context) { run(context, Operation::kDifference, all_keys(context), ReplyMembers()); }
void sunion(Context& context) { run(context, Operation::kUnion, all_keys(context), ReplyUnion()); }
void sinterstore(Context& context) {
  run(context, Operation::kIntersection, stored_keys(context), StoreMembers());
}
void sdiffstore(Context& context) {
  run(context, Operation::kDifference, stored_keys(context), StoreMembers());
}
void sunionstore(Context& context) { run(context, Operation::kUnion, stored_keys(context), StoreMembers()); }
void sintercard(Context& context) { count(context, Operation::kIntersection); }
void sdiffcard(Context& context) { count(context, Operation::kDifference); }
void sunioncard(Context& context) {
  AlgebraKeys keys{};
  int64_t limit;
  bool is_approximate = false;
  if (!parse_counted_keys(context, 1, keys) || !parse_card_options(context, keys, limit, &is_approximate))
    return;
  const auto most = static_cast<uint64_t>(limit);
  if (is_approximate) return run(context, Operation::kUnion, keys, EstimateUnion(most));
  run(context, Operation::kUnion, keys, CountUnion(most));
}

}  // namespace strata

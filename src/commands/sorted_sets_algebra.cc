// ZUNION, ZINTER, ZDIFF, their STORE forms, ZINTERCARD. Sets are sources too: their members' score is 1.
//
// The result is built as a sorted set, because the reply is in order of scores, which are known late. As in
// Redis the sources are combined from the smallest to the largest: sums of floating-point numbers depend on
// it. Infinities that cancel out, and 0 times infinity, give 0.
//
// With many members all of it is done in slices (sliced.h), while the keys are latched.

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "commands/algebra.h"
#include "commands/collections.h"
#include "commands/sorted_sets.h"

namespace strata {
namespace {

enum class Operation : uint8_t { kIntersection, kUnion, kDifference };
enum class Aggregate : uint8_t { kSum, kMin, kMax, kCount };

struct Source {
  std::optional<Value> value;  // none: the key is missing
  double weight = 1;
  size_t position = 0;  // in the command

  uint64_t size() const {
    if (!value) return 0;
    return value->type == Type::kSet ? set_size(*value) : zset_size(*value);
  }
  std::optional<double> score(Bytes member) const {
    if (!value) return std::nullopt;
    if (value->type == Type::kZset) return zset_score(*value, member);
    return set_contains(*value, member) ? std::optional(1.0) : std::nullopt;
  }
  // Moves the cursor over at least `budget` members, if there are so many; true at the end.
  bool visit_some(uint64_t& cursor, size_t budget, ZsetVisitor visit) const {
    if (!value) return true;
    if (value->type == Type::kSet)
      return set_visit_some(*value, cursor, budget, [&](const Element& member) { visit(member, 1); });
    const uint64_t first = cursor;
    cursor = std::min<uint64_t>(zset_size(*value), first + std::min<uint64_t>(budget, zset_size(*value)));
    zset_visit(*value, first, cursor, false, visit);
    return cursor == zset_size(*value);
  }
};

double not_nan(double score) { return std::isnan(score) ? 0 : score; }

struct Request {
  Operation operation;
  AlgebraKeys keys{};
  Aggregate aggregate = Aggregate::kSum;
  bool with_scores = false;
  bool counts_only = false;
  int64_t limit = 0;  // of ZINTERCARD; 0: none
};

// Builds the result in the shard of `home`, or only counts it.
class ZsetAlgebra {
 public:
  ZsetAlgebra(const Request& request, std::vector<Source> sources)
      : operation_(request.operation),
        aggregate_(request.aggregate),
        counts_only_(request.counts_only),
        limit_(static_cast<uint64_t>(request.limit)),
        sources_(std::move(sources)) {
    // The sources' order among equals is the client's.
    for (size_t i = 0; i < sources_.size(); ++i) sources_[i].position = i;
    std::sort(sources_.begin() + (operation_ == Operation::kDifference), sources_.end(),
              [](const Source& a, const Source& b) {
                return std::pair(a.size(), a.position) < std::pair(b.size(), b.position);
              });
  }

  uint64_t work() const {
    uint64_t members = 0;
    for (size_t i = 0; i < walked_sources(); ++i) members += sources_[i].size();
    return members;
  }
  // Walks about `budget` members; true when all is done, or memory has ended.
  bool step(Context& context, const Key& home, size_t budget) {
    while (budget > 0 && walked_ < walked_sources() && status_ && !is_enough()) {
      const size_t some = std::min<size_t>(budget, kStride);
      budget -= some;
      const bool is_end =
          sources_[walked_].visit_some(cursor_, some, [&](const Element& member, double score) {
            if (status_ && !is_enough()) take(context, home, member, score);
          });
      if (!is_end) continue;
      ++walked_;
      cursor_ = 0;
    }
    return walked_ == walked_sources() || !status_ || is_enough();
  }

  // Before it is stored: into the form that its size asks for.
  void settle(Context& context, const Key& home) {
    const ZsetLimits& limits = context.options().zset;
    if (!has_negative_zero_ || size() > limits.packed_entries) return;
    std::optional<Value> settled;
    zset_visit(*result_, 0, size(), false, [&](const Element& member, double score) {
      char scratch[kIntegerTextBytes];
      if (status_)
        status_ = add_to(context.data(home), limits, settled, element_text(member, scratch), score);
    });
    give_back(context, home);
    result_ = settled;
  }

  const Status& status() const { return status_; }
  const std::optional<Value>& value() const { return result_; }
  uint64_t size() const { return counts_only_ ? count_ : result_ ? zset_size(*result_) : 0; }
  void give_back(Context& context, const Key& home) {
    if (result_) context.database(home).discard(*result_);
    result_.reset();
  }

 private:
  // Members between two looks at whether the walk is to go on.
  static constexpr size_t kStride = 256;

  size_t walked_sources() const { return operation_ == Operation::kUnion ? sources_.size() : 1; }
  bool is_enough() const { return limit_ != 0 && count_ == limit_; }

  void take(Context& context, const Key& home, const Element& member, double score) {
    char scratch[kIntegerTextBytes];
    const Bytes text = element_text(member, scratch);
    std::optional<double> combined = combine(text, score);
    if (!combined) return;
    if (counts_only_) {
      ++count_;
      return;
    }
    if (*combined == 0 && std::signbit(*combined)) has_negative_zero_ = true;
    const ZsetLimits limits = has_negative_zero_ ? ZsetLimits{.packed_entries = 0} : context.options().zset;
    Status added = add_to(context.data(home), limits, result_, text, *combined);
    if (!added) failed(added.error());
  }
  static Status add_to(const DataContext& data, const ZsetLimits& limits, std::optional<Value>& zset,
                       Bytes member, double score) {
    if (!zset) {
      TRY_ASSIGN(zset, zset_create(data, limits, member.size()));
    }
    TRY_ASSIGN(ZaddResult added, zset_add(data, limits, *zset, score, member));
    if (score != 0 || added.change != ZaddChange::kSame) return {};
    // -0 and 0 are the same score to ZADD, which keeps the first; here the later one counts.
    TRY(zset_remove(data, *zset, member));
    TRY(zset_add(data, limits, *zset, score, member));
    return {};
  }

  // The score that a member of the walked source has in the result; nothing when it is not there.
  std::optional<double> combine(Bytes member, double score) const {
    switch (operation_) {
      case Operation::kDifference:
        for (size_t i = 1; i < sources_.size(); ++i) {
          if (sources_[i].score(member)) return std::nullopt;
        }
        return score;
      case Operation::kIntersection: {
        double sum = not_nan(weighted(sources_[0], score));
        for (size_t i = 1; i < sources_.size(); ++i) {
          std::optional<double> other = sources_[i].score(member);
          if (!other) return std::nullopt;
          sum = aggregated(sum, weighted(sources_[i], *other));
        }
        return sum;
      }
      case Operation::kUnion:
        break;
    }
    const double fresh = not_nan(weighted(sources_[walked_], score));
    // The members of the first source are all new.
    std::optional<double> known;
    if (walked_ > 0 && result_) known = zset_score(*result_, member);
    return known ? aggregated(*known, fresh) : fresh;
  }
  double weighted(const Source& source, double score) const {
    return aggregate_ == Aggregate::kCount ? source.weight : source.weight * score;
  }
  double aggregated(double a, double b) const {
    switch (aggregate_) {
      case Aggregate::kMin:
        return b < a ? b : a;
      case Aggregate::kMax:
        return b > a ? b : a;
      case Aggregate::kSum:
      case Aggregate::kCount:
        break;
    }
    return not_nan(a + b);
  }
  void failed(const Error& error) { status_ = std::unexpected(error); }

  const Operation operation_;
  const Aggregate aggregate_;
  const bool counts_only_;
  const uint64_t limit_;
  std::vector<Source> sources_;
  size_t walked_ = 0;  // of sources_
  uint64_t cursor_ = 0;
  std::optional<Value> result_;
  bool has_negative_zero_ = false;  // which packed nodes do not tell from 0, so the result is a tree
  uint64_t count_ = 0;
  Status status_;
};

// ---- Arguments -------------------------------------------------------------------------------------

bool parse_keys(Context& context, Request& request) {
  const size_t at = request.keys.target ? 2 : 1;
  int64_t count;
  if (!context.parse_integer(at, count)) return false;
  if (count < 1) {
    context.reply().error("ERR at least 1 input key is needed for '", context.command().name, "' command");
    return false;
  }
  request.keys.first = at + 1;
  if (static_cast<uint64_t>(count) > context.argc() - request.keys.first)
    return context.syntax_error(), false;
  request.keys.last = request.keys.first + static_cast<size_t>(count);
  return true;
}

// False: one is of another type, and that was replied.
bool find_sources(Context& context, const Request& request, std::vector<Source>& sources) {
  sources.reserve(request.keys.last - request.keys.first);
  for (size_t i = request.keys.first; i < request.keys.last; ++i) {
    const Entry* entry = context.find(context.key(i));
    if (entry && entry->type() != Type::kZset && entry->type() != Type::kSet)
      return context.wrong_type(), false;
    sources.push_back({entry ? std::optional(entry->value()) : std::nullopt});
  }
  return true;
}

bool parse_weights(Context& context, size_t& i, std::vector<Source>& sources) {
  if (context.argc() - i - 1 < sources.size()) return context.syntax_error(), false;
  for (Source& source : sources) {
    if (!context.parse_double_arg(++i, source.weight, "ERR weight value is not a float")) return false;
  }
  return true;
}

bool parse_aggregate(Context& context, size_t& i, Aggregate& aggregate) {
  if (++i == context.argc()) return context.syntax_error(), false;
  if (context.is_word(i, "SUM")) return aggregate = Aggregate::kSum, true;
  if (context.is_word(i, "MIN")) return aggregate = Aggregate::kMin, true;
  if (context.is_word(i, "MAX")) return aggregate = Aggregate::kMax, true;
  if (context.is_word(i, "COUNT")) return aggregate = Aggregate::kCount, true;
  return context.syntax_error(), false;
}

bool parse_options(Context& context, Request& request, std::vector<Source>& sources) {
  const bool has_weights = request.operation != Operation::kDifference && !request.counts_only;
  const bool may_show_scores = !request.keys.target && !request.counts_only;
  for (size_t i = request.keys.last; i < context.argc(); ++i) {
    if (has_weights && context.is_word(i, "WEIGHTS")) {
      if (!parse_weights(context, i, sources)) return false;
    } else if (has_weights && context.is_word(i, "AGGREGATE")) {
      if (!parse_aggregate(context, i, request.aggregate)) return false;
    } else if (may_show_scores && context.is_word(i, "WITHSCORES")) {
      request.with_scores = true;
    } else if (request.counts_only && context.is_word(i, "LIMIT") && i + 1 < context.argc()) {
      if (!context.parse_integer_in(++i, 0, INT64_MAX, request.limit, "ERR LIMIT can't be negative"))
        return false;
    } else {
      return context.syntax_error(), false;
    }
  }
  return true;
}

// ---- Running ---------------------------------------------------------------------------------------

class ZsetAlgebraWork final : public SlicedWork {
 public:
  ZsetAlgebraWork(const Request& request, ZsetAlgebra algebra)
      : request_(request), algebra_(std::move(algebra)) {}

  // A member that is there already leaves its place in the tree for another one, with a dozen cache misses.
  static constexpr size_t kBuiltInSlice = kSliceElements / 4;

  bool step(Context& context) override { return run(context, is_shown_ ? kSliceElements : kBuiltInSlice); }

  bool run(Context& context, size_t budget) {
    const Key home = context.key(request_.keys.target.value_or(request_.keys.first));
    if (is_shown_) return show(context, home, budget);
    if (!algebra_.step(context, home, budget)) return false;
    if (request_.keys.target) algebra_.settle(context, home);
    if (!context.check(algebra_.status())) return algebra_.give_back(context, home), true;
    if (request_.keys.target) {
      store_result(context, home, algebra_.value(), algebra_.size());
      return true;
    }
    if (request_.counts_only) {
      context.reply().integer(static_cast<int64_t>(algebra_.size()));
      return true;
    }
    is_shown_ = true;
    const bool is_flat_pairs = request_.with_scores && !context.reply().resp3();
    context.reply().array(is_flat_pairs ? 2 * algebra_.size() : algebra_.size());
    return algebra_.size() <= budget && show(context, home, budget);
  }

 private:
  bool show(Context& context, const Key& home, size_t budget) {
    const uint64_t first = shown_;
    shown_ += std::min<uint64_t>(algebra_.size() - first, budget);
    Reply& reply = context.reply();
    if (algebra_.value()) {
      zset_visit(*algebra_.value(), first, shown_, false, [&](const Element& member, double score) {
        if (request_.with_scores && reply.resp3()) reply.array(2);
        reply_many(context, reply, member);
        if (request_.with_scores) reply.double_(score);
      });
    }
    if (shown_ < algebra_.size()) return false;
    algebra_.give_back(context, home);
    return true;
  }

  const Request request_;
  ZsetAlgebra algebra_;
  bool is_shown_ = false;
  uint64_t shown_ = 0;
};

void run(Context& context, Request request) {
  std::vector<Source> sources;
  if (!parse_keys(context, request) || !find_sources(context, request, sources)) return;
  if (!parse_options(context, request, sources)) return;
  ZsetAlgebra algebra(request, std::move(sources));
  const bool is_sliced = wants_slices(context, algebra.work());
  auto work = std::make_unique<ZsetAlgebraWork>(request, std::move(algebra));
  if (is_sliced) return context.slice(std::move(work), algebra_latches(context, request.keys));
  while (!work->run(context, SIZE_MAX)) {
  }
}

constexpr AlgebraKeys kStored = {0, 0, 1};

}  // namespace

void zunion(Context& context) { run(context, {.operation = Operation::kUnion}); }
void zinter(Context& context) { run(context, {.operation = Operation::kIntersection}); }
void zdiff(Context& context) { run(context, {.operation = Operation::kDifference}); }
void zunionstore(Context& context) { run(context, {.operation = Operation::kUnion, .keys = kStored}); }
void zinterstore(Context& context) { run(context, {.operation = Operation::kIntersection, .keys = kStored}); }
void zdiffstore(Context& context) { run(context, {.operation = Operation::kDifference, .keys = kStored}); }
void zintercard(Context& context) {
  run(context, {.operation = Operation::kIntersection, .counts_only = true});
}

}  // namespace strata

// SORT and SORT_RO.
//
// Four phases, each of which may be cut into slices: the elements are copied out of the collection, their
// weights are looked up, they are sorted, and the result is replied or stored. Meanwhile the collection is
// latched, the destination too, and with BY or GET patterns the whole database: any of its keys may be looked
// at, so writers wait, as they would for Redis. The database is then seen as it was when the command began.

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

#include "commands/collections.h"
#include "commands/generic.h"
#include "commands/keys.h"
#include "commands/sort_order.h"
#include "commands/sort_pattern.h"
#include "memory/arena.h"
#include "memory/heap.h"
#include "text/ascii.h"
#include "text/numbers.h"

namespace strata {
namespace {

// Look-ups of other keys in a slice: each may miss the cache several times.
constexpr size_t kLookupsInSlice = 2048;

struct SortOptions {
  bool is_descending = false;
  bool is_alpha = false;
  bool may_store = true;
  bool is_unordered = false;  // some BY has no asterisk
  int64_t limit_start = 0;
  int64_t limit_count = -1;
  size_t by = 0;  // indexes of arguments; 0: not given
  size_t store = 0;
  std::vector<size_t> gets;
};

// Calls visit(option, index of its first argument) for each; false where there is none that is complete.
// Options that take arguments: how many.
template <typename Visit>
bool for_each_option(std::span<const Bytes> args, bool may_store, Visit visit) {
  struct Option {
    Bytes word;
    size_t arguments;
  };
  static constexpr Option kOptions[] = {{"ASC", 0},   {"DESC", 0}, {"ALPHA", 0}, {"LIMIT", 2},
                                        {"STORE", 1}, {"BY", 1},   {"GET", 1}};
  for (size_t i = 2; i < args.size();) {
    const Option* found = nullptr;
    for (const Option& option : kOptions) {
      if (iequals(args[i], option.word) && (may_store || option.word != "STORE")) found = &option;
    }
    if (!found || found->arguments >= args.size() - i) return false;
    if (!visit(found->word, i + 1)) return false;
    i += 1 + found->arguments;
  }
  return true;
}

bool parse_options(Context& context, SortOptions& options) {
  bool has_failed = false;
  bool is_complete = for_each_option(context.args(), options.may_store, [&](Bytes word, size_t at) {
    if (word == "ASC" || word == "DESC") {
      options.is_descending = word == "DESC";
    } else if (word == "ALPHA") {
      options.is_alpha = true;
    } else if (word == "STORE") {
      options.store = at;
    } else if (word == "BY") {
      options.by = at;
      options.is_unordered |= !has_asterisk(context.arg(at));
    } else if (word == "GET") {
      options.gets.push_back(at);
    } else {
      has_failed = !context.parse_integer(at, options.limit_start) ||
                   !context.parse_integer(at + 1, options.limit_count);
    }
    return !has_failed;
  });
  if (!is_complete && !has_failed) context.syntax_error();
  return is_complete;
}

// Which elements of a sorted sequence are wanted.
struct Window {
  uint64_t first;
  uint64_t count;
};
Window window_of(const SortOptions& options, uint64_t size) {
  auto length = static_cast<int64_t>(size);
  int64_t start = std::clamp<int64_t>(options.limit_start, 0, length);
  int64_t count = options.limit_count < 0 ? length : std::min(options.limit_count, length);
  count = std::min(count, length - start);
  return {static_cast<uint64_t>(start), static_cast<uint64_t>(count)};
}

// As strtod reads it, which is what Redis accepts: blanks in front, hexadecimal digits and nothing at all
// too.
bool parse_weight(const Element& element, std::string& scratch, double& number) {
  if (element.is_integer) {
    number = static_cast<double>(element.integer);
    return true;
  }
  if (auto integer = parse_i64(element.bytes)) {
    number = static_cast<double>(*integer);
    return true;
  }
  scratch = element.bytes;
  char* end;
  errno = 0;
  number = std::strtod(scratch.c_str(), &end);
  return *end == '\0' && errno != ERANGE && !std::isnan(number);
}

uint64_t collection_size(const Value& value) {
  if (value.type == Type::kList) return list::length(value);
  return value.type == Type::kSet ? set_size(value) : zset_size(value);
}

class Sorting {
 public:
  Sorting(SortOptions options, const Entry* entry)
      : options_(std::move(options)),
        size_(entry ? collection_size(entry->value()) : 0),
        heap_(size_ > kHeapSortItems ? std::make_unique<Heap>() : nullptr),
        arena_(heap_.get()) {
    is_unordered_ = options_.is_unordered;
    // A set has no order of its own that would be the same when the command runs again.
    if (is_unordered_ && options_.store && entry && entry->type() == Type::kSet) {
      is_unordered_ = false;
      options_.is_alpha = true;
      options_.by = 0;
    }
    window_ = window_of(options_, size_);
    // Without sorting only the wanted part of a sequence is looked at.
    is_sequence_ = entry && entry->type() != Type::kSet;
    loads_window_ = is_unordered_ && is_sequence_;
  }

  uint64_t size() const { return size_; }
  bool needs_lookups(Context& context) const {
    auto looks_up = [&](size_t at) { return has_asterisk(context.arg(at)); };
    return (options_.by && looks_up(options_.by)) ||
           std::any_of(options_.gets.begin(), options_.gets.end(), looks_up);
  }
  size_t store() const { return options_.store; }

  // True when all is done and replied.
  bool step(Context& context, size_t budget) {
    switch (phase_) {
      case Phase::kLoad:
        return load(context, budget);
      case Phase::kWeigh:
        return weigh(context, budget);
      case Phase::kSort:
        return sort_some(context, budget);
      case Phase::kDeliver:
        return options_.store ? store_some(context, budget) : reply_some(context, budget);
      case Phase::kRelease:
        return release_some(context);
    }
    return true;
  }

 private:
  enum class Phase : uint8_t { kLoad, kWeigh, kSort, kDeliver, kRelease };

  bool fail(Context& context) {
    if (result_) context.database(context.key(options_.store)).discard(*result_);
    result_.reset();
    check_memory(context, false);
    return true;
  }
  static Heap& home(Context& context) { return context.shard(context.key(1)).heap(); }
  // Copies what the element says; false when memory ended.
  bool copy_text(const Element& element, Bytes& copy);
  bool add_item(const Element& element);
  bool load_some(const Value& value, size_t budget, bool& is_end);
  bool load(Context& context, size_t budget);
  bool weigh(Context& context, size_t budget);
  bool weigh_one(Context& context, SortItem& item);
  bool sort_some(Context& context, size_t budget);
  bool begin_delivery(Context& context);
  template <typename Show>
  void deliver(Context& context, size_t budget, Show show);
  bool reply_some(Context& context, size_t budget);
  bool store_some(Context& context, size_t budget);
  bool finish_store(Context& context);
  bool end_delivery(Context& context, size_t budget);
  bool release_some(Context& context);

  SortOptions options_;
  Phase phase_ = Phase::kLoad;
  uint64_t size_;
  bool is_unordered_;
  bool is_sequence_;
  bool loads_window_;
  bool has_bad_number_ = false;
  Window window_;
  std::unique_ptr<Heap> heap_;  // of the arena's chunks, when there will be many
  Arena arena_;
  SortItems items_;
  size_t item_count_ = 0;
  uint64_t cursor_ = 0;
  std::unique_ptr<SlicedSort> sort_;
  std::span<const SortItem> sorted_;
  size_t delivered_ = 0;
  std::optional<Value> result_;
  std::string scratch_;
};

bool Sorting::copy_text(const Element& element, Bytes& copy) {
  char scratch[kIntegerTextBytes];
  Bytes text = element_text(element, scratch);
  copy = text.empty() ? Bytes("") : arena_.copy(text);
  return copy.data() != nullptr;
}

bool Sorting::add_item(const Element& element) {
  Bytes copy;
  if (!copy_text(element, copy)) return false;
  SortItem item = SortItem::of(copy);
  if (!is_unordered_ && !options_.by && !options_.is_alpha) {
    has_bad_number_ |= !parse_weight(element, scratch_, item.number);
  }
  items_[item_count_++] = item;
  return true;
}

// False when memory ended.
bool Sorting::load_some(const Value& value, size_t budget, bool& is_end) {
  bool is_ok = true;
  auto take = [&](const Element& element) { is_ok = is_ok && add_item(element); };
  if (!is_sequence_) {
    is_end = set_visit_some(value, cursor_, budget, take);
    return is_ok;
  }
  uint64_t first = loads_window_ ? window_.first : 0;
  uint64_t count = loads_window_ ? window_.count : size_;
  uint64_t some = std::min<uint64_t>(budget, count - cursor_);
  bool backwards = loads_window_ && options_.is_descending;
  first += cursor_;
  if (value.type == Type::kZset) {
    uint64_t from = backwards ? size_ - first - some : first;
    zset_visit(value, from, from + some, backwards, [&](const Element& element, double) { take(element); });
  } else if (!backwards) {
    list::for_each(value, {first, some}, take);
  } else {
    list::Iterator at(value, size_ - 1 - first);
    for (uint64_t i = 0; i < some; ++i, at.previous()) take(at.element());
  }
  cursor_ += some;
  is_end = cursor_ == count;
  return is_ok;
}

bool Sorting::load(Context& context, size_t budget) {
  if (!items_) {
    items_ = make_sort_items(home(context), loads_window_ ? window_.count : size_);
    if (!items_) return fail(context);
  }
  bool is_end = true;
  const Entry* entry = latched_entry(context);
  if (size_ > 0 && !load_some(entry->value(), budget, is_end)) return fail(context);
  if (!is_end) return false;
  cursor_ = 0;
  if (is_unordered_) {
    sorted_ = {items_.get(), item_count_};
    if (!loads_window_) sorted_ = sorted_.subspan(window_.first, window_.count);
    return begin_delivery(context);
  }
  if (options_.by) {
    phase_ = Phase::kWeigh;
    return false;
  }
  phase_ = Phase::kSort;
  return false;
}

bool Sorting::weigh_one(Context& context, SortItem& item) {
  auto found = look_up_pattern(context, context.arg(options_.by), item.bytes(), scratch_);
  if (!options_.is_alpha) {
    item.number = 0;
    if (found) has_bad_number_ |= !parse_weight(*found, scratch_, item.number);
    return true;
  }
  item.weight = nullptr;
  if (!found) return true;
  Bytes copy;
  if (!copy_text(*found, copy)) return false;
  item.set_weight(copy);
  return true;
}

bool Sorting::weigh(Context& context, size_t budget) {
  size_t end = budget == SIZE_MAX ? item_count_ : std::min(item_count_, cursor_ + kLookupsInSlice);
  for (; cursor_ < end; ++cursor_) {
    if (!weigh_one(context, items_[cursor_])) return fail(context);
  }
  if (cursor_ == item_count_) phase_ = Phase::kSort;
  return false;
}

bool Sorting::sort_some(Context& context, size_t budget) {
  SortOrder order{SortOrder::By::kNumber, options_.is_descending};
  if (options_.is_alpha) order.by = options_.by ? SortOrder::By::kWeightText : SortOrder::By::kText;
  uint64_t wanted = window_.first + window_.count;
  if (budget == SIZE_MAX && wanted < item_count_ / 2) {
    std::partial_sort(items_.get(), items_.get() + wanted, items_.get() + item_count_, order);
    sorted_ = {items_.get(), item_count_};
  } else {
    if (!sort_) sort_ = SlicedSort::create(home(context), {items_.get(), item_count_}, order);
    if (!sort_) return fail(context);
    if (!sort_->step(budget)) return false;
    sorted_ = sort_->items();
  }
  sorted_ = sorted_.subspan(window_.first, window_.count);
  return begin_delivery(context);
}

bool Sorting::begin_delivery(Context& context) {
  if (has_bad_number_) {
    context.reply().error("ERR One or more scores can't be converted into double");
    return true;
  }
  phase_ = Phase::kDeliver;
  if (!options_.store) context.reply().array(sorted_.size() * std::max<size_t>(1, options_.gets.size()));
  return false;
}

// Calls show(what is replied or stored for an element, if it is there).
template <typename Show>
void Sorting::deliver(Context& context, size_t budget, Show show) {
  size_t gets = options_.gets.size();
  if (budget != SIZE_MAX && gets > 0) budget = std::max<size_t>(1, kLookupsInSlice / gets);
  size_t end = delivered_ + std::min(budget, sorted_.size() - delivered_);
  for (; delivered_ < end; ++delivered_) {
    Bytes text = sorted_[delivered_].bytes();
    if (gets == 0) show(std::optional(Element::of(text)));
    for (size_t at : options_.gets) show(look_up_pattern(context, context.arg(at), text, scratch_));
  }
}

bool Sorting::reply_some(Context& context, size_t budget) {
  deliver(context, budget, [&](const std::optional<Element>& element) {
    element ? reply_many(context, context.reply(), *element) : context.reply().null();
  });
  return delivered_ == sorted_.size() && end_delivery(context, budget);
}

bool Sorting::store_some(Context& context, size_t budget) {
  Key key = context.key(options_.store);
  Heap& heap = context.shard(key).heap();
  if (!result_) {
    Value list;
    if (!list::create(heap, &list)) return fail(context);
    result_ = list;
  }
  bool is_ok = true;
  deliver(context, budget, [&](const std::optional<Element>& element) {
    is_ok = is_ok && list::push(*result_, heap, context.options().list, list::End::kBack,
                                element.value_or(Element::of(Bytes())));
  });
  if (!is_ok) return fail(context);
  return delivered_ == sorted_.size() && end_delivery(context, budget);
}

bool Sorting::end_delivery(Context& context, size_t budget) {
  if (budget == SIZE_MAX) return !options_.store || finish_store(context);
  phase_ = Phase::kRelease;
  return false;
}

// Each of the arrays is tens of megabytes, which take a millisecond or two to be given back. What is stored
// shows at the very end, with its effect.
bool Sorting::release_some(Context& context) {
  if (sort_) {
    sort_.reset();
    return false;
  }
  if (items_) {
    items_.reset();
    return false;
  }
  return !options_.store || finish_store(context);
}

bool Sorting::finish_store(Context& context) {
  Key key = context.key(options_.store);
  uint64_t length = list::length(*result_);
  if (length == 0) {
    context.database(key).discard(*result_);
    result_.reset();
    if (context.find_for_write(key)) context.erase(key);
    context.reply().integer(0);
    return true;
  }
  context.find_for_write(key);  // expired: its deletion is logged before
  auto placed = context.database(key).put(key, *result_, kNoDeadline);
  if (!placed) return fail(context);
  result_.reset();
  context.shard(key).ask_for_cleaning();  // the old value may be large
  context.changed(key, length);
  context.reply().integer(static_cast<int64_t>(length));
  return true;
}

class SortWork final : public SlicedWork {
 public:
  explicit SortWork(std::unique_ptr<Sorting> sorting) : sorting_(std::move(sorting)) {}
  bool step(Context& context) override { return sorting_->step(context, kSliceElements); }

 private:
  std::unique_ptr<Sorting> sorting_;
};

void run(Context& context, bool may_store) {
  SortOptions options;
  options.may_store = may_store;
  if (!parse_options(context, options)) return;
  const Entry* entry = context.find(context.key(1));
  if (entry && entry->type() != Type::kList && entry->type() != Type::kSet && entry->type() != Type::kZset) {
    return context.wrong_type();
  }
  auto sorting = std::make_unique<Sorting>(std::move(options), entry);
  if (!wants_slices(context, sorting->size())) {
    while (!sorting->step(context, SIZE_MAX)) {
    }
    return;
  }
  std::vector<LatchWish> latches = {{.arg = 1, .is_exclusive = false}};
  if (size_t store = sorting->store()) latches.push_back({.arg = store, .is_exclusive = true});
  if (sorting->needs_lookups(context)) latches.push_back({.arg = 1, .is_exclusive = false, .is_whole = true});
  context.slice(std::make_unique<SortWork>(std::move(sorting)), latches);
}

bool look_for_patterns(std::span<const Bytes> args, bool may_store) {
  bool has_patterns = false;
  for_each_option(args, may_store, [&](Bytes word, size_t at) {
    if (word == "BY" || word == "GET") has_patterns |= has_asterisk(args[at]);
    return true;
  });
  return has_patterns;
}

}  // namespace

void sort(Context& context) { run(context, true); }
void sort_ro(Context& context) { run(context, false); }

// The last STORE counts, and no option's argument is one.
bool find_sort_keys(std::span<const Bytes> args, std::vector<KeyPosition>& positions) {
  positions.push_back({1, kKeyRO | kKeyAccess});
  size_t store = 0;
  for_each_option(args, true, [&](Bytes word, size_t at) {
    if (word == "STORE") store = at;
    return true;
  });
  if (store) positions.push_back({static_cast<uint32_t>(store), kKeyOW | kKeyUpdate});
  return true;
}
bool find_sort_ro_keys(std::span<const Bytes>, std::vector<KeyPosition>& positions) {
  positions.push_back({1, kKeyRO | kKeyAccess});
  return true;
}
bool sort_has_patterns(std::span<const Bytes> args) { return look_for_patterns(args, true); }
bool sort_ro_has_patterns(std::span<const Bytes> args) { return look_for_patterns(args, false); }

}  // namespace strata

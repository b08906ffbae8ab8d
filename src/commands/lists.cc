#include "commands/lists.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "commands/collections.h"
#include "commands/groups.h"
#include "text/numbers.h"

namespace strata {
namespace {

using list::End;

void push(Context& context, End end, bool only_if_exists = false) {
  Key key = context.key(1);
  Entry* entry;
  if (!context.find_for_write(key, Type::kList, entry)) return;
  if (!entry && only_if_exists) return context.reply().integer(0);
  Heap& heap = heap_of(context, key);
  Value value;
  if (entry) {
    value = entry->value();
  } else if (!check_memory(context, list::create(heap, &value))) {
    return;
  }
  std::span<const Bytes> elements = context.args().subspan(2);
  bool pushed = list::push(value, heap, list_limits(context), end, elements);
  if (!pushed && !entry) {
    context.database(key).discard(value);
  } else if (!store(context, key, entry, value)) {
    return;
  }
  if (!check_memory(context, pushed)) return;
  context.changed(key, elements.size());
  context.reply().integer(static_cast<int64_t>(list::length(value)));
}

void lpush(Context& context) { push(context, End::kFront); }
void rpush(Context& context) { push(context, End::kBack); }

void lpushx(Context& context) { push(context, End::kFront, true); }
void rpushx(Context& context) { push(context, End::kBack, true); }

// Without a count the reply is the element itself.
void pop(Context& context, End end) {
  uint64_t count = 1;
  bool has_count = context.argc() == 3;
  if (context.argc() > 3) return reply_wrong_arity(context);
  if (has_count && !parse_count(context, 2, count)) return;
  Key key = context.key(1);
  Entry* entry;
  if (!context.find_for_write(key, Type::kList, entry)) return;
  Reply& reply = context.reply();
  if (!entry) return has_count ? reply.null_array() : reply.null();
  if (count == 0) return reply.empty_array();
  Value value = entry->value();
  uint64_t length = list::length(value);
  count = std::min(count, length);
  auto array = [](Context& slice, uint64_t elements) { slice.reply().array(elements); };
  if (pop_in_slices(context, 1, entry, end, count, array)) return;
  // The header waits for the first element: before it, memory may end and an error be the reply.
  bool needs_header = has_count;
  bool popped =
      list::pop(value, heap_of(context, key), list_limits(context), end, count, [&](const Element& element) {
        if (needs_header) reply.array(count);
        needs_header = false;
        context.reply_element(element);
      });
  store_rest(context, key, entry, value, popped && count == length, popped ? count : 0);
  check_memory(context, popped);
}

void lpop(Context& context) { pop(context, End::kFront); }
void rpop(Context& context) { pop(context, End::kBack); }

void llen(Context& context) {
  Entry* entry;
  if (!context.find(context.key(1), Type::kList, entry)) return;
  context.reply().integer(entry ? static_cast<int64_t>(list::length(entry->value())) : 0);
}

void lindex(Context& context) {
  Entry* entry;
  if (!context.find(context.key(1), Type::kList, entry)) return;
  if (!entry) return context.reply().null();
  int64_t index;
  if (!context.parse_integer(2, index)) return;
  Element element;
  if (!list::index(entry->value(), index, &element)) return context.reply().null();
  context.reply_element(element);
}

void lrange(Context& context) {
  int64_t start, stop;
  if (!context.parse_integer(2, start) || !context.parse_integer(3, stop)) return;
  Entry* entry;
  if (!context.find(context.key(1), Type::kList, entry)) return;
  Reply& reply = context.reply();
  if (!entry) return reply.empty_array();
  Value value = entry->value();
  list::Range range = list::resolve_range(start, stop, list::length(value));
  if (wants_slices(context, range.count)) {
    return in_slices(context, false, [range, done = uint64_t{0}](Context& slice) mutable {
      if (done == 0) slice.reply().array(range.count);
      list::Range part{range.first + done, std::min<uint64_t>(kSliceElements, range.count - done)};
      list::for_each(latched_entry(slice)->value(), part,
                     [&](const Element& element) { reply_many(slice, slice.reply(), element); });
      done += part.count;
      return done == range.count;
    });
  }
  reply.array(range.count);
  list::for_each(value, range, [&](const Element& element) { reply_many(context, reply, element); });
}

// LINSERT when the pivot has been looked for.
void insert_beside(Context& context, const Key& key, Entry* entry, std::optional<uint64_t> pivot,
                   bool is_after) {
  if (!pivot) return context.reply().integer(-1);
  Value value = entry->value();
  bool inserted = list::insert_at(value, heap_of(context, key), list_limits(context), *pivot + is_after,
                                  Element::of(context.arg(4)));
  entry->set_value(value);
  if (!check_memory(context, inserted)) return;
  context.changed(key);
  context.reply().integer(static_cast<int64_t>(list::length(value)));
}

void linsert(Context& context) {
  bool is_after = context.is_word(2, "AFTER");
  if (!is_after && !context.is_word(2, "BEFORE")) return context.syntax_error();
  Key key = context.key(1);
  Entry* entry;
  if (!context.find_for_write(key, Type::kList, entry)) return;
  if (!entry) return context.reply().integer(0);
  auto look = [search = list::Search(1, 0), is_after](Context& slice, Entry* at, uint64_t budget) mutable {
    std::optional<uint64_t> found;
    list::search_some(at->value(), packed::Needle(slice.arg(3)), search, budget, [&](uint64_t index) {
      found = index;
      return false;
    });
    if (search.done) insert_beside(slice, slice.key(1), at, found, is_after);
    return search.done;
  };
  if (!wants_slices(context, list::length(entry->value()))) {
    look(context, entry, UINT64_MAX);
    return;
  }
  in_slices(context, true,
            [look](Context& slice) mutable { return look(slice, latched_entry(slice), kSliceElements); });
}

void lset(Context& context) {
  Key key = context.key(1);
  Entry* entry;
  if (!context.find_for_write(key, Type::kList, entry)) return;
  if (!entry) return context.reply().error("ERR no such key");
  int64_t index;
  if (!context.parse_integer(2, index)) return;
  Value value = entry->value();
  list::Change change =
      list::set(value, heap_of(context, key), list_limits(context), index, Element::of(context.arg(3)));
  entry->set_value(value);
  if (!check_memory(context, change != list::Change::kOutOfMemory)) return;
  if (change == list::Change::kNotFound) return context.reply().error("ERR index out of range");
  context.changed(key);
  context.reply().ok();
}

void ltrim(Context& context) {
  int64_t start, stop;
  if (!context.parse_integer(2, start) || !context.parse_integer(3, stop)) return;
  Key key = context.key(1);
  Entry* entry;
  if (!context.find_for_write(key, Type::kList, entry)) return;
  if (!entry) return context.reply().ok();
  Value value = entry->value();
  uint64_t length = list::length(value);
  list::Range keep = list::resolve_range(start, stop, length);
  bool trimmed = list::trim(value, heap_of(context, key), list_limits(context), keep);
  store_rest(context, key, entry, value, trimmed && keep.count == 0, trimmed ? length - keep.count : 0);
  // Who watches the key hears of it, as in Redis, also when all of it stays.
  if (trimmed && keep.count == length) context.changed(key, 0);
  if (check_memory(context, trimmed)) context.reply().ok();
}

// LREM, or a slice of it: true when all is done and replied.
bool remove_matches(Context& context, list::Removal& removal, uint64_t element_budget) {
  Key key = context.key(1);
  Entry* entry = latched_entry(context);
  packed::Needle needle(context.arg(3));
  Value value = entry->value();
  bool removed =
      list::remove_some(value, heap_of(context, key), list_limits(context), needle, removal, element_budget);
  if (removed && !removal.done) {
    entry->set_value(value);
    return false;
  }
  if (!removed && removal.removed > 0) {
    // Memory ended, and so many are gone.
    auto done = static_cast<int64_t>(removal.removed);
    char digits[kI64TextBytes];
    context.effect({"LREM", key.name, Bytes(digits, print_i64(removal.from_back ? -done : done, digits)),
                    context.arg(3)});
  }
  store_rest(context, key, entry, value, list::length(value) == 0, removal.removed);
  if (check_memory(context, removed)) context.reply().integer(static_cast<int64_t>(removal.removed));
  return true;
}

void lrem(Context& context) {
  int64_t count;
  if (!context.parse_integer(2, count)) return;
  Key key = context.key(1);
  Entry* entry;
  if (!context.find_for_write(key, Type::kList, entry)) return;
  if (!entry) return context.reply().integer(0);
  list::Removal removal(count);
  if (!wants_slices(context, list::length(entry->value()))) {
    remove_matches(context, removal, UINT64_MAX);
    return;
  }
  in_slices(context, true,
            [removal](Context& slice) mutable { return remove_matches(slice, removal, kSliceElements); });
}

struct LposOptions {
  int64_t rank = 1;
  uint64_t count = 0;  // 0: all
  bool has_count = false;
  uint64_t elements_max = 0;
};

bool parse_lpos(Context& context, LposOptions& options) {
  for (size_t i = 3; i < context.argc(); i += 2) {
    bool has_value = i + 1 < context.argc();
    int64_t parsed;
    if (has_value && context.is_word(i, "RANK")) {
      if (!context.parse_integer(i + 1, options.rank)) return false;
      if (options.rank == INT64_MIN) {
        context.reply().error(
            "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807");
        return false;
      }
      if (options.rank == 0) {
        context.reply().error(
            "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use "
            "negative to start from the end of the list");
        return false;
      }
    } else if (has_value && context.is_word(i, "COUNT")) {
      if (!context.parse_integer_in(i + 1, 0, INT64_MAX, parsed, "ERR COUNT can't be negative")) return false;
      options.has_count = true;
      options.count = static_cast<uint64_t>(parsed);
    } else if (has_value && context.is_word(i, "MAXLEN")) {
      if (!context.parse_integer_in(i + 1, 0, INT64_MAX, parsed, "ERR MAXLEN can't be negative"))
        return false;
      options.elements_max = static_cast<uint64_t>(parsed);
    } else {
      return context.syntax_error(), false;
    }
  }
  return true;
}

// LPOS, or a slice of it.
class PositionSearch {
 public:
  explicit PositionSearch(const LposOptions& options)
      : options_(options), search_(options.rank, options.elements_max) {}

  // True when all is done and replied.
  bool step(Context& context, const Value& value, uint64_t budget) {
    list::search_some(value, packed::Needle(context.arg(2)), search_, budget, [&](uint64_t index) {
      found_.push_back(index);
      return options_.has_count && found_.size() != options_.count;
    });
    if (!search_.done) return false;
    Reply& reply = context.reply();
    if (!options_.has_count) {
      found_.empty() ? reply.null() : reply.integer(static_cast<int64_t>(found_[0]));
      return true;
    }
    if (replied_ == 0) reply.array(found_.size());
    for (uint64_t left = budget; left > 0 && replied_ < found_.size(); --left) {
      reply.integer(static_cast<int64_t>(found_[replied_++]));
    }
    return replied_ == found_.size();
  }

 private:
  LposOptions options_;
  list::Search search_;
  std::vector<uint64_t> found_;
  size_t replied_ = 0;
};

void lpos(Context& context) {
  LposOptions options;
  if (!parse_lpos(context, options)) return;
  Entry* entry;
  if (!context.find(context.key(1), Type::kList, entry)) return;
  Reply& reply = context.reply();
  if (!entry) return options.has_count ? reply.empty_array() : reply.null();
  PositionSearch search(options);
  if (!wants_slices(context, list::length(entry->value()))) {
    search.step(context, entry->value(), UINT64_MAX);
    return;
  }
  in_slices(context, false, [search](Context& slice) mutable {
    return search.step(slice, latched_entry(slice)->value(), kSliceElements);
  });
}

constexpr KeySpec kSourceAndTarget[] = {
    {.flags = kKeyRW | kKeyAccess | kKeyDelete},
    {.flags = kKeyRW | kKeyInsert, .index = 2},
};
constexpr KeySpec kCountedKeys[] = {
    {.flags = kKeyRW | kKeyAccess | kKeyDelete, .count_index = 0, .first_key = 1}};

constexpr KeySpec kKeysBeforeTimeout[] = {{.flags = kKeyRW | kKeyAccess | kKeyDelete, .last = -2}};
constexpr KeySpec kCountedKeysBehindTimeout[] = {
    {.flags = kKeyRW | kKeyAccess | kKeyDelete, .index = 2, .count_index = 0, .first_key = 1}};
constexpr const char* kDoubleTimeout = "6.0.0=`timeout` is interpreted as a double instead of an integer.";

// clang-format off
constexpr Command kListCommands[] = {
    {.name = "blmove", .syntax = "source destination <LEFT | RIGHT> <LEFT | RIGHT> timeout",
     .flags = kWrite | kDenyOom | kNoScript | kBlocking, .keys = kSourceAndTarget, .acl = kAclList, .since = "6.2.0",
     .summary = "Pop an element from a list, push it to another list and return it; or block until one is available",
     .run = blmove},
    {.name = "blmovem",
     .syntax = "source destination <LEFT | RIGHT> <LEFT | RIGHT> timeout "
               "[<COUNT count | EXACTLY exactly> <OBO | BULK>]",
     .flags = kWrite | kDenyOom | kBlocking, .keys = kSourceAndTarget, .acl = kAclList, .since = "8.10.0",
     .complexity = "O(N) where N is the number of elements moved.",
     .summary = "Moves up to (or exactly) a number of elements from one list to another and returns them. Blocks until "
                "the elements are available otherwise. Deletes the source list if it becomes empty.",
     .run = blmovem},
    {.name = "blmpop", .syntax = "timeout numkeys key [key ...] <LEFT | RIGHT> [COUNT count]",
     .flags = kWrite | kBlocking, .keys = kCountedKeysBehindTimeout, .acl = kAclList, .since = "7.0.0",
     .complexity = "O(N+M) where N is the number of provided keys and M is the number of elements returned.",
     .summary = "Pop elements from a list, or block until one is available", .run = blmpop},
    {.name = "blpop", .syntax = "key [key ...] timeout", .flags = kWrite | kNoScript | kBlocking,
     .keys = kKeysBeforeTimeout, .acl = kAclList, .since = "2.0.0",
     .complexity = "O(N) where N is the number of provided keys.",
     .summary = "Remove and get the first element in a list, or block until one is available", .run = blpop,
     .history = kDoubleTimeout},
    {.name = "brpop", .syntax = "key [key ...] timeout", .flags = kWrite | kNoScript | kBlocking,
     .keys = kKeysBeforeTimeout, .acl = kAclList, .since = "2.0.0",
     .complexity = "O(N) where N is the number of provided keys.",
     .summary = "Remove and get the last element in a list, or block until one is available", .run = brpop,
     .history = kDoubleTimeout},
    {.name = "brpoplpush", .syntax = "source destination timeout", .flags = kWrite | kDenyOom | kNoScript | kBlocking,
     .keys = kSourceAndTarget, .acl = kAclList, .since = "2.2.0",
     .summary = "Pop an element from a list, push it to another list and return it; or block until one is available",
     .run = brpoplpush, .history = kDoubleTimeout, .deprecated_since = "6.2.0",
     .replaced_by = "`BLMOVE` with the `RIGHT` and `LEFT` arguments"},
    {.name = "lindex", .syntax = "key index", .flags = kReadOnly, .keys = kFirstKeyRead, .acl = kAclList,
     .complexity = "O(N) where N is the number of elements to traverse to get to the element at index. This makes "
                   "asking for the first or the last element of the list O(1).",
     .summary = "Get an element from a list by its index", .run = lindex},
    {.name = "linsert", .syntax = "key <BEFORE | AFTER> pivot element", .flags = kWrite | kDenyOom,
     .keys = kFirstKeyInsert, .acl = kAclList, .since = "2.2.0",
     .complexity = "O(N) where N is the number of elements to traverse before seeing the value pivot. This means that "
                   "inserting somewhere on the left end on the list (head) can be considered O(1) and inserting "
                   "somewhere on the right end (tail) is O(N).",
     .summary = "Insert an element before or after another element in a list", .run = linsert},
    {.name = "llen", .syntax = "key", .flags = kReadOnly | kFast, .keys = kFirstKeyMeta, .acl = kAclList,
     .summary = "Get the length of a list", .run = llen},
    {.name = "lmove", .syntax = "source destination <LEFT | RIGHT> <LEFT | RIGHT>", .flags = kWrite | kDenyOom,
     .keys = kSourceAndTarget, .acl = kAclList, .since = "6.2.0",
     .summary = "Pop an element from a list, push it to another list and return it", .run = lmove},
    {.name = "lmovem",
     .syntax = "source destination <LEFT | RIGHT> <LEFT | RIGHT> [<COUNT count | EXACTLY exactly> <OBO | BULK>]",
     .flags = kWrite | kDenyOom, .keys = kSourceAndTarget, .acl = kAclList, .since = "8.10.0",
     .complexity = "O(N) where N is the number of elements moved.",
     .summary = "Moves up to (or exactly) a number of elements from one list to another and returns them. Deletes the "
                "source list if it becomes empty.",
     .run = lmovem},
    {.name = "lmpop", .syntax = "numkeys key [key ...] <LEFT | RIGHT> [COUNT count]", .flags = kWrite,
     .keys = kCountedKeys, .acl = kAclList, .since = "7.0.0",
     .complexity = "O(N+M) where N is the number of provided keys and M is the number of elements returned.",
     .summary = "Pop elements from a list", .run = lmpop},
    {.name = "lpop", .syntax = "key [count]", .flags = kWrite | kFast, .keys = kFirstKeyAccessDelete,
     .acl = kAclList, .complexity = "O(N) where N is the number of elements returned",
     .summary = "Remove and get the first elements in a list", .run = lpop,
     .history = "6.2.0=Added the `count` argument."},
    {.name = "lpos", .syntax = "key element [RANK rank] [COUNT num-matches] [MAXLEN len]", .flags = kReadOnly,
     .keys = kFirstKeyRead, .acl = kAclList, .since = "6.0.6",
     .complexity = "O(N) where N is the number of elements in the list, for the average case. When searching for "
                   "elements near the head or the tail of the list, or when the MAXLEN option is provided, the command "
                   "may run in constant time.",
     .summary = "Return the index of matching elements on a list", .run = lpos},
    {.name = "lpush", .syntax = "key element [element ...]", .flags = kWrite | kDenyOom | kFast,
     .keys = kFirstKeyInsert, .acl = kAclList,
     .complexity = "O(1) for each element added, so O(N) to add N elements when the command is called with multiple "
                   "arguments.",
     .summary = "Prepend one or multiple elements to a list", .run = lpush,
     .history = "2.4.0=Accepts multiple `element` arguments."},
    {.name = "lpushx", .syntax = "key element [element ...]", .flags = kWrite | kDenyOom | kFast,
     .keys = kFirstKeyInsert, .acl = kAclList, .since = "2.2.0",
     .complexity = "O(1) for each element added, so O(N) to add N elements when the command is called with multiple "
                   "arguments.",
     .summary = "Prepend an element to a list, only if the list exists", .run = lpushx,
     .history = "4.0.0=Accepts multiple `element` arguments."},
    {.name = "lrange", .syntax = "key start stop", .flags = kReadOnly, .keys = kFirstKeyRead, .acl = kAclList,
     .complexity = "O(S+N) where S is the distance of start offset from HEAD for small lists, from nearest end (HEAD or "
                   "TAIL) for large lists; and N is the number of elements in the specified range.",
     .summary = "Get a range of elements from a list", .run = lrange},
    {.name = "lrem", .syntax = "key count element", .flags = kWrite, .keys = kFirstKeyDelete, .acl = kAclList,
     .complexity = "O(N+M) where N is the length of the list and M is the number of elements removed.",
     .summary = "Remove elements from a list", .run = lrem},
    {.name = "lset", .syntax = "key index element", .flags = kWrite | kDenyOom, .keys = kFirstKeyUpdate,
     .acl = kAclList,
     .complexity = "O(N) where N is the length of the list. Setting either the first or the last element of the list is "
                   "O(1).",
     .summary = "Set the value of an element in a list by its index", .run = lset},
    {.name = "ltrim", .syntax = "key start stop", .flags = kWrite, .keys = kFirstKeyDelete, .acl = kAclList,
     .complexity = "O(N) where N is the number of elements to be removed by the operation.",
     .summary = "Trim a list to the specified range", .run = ltrim},
    {.name = "rpop", .syntax = "key [count]", .flags = kWrite | kFast, .keys = kFirstKeyAccessDelete,
     .acl = kAclList, .complexity = "O(N) where N is the number of elements returned",
     .summary = "Remove and get the last elements in a list", .run = rpop,
     .history = "6.2.0=Added the `count` argument."},
    {.name = "rpoplpush", .syntax = "source destination", .flags = kWrite | kDenyOom, .keys = kSourceAndTarget,
     .acl = kAclList, .since = "1.2.0",
     .summary = "Remove the last element in a list, prepend it to another list and return it", .run = rpoplpush,
     .deprecated_since = "6.2.0", .replaced_by = "`LMOVE` with the `RIGHT` and `LEFT` arguments"},
    {.name = "rpush", .syntax = "key element [element ...]", .flags = kWrite | kDenyOom | kFast,
     .keys = kFirstKeyInsert, .acl = kAclList,
     .complexity = "O(1) for each element added, so O(N) to add N elements when the command is called with multiple "
                   "arguments.",
     .summary = "Append one or multiple elements to a list", .run = rpush,
     .history = "2.4.0=Accepts multiple `element` arguments."},
    {.name = "rpushx", .syntax = "key element [element ...]", .flags = kWrite | kDenyOom | kFast,
     .keys = kFirstKeyInsert, .acl = kAclList, .since = "2.2.0",
     .complexity = "O(1) for each element added, so O(N) to add N elements when the command is called with multiple "
                   "arguments.",
     .summary = "Append an element to a list, only if the list exists", .run = rpushx,
     .history = "4.0.0=Accepts multiple `element` arguments."},
};
// clang-format on
static_assert(well_formed(kListCommands));

}  // namespace

std::optional<End> parse_end(const Context& context, size_t i) {
  if (context.is_word(i, "LEFT")) return End::kFront;
  if (context.is_word(i, "RIGHT")) return End::kBack;
  return std::nullopt;
}

const CommandGroup kListGroup = {"list", kListCommands};

}  // namespace strata

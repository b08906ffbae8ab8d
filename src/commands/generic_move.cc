// COPY, MOVE, RENAME and RENAMENX.
//
// A moved value is not copied, however large it is and whatever shard its new key belongs to: it stays in the
// heap it was born in, and its blocks return there. Only what sits inside the entry moves: short strings and
// integers.

#include "base/assert.h"
#include "commands/collection_copy.h"
#include "commands/generic.h"
#include "keyspace/lazy_free.h"

namespace strata {
namespace {

struct Place {
  Key key;
  uint16_t db;
};

// The new key's entry, or out of memory, in which case nothing has changed.
Result<Entry*> move_entry(Context& context, Entry* entry, const Place& from, const Place& to) {
  Database& source = context.database(from.key, from.db);
  Database& target = context.database(to.key, to.db);
  int64_t deadline_ms = entry->deadline_ms();
  uint8_t reports_raw = entry->flags & Entry::kReportsRaw;
  uint32_t clock = entry->access_clock;

  Result<Entry*> placed = nullptr;
  if (entry->is_inline()) {
    placed = target.set_string(to.key, entry->string().bytes, deadline_ms, false);
    if (placed) source.erase(from.key);
  } else {
    placed = target.put(to.key, entry->value(), deadline_ms);
    // Both entries own the value now; taking it out of the old one ends that. It cannot fail: the value is no
    // inline string.
    if (placed) STRATA_ASSERT(source.take(from.key).has_value());
  }
  if (!placed) return placed;
  (*placed)->flags |= reports_raw;
  (*placed)->access_clock = clock;
  context.shard(to.key).ask_for_cleaning();  // what the new key held may be large
  return placed;
}

Result<Value> copy_collection(Context& context, const Value& value, const Key& to) {
  DataContext data = context.data(to);
  switch (value.type) {
    case Type::kList: {
      Value copy;
      bool copied = list::copy(value, data.heap, context.options().list, &copy);
      return copied ? Result<Value>(copy) : fail(Errc::kOutOfMemory, "list");
    }
    case Type::kHash:
      return hash_copy(data, value);
    case Type::kSet:
      return set_copy(data, value);
    case Type::kZset:
      return zset_copy(data, value);
    case Type::kStream: {
      StreamCopy copy(StreamValue::of(value), data.heap);
      TRY(copy.step(SIZE_MAX));
      return copy.take()->value();
    }
    case Type::kString:
      break;
  }
  return fail(Errc::kUnsupported, "COPY of this type is not supported");
}

Result<Entry*> copy_entry(Context& context, const Entry& entry, const Place& to) {
  Database& target = context.database(to.key, to.db);
  int64_t deadline_ms = entry.deadline_ms();
  if (entry.type() == Type::kString) {
    Element element = entry.string();
    if (element.is_integer) return target.set_integer(to.key, element.integer, deadline_ms);
    uint8_t reports_raw = entry.flags & Entry::kReportsRaw;
    TRY_ASSIGN(Entry * placed, target.set_string(to.key, element.bytes, deadline_ms, false));
    placed->flags |= reports_raw;
    return placed;
  }
  TRY_ASSIGN(Value copy, copy_collection(context, entry.value(), to.key));
  auto placed = target.put(to.key, copy, deadline_ms);
  if (!placed) target.discard(copy);
  return placed;
}

// args[i] as the number of a database. False: the error was replied.
// COPY of a collection too large for one stay in the shard. The source is latched, so that it does not
// change; the new key appears when all is there.
class CopyWork final : public SlicedWork {
 public:
  CopyWork(Context& context, const Entry& entry, const Place& to, bool replaces)
      : copy_(entry.value(), context.data(to.key), context.options()),
        deadline_ms_(entry.deadline_ms()),
        to_db_(to.db),
        replaces_(replaces) {}

  bool step(Context& context) override {
    Place to = {context.key(2), to_db_};
    Database& target = context.database(to.key, to.db);
    auto done = copy_.step(kSliceElements);
    if (done && !*done) return false;
    Value value = copy_.take();
    bool is_taken = done && !replaces_ && context.find_in(to.key, to.db);
    if (!done || is_taken) {
      target.discard(value);
      if (context.check(done)) context.reply().integer(0);
      return true;
    }
    auto placed = target.put(to.key, value, deadline_ms_);
    if (!placed) target.discard(value);
    if (!context.check(placed)) return true;
    context.shard(to.key).ask_for_cleaning();
    context.changed_in(to.key, to.db);
    context.reply().integer(1);
    return true;
  }

 private:
  CollectionCopy copy_;
  int64_t deadline_ms_;
  uint16_t to_db_;
  bool replaces_;
};

bool parse_db(Context& context, size_t i, uint16_t& db) {
  int64_t number;
  if (!context.parse_integer(i, number)) return false;
  if (number < INT32_MIN || number > INT32_MAX) {
    context.reply().error("ERR value is out of range, value must between -2147483648 and 2147483647");
    return false;
  }
  if (number < 0 || number >= context.keyspace().database_count()) {
    context.reply().error("ERR DB index is out of range");
    return false;
  }
  db = static_cast<uint16_t>(number);
  return true;
}

bool check_different(Context& context, const Place& a, const Place& b) {
  if (a.db != b.db || a.key.name != b.key.name) return true;
  context.reply().error("ERR source and destination objects are the same");
  return false;
}

// False: there is no such key, or it is the same key, or the move failed; all are replied.
bool rename(Context& context, bool only_if_new) {
  Place from = {context.key(1), context.db()};
  Place to = {context.key(2), context.db()};
  Entry* entry = context.find_for_write(from.key);
  if (!entry) {
    context.reply().error("ERR no such key");
    return false;
  }
  bool is_same = from.key.name == to.key.name;
  if (only_if_new && (is_same || context.find_for_write(to.key))) {
    context.reply().integer(0);
    return false;
  }
  if (is_same) return true;
  if (!context.check(move_entry(context, entry, from, to))) return false;
  context.changed(from.key);
  context.changed(to.key, 0);
  return true;
}

}  // namespace

void rename_key(Context& context) {
  if (rename(context, false)) context.reply().ok();
}

void renamenx(Context& context) {
  if (rename(context, true)) context.reply().integer(1);
}

void move_key(Context& context) {
  Place from = {context.key(1), context.db()};
  Place to = from;
  if (!parse_db(context, 2, to.db) || !check_different(context, from, to)) return;
  Entry* entry = context.find_for_write(from.key);
  if (!entry || context.find_in(to.key, to.db)) return context.reply().integer(0);
  if (!context.check(move_entry(context, entry, from, to))) return;
  context.changed(from.key);
  context.changed_in(to.key, to.db, 0);
  context.reply().integer(1);
}

void copy_key(Context& context) {
  Place from = {context.key(1), context.db()};
  Place to = {context.key(2), context.db()};
  bool replace = false;
  for (size_t i = 3; i < context.argc(); ++i) {
    if (context.is_word(i, "REPLACE")) {
      replace = true;
    } else if (context.is_word(i, "DB") && i + 1 < context.argc()) {
      if (!parse_db(context, ++i, to.db)) return;
    } else {
      return context.syntax_error();
    }
  }
  if (!check_different(context, from, to)) return;
  const Entry* entry = context.find(from.key);
  if (!entry) return context.reply().integer(0);
  if (context.find_in(to.key, to.db) && !replace) return context.reply().integer(0);
  if (context.may_slice() && entry->type() != Type::kString &&
      element_count(entry->value()) > kSliceElements) {
    return context.slice(std::make_unique<CopyWork>(context, *entry, to, replace),
                         {{.arg = 1, .is_exclusive = false}, {.arg = 2, .is_exclusive = true, .db = to.db}});
  }
  if (!context.check(copy_entry(context, *entry, to))) return;
  context.shard(to.key).ask_for_cleaning();
  context.changed_in(to.key, to.db);
  context.reply().integer(1);
}

}  // namespace strata

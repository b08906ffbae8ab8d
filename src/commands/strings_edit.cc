#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/assert.h"
#include "commands/strings.h"
#include "text/numbers.h"

namespace strata {
namespace {

// The size of a string that has `size` bytes and gets `more`; false: too large, and the error was replied.
bool check_size(Context& context, size_t size, size_t more) {
  // What was once accepted and logged is accepted again while the log is replayed, whatever the limit is now.
  bool is_loading = !context.keyspace().expiry_enabled();
  auto limit = is_loading ? Blob::kMaxBytes : static_cast<size_t>(context.options().max_bulk_bytes);
  if (size <= limit && more <= limit - size) return true;
  context.reply().error("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
  return false;
}

size_t string_size(const Entry& entry) {
  char scratch[kIntegerTextBytes];
  return element_text(entry.string(), scratch).size();
}

// Writes `bytes` at `offset` of a string, which grows as far as that takes, and replies its size.
void write_at(Context& context, const Key& key, Entry* entry, size_t old_size, size_t offset, Bytes bytes) {
  size_t size = std::max(old_size, offset + bytes.size());
  auto edited = context.database(key).edit_string(key, entry, size);
  if (!context.check(edited)) return;
  if (!bytes.empty()) std::memcpy(edited->data() + offset, bytes.data(), bytes.size());
  context.changed(key);
  context.reply().integer(static_cast<int64_t>(size));
}

void increment_by(Context& context, int64_t by) {
  Key key = context.key(1);
  Entry* entry;
  if (!context.find_for_write(key, Type::kString, entry)) return;
  int64_t value = 0;
  if (entry) {
    Element old = entry->string();
    auto parsed = old.is_integer ? old.integer : parse_i64(old.bytes);
    if (!parsed) return context.reply().error("ERR value is not an integer or out of range");
    value = *parsed;
  }
  if (__builtin_add_overflow(value, by, &value)) {
    return context.reply().error("ERR increment or decrement would overflow");
  }
  Database& database = context.database(key);
  if (!context.check(entry ? database.overwrite_integer(key, entry, value)
                           : database.set_integer(key, value, kNoDeadline))) {
    return;
  }
  context.changed(key);
  context.reply().integer(value);
}

}  // namespace

void append(Context& context) {
  Key key = context.key(1);
  Bytes bytes = context.arg(2);
  Entry* entry;
  if (!context.find_for_write(key, Type::kString, entry)) return;
  if (entry) {
    size_t size = string_size(*entry);
    if (check_size(context, size, bytes.size())) write_at(context, key, entry, size, size, bytes);
    return;
  }
  if (!context.check(context.database(key).set_string(key, bytes, kNoDeadline))) return;
  context.changed(key);
  context.reply().integer(static_cast<int64_t>(bytes.size()));
}

void setrange(Context& context) {
  int64_t offset;
  if (!context.parse_integer(2, offset)) return;
  if (offset < 0) return context.reply().error("ERR offset is out of range");
  Key key = context.key(1);
  Bytes bytes = context.arg(3);
  Entry* entry;
  if (!context.find_for_write(key, Type::kString, entry)) return;
  size_t size = entry ? string_size(*entry) : 0;
  if (bytes.empty()) return context.reply().integer(static_cast<int64_t>(size));
  if (!check_size(context, static_cast<size_t>(offset), bytes.size())) return;
  if (entry) return write_at(context, key, entry, size, static_cast<size_t>(offset), bytes);

  Database& database = context.database(key);
  auto created = database.set_string(key, {}, kNoDeadline);
  if (!context.check(created)) return;
  write_at(context, key, *created, 0, static_cast<size_t>(offset), bytes);
  if (context.changes() == 0) database.erase(key);  // no memory for its bytes
}

void getrange(Context& context) {
  int64_t start, end;
  if (!context.parse_integer(2, start) || !context.parse_integer(3, end)) return;
  Entry* entry;
  if (!context.find(context.key(1), Type::kString, entry)) return;
  if (!entry) return context.reply().bulk("");
  char scratch[kIntegerTextBytes];
  Element element = entry->string();
  Bytes bytes = element_text(element, scratch);
  auto size = static_cast<int64_t>(bytes.size());
  if (start < 0 && end < 0 && start > end) return context.reply().bulk("");
  if (start < 0) start = std::max<int64_t>(size + start, 0);
  if (end < 0) end = std::max<int64_t>(size + end, 0);
  end = std::min(end, size - 1);
  if (start > end) return context.reply().bulk("");
  Bytes part = bytes.substr(static_cast<size_t>(start), static_cast<size_t>(end - start + 1));
  context.reply_element(Element::of(part, element.blob));
}

void string_length(Context& context) {
  Entry* entry;
  if (!context.find(context.key(1), Type::kString, entry)) return;
  context.reply().integer(entry ? static_cast<int64_t>(string_size(*entry)) : 0);
}

void incr(Context& context) { increment_by(context, 1); }
void decr(Context& context) { increment_by(context, -1); }

void incrby(Context& context) {
  int64_t by;
  if (context.parse_integer(2, by)) increment_by(context, by);
}

void decrby(Context& context) {
  int64_t by;
  if (!context.parse_integer(2, by)) return;
  if (by == INT64_MIN) return context.reply().error("ERR decrement would overflow");
  increment_by(context, -by);
}

void incrbyfloat(Context& context) {
  constexpr Bytes kNotFloat = "ERR value is not a valid float";
  Key key = context.key(1);
  Entry* entry;
  if (!context.find_for_write(key, Type::kString, entry)) return;
  char scratch[kIntegerTextBytes];
  std::optional<long double> value = 0;
  if (entry) value = parse_long_double(element_text(entry->string(), scratch));
  auto by = parse_long_double(context.arg(2));
  if (!value || !by) return context.reply().error(kNotFloat);
  long double sum = *value + *by;
  if (!std::isfinite(sum)) return context.reply().error("ERR increment would produce NaN or Infinity");

  char digits[kLongDoubleTextBytes];
  Bytes text(digits, print_long_double_human(sum, digits));
  int64_t deadline_ms = entry ? entry->deadline_ms() : kNoDeadline;
  if (!context.check(context.database(key).set_string(key, text, deadline_ms, false))) return;
  context.changed(key);
  // Not every machine that reads the log adds floating-point numbers alike.
  context.effect({"SET", key.name, text, "KEEPTTL"});
  context.reply().bulk(text);
}

}  // namespace strata

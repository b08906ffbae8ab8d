#include "commands/collections.h"

#include <charconv>

#include "text/glob.h"
#include "text/numbers.h"

namespace strata {
namespace {

constexpr Bytes kOutOfBothSigns =
    "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807";

bool parse_scan_options(Context& context, Type type, ScanArguments& arguments) {
  for (size_t i = 3; i < context.argc(); i += 2) {
    bool has_value = i + 1 < context.argc();
    if (has_value && context.is_word(i, "COUNT")) {
      int64_t count;
      if (!context.parse_integer(i + 1, count)) return false;
      if (count < 1) return context.syntax_error(), false;
      arguments.count = static_cast<size_t>(count);
    } else if (has_value && context.is_word(i, "MATCH")) {
      arguments.pattern = context.arg(i + 1);
      arguments.matches_all = arguments.pattern == "*";
    } else if (context.is_word(i, "NOVALUES")) {
      if (type != Type::kHash) {
        context.reply().error("ERR NOVALUES option can only be used in HSCAN");
        return false;
      }
      arguments.without_values = true;
      --i;
    } else {
      return context.syntax_error(), false;
    }
  }
  return true;
}

}  // namespace

void write_back(Context& context, const Key& key, Entry* entry, const Value& value) {
  const bool is_or_was_timed = entry->encoding() == Encoding::kTimed || value.encoding == Encoding::kTimed;
  entry->set_value(value);
  if (is_or_was_timed) context.database(key).note_fields(key.name, value);
}

bool store(Context& context, const Key& key, Entry* entry, const Value& value) {
  if (entry) {
    write_back(context, key, entry, value);
    return true;
  }
  Database& database = context.database(key);
  if (context.check(database.put(key, value, kNoDeadline))) return true;
  database.discard(value);
  return false;
}

void store_rest(Context& context, const Key& key, Entry* entry, const Value& value, bool is_empty,
                uint64_t changes) {
  write_back(context, key, entry, value);
  if (is_empty) {
    context.erase(key);
  } else if (changes > 0) {
    context.changed(key, changes);
  }
}

void store_part(Context& context, const Key& key, Entry* entry, const Value& value, const Error& error,
                size_t args_done, uint64_t changes) {
  if (entry) {
    write_back(context, key, entry, value);
    if (changes > 0) {
      context.effect(context.args().first(args_done));
      context.changed(key, changes);
    }
  } else {
    context.database(key).discard(value);
  }
  context.check(error);
}

void reply_no_memory(Context& context) { context.check(Error{Errc::kOutOfMemory, 0, "value", 0}); }

bool parse_count(Context& context, size_t i, uint64_t& count) {
  int64_t parsed;
  if (!context.parse_integer_in(i, 0, INT64_MAX, parsed, "ERR value is out of range, must be positive"))
    return false;
  count = static_cast<uint64_t>(parsed);
  return true;
}

bool parse_random_count(Context& context, size_t i, RandomCount& wanted) {
  int64_t parsed;
  if (!context.parse_integer(i, parsed)) return false;
  if (parsed == INT64_MIN) {
    context.reply().error(kOutOfBothSigns);
    return false;
  }
  wanted.is_repeated = parsed < 0;
  wanted.count = static_cast<uint64_t>(parsed < 0 ? -parsed : parsed);
  return true;
}

bool check_repetitions(Context& context, const RandomCount& wanted) {
  if (!wanted.is_repeated || wanted.count <= kRandomRepetitionsMax) return true;
  context.reply().error("ERR value is out of range, at most 16777216 repetitions are replied");
  static_assert(kRandomRepetitionsMax == 16777216);
  return false;
}

bool check_random_pairs(Context& context, const RandomCount& wanted) {
  if (wanted.count <= INT64_MAX / 2) return true;
  context.reply().error("ERR value is out of range");
  return false;
}

void reply_wrong_arity(Context& context) {
  context.reply().error("ERR wrong number of arguments for '", context.command().name, "' command");
}

bool ScanArguments::matches(const Element& element) const {
  if (matches_all) return true;
  char scratch[kIntegerTextBytes];
  return glob_match(pattern, element_text(element, scratch), false);
}

bool parse_pop_of_several(Context& context, size_t first, Bytes front, Bytes back, PopOfSeveral& parsed) {
  int64_t keys;
  if (!context.parse_integer_in(first, 1, INT64_MAX, keys, "ERR numkeys should be greater than 0"))
    return false;
  const auto key_count = static_cast<uint64_t>(keys);
  if (key_count > context.argc() - first - 2) return context.syntax_error(), false;
  parsed.keys_end = first + 1 + key_count;
  parsed.from_back = context.is_word(parsed.keys_end, back);
  if (!parsed.from_back && !context.is_word(parsed.keys_end, front)) return context.syntax_error(), false;
  bool has_count = false;
  for (size_t i = parsed.keys_end + 1; i < context.argc(); i += 2) {
    if (has_count || i + 1 == context.argc() || !context.is_word(i, "COUNT"))
      return context.syntax_error(), false;
    has_count = true;
    int64_t count;
    if (!context.parse_integer_in(i + 1, 1, INT64_MAX, count, "ERR count should be greater than 0"))
      return false;
    parsed.count = static_cast<uint64_t>(count);
  }
  return true;
}

bool parse_scan_cursor(Bytes text, uint64_t& cursor) {
  cursor = 0;
  text = text.substr(0, text.find('\0'));  // which ends it for strtoul
  if (text.empty()) return true;
  bool is_negative = text[0] == '-';
  if (is_negative || text[0] == '+') text.remove_prefix(1);
  const char* end = text.data() + text.size();
  auto [stop, error] = std::from_chars(text.data(), end, cursor);
  if (error != std::errc{} || stop != end) return false;
  if (is_negative) cursor = 0 - cursor;
  return true;
}

bool begin_scan(Context& context, Type type, ScanArguments& arguments, Entry*& entry) {
  if (!parse_scan_cursor(context.arg(2), arguments.cursor)) {
    context.reply().error("ERR invalid cursor");
    return false;
  }
  if (!context.find(context.key(1), type, entry)) return false;
  if (!entry) {
    reply_scan_cursor(context, 0);
    context.reply().empty_array();
    return false;
  }
  return parse_scan_options(context, type, arguments);
}

void reply_scan_cursor(Context& context, uint64_t cursor) {
  char digits[kI64TextBytes];
  context.reply().array(2);
  context.reply().bulk(Bytes(digits, print_u64(cursor, digits)));
}

}  // namespace strata

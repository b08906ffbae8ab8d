// HGETDEL, HGETEX and HSETEX: values of fields together with their deadlines.

#include <optional>
#include <string>

#include "commands/deadline_options.h"
#include "commands/hash_fields.h"
#include "text/numbers.h"

namespace strata {
namespace {

// Values that must outlive their fields.
using Values = std::vector<std::optional<std::string>>;

Values copy_values(const Value& hash, std::span<const Bytes> fields) {
  Values values;
  for (Bytes field : fields) {
    const std::optional<Element> value = hash_get(hash, field);
    char scratch[kIntegerTextBytes];
    values.push_back(value ? std::optional(std::string(element_text(*value, scratch))) : std::nullopt);
  }
  return values;
}

void reply_values(Context& context, const Values& values) {
  context.reply().array(values.size());
  for (const auto& value : values) value ? context.reply().bulk(*value) : context.reply().null();
}

// Removes the fields that are there; each is logged.
Status remove_fields(Context& context, const Key& key, Entry* entry, std::span<const Bytes> fields) {
  Value hash = entry->value();
  LoggedFields removed;
  Status status;
  for (Bytes field : fields) {
    const Result<bool> was_there = hash_remove(context.data(key), hash, field);
    if (!was_there) {
      status = std::unexpected(was_there.error());
      break;
    }
    if (*was_there) removed.add(field);
  }
  removed.log_removed(context, key);
  store_rest(context, key, entry, hash, hash_size(hash) == 0, removed.count());
  return status;
}

// The options of HGETEX and HSETEX, in any order, with FIELDS among them.
struct FieldOptions {
  const DeadlineOption* expiry = nullptr;
  size_t time_index = 0;
  bool is_kept = false;     // KEEPTTL, or PERSIST
  bool if_absent = false;   // FNX
  bool if_present = false;  // FXX
  size_t fields_at = 0;
  size_t field_count = 0;
};

bool refuse(Context& context, Bytes text) {
  context.reply().error(text);
  return false;
}

// FIELDS with what belongs to it, `width` words for each field; moves `i` to the last of them.
bool take_fields(Context& context, size_t& i, size_t width, FieldOptions& options) {
  if (options.fields_at) return refuse(context, "ERR FIELDS keyword specified multiple times");
  if (i + 1 >= context.argc()) return reply_wrong_arity(context), false;
  const std::optional<int64_t> count = parse_i64(context.arg(i + 1));
  if (!count || *count < 1 || *count > INT32_MAX) return refuse(context, "ERR invalid number of fields");
  const size_t words = static_cast<size_t>(*count) * width;
  options.fields_at = i + 2;
  options.field_count = static_cast<size_t>(*count);
  if (words > context.argc() - options.fields_at) return reply_wrong_arity(context), false;
  i += 1 + words;
  return true;
}

bool parse_options(Context& context, size_t width, Bytes kept_word, Bytes too_many, FieldOptions& options) {
  const bool is_set = width == 2;
  for (size_t i = 2; i < context.argc(); ++i) {
    if (const DeadlineOption* expiry = find_deadline_option(context, i)) {
      if (options.expiry || options.is_kept) return refuse(context, too_many);
      if (i + 1 >= context.argc()) return reply_wrong_arity(context), false;
      options.expiry = expiry;
      options.time_index = ++i;
    } else if (context.is_word(i, kept_word)) {
      if (options.expiry || options.is_kept) return refuse(context, too_many);
      options.is_kept = true;
    } else if (is_set && (context.is_word(i, "FNX") || context.is_word(i, "FXX"))) {
      if (options.if_absent || options.if_present)
        return refuse(context, "ERR Only one of FXX or FNX arguments can be specified");
      options.if_absent = context.is_word(i, "FNX");
      options.if_present = !options.if_absent;
    } else if (context.is_word(i, "FIELDS")) {
      if (!take_fields(context, i, width, options)) return false;
    } else {
      context.reply().error("ERR unknown argument: ", context.arg(i));
      return false;
    }
  }
  return options.fields_at ? true : refuse(context, "ERR missing FIELDS argument");
}

bool parse_time(Context& context, const FieldOptions& options, int64_t& deadline_ms) {
  deadline_ms = kNoFieldDeadline;
  return !options.expiry ||
         parse_deadline(context, options.time_index, *options.expiry, deadline_ms, kFieldDeadlineLatestMs);
}

// HGETEX on fields that stay.
Status change_deadlines(Context& context, const Key& key, Entry* entry, std::span<const Bytes> fields,
                        int64_t deadline_ms) {
  Value hash = entry->value();
  LoggedFields changed;
  Status status;
  for (size_t i = 0; i < fields.size() && status; ++i) {
    if (!hash_contains(hash, fields[i])) continue;
    if (deadline_ms == kNoFieldDeadline) {
      const Result<bool> had_one = hash_clear_deadline(context.data(key), hash, fields[i]);
      if (!had_one) status = std::unexpected(had_one.error());
      if (!had_one || !*had_one) continue;
    } else {
      status = hash_set_deadline(context.data(key), hash, fields[i], deadline_ms);
      if (!status) continue;
    }
    changed.add(fields[i]);
  }
  deadline_ms == kNoFieldDeadline ? changed.log_persisted(context, key)
                                  : changed.log_deadline(context, key, deadline_ms);
  store_rest(context, key, entry, hash, false, changed.count());
  return status;
}

// ---- HSETEX ----------------------------------------------------------------------------------------

struct Setting {
  const FieldOptions& options;
  std::span<const Bytes> pairs;  // field, value, field, value…
  int64_t deadline_ms;

  bool is_allowed(const Entry* entry) const {
    if (!options.if_absent && !options.if_present) return true;
    for (size_t i = 0; i < pairs.size(); i += 2) {
      const bool is_there = entry && hash_contains(entry->value(), pairs[i]);
      if (is_there == options.if_absent) return false;
    }
    return true;
  }
  // How many words of `pairs` were done, and how many fields have their deadline.
  Status apply(Context& context, const Key& key, Value& hash, size_t& words_done, LoggedFields& timed) const {
    const DataContext data = context.data(key);
    for (; words_done < pairs.size(); words_done += 2) {
      TRY(hash_set(data, context.options().hash, hash, pairs[words_done], pairs[words_done + 1]));
      if (!options.is_kept) TRY(hash_clear_deadline(data, hash, pairs[words_done]));
    }
    if (deadline_ms == kNoFieldDeadline) return {};
    for (size_t i = 0; i < pairs.size(); i += 2) {
      TRY(hash_set_deadline(data, hash, pairs[i], deadline_ms));
      timed.add(pairs[i]);
    }
    return {};
  }
  // HSET takes deadlines away, so kept ones need a command of their own.
  void log(Context& context, const Key& key, size_t words_done, const LoggedFields& timed) const {
    if (words_done == 0) return;
    char count[kI64TextBytes];
    std::vector<Bytes> args = {"HSET", key.name};
    if (options.is_kept) {
      args = {"HSETEX", key.name, "KEEPTTL", "FIELDS", Bytes(count, print_u64(words_done / 2, count))};
    }
    args.insert(args.end(), pairs.begin(), pairs.begin() + static_cast<ptrdiff_t>(words_done));
    context.effect(args);
    timed.log_deadline(context, key, deadline_ms);
  }
};

void set_fields(Context& context, const Key& key, const Setting& setting) {
  Entry* entry;
  Value hash;
  if (!open_or_create_hash(context, key, entry, hash)) return;
  size_t words_done = 0;
  LoggedFields timed;
  Status status = prepare_hash(context, key, hash, setting.options.fields_at);
  if (status) status = setting.apply(context, key, hash, words_done, timed);
  if (!status && !entry) {
    context.database(key).discard(hash);
    context.check(status);
    return;
  }
  if (!store(context, key, entry, hash)) return;
  setting.log(context, key, words_done, timed);
  if (words_done > 0) context.changed(key, words_done / 2);
  if (context.check(status)) context.reply().integer(1);
}

}  // namespace

void hgetdel(Context& context) {
  std::span<const Bytes> fields;
  if (!parse_fields(context, 2, "ERR Number of fields must be a positive integer", fields)) return;
  const Key key = context.key(1);
  Entry* entry;
  if (!context.find_for_write(key, Type::kHash, entry)) return;
  if (!entry) return reply_values(context, Values(fields.size()));
  const Values values = copy_values(entry->value(), fields);
  if (context.check(remove_fields(context, key, entry, fields))) reply_values(context, values);
}

void hgetex(Context& context) {
  FieldOptions options;
  int64_t deadline_ms;
  if (!parse_options(context, 1, "PERSIST",
                     "ERR Only one of EX, PX, EXAT, PXAT or PERSIST arguments can be specified", options) ||
      !parse_time(context, options, deadline_ms)) {
    return;
  }
  const std::span<const Bytes> fields = context.args().subspan(options.fields_at, options.field_count);
  const Key key = context.key(1);
  Entry* entry;
  if (!context.find_for_write(key, Type::kHash, entry)) return;
  if (!entry) return reply_values(context, Values(fields.size()));
  if (options.expiry && has_passed(context, deadline_ms)) {
    const Values values = copy_values(entry->value(), fields);
    if (context.check(remove_fields(context, key, entry, fields))) reply_values(context, values);
    return;
  }
  if (options.expiry || options.is_kept) {
    if (!context.check(change_deadlines(context, key, entry, fields, deadline_ms))) return;
  }
  context.reply().array(fields.size());
  for (Bytes field : fields) {
    const std::optional<Element> value = hash_get(entry->value(), field);
    value ? context.reply_element(*value) : context.reply().null();
  }
}

void hsetex(Context& context) {
  FieldOptions options;
  int64_t deadline_ms;
  if (!parse_options(context, 2, "KEEPTTL",
                     "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified", options) ||
      !parse_time(context, options, deadline_ms)) {
    return;
  }
  const Key key = context.key(1);
  Entry* entry;
  if (!context.find_for_write(key, Type::kHash, entry)) return;
  const Setting setting{options, context.args().subspan(options.fields_at, 2 * options.field_count),
                        deadline_ms};
  if (!setting.is_allowed(entry)) return context.reply().integer(0);
  if (!options.expiry || !has_passed(context, deadline_ms)) return set_fields(context, key, setting);
  // Set and gone at once: what was there of these fields goes, and nothing comes.
  if (entry) {
    std::vector<Bytes> fields;
    for (size_t i = 0; i < setting.pairs.size(); i += 2) fields.push_back(setting.pairs[i]);
    if (!context.check(remove_fields(context, key, entry, fields))) return;
  }
  context.reply().integer(1);
}

}  // namespace strata

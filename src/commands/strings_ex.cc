// MSETEX and INCREX: strings together with their deadlines. Both are logged as the SETs that they amount to.

#include <cmath>
#include <limits>

#include "commands/collections.h"
#include "commands/deadline_options.h"
#include "commands/strings.h"
#include "text/numbers.h"

namespace strata {
namespace {

// SET key value, with the deadline if there is one.
void log_set(Context& context, const Key& key, Bytes value, int64_t deadline_ms) {
  if (deadline_ms == kNoDeadline) return context.effect({"SET", key.name, value});
  char digits[kI64TextBytes];
  context.effect({"SET", key.name, value, "PXAT", Bytes(digits, print_i64(deadline_ms, digits))});
}

// ---- MSETEX ----------------------------------------------------------------------------------------

struct MsetexOptions {
  size_t pairs_end = 0;
  bool if_absent = false;
  bool if_present = false;
  bool keep_deadline = false;
  const DeadlineOption* expiry = nullptr;
  size_t time_index = 0;
};

bool parse_msetex(Context& context, MsetexOptions& options) {
  int64_t count;
  if (!context.parse_integer_in(1, 1, INT32_MAX, count, "ERR invalid numkeys value")) return false;
  if (static_cast<uint64_t>(count) > (context.argc() - 2) / 2) {
    context.reply().error("ERR wrong number of key-value pairs");
    return false;
  }
  options.pairs_end = 2 + 2 * static_cast<size_t>(count);
  for (size_t i = options.pairs_end; i < context.argc(); ++i) {
    const DeadlineOption* expiry = find_deadline_option(context, i);
    const bool has_deadline = options.expiry || options.keep_deadline;
    if (context.is_word(i, "NX") && !options.if_present) {
      options.if_absent = true;
    } else if (context.is_word(i, "XX") && !options.if_absent) {
      options.if_present = true;
    } else if (context.is_word(i, "KEEPTTL") && !options.expiry) {
      options.keep_deadline = true;
    } else if (expiry && !has_deadline && i + 1 < context.argc()) {
      options.expiry = expiry;
      options.time_index = ++i;
    } else {
      return context.syntax_error(), false;
    }
  }
  return true;
}

// ---- INCREX ----------------------------------------------------------------------------------------

struct IncrexOptions {
  size_t by_int = 0;  // indexes of arguments; 0: not given
  size_t by_float = 0;
  size_t lower = 0;
  size_t upper = 0;
  bool saturates = false;
  bool persists = false;
  bool only_without = false;  // ENX
  const DeadlineOption* expiry = nullptr;
  size_t time_index = 0;
};

// An option with an argument, which comes once.
bool take(const Context& context, size_t& i, Bytes word, size_t& index) {
  if (index != 0 || !context.is_word(i, word) || i + 1 >= context.argc()) return false;
  index = ++i;
  return true;
}

bool parse_increx(Context& context, IncrexOptions& options) {
  for (size_t i = 2; i < context.argc(); ++i) {
    const DeadlineOption* expiry = find_deadline_option(context, i);
    if (!options.by_float && take(context, i, "BYINT", options.by_int)) continue;
    if (!options.by_int && take(context, i, "BYFLOAT", options.by_float)) continue;
    if (take(context, i, "LBOUND", options.lower) || take(context, i, "UBOUND", options.upper)) continue;
    if (expiry && !options.expiry && !options.persists && i + 1 < context.argc()) {
      options.expiry = expiry;
      options.time_index = ++i;
    } else if (context.is_word(i, "PERSIST") && !options.expiry) {
      options.persists = true;
    } else if (context.is_word(i, "SATURATE")) {
      options.saturates = true;
    } else if (context.is_word(i, "ENX")) {
      options.only_without = true;
    } else {
      return context.syntax_error(), false;
    }
  }
  if (options.only_without && !options.expiry) return context.syntax_error(), false;
  return true;
}

// A number in one of the two kinds that INCREX knows.
template <typename Number>
struct Counting {
  static constexpr bool kIsFloat = std::is_same_v<Number, long double>;
  Number lower = std::numeric_limits<Number>::lowest();
  Number upper = std::numeric_limits<Number>::max();
  Number by = 1;

  static std::optional<Number> parse(Bytes text) {
    if constexpr (kIsFloat) {
      std::optional<long double> number = parse_long_double(text);
      return number && std::isfinite(*number) ? number : std::nullopt;
    } else {
      return parse_i64(text);
    }
  }
  static bool parse_argument(Context& context, size_t i, Number& number) {
    if (i == 0) return true;
    const std::optional<Number> parsed = parse(context.arg(i));
    if (!parsed) refuse_number(context);
    if (parsed) number = *parsed;
    return parsed.has_value();
  }
  static void refuse_number(Context& context) {
    context.reply().error(kIsFloat ? "ERR value is not a valid float"
                                   : "ERR value is not an integer or out of range");
  }
  // The sum, as far as the bounds go, or none where it is out of bounds and may not stop there.
  std::optional<Number> add(Number now, bool saturates) const {
    Number sum;
    bool is_above, is_below;
    if constexpr (kIsFloat) {
      sum = now + by;
      is_above = sum > upper;
      is_below = sum < lower;
    } else {
      const bool is_over = __builtin_add_overflow(now, by, &sum);
      is_above = is_over ? by > 0 : sum > upper;
      is_below = is_over ? by < 0 : sum < lower;
    }
    if (!is_above && !is_below) return sum;
    if (!saturates) return std::nullopt;
    return is_above ? upper : lower;
  }
  // False: it cannot be said.
  static bool difference(Number after, Number before, Number& delta) {
    if constexpr (kIsFloat) {
      delta = after - before;
      return std::isfinite(delta);
    } else {
      return !__builtin_sub_overflow(after, before, &delta);
    }
  }
  static Bytes print(Number number, char (&digits)[kLongDoubleTextBytes]) {
    if constexpr (kIsFloat) return {digits, print_long_double_human(number, digits)};
    return {digits, print_i64(static_cast<int64_t>(number), digits)};
  }
  static void reply_one(Context& context, Number number) {
    if constexpr (kIsFloat) {
      char digits[kLongDoubleTextBytes];
      const Bytes text = print(number, digits);
      Reply& reply = context.reply();
      if (!reply.resp3()) return reply.bulk(text);
      reply.raw(",");
      reply.raw(text);
      reply.raw("\r\n");
    } else {
      context.reply().integer(number);
    }
  }
  static void reply_both(Context& context, Number now, Number delta) {
    context.reply().array(2);
    reply_one(context, now);
    reply_one(context, delta);
  }
};

// What the key's deadline is to be.
int64_t deadline_after(const IncrexOptions& options, const Entry* entry, int64_t wanted_ms) {
  const int64_t now_has = entry ? entry->deadline_ms() : kNoDeadline;
  if (options.persists) return kNoDeadline;
  if (!options.expiry || (options.only_without && now_has != kNoDeadline)) return now_has;
  return wanted_ms;
}

template <typename Number>
void increment(Context& context, const IncrexOptions& options) {
  using Kind = Counting<Number>;
  Kind counting;
  int64_t wanted_ms = kNoDeadline;
  if (!Kind::parse_argument(context, std::max(options.by_int, options.by_float), counting.by) ||
      !Kind::parse_argument(context, options.lower, counting.lower) ||
      !Kind::parse_argument(context, options.upper, counting.upper)) {
    return;
  }
  if (counting.lower > counting.upper)
    return context.reply().error("ERR LBOUND can't be greater than UBOUND");
  if (options.expiry && !parse_deadline(context, options.time_index, *options.expiry, wanted_ms)) return;

  const Key key = context.key(1);
  Entry* entry;
  if (!context.find_for_write(key, Type::kString, entry)) return;
  char scratch[kIntegerTextBytes];
  const std::optional<Number> now =
      entry ? Kind::parse(element_text(entry->string(), scratch)) : std::optional<Number>(0);
  if (!now) return Kind::refuse_number(context);
  const std::optional<Number> sum = counting.add(*now, options.saturates);
  if (!sum) return Kind::reply_both(context, *now, 0);
  Number delta;
  if (!Kind::difference(*sum, *now, delta)) {
    return context.reply().error(Kind::kIsFloat ? "ERR increment would produce NaN or Infinity"
                                                : "ERR increment or decrement would overflow");
  }
  char digits[kLongDoubleTextBytes];
  const Bytes text = Kind::print(*sum, digits);
  const int64_t deadline_ms = deadline_after(options, entry, wanted_ms);
  if (!context.check(context.database(key).set_string(key, text, deadline_ms, !Kind::kIsFloat))) return;
  log_set(context, key, text, deadline_ms);
  context.changed(key);
  Kind::reply_both(context, *sum, delta);
}

}  // namespace

void msetex(Context& context) {
  MsetexOptions options;
  int64_t wanted_ms = kNoDeadline;
  if (!parse_msetex(context, options)) return;
  if (options.expiry && !parse_deadline(context, options.time_index, *options.expiry, wanted_ms)) return;
  for (size_t i = 2; i < options.pairs_end && (options.if_absent || options.if_present); i += 2) {
    const bool is_there = context.find_for_write(context.key(i)) != nullptr;
    if (is_there == options.if_absent) return context.reply().integer(0);
  }
  for (size_t i = 2; i < options.pairs_end; i += 2) {
    const Key key = context.key(i);
    const Entry* entry = context.find_for_write(key);
    const int64_t deadline_ms = options.keep_deadline && entry ? entry->deadline_ms() : wanted_ms;
    // What has been stored so far stays, and is in the log.
    if (!context.check(context.database(key).set_string(key, context.arg(i + 1), deadline_ms))) return;
    log_set(context, key, context.arg(i + 1), deadline_ms);
    context.changed(key);
  }
  context.reply().integer(1);
}

void increx(Context& context) {
  IncrexOptions options;
  if (!parse_increx(context, options)) return;
  options.by_float ? increment<long double>(context, options) : increment<int64_t>(context, options);
}

}  // namespace strata

#include <algorithm>

#include "commands/generic.h"
#include "text/numbers.h"

namespace strata {
namespace {

struct Conditions {
  bool if_none = false;     // NX: the key has no deadline
  bool if_any = false;      // XX: it has one
  bool if_later = false;    // GT: the new one is later; none counts as infinitely late
  bool if_earlier = false;  // LT

  bool allow(int64_t now_has, int64_t wanted) const {
    bool has_one = now_has != kNoDeadline;
    if (if_none && has_one) return false;
    if (if_any && !has_one) return false;
    if (if_later && (!has_one || wanted <= now_has)) return false;
    if (if_earlier && has_one && wanted >= now_has) return false;
    return true;
  }
};

bool parse_conditions(Context& context, Conditions& conditions) {
  for (size_t i = 3; i < context.argc(); ++i) {
    if (context.is_word(i, "NX")) {
      conditions.if_none = true;
    } else if (context.is_word(i, "XX")) {
      conditions.if_any = true;
    } else if (context.is_word(i, "GT")) {
      conditions.if_later = true;
    } else if (context.is_word(i, "LT")) {
      conditions.if_earlier = true;
    } else {
      context.reply().error("ERR Unsupported option ", context.arg(i));
      return false;
    }
  }
  if (conditions.if_none && (conditions.if_any || conditions.if_later || conditions.if_earlier)) {
    context.reply().error("ERR NX and XX, GT or LT options at the same time are not compatible");
    return false;
  }
  if (conditions.if_later && conditions.if_earlier) {
    context.reply().error("ERR GT and LT options at the same time are not compatible");
    return false;
  }
  return true;
}

void set_deadline(Context& context, int64_t unit_ms, int64_t base_ms) {
  Conditions conditions;
  int64_t deadline_ms;
  if (!parse_conditions(context, conditions) || !context.parse_integer(2, deadline_ms)) return;
  if (__builtin_mul_overflow(deadline_ms, unit_ms, &deadline_ms) ||
      __builtin_add_overflow(deadline_ms, base_ms, &deadline_ms)) {
    return context.reply().error("ERR invalid expire time in '", context.command().name, "' command");
  }
  Key key = context.key(1);
  Entry* entry = context.find_for_write(key);
  if (!entry || !conditions.allow(entry->deadline_ms(), deadline_ms)) return context.reply().integer(0);

  if (deadline_ms > context.now_ms() || !context.keyspace().expiry_enabled()) {
    // While the log is replayed nothing expires, so a deadline before the epoch can get here; 0 is past, too.
    deadline_ms = std::max<int64_t>(deadline_ms, 0);
    if (!context.check(context.database(key).set_deadline(key, entry, deadline_ms))) return;
    context.changed(key);
    char digits[kI64TextBytes];
    context.effect({"PEXPIREAT", key.name, Bytes(digits, print_i64(deadline_ms, digits))});
  } else {
    context.erase(key);
    context.effect({"DEL", key.name});
  }
  context.reply().integer(1);
}

// -2: no such key; -1: it has no deadline.
void reply_deadline(Context& context, int64_t unit_ms, int64_t base_ms) {
  context.set_touches_access(false);
  const Entry* entry = context.find(context.key(1));
  if (!entry) return context.reply().integer(-2);
  if (!entry->has_deadline()) return context.reply().integer(-1);
  int64_t time_ms = std::max<int64_t>(entry->deadline_ms() - base_ms, 0);
  if (unit_ms == 1) return context.reply().integer(time_ms);
  context.reply().integer(time_ms / unit_ms + (time_ms % unit_ms >= unit_ms / 2));  // to the nearest
}

}  // namespace

void expire(Context& context) { set_deadline(context, 1000, context.now_ms()); }
void pexpire(Context& context) { set_deadline(context, 1, context.now_ms()); }
void expireat(Context& context) { set_deadline(context, 1000, 0); }
void pexpireat(Context& context) { set_deadline(context, 1, 0); }
void ttl(Context& context) { reply_deadline(context, 1000, context.now_ms()); }
void pttl(Context& context) { reply_deadline(context, 1, context.now_ms()); }
void expiretime(Context& context) { reply_deadline(context, 1000, 0); }
void pexpiretime(Context& context) { reply_deadline(context, 1, 0); }

void persist(Context& context) {
  Key key = context.key(1);
  Entry* entry = context.find_for_write(key);
  if (!entry || !context.database(key).clear_deadline(key, entry)) return context.reply().integer(0);
  context.changed(key);
  context.reply().integer(1);
}

}  // namespace strata

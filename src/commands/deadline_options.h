// EX, PX, EXAT and PXAT, as SET, GETEX, HSETEX and others have them.

#pragma once

#include "commands/context.h"

namespace strata {

struct DeadlineOption {
  Bytes word;
  int64_t unit_ms;
  bool is_relative;
};
inline constexpr DeadlineOption kDeadlineOptions[] = {
    {"EX", 1000, true}, {"PX", 1, true}, {"EXAT", 1000, false}, {"PXAT", 1, false}};

// The option that args[i] is; null if it is none.
inline const DeadlineOption* find_deadline_option(const Context& context, size_t i) {
  for (const DeadlineOption& option : kDeadlineOptions) {
    if (context.is_word(i, option.word)) return &option;
  }
  return nullptr;
}

// Reads args[i] as a deadline; it must lie after the epoch and not beyond `latest_ms`. False: the error was
// replied.
inline bool parse_deadline(Context& context, size_t i, const DeadlineOption& option, int64_t& deadline_ms,
                           int64_t latest_ms = INT64_MAX) {
  int64_t time;
  if (!context.parse_integer(i, time)) return false;
  bool valid = time > 0 && !__builtin_mul_overflow(time, option.unit_ms, &deadline_ms);
  if (valid && option.is_relative) {
    valid = !__builtin_add_overflow(deadline_ms, context.now_ms(), &deadline_ms);
  }
  valid = valid && deadline_ms <= latest_ms;
  if (!valid) context.reply().error("ERR invalid expire time in '", context.command().name, "' command");
  return valid;
}

}  // namespace strata

#include "commands/blocking.h"

#include <cmath>

#include "commands/context.h"
#include "text/numbers.h"

namespace strata {

bool BlockedCommand::can_serve(const Key&, const Entry*) const { return true; }

int64_t BlockedCommand::wake_at_ms(const Key&, const Entry*) const { return kNeverMs; }

void BlockedCommand::time_out(Reply& reply) { reply.null_array(); }

// Redis 7.0 takes what is too large for its integers, infinity too, for negative; later versions say what is
// true, and so do we.
bool parse_timeout(Context& context, size_t i, int64_t& timeout_ms) {
  auto seconds = parse_long_double(context.arg(i));
  if (!seconds) return context.reply().error("ERR timeout is not a float or out of range"), false;
  const long double ms = std::ceil(*seconds * 1000);
  if (ms < 0) return context.reply().error("ERR timeout is negative"), false;
  const auto limit = static_cast<long double>(INT64_MAX - context.now_ms());
  if (ms > limit) return context.reply().error("ERR timeout is out of range"), false;
  timeout_ms = static_cast<int64_t>(ms);
  return true;
}

}  // namespace strata

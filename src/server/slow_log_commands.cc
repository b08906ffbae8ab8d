// SLOWLOG. Read from the bottom: the table, then the handlers.

#include "commands/context.h"
#include "commands/help.h"
#include "server/server.h"
#include "server/server_tables.h"
#include "server/slow_log.h"

namespace strata {
namespace {

constexpr int64_t kShownByDefault = 10;

SlowLog& slow_log(Context& context) { return context.session()->server->slow_log(); }

// SLOWLOG GET [count]
void get(Context& context) {
  if (context.argc() > 3) {
    return context.reply().error("ERR unknown subcommand or wrong number of arguments for '", context.arg(1),
                                 "'. Try SLOWLOG HELP.");
  }
  int64_t count = kShownByDefault;
  constexpr Bytes kError = "ERR count should be greater than or equal to -1";
  if (context.argc() == 3 && !context.parse_integer_in(2, -1, INT64_MAX, count, kError)) return;
  auto entries = slow_log(context).newest(count < 0 ? SIZE_MAX : static_cast<size_t>(count));
  Reply& reply = context.reply();
  reply.array(entries.size());
  for (const SlowLogEntry& entry : entries) {
    reply.array(6);
    reply.integer(entry.id);
    reply.integer(entry.unix_time_s);
    reply.integer(static_cast<int64_t>(entry.duration_us));
    reply.array(entry.args.size());
    for (const std::string& arg : entry.args) reply.bulk(arg);
    reply.bulk(entry.client_address);
    reply.bulk(entry.client_name);
  }
}

void len(Context& context) { context.reply().integer(static_cast<int64_t>(slow_log(context).length())); }

void reset(Context& context) {
  slow_log(context).reset();
  context.reply().ok();
}

void help(Context& context) {
  reply_help(
      context, "SLOWLOG",
      {"GET [<count>]", "    Return top <count> entries from the slowlog (default: 10, -1 mean all).",
       "    Entries are made of:",
       "    id, timestamp, time in microseconds, arguments array, client IP and port,", "    client name",
       "LEN", "    Return the length of the slowlog.", "RESET", "    Reset the slowlog."});
}

constexpr uint32_t kFlags = kAdmin | kLoading | kStale | kConnection;

}  // namespace

constexpr Command kSlowLogSubcommands[] = {
    {.name = "get",
     .syntax = "[count]",
     .flags = kFlags,
     .since = "2.2.12",
     .complexity = "O(N) where N is the number of entries returned",
     .summary = "Returns the slow log's entries.",
     .run = get,
     .history = "4.0.0=Added client IP address, port and name to the reply.",
     .tips = "request_policy:all_nodes|nondeterministic_output"},
    {.name = "help",
     .flags = kLoading | kStale | kConnection,
     .since = "6.2.0",
     .summary = "Show helpful text about the different subcommands",
     .run = help},
    {.name = "len",
     .flags = kFlags,
     .since = "2.2.12",
     .summary = "Returns the number of entries in the slow log.",
     .run = len,
     .tips = "request_policy:all_nodes|response_policy:agg_sum|nondeterministic_output"},
    {.name = "reset",
     .flags = kFlags,
     .since = "2.2.12",
     .complexity = "O(N) where N is the number of entries in the slowlog",
     .summary = "Clears all entries from the slow log.",
     .run = reset,
     .tips = "request_policy:all_nodes|response_policy:all_succeeded"},
};
static_assert(well_formed(kSlowLogSubcommands));

}  // namespace strata

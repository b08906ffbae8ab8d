// Read from the bottom: the table, then the handlers.

#include "server/durability_commands.h"

#include <algorithm>
#include <memory>
#include <optional>

#include "commands/context.h"
#include "server/connection.h"
#include "server/dispatcher.h"
#include "server/server.h"
#include "server/worker.h"
#include "text/ascii.h"

namespace strata {
namespace {

std::optional<Durability> parse_level(Bytes word) {
  if (iequals(word, "none")) return Durability::kNone;
  if (iequals(word, "memory")) return Durability::kMemory;
  if (iequals(word, "disk")) return Durability::kDisk;
  return {};
}

// Milliseconds; 0: for ever.
bool parse_timeout_ms(Context& context, size_t i, int64_t& timeout_ms) {
  if (!context.parse_integer(i, timeout_ms, "ERR timeout is not an integer or out of range")) return false;
  if (timeout_ms < 0) return context.reply().error("ERR timeout is negative"), false;
  timeout_ms = std::min(timeout_ms, INT64_MAX - context.now_ms());
  return true;
}

class BlockedWait final : public BlockedCommand {
 public:
  void serve(Context&, const Key&) override { STRATA_ASSERT(false, "WAIT waits for no key"); }
  void time_out(Reply& reply) override { reply.integer(0); }
};

// How far the log is when the wait ends, whatever ended it.
class BlockedWaitAof final : public BlockedCommand {
 public:
  BlockedWaitAof(const LogSwitch& log_switch, uint64_t sequence, bool waits_for_log)
      : log_switch_(log_switch), sequence_(sequence), waits_for_log_(waits_for_log) {}
  void serve(Context&, const Key&) override { STRATA_ASSERT(false, "WAITAOF waits for no key"); }
  void time_out(Reply& reply) override {
    const OpLog* log = log_switch_.last_log();
    if (waits_for_log_ && !is_durable() && log && log->failed())
      return reply.error(
          "MISCONF Errors writing to the AOF file: earlier writes are not known to be durable");
    reply.array(2);
    reply.integer(is_durable() ? 1 : 0);
    reply.integer(0);
  }
  // Where the log is only wanted yet, what was written before must get into its base.
  bool is_durable() const {
    const OpLog* log = log_switch_.last_log();
    return log && !log_switch_.waits_to_begin() && log->is_durable(sequence_);
  }

 private:
  const LogSwitch& log_switch_;
  const uint64_t sequence_;
  const bool waits_for_log_;
};

// WAIT numreplicas timeout. There are no replicas yet, so only the timeout ends a wait for one.
void wait(Context& context) {
  int64_t replicas, timeout_ms;
  if (!context.parse_integer(1, replicas)) return;
  if (!parse_timeout_ms(context, 2, timeout_ms)) return;
  if (replicas <= 0 || !context.may_block()) return context.reply().integer(0);
  context.block({.command = std::make_unique<BlockedWait>(), .timeout_ms = timeout_ms, .last_key = 0});
}

// WAITAOF numlocal numreplicas timeout
void waitaof(Context& context) {
  int64_t local, replicas, timeout_ms;
  if (!context.parse_integer(1, local)) return;
  if (local < 0 || local > 1)
    return context.reply().error("ERR value is out of range, value must between 0 and 1");
  constexpr Bytes kNotPositive = "ERR value is out of range, must be positive";
  if (!context.parse_integer(2, replicas, kNotPositive)) return;
  if (replicas < 0) return context.reply().error(kNotPositive);
  if (!parse_timeout_ms(context, 3, timeout_ms)) return;
  Session& session = *context.session();
  OpLog* log = session.server->log();
  const LogSwitch& log_switch = session.server->log_switch();
  if (local == 1 && !log && !log_switch.is_wanted()) {
    return context.reply().error(
        "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.");
  }
  auto command = std::make_unique<BlockedWaitAof>(log_switch, session.last_write_sequence, local == 1);
  const bool is_local_done = local == 0 || command->is_durable() || (log && log->failed());
  if ((replicas == 0 && is_local_done) || !context.may_block()) return command->time_out(context.reply());
  context.block({.command = std::move(command),
                 .timeout_ms = timeout_ms,
                 .last_key = 0,
                 .until_durable = replicas == 0 ? std::optional(session.last_write_sequence) : std::nullopt});
}

constexpr const char* kWaitTips = "request_policy:all_shards|response_policy:agg_min";

constexpr Command kCommands[] = {
    {.name = "wait",
     .syntax = "numreplicas timeout",
     .flags = kNoScript,
     .acl = kAclConnection,
     .since = "3.0.0",
     .summary = "Blocks until the asynchronous replication of all preceding write commands sent by the "
                "connection is completed.",
     .run = wait,
     .tips = kWaitTips},
    {.name = "waitaof",
     .syntax = "numlocal numreplicas timeout",
     .flags = kNoScript,
     .acl = kAclConnection,
     .since = "7.2.0",
     .summary = "Blocks until all of the preceding write commands sent by the connection are written to the "
                "append-only file of the master and/or replicas.",
     .run = waitaof,
     .tips = kWaitTips},
};
static_assert(well_formed(kCommands));

}  // namespace

const CommandGroup kDurabilityGroup{"generic", kCommands};

void set_durability(Session& session, Durability level) {
  session.set(Session::kDurabilityNext | Session::kDurabilityOnce, false);
  session.durability = level;
  session.worker->dispatcher().set_durability_now(session, level);
}

// CLIENT DURABILITY [NEXT] level
void client_durability(Context& context) {
  const bool is_next = context.argc() == 4 && context.is_word(2, "NEXT");
  if (context.argc() != 3 && !is_next) return context.syntax_error();
  const std::optional<Durability> level = parse_level(context.arg(context.argc() - 1));
  if (!level) return context.syntax_error();
  Session& session = *context.session();
  Server& server = *session.server;
  const bool is_loading = server.alerts() & kAlertLoading;
  const bool has_log = server.sink() || (is_loading && server.options().append_only);
  if (*level == Durability::kDisk && !has_log)
    return context.reply().error("ERR CLIENT DURABILITY DISK cannot be used when appendonly is disabled.");
  if (is_next) {
    session.durability_next = *level;
    session.set(Session::kDurabilityNext);
  } else {
    set_durability(session, *level);
  }
  context.reply().ok();
}

}  // namespace strata

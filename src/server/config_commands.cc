// CONFIG. Read from the bottom: the table, then the handlers.

#include <mutex>

#include "base/assert.h"
#include "commands/blocking.h"
#include "commands/context.h"
#include "commands/help.h"
#include "server/client_list.h"
#include "server/config.h"
#include "server/server.h"
#include "server/server_tables.h"
#include "server/worker.h"

namespace strata {
namespace {

void get(Context& context) {
  Server& server = *context.session()->server;
  std::vector<std::pair<std::string, std::string>> values;
  {
    std::lock_guard lock(server.configuration_mutex());
    values = server.configuration().get(context.args().subspan(2));
  }
  context.reply().map(values.size());
  for (const auto& [name, value] : values) {
    context.reply().bulk(name);
    context.reply().bulk(value);
  }
}

class BlockedUntilLogEnds final : public BlockedCommand {
 public:
  void serve(Context&, const Key&) override { STRATA_ASSERT(false, "CONFIG waits for no key"); }
  void time_out(Reply& reply) override { reply.ok(); }
};

// Runs while all shards are held, because handlers read the limits of encodings there without a lock.
void set(Context& context) {
  if (context.argc() % 2 != 0) return context.syntax_error();
  Server& server = *context.session()->server;
  const Options& o = server.options();
  std::lock_guard lock(server.configuration_mutex());
  const bool was_ending = server.log_switch().is_ending();
  bool may_protected =
      o.enable_protected_configs || (o.enable_protected_configs_local && is_local(*context.session()));
  auto done = server.configuration().set(context.args().subspan(2), &server, may_protected);
  if (!done) return context.reply().error(done.error());
  // The reply to "appendonly no" comes when the log is synced, as with Redis.
  const bool waits = server.log_switch().is_ending() && !was_ending && context.may_block();
  if (!waits) return context.reply().ok();
  context.block(
      {.command = std::make_unique<BlockedUntilLogEnds>(), .last_key = 0, .until_durable = kUntilLogEnds});
}

void rewrite(Context& context) {
  Server& server = *context.session()->server;
  std::lock_guard lock(server.configuration_mutex());
  auto done = server.configuration().rewrite();
  done ? context.reply().ok() : context.reply().error(done.error());
}

// Counters of other threads are set to zero from here; what such a thread counts at that very moment may
// survive.
void resetstat(Context& context) {
  Server& server = *context.session()->server;
  for (auto& worker : server.workers()) {
    worker->metrics().reset();
    worker->reset_longest();
    worker->keyspace_counters().hits.store(0, std::memory_order_relaxed);
    worker->keyspace_counters().misses.store(0, std::memory_order_relaxed);
  }
  Keyspace& keyspace = context.keyspace();
  for (uint32_t s = 0; s < keyspace.shard_count(); ++s) {
    keyspace.shard(s).expired_count.store(0, std::memory_order_relaxed);
    keyspace.shard(s).expired_field_count.store(0, std::memory_order_relaxed);
    keyspace.shard(s).expiry_lag_ms_max.store(0, std::memory_order_relaxed);
  }
  context.reply().ok();
}

void help(Context& context) {
  reply_help(context, "CONFIG",
             {"GET <pattern>", "    Return parameters matching the glob-like <pattern> and their values.",
              "SET <directive> <value>", "    Set the configuration <directive> to <value>.", "RESETSTAT",
              "    Reset statistics reported by the INFO command.", "REWRITE",
              "    Rewrite the configuration file."});
}

constexpr uint32_t kFlags = kAdmin | kNoScript | kLoading | kStale;

}  // namespace

constexpr Command kConfigSubcommands[] = {
    {.name = "get",
     .syntax = "parameter [parameter ...]",
     .flags = kFlags | kConnection,
     .since = "2.0.0",
     .complexity = "O(N) when N is the number of configuration parameters provided",
     .summary = "Returns the effective values of configuration parameters.",
     .run = get,
     .history = "7.0.0=Added the ability to pass multiple pattern parameters in one call"},
    {.name = "help",
     .flags = kLoading | kStale | kConnection,
     .since = "5.0.0",
     .summary = "Returns helpful text about the different subcommands.",
     .run = help},
    {.name = "resetstat",
     .flags = kFlags | kConnection,
     .since = "2.0.0",
     .summary = "Resets the server's statistics.",
     .run = resetstat,
     .tips = "request_policy:all_nodes|response_policy:all_succeeded"},
    {.name = "rewrite",
     .flags = kFlags | kConnection,
     .since = "2.8.0",
     .summary = "Persists the effective configuration to file.",
     .run = rewrite,
     .tips = "request_policy:all_nodes|response_policy:all_succeeded"},
    {.name = "set",
     .syntax = "parameter value [parameter value ...]",
     .flags = kFlags | kAllShards,
     .since = "2.0.0",
     .complexity = "O(N) when N is the number of configuration parameters provided",
     .summary = "Sets configuration parameters in-flight.",
     .run = set,
     .history = "7.0.0=Added the ability to set multiple parameters in one call.",
     .tips = "request_policy:all_nodes|response_policy:all_succeeded"},
};
static_assert(well_formed(kConfigSubcommands));

}  // namespace strata

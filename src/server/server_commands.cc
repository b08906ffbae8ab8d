// Commands about the server as a whole. Read from the bottom: the table, then the handlers that have no file
// of their own.

#include "commands/context.h"
#include "platform/clock.h"
#include "server/commands.h"
#include "server/connection.h"
#include "server/server.h"
#include "server/server_tables.h"
#include "server/worker.h"

namespace strata {
namespace {

Server& server_of(Context& context) { return *context.session()->server; }

// All shards are held, here and in bgsave(): the snapshot begins at once. In a transaction it is scheduled,
// as in Redis, because the transaction is only half done.
bool is_in_transaction(Context& context) { return !context.may_slice(); }

void bgrewriteaof(Context& context) {
  using enum BackgroundSave::Kind;
  BackgroundSave& background = server_of(context).background_save();
  if (background.running() == kRewrite) {
    return context.reply().error("ERR Background append only file rewriting already in progress");
  }
  const bool must_wait = server_of(context).log_switch().must_end_first();
  if (background.running() != kNone || is_in_transaction(context) || must_wait) {
    background.schedule(kRewrite);
    background.forget_rewrite_failures();
    return context.reply().simple("Background append only file rewriting scheduled");
  }
  if (background.begin(kRewrite))
    return context.reply().simple("Background append only file rewriting started");
  context.reply().error(
      "ERR Can't execute an AOF background rewriting. Please check the server logs for more information.");
}

// BGSAVE [SCHEDULE]
void bgsave(Context& context) {
  using enum BackgroundSave::Kind;
  if (context.argc() > 2 || (context.argc() == 2 && !context.is_word(1, "SCHEDULE")))
    return context.syntax_error();
  BackgroundSave& background = server_of(context).background_save();
  if (background.running() == kSave) return context.reply().error("ERR Background save already in progress");
  if (background.running() != kNone || is_in_transaction(context)) {
    if (context.argc() == 1 && !is_in_transaction(context)) {
      return context.reply().error(
          "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order "
          "to "
          "schedule a BGSAVE whenever possible.");
    }
    background.schedule(kSave);
    return context.reply().simple("Background saving scheduled");
  }
  static_cast<void>(background.begin(kSave));
  context.reply().simple("Background saving started");
}

void lastsave(Context& context) { context.reply().integer(server_of(context).save_state().last_save_s); }

// Subcommands have rows of their own.
void command(Context& context) { command_all(context); }

// All shards are held.
void save(Context& context) {
  if (server_of(context).background_save().running() == BackgroundSave::Kind::kSave)
    return context.reply().error("ERR Background save already in progress");
  if (context.check(server_of(context).save_held())) context.reply().ok();
}

struct ShutdownOptions {
  Server::SaveChoice save = Server::SaveChoice::kAsConfigured;
  bool now = false;
  bool force = false;
  bool abort = false;
};

bool parse_shutdown(Context& context, ShutdownOptions& options) {
  using enum Server::SaveChoice;
  for (size_t i = 1; i < context.argc(); ++i) {
    if (context.is_word(i, "NOSAVE") && options.save != kYes) {
      options.save = kNo;
    } else if (context.is_word(i, "SAVE") && options.save != kNo) {
      options.save = kYes;
    } else if (context.is_word(i, "NOW")) {
      options.now = true;
    } else if (context.is_word(i, "FORCE")) {
      options.force = true;
    } else if (context.is_word(i, "ABORT")) {
      options.abort = true;
    } else {
      return context.syntax_error(), false;
    }
  }
  bool has_others = options.save != kAsConfigured || options.now || options.force;
  if (options.abort && has_others) return context.syntax_error(), false;
  return true;
}

// On any thread: the client waits no longer, unless it has gone.
void refuse_shutdown(Worker& worker, uint64_t client_id) {
  worker.loop().post([&worker, client_id] {
    Connection* waiting = nullptr;
    worker.for_each_connection([&](Connection& connection) {
      if (connection.session().id == client_id) waiting = &connection;
    });
    if (!waiting || waiting->stall_reason() != Stall::kPaused) return;
    waiting->reply().error("ERR Errors trying to SHUTDOWN. Check logs.");
    worker.mark_dirty(*waiting);
    waiting->resume();
  });
}

// SHUTDOWN [NOSAVE | SAVE] [NOW] [FORCE] [ABORT]. There are no replicas to wait for, so NOW changes nothing
// and there is never a shutdown to abort. There is no answer, but when saving fails, and with it the
// shutdown.
void shutdown(Context& context) {
  ShutdownOptions options;
  if (!parse_shutdown(context, options)) return;
  if (options.abort) return context.reply().error("ERR No shutdown in progress.");
  Server& server = server_of(context);
  if (options.force) return server.request_stop(options.save, 0);
  Worker* worker = context.session()->worker;
  uint64_t client_id = context.session()->id;
  context.session()->connection->stall(Stall::kPaused);
  server.save_and_stop(options.save, 0, [worker, client_id] { refuse_shutdown(*worker, client_id); });
}

void time(Context& context) {
  int64_t now_us = system_clock().wall_us();
  context.reply().array(2);
  context.reply().bulk_integer(now_us / 1'000'000);
  context.reply().bulk_integer(now_us % 1'000'000);
}

constexpr uint32_t kSaving = kAdmin | kNoScript | kNoAsyncLoading;

constexpr Command kCommands[] = {
    {.name = "bgrewriteaof",
     .flags = kSaving | kAllShards,
     .summary = "Asynchronously rewrites the append-only file to disk.",
     .run = bgrewriteaof},
    {.name = "bgsave",
     .syntax = "[SCHEDULE]",
     .flags = kSaving | kAllShards,
     .summary = "Asynchronously saves the database(s) to disk.",
     .run = bgsave,
     .history = "3.2.2=Added the `SCHEDULE` option."},
    {.name = "command",
     .syntax = "[argument ...]",
     .flags = kLoading | kStale | kConnection,
     .acl = kAclConnection,
     .since = "2.8.13",
     .complexity = "O(N) where N is the total number of Redis commands",
     .summary = "Returns detailed information about all commands.",
     .run = command,
     .subcommands = kCommandSubcommands,
     .tips = "nondeterministic_output_order"},
    {.name = "config",
     .since = "2.0.0",
     .complexity = "Depends on subcommand.",
     .summary = "A container for server configuration commands.",
     .subcommands = kConfigSubcommands},
    {.name = "debug",
     .syntax = "subcommand [argument ...]",
     .flags = kAdmin | kNoScript | kLoading | kStale | kAllShards,
     .complexity = "Depends on subcommand.",
     .summary = "A container for debugging commands.",
     .run = debug},
    {.name = "info",
     .syntax = "[section [section ...]]",
     .flags = kLoading | kStale | kConnection,
     .acl = kAclDangerous,
     .summary = "Returns information and statistics about the server.",
     .run = info,
     .history = "7.0.0=Added support for taking multiple section arguments.",
     .tips = "nondeterministic_output|request_policy:all_shards|response_policy:special"},
    {.name = "lastsave",
     .flags = kLoading | kStale | kFast | kConnection,
     .acl = kAclAdmin | kAclDangerous,
     .summary = "Returns the Unix timestamp of the last successful save to disk.",
     .run = lastsave,
     .tips = "nondeterministic_output"},
    {.name = "memory",
     .since = "4.0.0",
     .complexity = "Depends on subcommand.",
     .summary = "A container for memory diagnostics commands.",
     .subcommands = kMemorySubcommands},
    {.name = "save",
     .flags = kSaving | kNoMulti | kAllShards,
     .complexity = "O(N) where N is the total number of keys in all databases",
     .summary = "Synchronously saves the database(s) to disk.",
     .run = save},
    {.name = "shutdown",
     .syntax = "[NOSAVE | SAVE] [NOW] [FORCE] [ABORT]",
     .flags = kAdmin | kNoScript | kLoading | kStale | kNoMulti | kAllowBusy | kConnection,
     .complexity =
         "O(N) when saving, where N is the total number of keys in all databases when saving data, otherwise "
         "O(1)",
     .summary = "Synchronously saves the database(s) to disk and shuts down the Redis server.",
     .run = shutdown,
     .history = "7.0.0=Added the `NOW`, `FORCE` and `ABORT` modifiers."},
    {.name = "slowlog",
     .since = "2.2.12",
     .complexity = "Depends on subcommand.",
     .summary = "A container for slow log commands.",
     .subcommands = kSlowLogSubcommands},
    {.name = "time",
     .flags = kLoading | kStale | kFast | kConnection,
     .since = "2.6.0",
     .summary = "Returns the server time.",
     .run = time,
     .tips = "nondeterministic_output"},
};
static_assert(well_formed(kCommands));

}  // namespace

const CommandGroup kServerGroup{"server", kCommands};

}  // namespace strata

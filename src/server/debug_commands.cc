// DEBUG: for tests, off unless enable-debug-command says otherwise. Runs while all shards are held, SLEEP
// too: then the whole database stands still, as in Redis. Read from the bottom: the table of subcommands,
// then what they do.

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <thread>

#include "commands/context.h"
#include "commands/help.h"
#include "persistence/rdb_writer.h"
#include "platform/file_system.h"
#include "server/client_list.h"
#include "server/debug_digest.h"
#include "server/debug_reload.h"
#include "server/server.h"
#include "server/server_tables.h"
#include "text/ascii.h"
#include "text/numbers.h"

namespace strata {
namespace {

constexpr double kSleepSecondsMax = 86400;

// Writes nothing and counts.
class NowhereFile final : public FileImplementation {
 public:
  Result<size_t> read_at(uint64_t, MutableBytes) override { return 0; }
  Status write_at(uint64_t, Bytes) override { return {}; }
  Status append(Bytes) override { return {}; }
  Status sync_data() override { return {}; }
  Status sync_all() override { return {}; }
  Status truncate(uint64_t) override { return {}; }
  Result<uint64_t> size() override { return 0; }
  void prefetch(uint64_t, uint64_t) override {}
};

// What the value takes in an RDB file, without key, type and deadline.
uint64_t serialized_bytes(const Entry& entry) {
  File nowhere(std::make_unique<NowhereFile>());
  RdbOutput with_key(nowhere, {});
  with_key.string(entry.key());
  RdbWriter writer(nowhere);
  static_cast<void>(writer.begin({}));
  static_cast<void>(writer.select(0, 1, 0));
  uint64_t before = writer.bytes();
  static_cast<void>(writer.add(entry));
  constexpr uint64_t kTypeBytes = 1, kDeadlineBytes = 9;
  return writer.bytes() - before - kTypeBytes - with_key.bytes() -
         (entry.has_deadline() ? kDeadlineBytes : 0);
}

void object(Context& context) {
  Entry* entry = context.find_in(context.key(2), context.db());
  if (!entry) return context.reply().error("ERR no such key");
  uint32_t idle_s = (access_clock(context.now_ms()) - entry->access_clock) & kAccessClockMask;
  context.reply().simple(
      fmt::format("Value at:{} refcount:1 encoding:{} serializedlength:{} lru:{} lru_seconds_idle:{}",
                  static_cast<const void*>(entry), encoding_name(*entry), serialized_bytes(*entry),
                  uint32_t{entry->access_clock}, idle_s));
}

void sleep(Context& context) {
  double seconds = parse_double(context.arg(2)).value_or(0);
  seconds = std::clamp(seconds, 0.0, kSleepSecondsMax);
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  context.reply().ok();
}

void set_active_expire(Context& context) {
  context.keyspace().enable_active_expiry(parse_i64(context.arg(2)).value_or(0) != 0);
  context.reply().ok();
}

// DEBUG POPULATE count [prefix] [size]. Keys that exist stay. As in Redis nothing of it is logged.
void populate(Context& context) {
  constexpr Bytes kNotPositive = "ERR value is out of range, must be positive";
  int64_t count, size = 0;
  if (!context.parse_integer_in(2, 0, INT64_MAX, count, kNotPositive)) return;
  Bytes prefix = context.argc() > 3 ? context.arg(3) : "key";
  int64_t most = context.options().max_bulk_bytes;
  if (context.argc() > 4 && !context.parse_integer_in(4, 0, most, size, kNotPositive)) return;
  for (int64_t i = 0; i < count; ++i) {
    std::string name = fmt::format("{}:{}", prefix, i);
    std::string value = fmt::format("value:{}", i);
    if (size > 0) value.resize(static_cast<size_t>(size));
    Key key = context.keyspace().key(name);
    Database& database = context.database(key);
    if (database.find(key)) continue;
    if (!context.check(database.set_string(key, value, kNoDeadline))) return;
  }
  context.reply().ok();
}

void reply_outcome(Context& context, const std::expected<void, std::string>& outcome) {
  outcome ? context.reply().ok() : context.reply().error(outcome.error());
}

// DEBUG RELOAD [MERGE] [NOFLUSH] [NOSAVE]
void reload(Context& context) {
  ReloadOptions options;
  for (size_t i = 2; i < context.argc(); ++i) {
    if (context.is_word(i, "NOSAVE")) {
      options.saves = false;
    } else if (context.is_word(i, "NOFLUSH")) {
      options.flushes = false;
    } else if (context.is_word(i, "MERGE")) {
      return context.reply().error("ERR DEBUG RELOAD MERGE is not supported");
    } else {
      return context.reply().error("ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.");
    }
  }
  Server& server = *context.session()->server;
  bool keeps_data = options.saves && options.flushes;
  if (!keeps_data && server.log()) {
    return context.reply().error(
        "ERR DEBUG RELOAD NOSAVE and NOFLUSH need 'appendonly no': the log would not know");
  }
  reply_outcome(context, reload_dump(server, options));
}

void load_log(Context& context) { reply_outcome(context, reload_log(*context.session()->server)); }

void digest(Context& context) { context.reply().simple(digest_of(context.keyspace()).hex()); }

void digest_value(Context& context) {
  context.reply().array(context.argc() - 2);
  for (size_t i = 2; i < context.argc(); ++i) {
    Digest one;
    if (Entry* entry = context.find_in(context.key(i), context.db())) one.take(*entry);
    context.reply().simple(one.hex());
  }
}

void help(Context& context) {
  reply_help(context, "DEBUG",
             {"DIGEST",
              "    Output a hex signature representing the current DB content, equal to redis-server's.",
              "DIGEST-VALUE <key> [<key> ...]",
              "    Output a hex signature of the values of all the specified keys.",
              "LOADAOF",
              "    Flush the AOF buffers on disk and reload the AOF in memory.",
              "OBJECT <key>",
              "    Show low level info about `key` and associated value.",
              "POPULATE <count> [<prefix>] [<size>]",
              "    Create <count> string keys named key:<num>. If <prefix> is specified then",
              "    it is used instead of the 'key' prefix. They are not logged.",
              "RELOAD [option ...]",
              "    Save the RDB on disk and reload it back to memory. Valid <option> values:",
              "    * NOFLUSH: the existing database will not be removed before load.",
              "    * NOSAVE: the database will be loaded from an existing RDB file.",
              "SET-ACTIVE-EXPIRE <0|1>",
              "    Setting it to 0 disables expiring keys in background when they are not",
              "    accessed. Setting it to 1 reenables back the default.",
              "SLEEP <seconds>",
              "    Stop the server for <seconds>. Decimals allowed."});
}

struct Subcommand {
  const char* name;
  size_t arguments_min;
  size_t arguments_max;
  Handler run;
};

constexpr Subcommand kSubcommands[] = {
    {"DIGEST", 0, 0, digest},
    {"DIGEST-VALUE", 0, SIZE_MAX, digest_value},
    {"HELP", 0, 0, help},
    {"LOADAOF", 0, 0, load_log},
    {"OBJECT", 1, 1, object},
    {"POPULATE", 1, 3, populate},
    {"RELOAD", 0, SIZE_MAX, reload},
    {"SET-ACTIVE-EXPIRE", 1, 1, set_active_expire},
    {"SLEEP", 1, 1, sleep},
};

// Also of Redis's, which answer about its own insides.
constexpr const char* kNotHere[] = {
    "AOF-FLUSH-SLEEP",
    "ASSERT",
    "CHANGE-REPL-ID",
    "CLIENT-EVICTION",
    "CLUSTERLINK",
    "CONFIG-REWRITE-FORCE-ALL",
    "CRASH-AND-RECOVER",
    "DICT-RESIZING",
    "DROP-CLUSTER-PACKET-FILTER",
    "ERROR",
    "HTSTATS",
    "HTSTATS-KEY",
    "JMAP",
    "LEAK",
    "LISTPACK",
    "LOG",
    "MALLCTL",
    "MALLCTL-STR",
    "OOM",
    "PANIC",
    "PAUSE-CRON",
    "PROTOCOL",
    "QUICKLIST",
    "QUICKLIST-PACKED-THRESHOLD",
    "REPLICATE",
    "REPLYBUFFER",
    "RESTART",
    "SDSLEN",
    "SEGFAULT",
    "SET-SKIP-CHECKSUM-VALIDATION",
    "STREAM",
    "STRINGMATCH-TEST",
    "STRUCTSIZE",
    "ZIPLIST",
};

}  // namespace

void debug(Context& context) {
  const Options& o = context.session()->server->options();
  bool is_allowed = o.enable_debug_command || (o.enable_debug_command_local && is_local(*context.session()));
  if (!is_allowed) {
    return context.reply().error(
        "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run "
        "it from a "
        "local connection, otherwise you need to set this option in the configuration file, and then restart "
        "the "
        "server.");
  }
  size_t arguments = context.argc() - 2;
  for (const Subcommand& subcommand : kSubcommands) {
    bool fits = arguments >= subcommand.arguments_min && arguments <= subcommand.arguments_max;
    if (fits && iequals(subcommand.name, context.arg(1))) return subcommand.run(context);
  }
  for (const char* name : kNotHere) {
    if (iequals(name, context.arg(1))) return context.reply().error("ERR DEBUG ", name, " is not supported");
  }
  context.reply().error("ERR unknown subcommand or wrong number of arguments for '", context.arg(1),
                        "'. Try DEBUG HELP.");
}

}  // namespace strata

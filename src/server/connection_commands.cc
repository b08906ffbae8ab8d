// Commands about the connection itself. Read from the bottom: the table, then the handlers.

#include "commands/context.h"
#include "server/authentication.h"
#include "server/client_commands.h"
#include "server/commands.h"
#include "server/connection.h"
#include "server/durability_commands.h"
#include "server/server.h"
#include "server/transactions.h"
#include "server/worker.h"
#include "text/ascii.h"
#include "text/numbers.h"

namespace strata {
namespace {

void set_protocol(Context& context, int version) {
  Session& session = *context.session();
  session.resp = static_cast<uint8_t>(version);
  session.connection->reply().set_resp3(version == 3);
  context.reply().set_resp3(version == 3);
}

// AUTH [username] password
void auth(Context& context) {
  if (context.argc() > 3) return context.syntax_error();
  bool has_user = context.argc() == 3;
  Session& session = *context.session();
  Bytes password = context.arg(has_user ? 2 : 1);
  Authentication result = authenticate(session, has_user ? context.arg(1) : "default", password);
  if (result == Authentication::kNoPassword && !has_user) {
    return context.reply().error(
        "ERR AUTH <password> called without any password configured for the default user. Are you sure your "
        "configuration is correct?");
  }
  if (result == Authentication::kRefused) return reply_wrong_password(context);
  grant(session);
  context.reply().ok();
}

void echo(Context& context) { context.reply().bulk(context.arg(1)); }

void reply_hello(Context& context) {
  Session& session = *context.session();
  Reply& reply = context.reply();
  reply.map(7);
  reply.bulk("server");
  reply.bulk("redis");
  reply.bulk("version");
  reply.bulk(kRedisVersion);
  reply.bulk("proto");
  reply.integer(session.resp);
  reply.bulk("id");
  reply.integer(static_cast<int64_t>(session.id));
  reply.bulk("mode");
  reply.bulk("standalone");
  reply.bulk("role");
  reply.bulk("master");
  reply.bulk("modules");
  reply.empty_array();
}

// Options of HELLO, in order; a password counts as soon as it is read, as in Redis. False: an error was
// replied.
bool hello_options(Context& context) {
  Session& session = *context.session();
  for (size_t i = 2; i < context.argc(); ++i) {
    size_t left = context.argc() - 1 - i;
    if (context.is_word(i, "AUTH") && left >= 2) {
      if (authenticate(session, context.arg(i + 1), context.arg(i + 2)) == Authentication::kRefused) {
        return reply_wrong_password(context), false;
      }
      grant(session);
      i += 2;
    } else if (context.is_word(i, "SETNAME") && left >= 1) {
      if (!set_client_name(context, context.arg(i + 1))) return false;
      i += 1;
    } else {
      return context.reply().error("ERR Syntax error in HELLO option '", context.arg(i), "'"), false;
    }
  }
  return true;
}

// HELLO [protover [AUTH username password] [SETNAME clientname]]
void hello(Context& context) {
  Session& session = *context.session();
  int64_t version = 0;
  if (context.argc() >= 2) {
    if (!context.parse_integer(1, version, "ERR Protocol version is not an integer or out of range")) return;
    if (version < 2 || version > 3) return context.reply().error("NOPROTO unsupported protocol version");
  }
  if (!hello_options(context)) return;
  if (session.has(Session::kNeedsAuth)) {
    return context.reply().error(
        "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> "
        "<pass> "
        "option can be used to authenticate the client and select the RESP protocol version at the same "
        "time");
  }
  if (version) set_protocol(context, static_cast<int>(version));
  reply_hello(context);
}

void ping(Context& context) {
  if (context.argc() > 2) return context.reply().error("ERR wrong number of arguments for 'ping' command");
  context.argc() == 2 ? context.reply().bulk(context.arg(1)) : context.reply().simple("PONG");
}

void quit(Context& context) {
  context.reply().ok();
  context.session()->connection->close_after_reply();
}

// RESET: as after connecting.
void reset(Context& context) {
  Session& session = *context.session();
  session.set(Session::kReplyOff | Session::kReplySkipNext | Session::kReplySkip | Session::kNoTouch |
                  Session::kNoEvict,
              false);
  session.connection->reply().set_muted(false);
  set_durability(session, Durability::kPolicy);
  set_protocol(context, 2);
  session.db = 0;
  {
    std::lock_guard lock(session.worker->clients_mutex());
    session.name.clear();
  }
  if (session.server->alerts() & kAlertPassword) {
    session.set(Session::kNeedsAuth);
    session.connection->parser().limits().authenticated = false;
  }
  context.reply().simple("RESET");
  discard_transaction(session);  // last: it may run other clients' jobs in this context
}

void select(Context& context) {
  int64_t db;
  if (!context.parse_integer(1, db)) return;
  if (db < INT32_MIN || db > INT32_MAX) {
    return context.reply().error("ERR value is out of range, value must between -2147483648 and 2147483647");
  }
  if (db < 0 || db >= context.keyspace().database_count())
    return context.reply().error("ERR DB index is out of range");
  context.session()->db = static_cast<uint16_t>(db);
  context.reply().ok();
}

constexpr uint32_t kHandshake = kNoScript | kLoading | kStale | kFast | kNoAuth | kAllowBusy | kConnection;

constexpr Command kCommands[] = {
    {.name = "auth",
     .syntax = "[username] password",
     .flags = kHandshake,
     .acl = kAclConnection,
     .complexity = "O(N) where N is the number of passwords defined for the user",
     .summary = "Authenticates the connection.",
     .run = auth,
     .history = "6.0.0=Added ACL style (username and password)."},
    {.name = "client",
     .syntax = "",
     .acl = 0,
     .since = "2.4.0",
     .complexity = "Depends on subcommand.",
     .summary = "A container for client connection commands.",
     .subcommands = kClientSubcommands},
    {.name = "echo",
     .syntax = "message",
     .flags = kLoading | kStale | kFast | kConnection,
     .acl = kAclConnection,
     .summary = "Returns the given string.",
     .run = echo},
    {.name = "hello",
     .syntax = "[protover [AUTH username password] [SETNAME clientname]]",
     .flags = kHandshake,
     .acl = kAclConnection,
     .since = "6.0.0",
     .summary = "Handshakes with the Redis server.",
     .run = hello,
     .history =
         "6.2.0=`protover` made optional; when called without arguments the command reports the current "
         "connection's context."},
    {.name = "ping",
     .syntax = "[message]",
     .flags = kFast | kConnection,
     .acl = kAclConnection,
     .summary = "Returns the server's liveliness response.",
     .run = ping,
     .tips = "request_policy:all_shards|response_policy:all_succeeded"},
    {.name = "quit",
     .syntax = "[argument ...]",
     .flags = kHandshake | kRunsInMulti,
     .acl = kAclConnection,
     .summary = "Closes the connection.",
     .run = quit,
     .deprecated_since = "7.2.0",
     .replaced_by = "just closing the connection"},
    {.name = "reset",
     .syntax = "",
     .flags = kHandshake | kRunsInMulti,
     .acl = kAclConnection,
     .since = "6.2.0",
     .summary = "Resets the connection.",
     .run = reset},
    {.name = "select",
     .syntax = "index",
     .flags = kLoading | kStale | kFast | kConnection,
     .acl = kAclConnection,
     .summary = "Changes the selected database.",
     .run = select},
};
static_assert(well_formed(kCommands));

}  // namespace

const CommandGroup kConnectionGroup{"connection", kCommands};

}  // namespace strata

// CLIENT's subcommands. Read from the bottom: the table, then the handlers.

#include "server/client_commands.h"

#include <algorithm>
#include <optional>

#include "commands/context.h"
#include "server/client_list.h"
#include "server/connection.h"
#include "server/durability_commands.h"
#include "commands/help.h"
#include "server/server.h"
#include "server/waiting.h"
#include "server/worker.h"
#include "text/ascii.h"
#include "text/numbers.h"

namespace strata {
namespace {

enum class ClientType : uint8_t { kNormal, kReplica, kPubSub, kMaster };

std::optional<ClientType> client_type(Bytes name) {
  if (iequals(name, "normal")) return ClientType::kNormal;
  if (iequals(name, "slave") || iequals(name, "replica")) return ClientType::kReplica;
  if (iequals(name, "pubsub")) return ClientType::kPubSub;
  if (iequals(name, "master")) return ClientType::kMaster;
  return {};
}

// Names go into the lines of CLIENT LIST: no blanks, nothing that cannot be seen.
bool is_plain(Bytes text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '!' && c <= '~'; });
}

std::string running_name(const Context& context) { return std::string("client|") + context.command().name; }

void getname(Context& context) {
  const std::string& name = context.session()->name;  // written on this thread only
  name.empty() ? context.reply().null() : context.reply().bulk(name);
}

void id(Context& context) { context.reply().integer(static_cast<int64_t>(context.session()->id)); }

void info(Context& context) {
  Session& session = *context.session();
  std::string line;
  {
    std::lock_guard lock(session.worker->clients_mutex());
    line = describe_client(session, context.now_ms(), running_name(context));
  }
  context.reply().verbatim(line.append("\n"));
}

// CLIENT LIST [TYPE type] [ID id [id ...]]
void list_clients(Context& context) {
  std::optional<ClientType> type;
  std::vector<int64_t> ids;
  if (context.argc() == 4 && context.is_word(2, "TYPE")) {
    type = client_type(context.arg(3));
    if (!type) return context.reply().error("ERR Unknown client type '", context.arg(3), "'");
  } else if (context.argc() > 3 && context.is_word(2, "ID")) {
    for (size_t i = 3; i < context.argc(); ++i) {
      int64_t wanted;
      if (!context.parse_integer(i, wanted, "ERR Invalid client ID")) return;
      ids.push_back(wanted);
    }
  } else if (context.argc() != 2) {
    return context.syntax_error();
  }
  std::vector<std::pair<uint64_t, std::string>> lines;
  Session& self = *context.session();
  for (auto& worker : self.server->workers()) {
    worker->for_each_connection([&](Connection& connection) {
      const Session& session = connection.session();
      if (session.kill_requested.load(std::memory_order_relaxed)) return;
      if (type && *type != ClientType::kNormal) return;
      if (!ids.empty() && std::find(ids.begin(), ids.end(), static_cast<int64_t>(session.id)) == ids.end())
        return;
      lines.emplace_back(session.id,
                         describe_client(session, context.now_ms(),
                                         &session == &self ? running_name(context) : std::string()));
    });
  }
  std::sort(lines.begin(), lines.end());
  std::string text;
  for (auto& [client, line] : lines) text.append(line).append("\n");
  context.reply().verbatim(text);
}

struct KillFilter {
  int64_t client_id = 0;
  Bytes address;
  Bytes local_address;
  std::optional<ClientType> type;
  bool skips_me = true;

  bool matches(const Session& session, const Session& self) const {
    if (client_id && session.id != static_cast<uint64_t>(client_id)) return false;
    if (address.data() && session.peer_address != address) return false;
    if (local_address.data() && session.local_address != local_address) return false;
    if (type && *type != ClientType::kNormal) return false;
    return !(skips_me && &session == &self);
  }
};

// The pairs of the newer form. False: an error was replied.
bool parse_kill(Context& context, KillFilter& filter) {
  for (size_t i = 2; i < context.argc(); i += 2) {
    if (i + 1 == context.argc()) return context.syntax_error(), false;
    Bytes value = context.arg(i + 1);
    if (context.is_word(i, "ID")) {
      constexpr Bytes kNotPositive = "ERR client-id should be greater than 0";
      if (!context.parse_integer(i + 1, filter.client_id, kNotPositive)) return false;
      if (filter.client_id < 1) return context.reply().error(kNotPositive), false;
    } else if (context.is_word(i, "TYPE")) {
      filter.type = client_type(value);
      if (!filter.type) return context.reply().error("ERR Unknown client type '", value, "'"), false;
    } else if (context.is_word(i, "ADDR")) {
      filter.address = value;
    } else if (context.is_word(i, "LADDR")) {
      filter.local_address = value;
    } else if (context.is_word(i, "USER")) {
      if (value != "default") return context.reply().error("ERR No such user '", value, "'"), false;
    } else if (context.is_word(i, "SKIPME") && (iequals(value, "yes") || iequals(value, "no"))) {
      filter.skips_me = iequals(value, "yes");
    } else {
      return context.syntax_error(), false;
    }
  }
  return true;
}

// Others are closed by their own threads; the client that kills itself gets its reply first.
void kill(Context& context) {
  KillFilter filter;
  bool is_old_form = context.argc() == 3;
  if (is_old_form) {
    filter.address = context.arg(2);
    filter.skips_me = false;
  } else if (!parse_kill(context, filter)) {
    return;
  }
  Session& self = *context.session();
  int64_t killed = 0;
  bool killed_self = false;
  for (auto& worker : self.server->workers()) {
    int64_t before = killed;
    worker->for_each_connection([&](Connection& connection) {
      Session& session = connection.session();
      if (!filter.matches(session, self)) return;
      if (&session == &self) {
        killed_self = true;
      } else if (!session.kill_requested.exchange(true, std::memory_order_seq_cst)) {
        ++killed;
        end_wait(session, WaitEnd::kGone);  // nothing is popped for it from now on
      }
    });
    if (killed > before) worker->close_killed();
  }
  if (killed_self) ++killed;
  if (!is_old_form) {
    context.reply().integer(killed);
  } else if (killed > 0) {
    context.reply().ok();
  } else {
    context.reply().error("ERR No such client");
  }
  if (killed_self) self.connection->close_after_reply();
}

void unblock(Context& context) {
  WaitEnd how = WaitEnd::kTimedOut;
  if (context.argc() > 4) {
    return context.reply().error(
        "ERR unknown subcommand or wrong number of arguments for 'unblock'. Try CLIENT HELP.");
  }
  if (context.argc() == 4) {
    if (context.is_word(3, "ERROR")) {
      how = WaitEnd::kUnblocked;
    } else if (!context.is_word(3, "TIMEOUT")) {
      return context.reply().error("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
    }
  }
  int64_t wanted;
  if (!context.parse_integer(2, wanted)) return;
  bool is_ended = false;
  for (auto& worker : context.session()->server->workers()) {
    worker->for_each_connection([&](Connection& connection) {
      Session& session = connection.session();
      if (session.id == static_cast<uint64_t>(wanted)) is_ended |= end_wait(session, how);
    });
  }
  context.reply().integer(is_ended ? 1 : 0);
}

// ON and OFF of a flag. False: an error was replied.
bool parse_switch(Context& context, bool& on) {
  on = context.is_word(2, "ON");
  if (on || context.is_word(2, "OFF")) return true;
  return context.syntax_error(), false;
}

void no_evict(Context& context) {
  bool on;
  if (!parse_switch(context, on)) return;
  context.session()->set(Session::kNoEvict, on);
  context.reply().ok();
}

void no_touch(Context& context) {
  bool on;
  if (!parse_switch(context, on)) return;
  context.session()->set(Session::kNoTouch, on);
  context.reply().ok();
}

void reply(Context& context) {
  Session& session = *context.session();
  if (context.is_word(2, "ON")) {
    session.set(Session::kReplyOff | Session::kReplySkipNext | Session::kReplySkip, false);
    context.reply().set_muted(false);
    context.reply().ok();
  } else if (context.is_word(2, "OFF")) {
    session.set(Session::kReplyOff);
    context.reply().set_muted(true);
  } else if (context.is_word(2, "SKIP")) {
    if (!session.has(Session::kReplyOff)) session.set(Session::kReplySkipNext);
  } else {
    context.syntax_error();
  }
}

void setname(Context& context) {
  if (set_client_name(context, context.arg(2))) context.reply().ok();
}

void setinfo(Context& context) {
  bool is_name = context.is_word(2, "LIB-NAME");
  if (!is_name && !context.is_word(2, "LIB-VER")) {
    return context.reply().error("ERR Unrecognized option '", context.arg(2), "'");
  }
  if (!is_plain(context.arg(3))) {
    return context.reply().error("ERR ", context.arg(2),
                                 " cannot contain spaces, newlines or special characters.");
  }
  Session& session = *context.session();
  {
    std::lock_guard lock(session.worker->clients_mutex());
    (is_name ? session.library_name : session.library_version) = context.arg(3);
  }
  context.reply().ok();
}

void help(Context& context) {
  reply_help(context, "CLIENT",
             {"DURABILITY [NEXT] (NONE|MEMORY|DISK)",
              "    Set when replies are sent: after execution, after the log was written, after",
              "    it was synced. NEXT: of the next command, or transaction, only.",
              "GETNAME",
              "    Return the name of the current connection.",
              "ID",
              "    Return the ID of the current connection.",
              "INFO",
              "    Return information about the current client connection.",
              "KILL <ip:port>",
              "    Kill connection made from <ip:port>.",
              "KILL <option> <value> [<option> <value> [...]]",
              "    Kill connections. Options are:",
              "    * ADDR (<ip:port>|<unixsocket>:0)",
              "      Kill connections made from the specified address",
              "    * LADDR (<ip:port>|<unixsocket>:0)",
              "      Kill connections made to specified local address",
              "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
              "      Kill connections by type.",
              "    * USER <username>",
              "      Kill connections authenticated by <username>.",
              "    * SKIPME (YES|NO)",
              "      Skip killing current connection (default: yes).",
              "    * ID <client-id>",
              "      Kill connections by client id.",
              "LIST [options ...]",
              "    Return information about client connections. Options:",
              "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
              "      Return clients of specified type.",
              "    * ID <client-id> [<client-id> ...]",
              "      Return clients of specified IDs only.",
              "NO-EVICT (ON|OFF)",
              "    Protect current client connection from eviction.",
              "NO-TOUCH (ON|OFF)",
              "    Will not touch LRU/LFU stats when this mode is on.",
              "REPLY (ON|OFF|SKIP)",
              "    Control the replies sent to the current connection.",
              "SETINFO <option> <value>",
              "    Set client meta attr. Options are:",
              "    * LIB-NAME: the client lib name.",
              "    * LIB-VER: the client lib version.",
              "SETNAME <name>",
              "    Assign the name <name> to the current connection.",
              "UNBLOCK <clientid> [TIMEOUT|ERROR]",
              "    Unblock the specified blocked client."});
}

constexpr uint32_t kOwn = kNoScript | kLoading | kStale | kConnection;
constexpr uint32_t kOthers = kAdmin | kOwn;

}  // namespace

constexpr Command kClientSubcommands[] = {
    {.name = "durability",
     .syntax = "[NEXT] <NONE | MEMORY | DISK>",
     .flags = kOwn | kNoMulti,
     .acl = kAclConnection,
     .since = "7.2.0",
     .summary = "Sets what must have happened before replies are sent (Strata's own).",
     .run = client_durability},
    {.name = "getname",
     .flags = kOwn,
     .acl = kAclConnection,
     .since = "2.6.9",
     .summary = "Returns the name of the connection.",
     .run = getname},
    {.name = "help",
     .flags = kLoading | kStale | kConnection,
     .acl = kAclConnection,
     .since = "5.0.0",
     .summary = "Returns helpful text about the different subcommands.",
     .run = help},
    {.name = "id",
     .flags = kOwn,
     .acl = kAclConnection,
     .since = "5.0.0",
     .summary = "Returns the unique client ID of the connection.",
     .run = id},
    {.name = "info",
     .flags = kOwn,
     .acl = kAclConnection,
     .since = "6.2.0",
     .summary = "Returns information about the connection.",
     .run = info,
     .tips = "nondeterministic_output"},
    {.name = "kill",
     .syntax =
         "<ip:port | <ID client-id | TYPE <NORMAL | MASTER | SLAVE | REPLICA | PUBSUB> | USER username | "
         "ADDR ip:port | LADDR ip:port | SKIPME yes/no> [...]>",
     .flags = kOthers,
     .acl = kAclConnection,
     .since = "2.4.0",
     .complexity = "O(N) where N is the number of client connections",
     .summary = "Terminates open connections.",
     .run = kill,
     .history =
         "2.8.12=Added new filter format.|2.8.12=`ID` option.|3.2.0=Added `master` type in for `TYPE` "
         "option.|"
         "5.0.0=Replaced `slave` `TYPE` with `replica`. `slave` still supported for backward compatibility.|"
         "6.2.0=`LADDR` option."},
    {.name = "list",
     .syntax = "[TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] [ID client-id [client-id ...]]",
     .flags = kOthers,
     .acl = kAclConnection,
     .since = "2.4.0",
     .complexity = "O(N) where N is the number of client connections",
     .summary = "Lists open connections.",
     .run = list_clients,
     .history = "2.8.12=Added unique client `id` field.|5.0.0=Added optional `TYPE` filter.|6.0.0=Added "
                "`user` field.|"
                "6.2.0=Added `argv-mem`, `tot-mem`, `laddr` and `redir` fields and the optional `ID` filter.|"
                "7.0.0=Added `resp`, `multi-mem`, `rbs` and `rbp` fields.|7.0.3=Added `ssub` field.",
     .tips = "nondeterministic_output"},
    {.name = "no-evict",
     .syntax = "<ON | OFF>",
     .flags = kOthers,
     .acl = kAclConnection,
     .since = "7.0.0",
     .summary = "Sets the client eviction mode of the connection.",
     .run = no_evict},
    {.name = "no-touch",
     .syntax = "<ON | OFF>",
     .flags = kOwn,
     .acl = kAclConnection,
     .since = "7.2.0",
     .summary = "Controls whether commands sent by the client affect the LRU/LFU of accessed keys.",
     .run = no_touch},
    {.name = "reply",
     .syntax = "<ON | OFF | SKIP>",
     .flags = kOwn,
     .acl = kAclConnection,
     .since = "3.2.0",
     .summary = "Instructs the server whether to reply to commands.",
     .run = reply},
    {.name = "setinfo",
     .syntax = "<LIB-NAME libname | LIB-VER libver>",
     .flags = kOwn,
     .acl = kAclConnection,
     .since = "7.2.0",
     .summary = "Sets information specific to the client or connection.",
     .run = setinfo,
     .tips = "request_policy:all_nodes|response_policy:all_succeeded"},
    {.name = "setname",
     .syntax = "connection-name",
     .flags = kOwn,
     .acl = kAclConnection,
     .since = "2.6.9",
     .summary = "Sets the connection name.",
     .run = setname},
    {.name = "unblock",
     .syntax = "client-id [TIMEOUT | ERROR]",
     .flags = kOthers,
     .acl = kAclConnection,
     .since = "5.0.0",
     .complexity = "O(log N) where N is the number of client connections",
     .summary = "Unblock a client blocked in a blocking command from a different connection",
     .run = unblock},
};
static_assert(well_formed(kClientSubcommands));

bool set_client_name(Context& context, Bytes name) {
  if (!is_plain(name)) {
    return context.reply().error("ERR Client names cannot contain spaces, newlines or special characters."),
           false;
  }
  Session& session = *context.session();
  std::lock_guard lock(session.worker->clients_mutex());
  session.name = name;
  return true;
}

}  // namespace strata

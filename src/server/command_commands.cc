// COMMAND: what the table of commands says about itself. Read from the bottom: the table, then the handlers.

#include "commands/context.h"
#include "commands/help.h"
#include "commands/keys.h"
#include "server/command_reply.h"
#include "server/server.h"
#include "server/server_tables.h"
#include "text/ascii.h"
#include "text/glob.h"

namespace strata {
namespace {

const Registry& registry(Context& context) { return context.session()->server->registry(); }

// "get", "client|list", in any case; null when there is none.
const RegisteredCommand* find_by_name(const Registry& registry, Bytes name) {
  size_t bar = name.find('|');
  const RegisteredCommand* command = registry.find(name.substr(0, bar));
  if (!command || bar == name.npos) return command;
  for (const RegisteredCommand* subcommand : command->subcommands) {
    if (iequals(subcommand->command->name, name.substr(bar + 1))) return subcommand;
  }
  return nullptr;
}

void count(Context& context) {
  context.reply().integer(static_cast<int64_t>(registry(context).commands().size()));
}

// COMMAND INFO [name ...]
void info_of(Context& context) {
  if (context.argc() == 2) return command_all(context);
  Reply& reply = context.reply();
  reply.array(context.argc() - 2);
  for (size_t i = 2; i < context.argc(); ++i) {
    const RegisteredCommand* command = find_by_name(registry(context), context.arg(i));
    command ? reply_command_info(reply, *command) : reply.null();
  }
}

// COMMAND DOCS [name ...]; unknown names are left out.
void docs(Context& context) {
  Reply& reply = context.reply();
  if (context.argc() == 2) {
    auto all = registry(context).commands();
    reply.map(all.size());
    for (const RegisteredCommand* command : all) reply_command_docs(reply, *command);
    return;
  }
  std::vector<const RegisteredCommand*> found;
  for (size_t i = 2; i < context.argc(); ++i) {
    if (const RegisteredCommand* command = find_by_name(registry(context), context.arg(i)))
      found.push_back(command);
  }
  reply.map(found.size());
  for (const RegisteredCommand* command : found) reply_command_docs(reply, *command);
}

// What COMMAND LIST FILTERBY asks for.
struct NameFilter {
  enum class By : uint8_t { kNothing, kModule, kCategory, kPattern };
  By by = By::kNothing;
  Bytes argument;
  uint32_t category = 0;

  bool allows(const RegisteredCommand& command) const {
    switch (by) {
      case By::kNothing:
        return true;
      case By::kModule:
        return false;
      case By::kCategory:
        return (command.acl & category) != 0;
      case By::kPattern:
        return glob_match(argument, command.full_name, true);
    }
    return false;
  }
};

// COMMAND LIST [FILTERBY <MODULE name | ACLCAT category | PATTERN pattern>]
void list_names(Context& context) {
  NameFilter filter;
  if (context.argc() == 5 && context.is_word(2, "FILTERBY")) {
    filter.argument = context.arg(4);
    if (context.is_word(3, "MODULE")) {
      filter.by = NameFilter::By::kModule;
    } else if (context.is_word(3, "ACLCAT")) {
      filter.by = NameFilter::By::kCategory;
      filter.category = acl_category(filter.argument);
    } else if (context.is_word(3, "PATTERN")) {
      filter.by = NameFilter::By::kPattern;
    } else {
      return context.syntax_error();
    }
  } else if (context.argc() != 2) {
    return context.syntax_error();
  }
  std::vector<const RegisteredCommand*> names;
  for (const RegisteredCommand* command : registry(context).commands()) {
    if (filter.allows(*command)) names.push_back(command);
    for (const RegisteredCommand* subcommand : command->subcommands) {
      if (filter.allows(*subcommand)) names.push_back(subcommand);
    }
  }
  context.reply().array(names.size());
  for (const RegisteredCommand* command : names) context.reply().bulk(command->full_name);
}

// The keys of the command that the arguments from 2 on make up. False: an error was replied.
bool keys_of(Context& context, std::vector<KeyPosition>& positions, const RegisteredCommand*& command) {
  std::span<const Bytes> args = context.args().subspan(2);
  command = registry(context).resolve(args);
  Reply& reply = context.reply();
  if (!command) return reply.error("ERR Invalid command specified"), false;
  if (command->command->keys.empty()) return reply.error("ERR The command has no key arguments"), false;
  if (!command->arity_allows(args.size())) {
    return reply.error("ERR Invalid number of arguments specified for command"), false;
  }
  if (!find_keys(*command, args, positions) || positions.empty()) {
    if (command->flags & kNoMandatoryKeys) return true;
    return reply.error("ERR Invalid arguments specified for command"), false;
  }
  std::erase_if(positions, [](const KeyPosition& position) { return position.flags & kKeyNotKey; });
  return true;
}

void getkeys(Context& context) {
  std::vector<KeyPosition> positions;
  const RegisteredCommand* command;
  if (!keys_of(context, positions, command)) return;
  context.reply().array(positions.size());
  for (const KeyPosition& position : positions) context.reply().bulk(context.arg(2 + position.index));
}

// What the arguments make of flags that depend on them: SET writes without reading unless it was asked to.
uint16_t actual_flags(Context& context, const RegisteredCommand& command, uint16_t flags) {
  if (!(flags & kKeyVariableFlags)) return flags;
  bool reads = command.full_name != "set";
  for (size_t i = 5; i < context.argc(); ++i) reads |= context.is_word(i, "GET");
  return reads ? static_cast<uint16_t>(flags & ~kKeyVariableFlags)
               : static_cast<uint16_t>(kKeyOW | kKeyUpdate);
}

void getkeysandflags(Context& context) {
  std::vector<KeyPosition> positions;
  const RegisteredCommand* command;
  if (!keys_of(context, positions, command)) return;
  context.reply().array(positions.size());
  for (const KeyPosition& position : positions) {
    context.reply().array(2);
    context.reply().bulk(context.arg(2 + position.index));
    reply_key_flags(context.reply(), actual_flags(context, *command, position.flags));
  }
}

void help(Context& context) {
  reply_help(
      context, "COMMAND",
      {"(no subcommand)", "    Return details about all Redis commands.", "COUNT",
       "    Return the total number of commands in this Redis server.", "LIST",
       "    Return a list of all commands in this Redis server.", "INFO [<command-name> ...]",
       "    Return details about multiple Redis commands.",
       "    If no command names are given, documentation details for all", "    commands are returned.",
       "DOCS [<command-name> ...]", "    Return documentation details about multiple Redis commands.",
       "    If no command names are given, documentation details for all", "    commands are returned.",
       "GETKEYS <full-command>", "    Return the keys from a full Redis command.",
       "GETKEYSANDFLAGS <full-command>",
       "    Return the keys and the access flags from a full Redis command."});
}

constexpr uint32_t kFlags = kLoading | kStale | kConnection;
constexpr const char* kUnordered = "nondeterministic_output_order";

}  // namespace

void command_all(Context& context) {
  auto all = registry(context).commands();
  context.reply().array(all.size());
  for (const RegisteredCommand* command : all) reply_command_info(context.reply(), *command);
}

constexpr Command kCommandSubcommands[] = {
    {.name = "count",
     .flags = kFlags,
     .acl = kAclConnection,
     .since = "2.8.13",
     .summary = "Returns a count of commands.",
     .run = count},
    {.name = "docs",
     .syntax = "[command-name [command-name ...]]",
     .flags = kFlags,
     .acl = kAclConnection,
     .since = "7.0.0",
     .complexity = "O(N) where N is the number of commands to look up",
     .summary = "Returns documentary information about one, multiple or all commands.",
     .run = docs,
     .tips = kUnordered},
    {.name = "getkeys",
     .syntax = "command arg [arg ...]",
     .flags = kFlags,
     .acl = kAclConnection,
     .since = "2.8.13",
     .complexity = "O(N) where N is the number of arguments to the command",
     .summary = "Extracts the key names from an arbitrary command.",
     .run = getkeys},
    {.name = "getkeysandflags",
     .syntax = "command arg [arg ...]",
     .flags = kFlags,
     .acl = kAclConnection,
     .since = "7.0.0",
     .complexity = "O(N) where N is the number of arguments to the command",
     .summary = "Extracts the key names and access flags for an arbitrary command.",
     .run = getkeysandflags},
    {.name = "help",
     .flags = kFlags,
     .acl = kAclConnection,
     .since = "5.0.0",
     .summary = "Returns helpful text about the different subcommands.",
     .run = help},
    {.name = "info",
     .syntax = "[command-name [command-name ...]]",
     .flags = kFlags,
     .acl = kAclConnection,
     .since = "2.8.13",
     .complexity = "O(N) where N is the number of commands to look up",
     .summary = "Returns information about one, multiple or all commands.",
     .run = info_of,
     .history = "7.0.0=Allowed to be called with no argument to get info on all commands.",
     .tips = kUnordered},
    {.name = "list",
     .syntax = "[FILTERBY <MODULE module-name | ACLCAT category | PATTERN pattern>]",
     .flags = kFlags,
     .acl = kAclConnection,
     .since = "7.0.0",
     .complexity = "O(N) where N is the total number of Redis commands",
     .summary = "Returns a list of command names.",
     .run = list_names,
     .tips = kUnordered},
};
static_assert(well_formed(kCommandSubcommands));

}  // namespace strata

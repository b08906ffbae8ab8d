#include "server/commands_md.h"

#include <fmt/format.h>

#include <map>
#include <vector>

#include "commands/registry.h"
#include "server/commands.h"
#include "text/ascii.h"

namespace strata {
namespace {

std::string title(const RegisteredCommand& command) {
  std::string name = to_upper(command.full_name);
  for (char& c : name) c = c == '|' ? ' ' : c;
  return name;
}

std::string sentence(std::string_view text) {
  std::string sentence(text);
  if (!sentence.empty() && !sentence.ends_with('.')) sentence += '.';
  return sentence;
}

void append(std::string& out, const RegisteredCommand& registered) {
  const Command& command = *registered.command;
  if (command.run) {
    std::string syntax = title(registered);
    if (*command.syntax.text) syntax.append(" ").append(command.syntax.text);
    out += fmt::format("### {}\n\n    {}\n\n{} {} Since {}.\n\n", title(registered), syntax,
                       sentence(command.summary), sentence(command.complexity), command.since);
    if (command.deprecated_since) out += fmt::format("Deprecated since {}.\n\n", command.deprecated_since);
  }
  for (const RegisteredCommand* subcommand : registered.subcommands) append(out, *subcommand);
}

}  // namespace

std::string commands_markdown() {
  Registry registry(all_command_groups());
  std::map<std::string, std::vector<const RegisteredCommand*>> groups;
  for (const RegisteredCommand* command : registry.commands()) {
    groups[command->command->group ? command->command->group : command->group->name].push_back(command);
  }
  std::string out = fmt::format(
      "# Commands\n\n{} commands. Generated from their table by `strata-server --print-commands-md`; not "
      "edited by "
      "hand.\n\n",
      registry.commands().size());
  for (const auto& [name, commands] : groups) {
    out += fmt::format("## {}\n\n", name);
    for (const RegisteredCommand* command : commands) append(out, *command);
  }
  out.pop_back();
  return out;
}

}  // namespace strata

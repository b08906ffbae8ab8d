#include "commands/syntax_tree.h"
#include "server/command_reply.h"

namespace strata {
namespace {

void reply_text(Reply& reply, const char* name, Bytes value) {
  reply.bulk(name);
  reply.bulk(value);
}

// The empty path of the tree never comes here: arguments are shown only where there are some.
void reply_arguments(Reply& reply, const std::vector<SyntaxArgument>& arguments) {
  reply.array(arguments.size());
  for (const SyntaxArgument& argument : arguments) {
    bool has_text = argument.arguments.empty();
    bool has_flags = argument.is_optional || argument.is_multiple;
    reply.map(2 + has_text + (argument.key_spec_index >= 0) + !argument.token.empty() + has_flags +
              !argument.arguments.empty());
    reply_text(reply, "name", argument.name);
    reply_text(reply, "type", argument_type_name(argument.type));
    if (has_text) reply_text(reply, "display_text", argument.name);
    if (argument.key_spec_index >= 0) {
      reply.bulk("key_spec_index");
      reply.integer(argument.key_spec_index);
    }
    if (!argument.token.empty()) reply_text(reply, "token", argument.token);
    if (has_flags) {
      reply.bulk("flags");
      reply.set(argument.is_optional + argument.is_multiple);
      if (argument.is_optional) reply.simple("optional");
      if (argument.is_multiple) reply.simple("multiple");
    }
    if (argument.arguments.empty()) continue;
    reply.bulk("arguments");
    reply_arguments(reply, argument.arguments);
  }
}

void reply_history(Reply& reply, const std::vector<Bytes>& history) {
  reply.bulk("history");
  reply.set(history.size());
  for (Bytes item : history) {
    size_t equals = std::min(item.find('='), item.size());
    reply.array(2);
    reply.bulk(item.substr(0, equals));
    reply.bulk(item.substr(std::min(equals + 1, item.size())));
  }
}

void reply_doc_flags(Reply& reply, bool is_deprecated, bool is_system) {
  reply.bulk("doc_flags");
  reply.set(is_deprecated + is_system);
  if (is_deprecated) reply.simple("deprecated");
  if (is_system) reply.simple("syscmd");
}

}  // namespace

void reply_command_docs(Reply& reply, const RegisteredCommand& registered) {
  const Command& command = *registered.command;
  auto arguments = parse_syntax(command.syntax.text, static_cast<int>(command.keys.size()));
  auto history = split_list(command.history);
  bool is_deprecated = command.deprecated_since != nullptr;
  bool is_system = registered.full_name == "debug";
  reply.bulk(registered.full_name);
  reply.map(4 + (is_deprecated || is_system) + is_deprecated + (command.replaced_by != nullptr) +
            !history.empty() + !arguments.empty() + !registered.subcommands.empty());
  reply_text(reply, "summary", command.summary);
  reply_text(reply, "since", command.since);
  reply_text(reply, "group", command.group ? command.group : registered.group->name);
  reply_text(reply, "complexity", command.complexity);
  if (is_deprecated || is_system) reply_doc_flags(reply, is_deprecated, is_system);
  if (is_deprecated) reply_text(reply, "deprecated_since", command.deprecated_since);
  if (command.replaced_by) reply_text(reply, "replaced_by", command.replaced_by);
  if (!history.empty()) reply_history(reply, history);
  if (!arguments.empty()) {
    reply.bulk("arguments");
    reply_arguments(reply, arguments);
  }
  if (registered.subcommands.empty()) return;
  reply.bulk("subcommands");
  reply.map(registered.subcommands.size());
  for (const RegisteredCommand* subcommand : registered.subcommands) reply_command_docs(reply, *subcommand);
}

}  // namespace strata

// Replies of the HELP subcommands, in Redis's form.

#pragma once

#include <initializer_list>

#include "commands/context.h"

namespace strata {

// `name` in upper case, then what each line says about the subcommands; HELP itself is added.
inline void reply_help(Context& context, Bytes name, std::initializer_list<Bytes> lines) {
  Reply& reply = context.reply();
  reply.array(lines.size() + 3);
  std::string title(name);
  reply.simple(title.append(" <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"));
  for (Bytes line : lines) reply.simple(line);
  reply.simple("HELP");
  reply.simple("    Prints this help.");
}

}  // namespace strata

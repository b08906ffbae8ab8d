// The tables of subcommands and the handlers that make up the group "server"; server_commands.cc lists them.

#pragma once

#include "commands/command.h"

namespace strata {

extern const Command kCommandSubcommands[7];
extern const Command kConfigSubcommands[5];
extern const Command kMemorySubcommands[2];
extern const Command kSlowLogSubcommands[4];

void command_all(Context& context);  // COMMAND without a subcommand
void debug(Context& context);
void info(Context& context);

}  // namespace strata

// CLIENT and its subcommands; connection_commands.cc lists them.

#pragma once

#include "commands/command.h"

namespace strata {

struct Session;

extern const Command kClientSubcommands[13];

// CLIENT SETNAME and HELLO SETNAME. False: an error was replied.
bool set_client_name(Context& context, Bytes name);

}  // namespace strata

// docs/commands.md, from the table of commands: `strata-server --print-commands-md > docs/commands.md`.

#pragma once

#include <string>

namespace strata {

std::string commands_markdown();

}  // namespace strata

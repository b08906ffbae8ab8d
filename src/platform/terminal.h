// What the standard streams are connected to, for progress lines and colours.

#pragma once

namespace strata {

bool stdout_is_terminal();
bool stderr_is_terminal();
bool stdin_is_terminal();
int terminal_columns();  // of stderr or stdout; 80 if neither is a terminal

}  // namespace strata

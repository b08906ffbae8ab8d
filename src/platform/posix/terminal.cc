#include "platform/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <initializer_list>

namespace strata {

bool stdin_is_terminal() { return ::isatty(STDIN_FILENO) == 1; }

bool stdout_is_terminal() { return ::isatty(STDOUT_FILENO) == 1; }

bool stderr_is_terminal() { return ::isatty(STDERR_FILENO) == 1; }

int terminal_columns() {
  constexpr int kColumnsUnknown = 80;
  for (int fd : {STDERR_FILENO, STDOUT_FILENO}) {
    winsize size{};
    if (::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  }
  return kColumnsUnknown;
}

}  // namespace strata

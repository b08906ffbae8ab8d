// Signals: an orderly request to stop, writes to closed sockets, and crashes.
//
// Process-wide by nature: call each function once, from main(), before other threads start.

#pragma once

#include <cstddef>
#include <string_view>

#include "platform/thread.h"

namespace strata {

// SIGPIPE and SIGHUP are ignored: writers see kClosed, and a closed terminal does not stop a server.
void ignore_broken_pipes_and_hangups();

// The first SIGTERM or SIGINT sets stop_signal() and signals `wake` (null: only sets it); the second
// one ends the process at once with status 1. `wake` lives until the process ends, or until the
// next call.
void install_stop_signals(WakeEvent* wake);
// The number of the signal that asked to stop, or 0.
int stop_signal();
const char* signal_name(int signal);  // "SIGTERM"
// No stop is requested, the default actions hold again: for tests, and before installing anew after a stop
// that was refused.
void reset_stop_signals();

// On SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT: writes what happened, the address, and a short
// backtrace to stderr and to the crash log, then lets the signal take its default course, so that
// cores and exit statuses are as without the handler. Runs on a stack of its own in the calling
// thread; a stack overflow in another thread ends the process without a report.
void install_crash_handler();
// Also appends to the log file at `path`, which the handler opens when it runs, because a log may be
// rotated. Empty: stderr only. Longer than kCrashLogPathBytesMax: ignored.
inline constexpr size_t kCrashLogPathBytesMax = 4095;
void set_crash_log(std::string_view path);

}  // namespace strata

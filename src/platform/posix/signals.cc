#include "platform/signals.h"

#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <initializer_list>
#include <string_view>

namespace strata {
namespace {

constexpr int kStopSignals[] = {SIGTERM, SIGINT};
constexpr int kCrashSignals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

std::atomic<int> stop_requested{0};
std::atomic<WakeEvent*> stop_wake{nullptr};
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<WakeEvent*>::is_always_lock_free,
              "signal handlers must not meet a lock");

void set_handler(int signal, void (*handler)(int)) {
  struct sigaction action{};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  ::sigaction(signal, &action, nullptr);
}

void on_stop_signal(int signal) {
  int none = 0;
  if (!stop_requested.compare_exchange_strong(none, signal)) ::_exit(1);
  if (WakeEvent* wake = stop_wake.load()) wake->signal();
}

// The crash handler runs in a broken process: it uses only its own buffers and plain system calls.
// (backtrace() loads its unwinder when first called, so install_crash_handler() calls it once.)

char crash_log_path[kCrashLogPathBytesMax + 1];
std::atomic<bool> crash_reported{false};

void write_text(int fd, std::string_view text) {
  while (!text.empty()) {
    ssize_t put = ::write(fd, text.data(), text.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return;
    text.remove_prefix(static_cast<size_t>(put));
  }
}

void write_hex(int fd, uintptr_t value) {
  char digits[2 + 2 * sizeof value];
  char* at = digits + sizeof digits;
  do {
    *--at = "0123456789abcdef"[value % 16];
    value /= 16;
  } while (value != 0);
  *--at = 'x';
  *--at = '0';
  write_text(fd, {at, static_cast<size_t>(digits + sizeof digits - at)});
}

void write_report(int fd, int signal, const void* address) {
  constexpr int kFramesMax = 32;
  void* frames[kFramesMax];
  write_text(fd, "\n=== Strata crashed by signal ");
  write_text(fd, signal_name(signal));
  write_text(fd, ", address ");
  write_hex(fd, reinterpret_cast<uintptr_t>(address));
  write_text(fd, "\n");
  ::backtrace_symbols_fd(frames, ::backtrace(frames, kFramesMax), fd);
  write_text(fd, "=== end of report\n");
}

void on_crash(int signal, siginfo_t* info, void*) {
  if (crash_reported.exchange(true)) {
    // Another thread is writing its report and will end the process; if it hangs, this one does.
    constexpr unsigned kPatienceS = 10;
    ::sleep(kPatienceS);  // NOLINT(concurrency-mt-unsafe): there is no SIGALRM here
  } else {
    write_report(STDERR_FILENO, signal, info->si_addr);
    int log = crash_log_path[0] == '\0'
                  ? -1
                  : ::open(crash_log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (log >= 0) {
      write_report(log, signal, info->si_addr);
      ::close(log);
    }
  }
  // Takes effect when this handler returns and the signal is no longer blocked.
  set_handler(signal, SIG_DFL);
  ::raise(signal);
}

}  // namespace

void ignore_broken_pipes_and_hangups() {
  set_handler(SIGPIPE, SIG_IGN);
  set_handler(SIGHUP, SIG_IGN);
}

void install_stop_signals(WakeEvent* wake) {
  stop_wake.store(wake);
  for (int signal : kStopSignals) set_handler(signal, &on_stop_signal);
}

int stop_signal() { return stop_requested.load(); }

const char* signal_name(int signal) {
  switch (signal) {
    case SIGTERM:
      return "SIGTERM";
    case SIGINT:
      return "SIGINT";
    case SIGSEGV:
      return "SIGSEGV";
    case SIGBUS:
      return "SIGBUS";
    case SIGFPE:
      return "SIGFPE";
    case SIGILL:
      return "SIGILL";
    case SIGABRT:
      return "SIGABRT";
    case SIGHUP:
      return "SIGHUP";
    case SIGPIPE:
      return "SIGPIPE";
    default:
      return "another signal";
  }
}

void reset_stop_signals() {
  for (int signal : kStopSignals) set_handler(signal, SIG_DFL);
  stop_wake.store(nullptr);
  stop_requested.store(0);
}

void install_crash_handler() {
  void* frame = nullptr;
  (void)::backtrace(&frame, 1);

  // A stack of its own, so that an overflow of the normal one can be reported.
  constexpr size_t kCrashStackBytes = 64 * 1024;
  alignas(16) static char stack[kCrashStackBytes];
  stack_t alternative{};
  alternative.ss_sp = stack;
  alternative.ss_size = sizeof stack;
  ::sigaltstack(&alternative, nullptr);

  struct sigaction action{};
  action.sa_sigaction = &on_crash;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  for (int signal : kCrashSignals) ::sigaction(signal, &action, nullptr);
}

void set_crash_log(std::string_view path) {
  if (path.size() > kCrashLogPathBytesMax) return;
  std::memcpy(crash_log_path, path.data(), path.size());
  crash_log_path[path.size()] = '\0';
}

}  // namespace strata

#include "platform/thread.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>
#include <ctime>
#include <utility>

#include "base/assert.h"
#include "platform/posix/os_error.h"

namespace strata {

void name_this_thread(std::string_view name) {
  constexpr size_t kNameBytesMax = 15;  // the kernel's, without its terminator
  char text[kNameBytesMax + 1] = {};
  name = name.substr(0, kNameBytesMax);
  std::memcpy(text, name.data(), name.size());
  ::pthread_setname_np(::pthread_self(), text);
}

std::vector<int> usable_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cpus;
  // Machines beyond CPU_SETSIZE processors fail here and are treated as having what sysconf says.
  if (::sched_getaffinity(0, sizeof set, &set) < 0) {
    for (int cpu = 0; cpu < ::sysconf(_SC_NPROCESSORS_ONLN); ++cpu) cpus.push_back(cpu);
  } else {
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
    }
  }
  if (cpus.empty()) cpus.push_back(0);
  return cpus;
}

int usable_cpu_count() { return static_cast<int>(usable_cpus().size()); }

Status pin_this_thread(std::span<const int> cpus) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (int cpu : cpus) {
    if (cpu < 0 || cpu >= CPU_SETSIZE) return fail(Errc::kInvalidArgument, "processor number");
    CPU_SET(cpu, &set);
  }
  if (::sched_setaffinity(0, sizeof set, &set) < 0) return fail_errno("set affinity");
  return {};
}

int64_t this_thread_id() { return ::syscall(SYS_gettid); }

void yield_thread() { ::sched_yield(); }

void nap_thread(int64_t at_least_us) {
  const timespec duration{.tv_sec = at_least_us / 1'000'000, .tv_nsec = at_least_us % 1'000'000 * 1000};
  ::nanosleep(&duration, nullptr);
}

Result<WakeEvent> WakeEvent::create() {
  int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) return fail_errno("create event");
  return WakeEvent(fd);
}

WakeEvent& WakeEvent::operator=(WakeEvent&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

WakeEvent::~WakeEvent() {
  if (fd_ >= 0) ::close(fd_);
}

void WakeEvent::signal() {
  STRATA_ASSERT(fd_ >= 0);
  uint64_t one = 1;
  // A full counter (EAGAIN) means that it is signalled already. errno is kept for signal handlers.
  int saved = errno;
  (void)retry_interrupted([&] { return ::write(fd_, &one, sizeof one); });
  errno = saved;
}

bool WakeEvent::drain() {
  STRATA_ASSERT(fd_ >= 0);
  uint64_t count = 0;
  return retry_interrupted([&] { return ::read(fd_, &count, sizeof count); }) == sizeof count;
}

bool WakeEvent::wait(int timeout_ms) {
  STRATA_ASSERT(fd_ >= 0);
  pollfd entry{.fd = fd_, .events = POLLIN, .revents = 0};
  return retry_interrupted([&] { return ::poll(&entry, 1, timeout_ms); }) > 0;
}

}  // namespace strata

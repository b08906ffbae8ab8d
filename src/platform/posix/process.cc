#include "platform/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "platform/posix/os_error.h"
#include "platform/thread.h"

namespace strata {
namespace {

// Files in /proc have no size; one read of a page is enough for those used here.
std::string read_proc(const char* path) {
  constexpr size_t kProcBytesMax = 8192;
  int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  std::string text(kProcBytesMax, '\0');
  ssize_t got = retry_interrupted([&] { return ::read(fd, text.data(), text.size()); });
  ::close(fd);
  text.resize(got > 0 ? static_cast<size_t>(got) : 0);
  return text;
}

int64_t to_us(const timeval& time) { return int64_t{time.tv_sec} * 1'000'000 + time.tv_usec; }

CpuUsage usage_of(int who) {
  rusage usage{};
  if (::getrusage(who, &usage) < 0) return {};
  return {to_us(usage.ru_utime), to_us(usage.ru_stime)};
}

// Of another thread the kernel tells only clock ticks (10 ms), in fields 14 and 15 of its stat line,
// counted after the parenthesis that closes the name: names may hold blanks.
CpuUsage main_thread_usage() {
  int64_t pid = process_id();
  if (this_thread_id() == pid) return thread_cpu_usage();
  std::string line = read_proc(("/proc/self/task/" + std::to_string(pid) + "/stat").c_str());
  size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return {};
  unsigned long long user_ticks = 0;
  unsigned long long system_ticks = 0;
  constexpr const char* kFormat = " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu";
  if (std::sscanf(line.c_str() + name_end + 1, kFormat, &user_ticks, &system_ticks) != 2) return {};
  auto tick_us = 1'000'000 / ::sysconf(_SC_CLK_TCK);
  return {static_cast<int64_t>(user_ticks) * tick_us, static_cast<int64_t>(system_ticks) * tick_us};
}

}  // namespace

int64_t process_id() { return ::getpid(); }

std::string executable_path() {
  char path[PATH_MAX];
  ssize_t size = ::readlink("/proc/self/exe", path, sizeof path);
  return size > 0 ? std::string(path, static_cast<size_t>(size)) : std::string();
}

std::string host_name() {
  char name[HOST_NAME_MAX + 1] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "";
}

std::string system_name() {
  utsname names{};
  if (::uname(&names) < 0) return {};
  return std::string(names.sysname) + " " + names.release + " " + names.machine;
}

std::string compiler_version() {
#if defined(__clang__)
  return std::to_string(__clang_major__) + "." + std::to_string(__clang_minor__) + "." +
         std::to_string(__clang_patchlevel__);
#elif defined(__GNUC__)
  return std::to_string(__GNUC__) + "." + std::to_string(__GNUC_MINOR__) + "." +
         std::to_string(__GNUC_PATCHLEVEL__);
#else
  return "0.0.0";
#endif
}

int pointer_bits() { return CHAR_BIT * static_cast<int>(sizeof(void*)); }

Status daemonize() {
  pid_t child = ::fork();
  if (child < 0) return fail_errno("fork");
  if (child > 0) ::_exit(0);
  if (::setsid() < 0) return fail_errno("new session");
  int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0) return fail_errno("open /dev/null");
  for (int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(null, stream);
  if (null > STDERR_FILENO) ::close(null);
  return {};
}

Status change_directory(const std::string& path) {
  if (::chdir(path.c_str()) < 0) return fail_errno("change directory");
  return {};
}

Result<std::string> current_directory() {
  char path[PATH_MAX];
  if (::getcwd(path, sizeof path) == nullptr) return fail_errno("current directory");
  return std::string(path);
}

ProcessMemory process_memory() {
  ProcessMemory memory;
  unsigned long long pages = 0;
  if (std::sscanf(read_proc("/proc/self/statm").c_str(), "%*u %llu", &pages) == 1) {
    memory.resident_bytes = pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  }
  // Not getrusage(): its maximum is inherited from the process that called exec.
  constexpr std::string_view kPeakField = "VmHWM:";
  std::string status = read_proc("/proc/self/status");
  size_t field = status.find(kPeakField);
  if (field != std::string::npos) {
    memory.resident_bytes_peak =
        std::strtoull(status.c_str() + field + kPeakField.size(), nullptr, 10) * 1024;
  }
  // The two are read one after the other, and the kernel updates the peak lazily.
  if (memory.resident_bytes_peak < memory.resident_bytes) memory.resident_bytes_peak = memory.resident_bytes;
  return memory;
}

uint64_t system_memory_bytes() {
  long pages = ::sysconf(_SC_PHYS_PAGES);
  long page_bytes = ::sysconf(_SC_PAGESIZE);
  return pages > 0 && page_bytes > 0 ? static_cast<uint64_t>(pages) * static_cast<uint64_t>(page_bytes) : 0;
}

ProcessCpu process_cpu() { return {usage_of(RUSAGE_SELF), usage_of(RUSAGE_CHILDREN), main_thread_usage()}; }

CpuUsage thread_cpu_usage() { return usage_of(RUSAGE_THREAD); }

uint64_t raise_descriptor_limit(uint64_t wanted) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) < 0) return 0;
  if (limit.rlim_cur >= wanted) return limit.rlim_cur;
  // Root may raise the hard limit too; everybody may go up to it.
  rlimit raised{.rlim_cur = wanted, .rlim_max = wanted > limit.rlim_max ? wanted : limit.rlim_max};
  if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) return wanted;
  raised = {.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max, .rlim_max = limit.rlim_max};
  if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) return raised.rlim_cur;
  return limit.rlim_cur;
}

uint64_t open_descriptor_count() {
  DIR* stream = ::opendir("/proc/self/fd");
  if (stream == nullptr) return 0;
  uint64_t count = 0;
  while (const dirent* entry = ::readdir(stream)) {
    if (entry->d_name[0] != '.') ++count;
  }
  ::closedir(stream);
  return count - 1;  // the one that reads the directory
}

}  // namespace strata

// The process seen from outside and inside: identity, memory, CPU time, limits; what INFO prints.
//
// Any thread may call everything but daemonize(). Calls read /proc or ask the kernel (some
// microseconds); none is for a hot path. Figures that the system does not give are 0 or empty.

#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace strata {

int64_t process_id();
std::string executable_path();  // absolute; empty if unknown
std::string host_name();
std::string system_name();       // "Linux 6.1.0-18-amd64 x86_64", as in INFO's `os`
std::string compiler_version();  // "12.2.0", as in INFO's `gcc_version`
int pointer_bits();              // 64

// Detaches: the parent exits with status 0, the child leads a session of its own with its standard
// streams on /dev/null. Call it before any thread exists.
Status daemonize();

Status change_directory(const std::string& path);
Result<std::string> current_directory();

struct ProcessMemory {
  uint64_t resident_bytes = 0;
  uint64_t resident_bytes_peak = 0;
};
ProcessMemory process_memory();
uint64_t system_memory_bytes();  // physical memory of the machine, not of a container

struct CpuUsage {
  int64_t user_us = 0;
  int64_t system_us = 0;
};
struct ProcessCpu {
  CpuUsage self;         // all threads
  CpuUsage children;     // ended and waited for
  CpuUsage main_thread;  // the thread that entered main()
};
ProcessCpu process_cpu();
CpuUsage thread_cpu_usage();  // of the calling thread

// Raises the limit of open descriptors to at least `wanted`, or as far as it goes; returns the limit
// that now holds.
uint64_t raise_descriptor_limit(uint64_t wanted);
uint64_t open_descriptor_count();

}  // namespace strata

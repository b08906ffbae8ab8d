// Kills a program amid a write to its log, as SIGKILL does: the kernel, which copies page by page, looks for signals
// between two pages of the file. Preloaded with LD_PRELOAD.
//
// KILL_IN_WRITE names a file of two 32-bit numbers in the machine's byte order: how many writes to the log that cross a
// page's boundary pass before the one that is cut short (0: none is), and after how many boundaries that one ends.
// Only files whose path holds "appendonlydir/" are touched.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE_BYTES 4096

struct control {
  volatile uint32_t countdown, boundaries;
};

static struct control* control_of(void) {
  static struct control* found;
  const char* path = getenv("KILL_IN_WRITE");
  if (found || !path) return found;
  int fd = open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return NULL;
  void* mapped = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (mapped != MAP_FAILED) found = mapped;
  return found;
}

static int is_log(int fd) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t size = readlink(link, path, sizeof path - 1);
  if (size < 0) return 0;
  path[size] = 0;
  return strstr(path, "appendonlydir/") != NULL && strstr(path, ".incr.aof") != NULL;
}

// How much of the write happens; all of it: `size`.
static size_t bytes_before_the_kill(int fd, size_t size, uint64_t at) {
  struct control* control = control_of();
  const uint64_t first = PAGE_BYTES - at % PAGE_BYTES;
  if (!control || control->countdown == 0 || size <= first || !is_log(fd)) return size;
  if (__atomic_sub_fetch(&control->countdown, 1, __ATOMIC_RELAXED) != 0) return size;
  const uint64_t boundaries = (size - first - 1) / PAGE_BYTES + 1;
  return first + control->boundaries % boundaries * PAGE_BYTES;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t pwrite64(int fd, const void* bytes, size_t size, off64_t at) {
  const size_t some = bytes_before_the_kill(fd, size, (uint64_t)at);
  const ssize_t written = REAL(pwrite64)(fd, bytes, some, at);
  if (some != size) kill(getpid(), SIGKILL);
  return written;
}
ssize_t pwrite(int fd, const void* bytes, size_t size, off_t at) { return pwrite64(fd, bytes, size, at); }

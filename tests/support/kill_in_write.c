// Kills a program amid a write to its log, as SIGKILL does: the kernel, which copies page by page, looks for signals
// between two pages of the file. Preloaded with LD_PRELOAD.
//
// KILL_IN_WRITE names a file of two 32-bit numbers in the machine's byte order: how many writes to the log that cross a
// page's boundary pass before the one that is cut short (0: none is), and after how many boundaries that one ends.
// Only files whose path holds "appendonlydir/" are touched.

#include "preloaded.h"

#include <signal.h>

#define PAGE_BYTES 4096

struct control {
  volatile uint32_t countdown, boundaries;
};

static struct control* control_of(void) {
  static struct control* found;
  if (!found) found = map_numbers("KILL_IN_WRITE", sizeof(struct control));
  return found;
}

static int is_log(int fd) { return path_holds(fd, "appendonlydir/") && path_holds(fd, ".incr.aof"); }

// How much of the write happens; all of it: `size`.
static size_t bytes_before_the_kill(int fd, size_t size, uint64_t at) {
  struct control* control = control_of();
  const uint64_t first = PAGE_BYTES - at % PAGE_BYTES;
  if (!control || control->countdown == 0 || size <= first || !is_log(fd)) return size;
  if (__atomic_sub_fetch(&control->countdown, 1, __ATOMIC_RELAXED) != 0) return size;
  const uint64_t boundaries = (size - first - 1) / PAGE_BYTES + 1;
  return first + control->boundaries % boundaries * PAGE_BYTES;
}

ssize_t pwrite64(int fd, const void* bytes, size_t size, off64_t at) {
  const size_t some = bytes_before_the_kill(fd, size, (uint64_t)at);
  const ssize_t written = REAL(pwrite64)(fd, bytes, some, at);
  if (some != size) kill(getpid(), SIGKILL);
  return written;
}
ssize_t pwrite(int fd, const void* bytes, size_t size, off_t at) { return pwrite64(fd, bytes, size, at); }

// Makes writes and syncs of the log's files, or of others, slow, or fail, while a program runs: preloaded with LD_PRELOAD.
//
// FAULTY_DISK names a file of five 32-bit numbers in the machine's byte order, which a test changes as it likes:
//   microseconds that each write takes longer, errno that it fails with (0: it succeeds); the same two for syncs;
//   and how many calls were slowed down or failed, counted here. A delay of 2^32 - 1 lasts until it is changed.
// Only files are touched whose path holds FAULTY_DISK_FILES, which is "appendonlydir/" unless it is set.

#include "preloaded.h"

#include <errno.h>
#include <sys/uio.h>

struct control {
  volatile uint32_t write_us, write_errno, sync_us, sync_errno, hits;
};

static struct control* control_of(void) {
  static struct control* found;
  if (!found) found = map_numbers("FAULTY_DISK", sizeof(struct control));
  return found;
}

static int is_concerned(int fd) {
  const char* files = getenv("FAULTY_DISK_FILES");
  return path_holds(fd, files ? files : "appendonlydir/");
}

// Nonzero: errno is set and the call is not made.
static int disturb(int fd, int is_sync) {
  struct control* control = control_of();
  if (!control || !is_concerned(fd)) return 0;
  uint32_t us = is_sync ? control->sync_us : control->write_us;
  if (us || (is_sync ? control->sync_errno : control->write_errno))
    __atomic_add_fetch(&control->hits, 1, __ATOMIC_RELAXED);
  if (us == UINT32_MAX) {
    while ((is_sync ? control->sync_us : control->write_us) == UINT32_MAX) usleep(1000);
  } else if (us) {
    usleep(us);
  }
  uint32_t error = is_sync ? control->sync_errno : control->write_errno;
  errno = (int)error;
  return error != 0;
}

ssize_t write(int fd, const void* bytes, size_t size) {
  return disturb(fd, 0) ? -1 : REAL(write)(fd, bytes, size);
}
ssize_t pwrite(int fd, const void* bytes, size_t size, off_t at) {
  return disturb(fd, 0) ? -1 : REAL(pwrite)(fd, bytes, size, at);
}
ssize_t pwrite64(int fd, const void* bytes, size_t size, off64_t at) {
  return disturb(fd, 0) ? -1 : REAL(pwrite64)(fd, bytes, size, at);
}
ssize_t writev(int fd, const struct iovec* slices, int count) {
  return disturb(fd, 0) ? -1 : REAL(writev)(fd, slices, count);
}
ssize_t pwritev(int fd, const struct iovec* slices, int count, off_t at) {
  return disturb(fd, 0) ? -1 : REAL(pwritev)(fd, slices, count, at);
}
ssize_t pwritev2(int fd, const struct iovec* slices, int count, off_t at, int flags) {
  return disturb(fd, 0) ? -1 : REAL(pwritev2)(fd, slices, count, at, flags);
}
int fsync(int fd) { return disturb(fd, 1) ? -1 : REAL(fsync)(fd); }
int fdatasync(int fd) { return disturb(fd, 1) ? -1 : REAL(fdatasync)(fd); }

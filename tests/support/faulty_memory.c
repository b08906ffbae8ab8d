// Makes the n-th allocation of a program fail: preloaded with LD_PRELOAD.
//
// FAULTY_MEMORY names a file of two 32-bit numbers in the machine's byte order and 24 bytes of text, which a test
// changes as it likes: how many allocations are left until one fails (0: none does), how many have failed (counted
// here), and the name of the threads whose allocations count (empty: all).

#include "preloaded.h"

#include <errno.h>
#include <sys/prctl.h>

struct control {
  volatile uint32_t left, failed;
  char thread[24];
};

static struct control* control;

extern void* __libc_malloc(size_t);
extern void* __libc_calloc(size_t, size_t);
extern void* __libc_realloc(void*, size_t);
extern void* __libc_memalign(size_t, size_t);

__attribute__((constructor)) static void begin(void) {
  control = map_numbers("FAULTY_MEMORY", sizeof(struct control));
}

static int fails(void) {
  if (!control || control->left == 0) return 0;
  if (control->thread[0]) {
    char name[17] = "";
    prctl(PR_GET_NAME, name);
    if (strcmp(name, control->thread) != 0) return 0;
  }
  uint32_t left = __atomic_load_n(&control->left, __ATOMIC_RELAXED);
  while (left != 0 && !__atomic_compare_exchange_n(&control->left, &left, left - 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {
  }
  if (left != 1) return 0;
  __atomic_fetch_add(&control->failed, 1, __ATOMIC_SEQ_CST);
  errno = ENOMEM;
  return 1;
}

void* malloc(size_t size) { return fails() ? NULL : __libc_malloc(size); }
void* calloc(size_t count, size_t size) { return fails() ? NULL : __libc_calloc(count, size); }
void* realloc(void* old, size_t size) { return fails() ? NULL : __libc_realloc(old, size); }
void* aligned_alloc(size_t alignment, size_t size) { return fails() ? NULL : __libc_memalign(alignment, size); }
void* memalign(size_t alignment, size_t size) { return fails() ? NULL : __libc_memalign(alignment, size); }
int posix_memalign(void** out, size_t alignment, size_t size) {
  *out = fails() ? NULL : __libc_memalign(alignment, size);
  return *out ? 0 : ENOMEM;
}

#include "platform/memory_map.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <utility>

#include "base/assert.h"

namespace strata {

namespace {

// Private anonymous memory that costs nothing until it is touched; null when the system has none.
char* map_anonymous(size_t bytes) {
  void* address =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return address == MAP_FAILED ? nullptr : static_cast<char*>(address);
}

std::unexpected<Error> out_of_memory(const char* what) { return fail_os(Errc::kOutOfMemory, errno, what); }

size_t round_up(size_t value, size_t unit) { return (value + unit - 1) & ~(unit - 1); }

}  // namespace

size_t page_size() {
  static const size_t size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return size;
}

Result<void*> reserve_memory(size_t bytes, size_t alignment) {
  STRATA_ASSERT(alignment >= page_size() && (alignment & (alignment - 1)) == 0);
  if (bytes > SIZE_MAX - alignment)
    return fail(Errc::kOutOfMemory, "reservation larger than the address space");
  // Neighbouring mappings of one size tend to follow each other, so the plain attempt often fits.
  char* address = map_anonymous(bytes);
  if (address == nullptr) return out_of_memory("mmap");
  if (reinterpret_cast<uintptr_t>(address) % alignment == 0) return address;
  munmap(address, bytes);

  size_t mapped = bytes + alignment - page_size();
  address = map_anonymous(mapped);
  if (address == nullptr) return out_of_memory("mmap");
  char* aligned = reinterpret_cast<char*>(round_up(reinterpret_cast<uintptr_t>(address), alignment));
  size_t before = static_cast<size_t>(aligned - address);
  size_t after = mapped - before - bytes;
  if (before > 0) munmap(address, before);
  if (after > 0) munmap(aligned + bytes, after);
  return aligned;
}

void release_memory(void* address, size_t bytes) {
  int result = munmap(address, bytes);
  STRATA_ASSERT(result == 0, "munmap");
}

// The first touch commits.
Status commit_memory(void*, size_t) { return {}; }

void decommit_memory(void* address, size_t bytes) {
  int result = madvise(address, bytes, MADV_DONTNEED);
  STRATA_ASSERT(result == 0, "madvise");
}

void clear_memory(void* address, size_t bytes) {
#ifdef __linux__
  if (madvise(address, bytes, MADV_DONTNEED) == 0) return;  // it does not go for locked pages
#endif
  __builtin_memset(address, 0, bytes);
}

Result<void*> resize_memory(void* address, size_t old_bytes, size_t new_bytes, size_t alignment) {
#ifdef __linux__
  void* same = mremap(address, old_bytes, new_bytes, 0);
  if (same != MAP_FAILED) return same;
  TRY_ASSIGN(void* target, reserve_memory(new_bytes, alignment));
  void* moved = mremap(address, old_bytes, new_bytes, MREMAP_MAYMOVE | MREMAP_FIXED, target);
  if (moved != MAP_FAILED) return moved;
  auto error = out_of_memory("mremap");
  release_memory(target, new_bytes);
  return error;
#else
  TRY_ASSIGN(void* target, reserve_memory(new_bytes, alignment));
  __builtin_memcpy(target, address, old_bytes < new_bytes ? old_bytes : new_bytes);
  release_memory(address, old_bytes);
  return target;
#endif
}

void hint_huge_pages(void* address, size_t bytes, HugePages wish) {
#ifdef __linux__
  // Refused by kernels without transparent huge pages, which is as good as being heard.
  madvise(address, bytes, wish == HugePages::kPrefer ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
#else
  (void)address, (void)bytes, (void)wish;
#endif
}

size_t resident_bytes() {
#ifdef __linux__
  // Exact, where statm's counters lag behind by a batch for each thread.
  FILE* file = fopen("/proc/self/smaps_rollup", "re");
  if (file == nullptr) return 0;
  size_t kilobytes = 0;
  char line[256];
  while (fgets(line, sizeof line, file) != nullptr) {
    if (sscanf(line, "Rss: %zu kB", &kilobytes) == 1) break;
  }
  fclose(file);
  return kilobytes * 1024;
#else
  return 0;
#endif
}

Result<MirroredMemory> MirroredMemory::create(size_t bytes) {
  if (bytes == 0 || bytes > SIZE_MAX / 4) return fail(Errc::kInvalidArgument, "size of a mirrored mapping");
  size_t size = round_up(bytes, page_size());
  int file = memfd_create("strata-ring", MFD_CLOEXEC);
  if (file < 0) return out_of_memory("memfd_create");
  if (ftruncate(file, static_cast<off_t>(size)) != 0) {
    auto error = out_of_memory("ftruncate");
    close(file);
    return error;
  }
  char* data = map_anonymous(2 * size);
  if (data == nullptr) {
    auto error = out_of_memory("mmap");
    close(file);
    return error;
  }
  for (char* half : {data, data + size}) {
    if (mmap(half, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0) != half) {
      auto error = out_of_memory("mmap");
      munmap(data, 2 * size);
      close(file);
      return error;
    }
  }
  close(file);  // the mappings keep the memory
  return MirroredMemory(data, size);
}

MirroredMemory::MirroredMemory(MirroredMemory&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MirroredMemory& MirroredMemory::operator=(MirroredMemory&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MirroredMemory::~MirroredMemory() {
  if (data_ != nullptr) munmap(data_, 2 * size_);
}

}  // namespace strata

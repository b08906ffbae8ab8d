// What the libraries here share that a test preloads into a server (LD_PRELOAD) to disturb its calls.
//
// A test and the library share numbers in a mapped file, which the test changes while the server runs.

#pragma once

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

// The function that the program would have called.
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

// The file that the environment variable names, mapped; null without one, or when it cannot be.
__attribute__((unused)) static void* map_numbers(const char* variable, size_t bytes) {
  const char* path = getenv(variable);
  if (!path) return NULL;
  int fd = open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return NULL;
  void* mapped = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  return mapped == MAP_FAILED ? NULL : mapped;
}

// Whether the descriptor is a file whose path holds that.
__attribute__((unused)) static int path_holds(int fd, const char* part) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t size = readlink(link, path, sizeof path - 1);
  if (size < 0) return 0;
  path[size] = 0;
  return strstr(path, part) != NULL;
}

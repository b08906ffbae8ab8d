// Tells the address sanitizer which bytes of our own memory nobody may touch. Nothing in other builds.

#pragma once

#if defined(__SANITIZE_ADDRESS__)
#define STRATA_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define STRATA_ADDRESS_SANITIZER 1
#endif
#endif

#ifdef STRATA_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#define STRATA_POISON(address, bytes) __asan_poison_memory_region(address, bytes)
#define STRATA_UNPOISON(address, bytes) __asan_unpoison_memory_region(address, bytes)
#else
#define STRATA_POISON(address, bytes) (void)0
#define STRATA_UNPOISON(address, bytes) (void)0
#endif

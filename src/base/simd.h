// The instruction sets, so that nobody else looks at compiler macros. Kernels that need more than the
// baseline (SSE2 on x86-64) live in files named *_kernel_<isa>.cc and are chosen at run time.

#pragma once

#include <cstdint>

#if defined(__x86_64__)
#define STRATA_X86_64 1
#include <emmintrin.h>
#else
#define STRATA_X86_64 0
#endif

#define STRATA_ALWAYS_INLINE [[gnu::always_inline]] inline

namespace strata {

// Asks for the cache line; never faults, whatever the address.
STRATA_ALWAYS_INLINE void prefetch_read(const void* address) { __builtin_prefetch(address, 0, 3); }
STRATA_ALWAYS_INLINE void prefetch_write(const void* address) { __builtin_prefetch(address, 1, 3); }

// Told to the processor in a spin loop, so that the other hyper-thread gets its turn.
STRATA_ALWAYS_INLINE void spin_pause() {
#if STRATA_X86_64
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Bit i is set when the top 16 bits of slots[i] equal `tag`. The plain version, and the test's reference.
STRATA_ALWAYS_INLINE uint32_t match_tags8_scalar(const uint64_t* slots, uint16_t tag) {
  uint32_t mask = 0;
  for (unsigned i = 0; i < 8; ++i) mask |= static_cast<uint32_t>(slots[i] >> 48 == tag) << i;
  return mask;
}

// The same for one cache line of slots (64-byte aligned) in about a dozen instructions.
STRATA_ALWAYS_INLINE uint32_t match_tags8(const uint64_t* slots, uint16_t tag) {
#if STRATA_X86_64
  const auto* lines = reinterpret_cast<const __m128*>(slots);
  // The upper halves of the eight words, then their upper halves: the arithmetic shift keeps each tag
  // within the range that the signed pack does not saturate.
  const __m128i low = _mm_castps_si128(_mm_shuffle_ps(lines[0], lines[1], _MM_SHUFFLE(3, 1, 3, 1)));
  const __m128i high = _mm_castps_si128(_mm_shuffle_ps(lines[2], lines[3], _MM_SHUFFLE(3, 1, 3, 1)));
  const __m128i tags = _mm_packs_epi32(_mm_srai_epi32(low, 16), _mm_srai_epi32(high, 16));
  const __m128i equal = _mm_cmpeq_epi16(tags, _mm_set1_epi16(static_cast<int16_t>(tag)));
  return static_cast<uint32_t>(_mm_movemask_epi8(_mm_packs_epi16(equal, _mm_setzero_si128())));
#else
  return match_tags8_scalar(slots, tag);
#endif
}

}  // namespace strata

// Folding with carry-less multiplication: 64 bytes in a step, in four lanes that do not wait for each
// other. After Gopal and others, "Fast CRC Computation Using PCLMULQDQ" (Intel, 2009); one kernel serves
// every reflected polynomial of up to 64 degrees, and the last 16 bytes are left to the tables.

#include "base/crc_kernels.h"

#if STRATA_X86_64

#include <immintrin.h>

#define STRATA_TARGET_PCLMUL [[gnu::target("pclmul,sse4.1")]]

namespace strata::crc_detail {
namespace {

STRATA_TARGET_PCLMUL inline __m128i load(const char* from) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
}

// `lane` moved ahead by the distance of `factors`, then added to what stands there.
STRATA_TARGET_PCLMUL inline __m128i fold(__m128i lane, __m128i factors, __m128i there) {
  const __m128i first = _mm_clmulepi64_si128(lane, factors, 0x00);
  const __m128i second = _mm_clmulepi64_si128(lane, factors, 0x11);
  return _mm_xor_si128(_mm_xor_si128(first, second), there);
}

}  // namespace

STRATA_TARGET_PCLMUL size_t fold_pclmul(uint64_t state, const char* data, size_t size,
                                        const FoldConstants& constants, char (&remainder)[16]) {
  const __m128i by_64 = _mm_set_epi64x(static_cast<int64_t>(constants.by_64_second),
                                       static_cast<int64_t>(constants.by_64_first));
  const __m128i by_16 = _mm_set_epi64x(static_cast<int64_t>(constants.by_16_second),
                                       static_cast<int64_t>(constants.by_16_first));
  __m128i lane0 = _mm_xor_si128(load(data), _mm_cvtsi64_si128(static_cast<int64_t>(state)));
  __m128i lane1 = load(data + 16);
  __m128i lane2 = load(data + 32);
  __m128i lane3 = load(data + 48);
  size_t done = 64;
  for (; done + 64 <= size; done += 64) {
    lane0 = fold(lane0, by_64, load(data + done));
    lane1 = fold(lane1, by_64, load(data + done + 16));
    lane2 = fold(lane2, by_64, load(data + done + 32));
    lane3 = fold(lane3, by_64, load(data + done + 48));
  }
  lane0 = fold(lane0, by_16, lane1);
  lane0 = fold(lane0, by_16, lane2);
  lane0 = fold(lane0, by_16, lane3);
  for (; done + 16 <= size; done += 16) lane0 = fold(lane0, by_16, load(data + done));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(remainder), lane0);
  return done;
}

}  // namespace strata::crc_detail

#endif

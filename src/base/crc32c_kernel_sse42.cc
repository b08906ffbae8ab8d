// CRC-32C with the instruction that SSE4.2 has for it.

#include "base/crc_kernels.h"

#if STRATA_X86_64

#include <nmmintrin.h>

namespace strata::crc_detail {

[[gnu::target("sse4.2")]] uint32_t update_crc32c_sse42(uint32_t state, const char* data, size_t size) {
  uint64_t wide = state;
  for (; size >= 8; data += 8, size -= 8) wide = _mm_crc32_u64(wide, load_le64(data));
  state = static_cast<uint32_t>(wide);
  for (; size > 0; ++data, --size) state = _mm_crc32_u8(state, static_cast<unsigned char>(*data));
  return state;
}

}  // namespace strata::crc_detail

#endif

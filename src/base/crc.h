// Checksums. Each can be extended: crc(crc(0, a), b) == crc(0, ab), so 0 is the seed of a new one.
//
//   crc32c  Castagnoli: Strata's own log and files           "123456789" -> 0xe3069283
//   crc32   zlib's polynomial                                "123456789" -> 0xcbf43926
//   crc64   Jones, as at the end of Redis's RDB files        "123456789" -> 0xe9c6d914c4b8d9ca
//   crc16   XMODEM, as in Redis Cluster's key slots          "123456789" -> 0x31c3
//
// Any thread may call them. crc32c, crc32 and crc64 choose carry-less multiplication (and SSE4.2's
// crc32 instruction) at run time where the processor has them, tables otherwise; the results are the same.

#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace strata {

uint32_t crc32c(uint32_t seed, Bytes bytes);
uint32_t crc32(uint32_t seed, Bytes bytes);
uint64_t crc64(uint64_t seed, Bytes bytes);
uint16_t crc16(uint16_t seed, Bytes bytes);

}  // namespace strata

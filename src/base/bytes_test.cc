// endian.h and varint.h.

#include <gtest/gtest.h>

#include <string>

#include "base/endian.h"
#include "base/random.h"
#include "base/varint.h"

namespace strata {
namespace {

TEST(Endian, KnownBytesAtAnyAlignment) {
  const std::string bytes = "_\x01\x02\x03\x04\x05\x06\x07\x08";
  EXPECT_EQ(load_le16(bytes.data() + 1), 0x0201);
  EXPECT_EQ(load_be16(bytes.data() + 1), 0x0102);
  EXPECT_EQ(load_le32(bytes.data() + 1), 0x04030201u);
  EXPECT_EQ(load_be32(bytes.data() + 1), 0x01020304u);
  EXPECT_EQ(load_le64(bytes.data() + 1), 0x0807060504030201u);
  EXPECT_EQ(load_be64(bytes.data() + 1), 0x0102030405060708u);
}

TEST(Endian, StoreUndoesLoad) {
  Random random(1);
  for (int i = 0; i < 1000; ++i) {
    const uint64_t value = random.next();
    char out[9];
    store_le64(out + 1, value);
    EXPECT_EQ(load_le64(out + 1), value);
    EXPECT_EQ(load_be64(out + 1), __builtin_bswap64(value));
    store_be64(out + 1, value);
    EXPECT_EQ(load_be64(out + 1), value);
    store_be32(out + 1, static_cast<uint32_t>(value));
    EXPECT_EQ(load_be32(out + 1), static_cast<uint32_t>(value));
    store_le32(out + 1, static_cast<uint32_t>(value));
    EXPECT_EQ(load_le32(out + 1), static_cast<uint32_t>(value));
    store_be16(out + 1, static_cast<uint16_t>(value));
    EXPECT_EQ(load_be16(out + 1), static_cast<uint16_t>(value));
    store_le16(out + 1, static_cast<uint16_t>(value));
    EXPECT_EQ(load_le16(out + 1), static_cast<uint16_t>(value));
  }
}

TEST(Varint, SizesAtTheSteps) {
  for (unsigned bits = 0; bits < 64; ++bits) {
    const uint64_t value = uint64_t{1} << bits;
    EXPECT_EQ(varint_size(value), bits / 7 + 1);
    EXPECT_EQ(varint_size(value - 1), bits == 0 ? 1 : (bits + 6) / 7);
  }
  EXPECT_EQ(varint_size(UINT64_MAX), kVarintBytesMax);
}

TEST(Varint, RoundTripAndEveryCutIsRefused) {
  Random random(2);
  for (int i = 0; i < 5000; ++i) {
    const uint64_t value = i == 0 ? UINT64_MAX : random.next() >> random.below(64);
    char out[kVarintBytesMax];
    const size_t size = encode_varint(value, out);
    EXPECT_EQ(size, varint_size(value));
    uint64_t back = 0;
    EXPECT_EQ(decode_varint({out, size}, back), size);
    EXPECT_EQ(back, value);
    for (size_t cut = 0; cut < size; ++cut) EXPECT_EQ(decode_varint({out, cut}, back), 0u);
    EXPECT_EQ(back, value);
  }
}

TEST(Varint, RefusesMoreThan64Bits) {
  uint64_t value = 7;
  EXPECT_EQ(decode_varint(std::string(9, '\xff') + "\x02", value), 0u);
  EXPECT_EQ(decode_varint(std::string(20, '\x80'), value), 0u);
  EXPECT_EQ(value, 7u);
  EXPECT_EQ(decode_varint(std::string(9, '\xff') + "\x01", value), 10u);
  EXPECT_EQ(value, UINT64_MAX);
}

}  // namespace
}  // namespace strata

#include "base/crc.h"

#include <gtest/gtest.h>

#include <string>

#include "base/crc_kernels.h"
#include "base/random.h"

namespace strata {
namespace {

// One bit at a time, straight from the definition.
template <typename Word>
Word bitwise(Word state, Bytes bytes, Word polynomial) {
  for (const char byte : bytes) {
    state ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) state = crc_detail::times_x(state, polynomial);
  }
  return state;
}

std::string random_bytes(Random& random, size_t size) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random.next());
  return bytes;
}

TEST(Crc, KnownValues) {
  EXPECT_EQ(crc32c(0, "123456789"), 0xe3069283u);
  EXPECT_EQ(crc32(0, "123456789"), 0xcbf43926u);
  EXPECT_EQ(crc64(0, "123456789"), 0xe9c6d914c4b8d9caull);
  EXPECT_EQ(crc16(0, "123456789"), 0x31c3u);
  // RFC 3720, B.4.
  EXPECT_EQ(crc32c(0, std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(crc32c(0, std::string(32, '\xff')), 0x62a8ab43u);
  // CLUSTER KEYSLOT of a real server.
  EXPECT_EQ(crc16(0, "foo") & 16383, 12182);
  EXPECT_EQ(crc16(0, "somekey") & 16383, 11058);
}

TEST(Crc, NothingChangesNothing) {
  EXPECT_EQ(crc32c(77, ""), 77u);
  EXPECT_EQ(crc32(77, ""), 77u);
  EXPECT_EQ(crc64(77, ""), 77u);
  EXPECT_EQ(crc16(77, ""), 77u);
}

TEST(Crc, EveryLengthAgreesWithTheDefinition) {
  Random random(1);
  const std::string bytes = random_bytes(random, 1200);
  for (size_t size = 0; size + 3 < bytes.size(); size += 1 + size / 64) {
    const Bytes part(bytes.data() + size % 3, size);
    const uint64_t seed = random.next();
    const auto seed32 = static_cast<uint32_t>(seed);
    EXPECT_EQ(crc32c(seed32, part), ~bitwise<uint32_t>(~seed32, part, crc_detail::kCrc32cPolynomial)) << size;
    EXPECT_EQ(crc32(seed32, part), ~bitwise<uint32_t>(~seed32, part, crc_detail::kCrc32Polynomial)) << size;
    EXPECT_EQ(crc64(seed, part), bitwise<uint64_t>(seed, part, crc_detail::kCrc64Polynomial)) << size;
  }
}

TEST(Crc, CanBeExtended) {
  Random random(2);
  const std::string bytes = random_bytes(random, 3000);
  for (int i = 0; i < 200; ++i) {
    const size_t cut = random.below(bytes.size() + 1);
    const Bytes whole = bytes;
    const Bytes head = whole.substr(0, cut);
    const Bytes tail = whole.substr(cut);
    EXPECT_EQ(crc32c(crc32c(0, head), tail), crc32c(0, whole));
    EXPECT_EQ(crc32(crc32(0, head), tail), crc32(0, whole));
    EXPECT_EQ(crc64(crc64(0, head), tail), crc64(0, whole));
    EXPECT_EQ(crc16(crc16(0, head), tail), crc16(0, whole));
  }
}

TEST(Crc, TablesAgreeWithTheDefinition) {
  Random random(3);
  constexpr auto kTables = crc_detail::make_tables(crc_detail::kCrc64Polynomial);
  for (size_t size = 0; size < 100; ++size) {
    const std::string bytes = random_bytes(random, size);
    const uint64_t seed = random.next();
    EXPECT_EQ(crc_detail::update_scalar(seed, bytes.data(), size, kTables),
              bitwise<uint64_t>(seed, bytes, crc_detail::kCrc64Polynomial));
  }
}

#if STRATA_X86_64
template <typename Word>
void expect_fold_keeps_remainder(Word polynomial) {
  if (!crc_detail::cpu_has_fold()) GTEST_SKIP() << "no carry-less multiplication here";
  Random random(4);
  const crc_detail::FoldConstants constants = crc_detail::make_fold_constants(polynomial);
  for (size_t size = crc_detail::kFoldBytesMin; size < 400; ++size) {
    const std::string bytes = random_bytes(random, size);
    const Word seed = static_cast<Word>(random.next());
    char remainder[16];
    const size_t done = crc_detail::fold_pclmul(seed, bytes.data(), size, constants, remainder);
    ASSERT_EQ(done, size / 16 * 16);
    EXPECT_EQ(bitwise<Word>(0, Bytes(remainder, 16), polynomial),
              bitwise<Word>(seed, Bytes(bytes.data(), done), polynomial));
  }
}

TEST(CrcKernel, FoldKeepsTheRemainder) {
  expect_fold_keeps_remainder(crc_detail::kCrc32cPolynomial);
  expect_fold_keeps_remainder(crc_detail::kCrc32Polynomial);
  expect_fold_keeps_remainder(crc_detail::kCrc64Polynomial);
}

TEST(CrcKernel, InstructionAgreesWithTables) {
  if (!crc_detail::cpu_has_crc32c()) GTEST_SKIP() << "no SSE4.2 here";
  Random random(5);
  constexpr auto kTables = crc_detail::make_tables(crc_detail::kCrc32cPolynomial);
  for (size_t size = 0; size < 300; ++size) {
    const std::string bytes = random_bytes(random, size);
    const auto seed = static_cast<uint32_t>(random.next());
    EXPECT_EQ(crc_detail::update_crc32c_sse42(seed, bytes.data(), size),
              crc_detail::update_scalar(seed, bytes.data(), size, kTables));
  }
}
#endif

}  // namespace
}  // namespace strata

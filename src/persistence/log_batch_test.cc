#include "persistence/log_batch.h"

#include <gtest/gtest.h>

#include <string>

namespace strata {
namespace {

TEST(LogBatch, HeaderIsDrawnAsDocumented) {
  const BatchHeader header{.position = 0x1234, .bytes = 0x27, .checksum = 0xdeadbeef, .synced_to = 0x1000};
  std::string text(kBatchHeaderBytes, '?');
  format_batch_header(text.data(), header);
  EXPECT_EQ(text, "#SB:0000000000001234 0000000027 deadbeef 0000000000001000\r\n");
  BatchHeader read;
  ASSERT_TRUE(parse_batch_header(text, read));
  EXPECT_EQ(read, header);
}

TEST(LogBatch, OpeningIsDrawnAsDocumented) {
  const LogOpening opening{.position = 0x1234, .salt = 0xfeed};
  char line[kOpeningBytes];
  format_opening(line, opening);
  const Bytes text(line, sizeof(line));
  EXPECT_TRUE(text.starts_with("#SO:02 0000000000001234 000000000000feed "));
  EXPECT_TRUE(text.ends_with("\r\n"));
  LogOpening read;
  ASSERT_TRUE(parse_opening(text, read));
  EXPECT_EQ(read, opening);
}

TEST(LogBatch, NothingElsePasses) {
  const std::string good = "#SB:0000000000001234 0000000027 deadbeef 0000000000001000\r\n";
  BatchHeader header;
  for (size_t length = 0; length < good.size(); ++length)
    EXPECT_FALSE(parse_batch_header(Bytes(good).substr(0, length), header));
  std::string upper = good;
  upper[32] = 'D';
  EXPECT_FALSE(parse_batch_header(upper, header));
  EXPECT_FALSE(parse_batch_header("#SB:0000000000001234 0000000027 deadbeef 0000000000001235\r\n", header))
      << "synced beyond its own beginning";
}

TEST(LogBatch, EveryBitOfTheOpeningCounts) {
  char line[kOpeningBytes];
  format_opening(line, {.position = 77, .salt = 99});
  for (size_t bit = 0; bit < sizeof(line) * 8; ++bit) {
    line[bit / 8] = static_cast<char>(line[bit / 8] ^ (1 << (bit % 8)));
    LogOpening opening;
    EXPECT_FALSE(parse_opening(Bytes(line, sizeof(line)), opening)) << bit;
    line[bit / 8] = static_cast<char>(line[bit / 8] ^ (1 << (bit % 8)));
  }
}

TEST(LogBatch, ChecksumCoversSaltAndFields) {
  const BatchHeader header{.position = 1, .bytes = 2, .synced_to = 1};
  const uint32_t seed = batch_checksum_seed(5, header);
  EXPECT_NE(seed, batch_checksum_seed(6, header));
  EXPECT_NE(seed, batch_checksum_seed(5, {.position = 2, .bytes = 2, .synced_to = 1}));
  EXPECT_NE(seed, batch_checksum_seed(5, {.position = 1, .bytes = 3, .synced_to = 1}));
  EXPECT_NE(seed, batch_checksum_seed(5, {.position = 1, .bytes = 2, .synced_to = 0}));
}

}  // namespace
}  // namespace strata

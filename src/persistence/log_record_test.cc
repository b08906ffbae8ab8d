#include "persistence/log_record.h"

#include <gtest/gtest.h>

#include <array>

namespace strata {
namespace {

TEST(LogRecord, FormatsAsRedisDoes) {
  const std::array<Bytes, 3> args = {"SET", "key", ""};
  std::string out;
  append_command_to(out, args);
  EXPECT_EQ(out, "*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$0\r\n\r\n");
  EXPECT_EQ(command_bytes(args), out.size());
  out.clear();
  append_select_to(out, 15);
  EXPECT_EQ(out, "*2\r\n$6\r\nSELECT\r\n$2\r\n15\r\n");
}

TEST(LogRecord, SizeIsRightAroundPowersOfTen) {
  for (size_t size : {9u, 10u, 99u, 100u, 999u, 1000u, 99'999u, 100'000u}) {
    const std::string value(size, 'v');
    const std::vector<Bytes> args(size % 101 + 1, value);
    std::string out;
    append_command_to(out, args);
    EXPECT_EQ(command_bytes(args), out.size());
  }
}

TEST(RecordBuilder, OneCommandStandsAlone) {
  const std::array<Bytes, 2> args = {"DEL", "k"};
  RecordBuilder builder;
  EXPECT_EQ(builder.finish(), "");
  builder.add(3, args);
  EXPECT_EQ(builder.finish(), "*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n");
  EXPECT_EQ(builder.first_db(), 3);
  EXPECT_EQ(builder.last_db(), 3);
}

TEST(RecordBuilder, SeveralBecomeATransactionWithSelects) {
  const std::array<Bytes, 2> args = {"DEL", "k"};
  const std::string del = "*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n";
  RecordBuilder builder;
  builder.add(0, args);
  builder.add(0, args);
  builder.add(7, args);
  EXPECT_EQ(builder.finish(), "*1\r\n$5\r\nMULTI\r\n" + del + del + "*2\r\n$6\r\nSELECT\r\n$1\r\n7\r\n" +
                                  del + "*1\r\n$4\r\nEXEC\r\n");
  EXPECT_EQ(builder.finish(), builder.finish());
  EXPECT_EQ(builder.first_db(), 0);
  EXPECT_EQ(builder.last_db(), 7);
  builder.clear();
  EXPECT_EQ(builder.finish(), "");
}

}  // namespace
}  // namespace strata

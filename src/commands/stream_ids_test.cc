#include "commands/stream_ids.h"

#include <gtest/gtest.h>

#include <string>

namespace strata {
namespace {

std::string show(std::optional<StreamId> id) { return id ? std::string(StreamIdText(*id).view()) : "none"; }
std::string parsed(Bytes text) { return show(parse_stream_id(text, 7)); }

TEST(StreamIds, AreReadAndPrinted) {
  EXPECT_EQ(parsed("1-2"), "1-2");
  EXPECT_EQ(parsed("1"), "1-7");
  EXPECT_EQ(parsed("18446744073709551615-18446744073709551615"), "18446744073709551615-18446744073709551615");
  EXPECT_EQ(StreamIdText(kStreamIdMax).size, kStreamIdTextBytes);
  EXPECT_EQ(parsed("18446744073709551616-0"), "none");
  EXPECT_EQ(parsed("184467440737095516150"), "none");
  EXPECT_EQ(parsed(""), "none");
  EXPECT_EQ(parsed("-"), "none");
  EXPECT_EQ(parsed("+"), "none");
  EXPECT_EQ(parsed("1-"), "none");
  EXPECT_EQ(parsed("-1"), "none");
  EXPECT_EQ(parsed("1-*"), "none");
  EXPECT_EQ(parsed("1-2-3"), "none");
  EXPECT_EQ(parsed("1-x"), "none");
}

// As redis-server 7.0.15 has it.
TEST(StreamIds, AreReadAsByStrtoull) {
  EXPECT_EQ(parsed("007-08"), "7-8");
  EXPECT_EQ(parsed(" 7-+8"), "7-8");
  EXPECT_EQ(parsed("7 -8"), "none");
  EXPECT_EQ(parsed("5--7"), "none");
  EXPECT_EQ(parsed("5--07"), "5-18446744073709551609");
  EXPECT_EQ(parsed(Bytes("5-6\0x", 5)), "5-6");
  EXPECT_EQ(parsed(std::string(126, '0') + "7"), "7-7");
  EXPECT_EQ(parsed(std::string(127, '0') + "7"), "none");
}

TEST(StreamIds, MayLeaveTheSequenceToTheStream) {
  EXPECT_FALSE(parse_partial_stream_id("5-*")->has_sequence);
  EXPECT_EQ(parse_partial_stream_id("5-*")->id, (StreamId{5, 0}));
  EXPECT_TRUE(parse_partial_stream_id("5-1")->has_sequence);
  EXPECT_TRUE(parse_partial_stream_id("5")->has_sequence);
  EXPECT_FALSE(parse_partial_stream_id("*-5").has_value());
  EXPECT_FALSE(parse_partial_stream_id("*").has_value());
}

TEST(StreamIds, BoundRanges) {
  EXPECT_EQ(show(parse_stream_bound("-", StreamEnd::kStart).id), "0-0");
  EXPECT_EQ(parse_stream_bound("+", StreamEnd::kEnd).id, kStreamIdMax);
  EXPECT_EQ(show(parse_stream_bound("5", StreamEnd::kStart).id), "5-0");
  EXPECT_EQ(show(parse_stream_bound("5", StreamEnd::kEnd).id), "5-18446744073709551615");
  EXPECT_EQ(show(parse_stream_bound("(5", StreamEnd::kStart).id), "5-1");
  EXPECT_EQ(show(parse_stream_bound("(5-0", StreamEnd::kEnd).id), "4-18446744073709551615");
  using Error = StreamBound::Error;
  EXPECT_EQ(parse_stream_bound("(", StreamEnd::kStart).error, Error::kNoId);
  EXPECT_EQ(parse_stream_bound("(-", StreamEnd::kStart).error, Error::kNoId);
  EXPECT_EQ(parse_stream_bound("(0-0", StreamEnd::kEnd).error, Error::kNoNeighbour);
  const std::string above = "(18446744073709551615-18446744073709551615";
  EXPECT_EQ(parse_stream_bound(above, StreamEnd::kStart).error, Error::kNoNeighbour);
}

}  // namespace
}  // namespace strata

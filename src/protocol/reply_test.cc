#include "protocol/reply.h"

#include <gtest/gtest.h>

#include <climits>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <string>
#include <vector>

namespace strata {
namespace {

std::string drain(Output& output) {
  std::vector<Bytes> out(4096);
  std::string text;
  const size_t count = output.gather(out);
  for (size_t i = 0; i < count; ++i) text += out[i];
  output.consume(text.size());
  EXPECT_TRUE(output.empty());
  return text;
}

// What `write` writes in RESP2 and in RESP3.
template <typename Write>
void expect_wire(Write write, const std::string& resp2, const std::string& resp3) {
  Output output;
  Reply reply(output);
  write(reply);
  EXPECT_EQ(drain(output), resp2);
  reply.set_resp3(true);
  write(reply);
  EXPECT_EQ(drain(output), resp3);
  reply.set_muted(true);
  write(reply);
  EXPECT_TRUE(output.empty());
}
template <typename Write>
void expect_wire(Write write, const std::string& both) {
  expect_wire(write, both, both);
}

// Appends: GCC 12 reports a literal + std::string in optimised builds as an overlapping copy.
std::string join(std::initializer_list<Bytes> parts) {
  std::string text;
  for (const Bytes part : parts) text += part;
  return text;
}

std::string bulk_text(Bytes value) {
  return join({"$", std::to_string(value.size()), "\r\n", value, "\r\n"});
}

TEST(Reply, Simple) {
  expect_wire([](Reply& reply) { reply.ok(); }, "+OK\r\n");
  expect_wire([](Reply& reply) { reply.simple("QUEUED"); }, "+QUEUED\r\n");
  expect_wire([](Reply& reply) { reply.simple("A\r\n+B"); }, "+A  +B\r\n");
}

TEST(Reply, IntegersOfEverySize) {
  for (int64_t value :
       {int64_t{0}, int64_t{7}, int64_t{10}, int64_t{99}, int64_t{100}, int64_t{999}, int64_t{1000},
        int64_t{1023}, int64_t{1024}, int64_t{-1}, int64_t{INT64_MAX}, int64_t{INT64_MIN}}) {
    const std::string text = std::to_string(value);
    expect_wire([value](Reply& reply) { reply.integer(value); }, join({":", text, "\r\n"}));
    expect_wire([value](Reply& reply) { reply.element(value); }, bulk_text(text));
  }
}

TEST(Reply, BulksOfEverySize) {
  for (size_t size = 0; size < 2100; ++size) {
    const std::string text(size, static_cast<char>(size));
    expect_wire([&](Reply& reply) { reply.bulk(text); }, bulk_text(text));
  }
  const std::string large(100'000, 'x');
  expect_wire([&](Reply& reply) { reply.element(large); }, bulk_text(large));
  expect_wire([](Reply& reply) { reply.bulk(Bytes()); }, "$0\r\n\r\n");
}

TEST(Reply, BulkInParts) {
  Output output;
  Reply reply(output);
  reply.bulk_begin(6);
  output.append("abc");
  output.append("def");
  reply.bulk_end();
  EXPECT_EQ(drain(output), "$6\r\nabcdef\r\n");
}

TEST(Reply, BulkReferenceReleasesAlsoWhenMuted) {
  Output output;
  Reply reply(output);
  int released = 0;
  const auto count = [](void* token) { ++*static_cast<int*>(token); };
  const std::string value(20'000, 'v');
  reply.bulk_reference(value, &released, count);
  EXPECT_EQ(released, 0);
  EXPECT_EQ(drain(output), bulk_text(value));
  EXPECT_EQ(released, 1);
  reply.set_muted(true);
  reply.bulk_reference(value, &released, count);
  EXPECT_EQ(released, 2);
  EXPECT_TRUE(output.empty());
}

TEST(Reply, NothingInBothProtocols) {
  expect_wire([](Reply& reply) { reply.null(); }, "$-1\r\n", "_\r\n");
  expect_wire([](Reply& reply) { reply.null_array(); }, "*-1\r\n", "_\r\n");
  expect_wire([](Reply& reply) { reply.empty_array(); }, "*0\r\n");
}

TEST(Reply, Aggregates) {
  expect_wire([](Reply& reply) { reply.array(3); }, "*3\r\n");
  expect_wire([](Reply& reply) { reply.array(1'000'000); }, "*1000000\r\n");
  expect_wire([](Reply& reply) { reply.map(3); }, "*6\r\n", "%3\r\n");
  expect_wire([](Reply& reply) { reply.set(3); }, "*3\r\n", "~3\r\n");
  expect_wire([](Reply& reply) { reply.push(3); }, "*3\r\n", ">3\r\n");
  Output output;
  Reply reply(output, true);
  reply.attribute(1);
  EXPECT_EQ(drain(output), "|1\r\n");
}

TEST(Reply, DeferredAggregates) {
  const auto write = [](Reply& reply) {
    reply.array(2);
    reply.bulk("0");
    auto array = reply.begin_array();
    auto map = reply.begin_map();
    reply.bulk("k");
    reply.integer(1);
    reply.end_map(map, 1);
    auto set = reply.begin_set();
    reply.end_set(set, 0);
    reply.end_array(array, 2);
    reply.ok();
  };
  expect_wire(write, "*2\r\n$1\r\n0\r\n*2\r\n*2\r\n$1\r\nk\r\n:1\r\n*0\r\n+OK\r\n",
              "*2\r\n$1\r\n0\r\n*2\r\n%1\r\n$1\r\nk\r\n:1\r\n~0\r\n+OK\r\n");
  Output output;
  Reply reply(output);
  auto array = reply.begin_array();
  std::string expected = "*100000\r\n";
  for (int i = 0; i < 100'000; ++i) {
    reply.integer(i);
    expected += join({":", std::to_string(i), "\r\n"});
  }
  reply.end_array(array, 100'000);
  EXPECT_EQ(drain(output), expected);
}

TEST(Reply, Resp3Scalars) {
  expect_wire([](Reply& reply) { reply.boolean(true); }, ":1\r\n", "#t\r\n");
  expect_wire([](Reply& reply) { reply.boolean(false); }, ":0\r\n", "#f\r\n");
  expect_wire([](Reply& reply) { reply.double_(3); }, "$1\r\n3\r\n", ",3\r\n");
  expect_wire([](Reply& reply) { reply.double_(1e21); }, "$5\r\n1e+21\r\n", ",1e+21\r\n");
  expect_wire([](Reply& reply) { reply.double_(INFINITY); }, "$3\r\ninf\r\n", ",inf\r\n");
  expect_wire([](Reply& reply) { reply.double_(-INFINITY); }, "$4\r\n-inf\r\n", ",-inf\r\n");
  expect_wire([](Reply& reply) { reply.bulk_double(0.5); }, "$3\r\n0.5\r\n");
  expect_wire([](Reply& reply) { reply.big_number("12345678901234567890"); },
              "$20\r\n12345678901234567890\r\n", "(12345678901234567890\r\n");
  expect_wire([](Reply& reply) { reply.verbatim("a\nb"); }, "$3\r\na\nb\r\n", "=7\r\ntxt:a\nb\r\n");
}

TEST(Reply, ErrorsCannotForgeReplies) {
  expect_wire([](Reply& reply) { reply.error("ERR unknown command 'a\r\n+OK\r\n'"); },
              "-ERR unknown command 'a  +OK  '\r\n");
  expect_wire([](Reply& reply) { reply.error("\r\nERR a\x01\r\n\r\n"); }, "-ERR a\x01\r\n");
  expect_wire([](Reply& reply) { reply.error("ERR a'", Bytes("\r\n"), "'", Bytes("\n")); }, "-ERR a'  '\r\n");
  expect_wire([](Reply& reply) { reply.error("ERR ", "\r\n", "\r"); }, "-ERR \r\n");
  expect_wire([](Reply& reply) { reply.error("\n", "\r\nERR x", "\r\n"); }, "-ERR x\r\n");
  const std::string large(5000, '\n');
  expect_wire([&](Reply& reply) { reply.error("ERR '", large, "'"); },
              join({"-ERR '", std::string(5000, ' '), "'\r\n"}));
}

TEST(Reply, CountsErrorsAndKeepsTheirCode) {
  Output output;
  Reply reply(output);
  EXPECT_EQ(reply.error_count(), 0u);
  reply.error("WRONGTYPE Operation against a key");
  EXPECT_EQ(reply.last_error_code(), "WRONGTYPE");
  reply.error("nospace");
  EXPECT_EQ(reply.last_error_code(), "ERR");
  reply.set_muted(true);
  reply.error("OOM command not allowed");
  EXPECT_EQ(reply.last_error_code(), "OOM");
  reply.error(std::string(100, 'x') + " y");
  EXPECT_EQ(reply.last_error_code(), "ERR");
  EXPECT_EQ(reply.error_count(), 4u);
  output.clear();
}

}  // namespace
}  // namespace strata

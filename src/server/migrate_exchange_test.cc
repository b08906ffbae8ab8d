#include "server/migrate_exchange.h"

#include <gtest/gtest.h>

namespace strata {
namespace {

using State = MigrateExchange::State;

TEST(MigrateExchangeTest, SaysWhatRedisSays) {
  MigrateExchange exchange;
  exchange.begin("user", "secret", 3);
  exchange.add("k", 0, "payload", false);
  exchange.add("l", 12, "", true);
  EXPECT_EQ(exchange.request(),
            "*3\r\n$4\r\nAUTH\r\n$4\r\nuser\r\n$6\r\nsecret\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n"
            "*4\r\n$7\r\nRESTORE\r\n$1\r\nk\r\n$1\r\n0\r\n$7\r\npayload\r\n"
            "*5\r\n$7\r\nRESTORE\r\n$1\r\nl\r\n$2\r\n12\r\n$0\r\n\r\n$7\r\nREPLACE\r\n");
}

MigrateExchange exchange_of(size_t keys, bool with_password) {
  MigrateExchange exchange;
  exchange.begin("", with_password ? "secret" : "", 0);
  for (size_t i = 0; i < keys; ++i) exchange.add("k", 0, "x", false);
  return exchange;
}

TEST(MigrateExchangeTest, TakesRepliesInAnyPieces) {
  const std::string replies = "+OK\r\n+OK\r\n+OK\r\n-BUSYKEY there\r\n-ERR more\r\n+OK\r\n";
  for (size_t piece = 1; piece <= replies.size(); ++piece) {
    MigrateExchange exchange = exchange_of(4, true);
    for (size_t at = 0; at < replies.size(); at += piece) {
      const State state = exchange.take(Bytes(replies).substr(at, piece));
      ASSERT_EQ(state, at + piece >= replies.size() ? State::kDone : State::kMore);
    }
    EXPECT_EQ(exchange.arrived(), (std::vector<bool>{true, false, false, true}));
    EXPECT_EQ(exchange.error(), "BUSYKEY there");
  }
}

TEST(MigrateExchangeTest, NothingCountsAsArrivedWhenTheDatabaseWasRefused) {
  MigrateExchange exchange = exchange_of(1, false);
  EXPECT_EQ(exchange.take("-ERR DB index is out of range\r\n+OK\r\n"), State::kDone);
  EXPECT_EQ(exchange.arrived(), (std::vector<bool>{false}));
  EXPECT_EQ(exchange.error(), "ERR DB index is out of range");
}

TEST(MigrateExchangeTest, WhatIsNoReplyEndsIt) {
  for (Bytes bytes :
       {Bytes("\r\n"), Bytes("\n"), Bytes("OK\r\n"), Bytes("+OK\n"), Bytes(":1\r\n"), Bytes("$-1\r\n")}) {
    MigrateExchange exchange = exchange_of(1, false);
    EXPECT_EQ(exchange.take(bytes), State::kMalformed) << bytes;
  }
  MigrateExchange exchange = exchange_of(1, false);
  EXPECT_EQ(exchange.take(std::string(MigrateExchange::kLineBytesMax + 1, '+')), State::kMalformed);
}

TEST(MigrateExchangeTest, MissingRepliesAreSeen) {
  MigrateExchange exchange = exchange_of(2, false);
  EXPECT_EQ(exchange.take("+OK\r\n+OK\r\n"), State::kMore);
  EXPECT_EQ(exchange.arrived(), (std::vector<bool>{true}));
}

}  // namespace
}  // namespace strata

#include "runtime/name_connect.h"

#include <gtest/gtest.h>

#include <atomic>
#include <optional>

#include "runtime/test_support.h"

namespace strata {
namespace {

class NameConnectTest : public testing::TestWithParam<IoBackend> {};
INSTANTIATE_TEST_SUITE_P(Backends, NameConnectTest, testing::Values(IoBackend::kEpoll, IoBackend::kUring),
                         backend_test_name);

struct Outcome {
  std::atomic<bool> done{false};
  std::string heard;
  std::optional<Errc> code;
};

Task<void> greet_by_name(EventLoop& loop, const char* host, uint16_t port, Outcome& outcome) {
  NameConnect connecting(loop, host, port);
  Result<Socket> socket = co_await connecting;
  if (socket) {
    auto stream = must(Stream::open(loop, std::move(*socket)));
    const Status sent = co_await stream->send_all("hello");
    const Result<Bytes> received = co_await stream->receive();
    if (sent && received) outcome.heard = *received;
  } else {
    outcome.code = socket.error().code;
  }
  outcome.done = true;
  outcome.done.notify_one();
}

TEST_P(NameConnectTest, FindsALocalName) {
  Outcome outcome;
  TestServer server(GetParam(), serve_echo);
  const uint16_t port = must(peer_address(server.connect().handle())).port;
  server.on_loop([&] { server.scope().spawn(greet_by_name(server.loop(), "localhost", port, outcome)); });
  outcome.done.wait(false);
  EXPECT_EQ(outcome.heard, "hello");
}

TEST_P(NameConnectTest, SaysWhenThereIsNoSuchName) {
  Outcome outcome;
  TestServer server(GetParam(), serve_echo);
  server.on_loop([&] { server.scope().spawn(greet_by_name(server.loop(), "no such host", 1, outcome)); });
  outcome.done.wait(false);
  EXPECT_EQ(outcome.code, Errc::kNotFound);
}

// Whatever comes first, the answer or the end of waiting: the task ends once, and the thread finds nobody.
TEST_P(NameConnectTest, WaitingCanEndAtAnyMoment) {
  for (int i = 0; i < 50; ++i) {
    Outcome outcome;  // outlives the server, whose end ends the task
    TestServer server(GetParam(), serve_echo);
    server.on_loop([&] {
      server.scope().spawn(greet_by_name(server.loop(), "localhost", 1, outcome));
      if (i % 2 == 0) server.scope().cancel();
    });
    if (i % 2 == 0) {
      outcome.done.wait(false);
      EXPECT_EQ(outcome.code, Errc::kCancelled);
    }
  }
}

TEST(NameConnect, KnowsAddresses) {
  for (const char* host : {"127.0.0.1", "::1", "fe80::1%eth0", "1"})
    EXPECT_TRUE(is_numeric_host(host)) << host;
  for (const char* host : {"localhost", "db1.example.com", "a"}) EXPECT_FALSE(is_numeric_host(host)) << host;
}

}  // namespace
}  // namespace strata

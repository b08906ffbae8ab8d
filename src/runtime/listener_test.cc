#include "runtime/listener.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "platform/process.h"
#include "runtime/test_support.h"

namespace strata {
namespace {

class ListenerTest : public testing::TestWithParam<IoBackend> {
 protected:
  Socket listen() {
    Socket socket = must(listen_tcp({.address = "127.0.0.1", .port = 0}));
    port = must(local_address(socket.handle())).port;
    return socket;
  }
  Socket connect() { return must(connect_tcp("127.0.0.1", port, ConnectMode::kBlocking)); }
  uint16_t port = 0;
};
INSTANTIATE_TEST_SUITE_P(Backends, ListenerTest, testing::Values(IoBackend::kEpoll, IoBackend::kUring),
                         backend_test_name);

TEST_P(ListenerTest, PauseLeavesConnectionsWaiting) {
  auto loop = make_loop(GetParam());
  std::vector<Socket> accepted;
  auto listener =
      must(Listener::open(*loop, listen(), [&](Socket socket) { accepted.push_back(std::move(socket)); }));
  Socket first = connect();
  loop->run_until([&] { return accepted.size() == 1; });
  listener->pause();
  std::vector<Socket> clients;
  for (int i = 0; i < 5; ++i) clients.push_back(connect());
  turn_times(*loop, 5);
  EXPECT_EQ(accepted.size(), 1u);
  listener->resume();
  loop->run_until([&] { return accepted.size() == 6; });
  for (Socket& socket : accepted) must(send_all(socket.handle(), "hello"));
  for (Socket& client : clients) EXPECT_EQ(read_exactly(client.handle(), 5), "hello");
}

TEST_P(ListenerTest, PauseAndCloseInsideTheCallback) {
  auto loop = make_loop(GetParam());
  std::unique_ptr<Listener> listener;
  int accepted = 0;
  listener = must(Listener::open(*loop, listen(), [&](Socket) {
    ++accepted;
    if (accepted == 2) listener->pause();
    if (accepted == 4) listener->close();
  }));
  std::vector<Socket> clients;
  for (int i = 0; i < 6; ++i) clients.push_back(connect());
  turn_times(*loop, 5);
  EXPECT_EQ(accepted, 2);
  listener->resume();
  loop->run_until([&] { return accepted == 4; });
  turn_times(*loop, 5);
  EXPECT_EQ(accepted, 4);
  EXPECT_FALSE(listener->is_open());
}

TEST_P(ListenerTest, AcceptedSocketsGoToAnotherLoop) {
  auto acceptor = make_loop(GetParam());
  auto worker = make_loop(GetParam());
  TaskScope clients(*worker);
  auto listener = must(Listener::open(*acceptor, listen(), [&](Socket socket) {
    worker->post([&, handle = socket.release()] {
      clients.spawn(serve_echo(must(Stream::open(*worker, Socket(handle)))));
    });
  }));
  std::thread worker_thread([&] {
    worker->run();
    clients.shutdown();
  });
  std::thread acceptor_thread([&] { acceptor->run(); });
  for (int i = 0; i < 50; ++i) {
    Socket client = connect();
    must(send_all(client.handle(), "over there"));
    EXPECT_EQ(read_exactly(client.handle(), 10), "over there");
  }
  acceptor->stop();
  acceptor_thread.join();
  worker->stop();
  worker_thread.join();
}

TEST_P(ListenerTest, OutOfDescriptorsPausesAndRecovers) {
  constexpr uint64_t kDescriptorsToFill = 70'000;
  if (raise_descriptor_limit(0) > kDescriptorsToFill) GTEST_SKIP() << "too many descriptors to use up";
  auto loop = make_loop(GetParam());
  std::vector<Socket> accepted;
  std::vector<Error> errors;
  auto listener = must(Listener::open(
      *loop, listen(), [&](Socket socket) { accepted.push_back(std::move(socket)); },
      [&](const Error& error) { errors.push_back(error); }));
  turn_times(*loop, 1);
  Socket client = connect();
  std::vector<Socket> hogs;
  for (auto pair = socket_pair(); pair; pair = socket_pair()) {
    hogs.push_back(std::move(pair->first));
    hogs.push_back(std::move(pair->second));
  }
  for (auto one = listen_tcp({.address = "127.0.0.1"}); one; one = listen_tcp({.address = "127.0.0.1"})) {
    hogs.push_back(std::move(*one));
  }
  loop->run_until([&] { return !errors.empty(); });
  EXPECT_EQ(errors[0].code, Errc::kOutOfMemory);
  EXPECT_TRUE(accepted.empty());
  hogs.clear();
  const uint64_t turns = loop->turns();
  loop->run_until([&] { return !accepted.empty(); });
  EXPECT_LT(loop->turns() - turns, 20u) << "the loop sleeps meanwhile";
}

}  // namespace
}  // namespace strata

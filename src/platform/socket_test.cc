#include "platform/socket.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "platform/file_system.h"
#include "platform/process.h"

namespace strata {
namespace {

constexpr int kPatienceMs = 10'000;

Socket listen_or_die(std::string_view address, uint16_t port = 0) {
  auto listener = listen_tcp({.address = address, .port = port});
  EXPECT_TRUE(listener) << address;
  return listener ? std::move(*listener) : Socket();
}

uint16_t port_of(const Socket& socket) { return local_address(socket.handle())->port; }

Socket accept_or_die(const Socket& listener) {
  EXPECT_TRUE(*wait_ready(listener.handle(), Readiness::kReadable, kPatienceMs));
  auto accepted = accept_connection(listener.handle());
  EXPECT_TRUE(accepted);
  return accepted ? std::move(*accepted) : Socket();
}

std::string receive_exactly(const Socket& socket, size_t size) {
  std::string text(size, '\0');
  size_t got = 0;
  while (got < size) {
    if (!*wait_ready(socket.handle(), Readiness::kReadable, kPatienceMs)) break;
    auto part = receive_some(socket.handle(), MutableBytes(text).subspan(got));
    if (!part) break;
    got += *part;
  }
  text.resize(got);
  return text;
}

std::string unix_path(std::string_view name) {
  return "/tmp/strata_socket_" + std::to_string(process_id()) + "_" + std::string(name);
}

struct Connection {
  Socket listener;
  Socket client;
  Socket server;
};

Connection connect_pair() {
  Connection c;
  c.listener = listen_or_die("127.0.0.1");
  c.client = std::move(*connect_tcp("127.0.0.1", port_of(c.listener), ConnectMode::kBlocking));
  c.server = accept_or_die(c.listener);
  return c;
}

TEST(Socket, OwnsAndMoves) {
  Socket one = listen_or_die("127.0.0.1");
  Socket two = std::move(one);
  EXPECT_FALSE(one);  // NOLINT(bugprone-use-after-move)
  ASSERT_TRUE(two);
  SocketHandle handle = two.release();
  EXPECT_FALSE(two);
  EXPECT_TRUE(handle);
  close_socket(handle);
  close_socket(SocketHandle{});
}

TEST(Socket, ASecondServerOnThePortFails) {
  Socket first = listen_or_die("127.0.0.1");
  auto second = listen_tcp({.address = "127.0.0.1", .port = port_of(first)});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::kAddressInUse);
  auto any = listen_tcp({.address = "*", .port = port_of(first)});
  ASSERT_FALSE(any);
  EXPECT_EQ(any.error().code, Errc::kAddressInUse);
}

TEST(Socket, APortIsFreeAgainWhileOldConnectionsLinger) {
  Connection c = connect_pair();
  uint16_t port = port_of(c.listener);
  c.server.close();  // the side that closes first keeps the port in TIME_WAIT
  c.client.close();
  c.listener.close();
  EXPECT_TRUE(listen_tcp({.address = "127.0.0.1", .port = port}));
}

TEST(Socket, BothFamiliesShareAPort) {
  auto six = listen_tcp({.address = "::*", .port = 0});
  if (!six) GTEST_SKIP() << "no IPv6 here";
  EXPECT_TRUE(listen_tcp({.address = "*", .port = port_of(*six)}));
}

TEST(Socket, BadAddressesAreNamed) {
  EXPECT_EQ(listen_tcp({.address = "192.0.2.1", .port = 0}).error().code, Errc::kNotFound);
  EXPECT_EQ(listen_tcp({.address = "256.0.0.1.2", .port = 0}).error().code, Errc::kNotFound);
  EXPECT_EQ(listen_unix({.path = std::string(200, 'x')}).error().code, Errc::kInvalidArgument);
  EXPECT_EQ(listen_unix({.path = ""}).error().code, Errc::kInvalidArgument);
  EXPECT_EQ(listen_unix({.path = "/no/such/directory/s"}).error().code, Errc::kNotFound);
}

TEST(Socket, AddressesReadAsInClientList) {
  Connection c = connect_pair();
  auto client_local = local_address(c.client.handle());
  auto server_peer = peer_address(c.server.handle());
  EXPECT_EQ(server_peer->text, "127.0.0.1:" + std::to_string(client_local->port));
  EXPECT_EQ(server_peer->text, client_local->text);
  EXPECT_EQ(local_address(c.server.handle())->text, "127.0.0.1:" + std::to_string(port_of(c.listener)));
  EXPECT_EQ(server_peer->host, "127.0.0.1");
  EXPECT_TRUE(server_peer->is_loopback);
  EXPECT_FALSE(server_peer->is_unix);
  EXPECT_FALSE(peer_address(c.listener.handle()));
  EXPECT_FALSE(local_address(listen_or_die("*").handle())->is_loopback);
}

TEST(Socket, IPv6AddressesStandInBrackets) {
  auto listener = listen_tcp({.address = "::1"});
  if (!listener) GTEST_SKIP() << "no IPv6 here";
  auto client = connect_tcp("::1", port_of(*listener), ConnectMode::kBlocking);
  ASSERT_TRUE(client);
  Socket server = accept_or_die(*listener);
  auto peer = peer_address(server.handle());
  EXPECT_EQ(peer->text, "[::1]:" + std::to_string(port_of(*client)));
  EXPECT_EQ(peer->host, "::1");
  EXPECT_TRUE(peer->is_loopback);
}

TEST(Socket, UnixSocketsReplaceAStaleFileAndCarryTheListenersPath) {
  std::string path = unix_path("a");
  ASSERT_TRUE(listen_unix({.path = path}));  // closed at once; its file stays
  EXPECT_EQ(connect_unix(path, ConnectMode::kBlocking).error().code, Errc::kClosed);
  auto listener = listen_unix({.path = path, .permissions = 0700});
  ASSERT_TRUE(listener);
  auto client = connect_unix(path, ConnectMode::kBlocking);
  ASSERT_TRUE(client);
  Socket server = accept_or_die(*listener);
  EXPECT_EQ(peer_address(server.handle())->text, path + ":0");
  EXPECT_EQ(local_address(server.handle())->text, path + ":0");
  EXPECT_TRUE(peer_address(server.handle())->is_unix);
  EXPECT_TRUE(peer_address(server.handle())->is_loopback);
  EXPECT_TRUE(send_all(client->handle(), "hello"));
  EXPECT_EQ(receive_exactly(server, 5), "hello");
  EXPECT_TRUE(real_file_system().remove(path));
}

TEST(Socket, AFileThatIsNoSocketIsNotRemoved) {
  std::string path = unix_path("file");
  ASSERT_TRUE(replace_file(real_file_system(), path, "precious"));
  EXPECT_EQ(listen_unix({.path = path}).error().code, Errc::kAddressInUse);
  EXPECT_EQ(*read_whole_file(real_file_system(), path, 100), "precious");
  EXPECT_TRUE(real_file_system().remove(path));
}

TEST(Socket, NothingToDoIsWouldBlock) {
  Connection c = connect_pair();
  std::array<char, 8> buffer{};
  EXPECT_EQ(accept_connection(c.listener.handle()).error().code, Errc::kWouldBlock);
  EXPECT_EQ(receive_some(c.server.handle(), buffer).error().code, Errc::kWouldBlock);
  EXPECT_FALSE(*wait_ready(c.server.handle(), Readiness::kReadable, 0));
  EXPECT_TRUE(*wait_ready(c.server.handle(), Readiness::kWritable, 0));
  ASSERT_TRUE(set_timeout_ms(c.client.handle(), 1));
  EXPECT_EQ(receive_some(c.client.handle(), buffer).error().code, Errc::kWouldBlock);
}

TEST(Socket, GatherSendTakesManyParts) {
  Connection c = connect_pair();
  std::vector<std::string> texts;
  std::vector<Bytes> parts;
  std::string expected;
  for (size_t i = 0; i < kMaxGather + 10; ++i) texts.push_back(std::to_string(i) + ",");
  for (const std::string& text : texts) parts.push_back(text);
  for (size_t i = 0; i < kMaxGather; ++i) expected += texts[i];
  auto sent = send_some(c.server.handle(), parts);
  ASSERT_TRUE(sent);
  EXPECT_EQ(*sent, expected.size());  // parts beyond kMaxGather wait for the next call
  EXPECT_EQ(receive_exactly(c.client, expected.size()), expected);
}

TEST(Socket, AFullSocketTakesAPartAndThenWouldBlock) {
  Connection c = connect_pair();
  ASSERT_TRUE(set_buffer_bytes(c.server.handle(), 8192, 8192));
  std::string big(1 << 20, 'x');
  std::array<Bytes, 2> parts = {big, big};
  size_t total = 0;
  for (;;) {
    auto sent = send_some(c.server.handle(), parts);
    if (!sent) {
      EXPECT_EQ(sent.error().code, Errc::kWouldBlock);
      break;
    }
    EXPECT_LT(*sent, 2 * big.size());
    total += *sent;
  }
  EXPECT_EQ(receive_exactly(c.client, total), std::string(total, 'x'));
}

TEST(Socket, AClosedPeerIsClosed) {
  Connection c = connect_pair();
  ASSERT_TRUE(send_all(c.client.handle(), "last words"));
  shutdown_socket(c.client.handle(), ShutdownHow::kSend);
  EXPECT_EQ(receive_exactly(c.server, 10), "last words");
  std::array<char, 8> buffer{};
  EXPECT_TRUE(*wait_ready(c.server.handle(), Readiness::kReadable, kPatienceMs));
  auto end = receive_some(c.server.handle(), buffer);
  EXPECT_EQ(end.error().code, Errc::kClosed);
  EXPECT_EQ(end.error().os_error, 0);

  c.client.close();
  // The first send provokes a reset, later ones meet it; none may raise SIGPIPE.
  Result<size_t> sent = size_t{0};
  for (int i = 0; i < 100 && sent; ++i) {
    sent = send_some(c.server.handle(), "x");
    (void)wait_ready(c.server.handle(), Readiness::kReadable, 10);
  }
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().code, Errc::kClosed);
}

TEST(Socket, NonBlockingConnect) {
  Socket listener = listen_or_die("127.0.0.1");
  auto client = connect_tcp("127.0.0.1", port_of(listener), ConnectMode::kNonBlocking);
  ASSERT_TRUE(client);
  EXPECT_TRUE(*wait_ready(client->handle(), Readiness::kWritable, kPatienceMs));
  EXPECT_TRUE(connect_result(client->handle()));

  uint16_t port = port_of(listener);
  listener.close();
  auto refused = connect_tcp("127.0.0.1", port, ConnectMode::kNonBlocking);
  if (refused) {
    EXPECT_TRUE(*wait_ready(refused->handle(), Readiness::kWritable, kPatienceMs));
    EXPECT_EQ(connect_result(refused->handle()).error().code, Errc::kClosed);
  } else {
    EXPECT_EQ(refused.error().code, Errc::kClosed);
  }
  EXPECT_EQ(connect_tcp("127.0.0.1", port, ConnectMode::kBlocking).error().code, Errc::kClosed);
}

TEST(Socket, Options) {
  Connection c = connect_pair();
  EXPECT_TRUE(set_nodelay(c.server.handle(), true));
  EXPECT_TRUE(set_keepalive(c.server.handle(), 300));
  EXPECT_TRUE(set_keepalive(c.server.handle(), 1));
  EXPECT_TRUE(set_keepalive(c.server.handle(), 0));
  EXPECT_TRUE(set_nonblocking(c.server.handle(), false));
  EXPECT_TRUE(set_nonblocking(c.server.handle(), true));
  EXPECT_FALSE(set_nodelay(SocketHandle{}, true));
}

TEST(Socket, Pair) {
  auto pair = socket_pair();
  ASSERT_TRUE(pair);
  EXPECT_TRUE(send_all(pair->first.handle(), "ping"));
  EXPECT_EQ(receive_exactly(pair->second, 4), "ping");
}

}  // namespace
}  // namespace strata

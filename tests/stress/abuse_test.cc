// Clients that do not speak the protocol, or stop in the middle of it, or come and go by the thousand.

#include "stress.h"

namespace stress {
namespace {

class Abuse : public StressTest {};

const std::vector<std::string> kNasty = {
    "*1048577\r\n",
    "*2147483648\r\n",
    "*-9223372036854775808\r\n",
    "*1\r\n$536870913\r\n",
    "*1\r\n$-1\r\n",
    "*1\r\n$9999999999999999999999\r\n",
    "*1\r\n:1\r\n",
    "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100\r\nshort",
    "*1000000\r\n$1\r\na\r\n",
    "$5\r\nhello\r\n",
    "GET \"unbalanced\r\n",
    "POST / HTTP/1.1\r\nHost: here\r\n\r\n",
    "\r\n\r\n\r\n",
    "*0\r\n*-1\r\n",
    std::string("\0\0\0\0\r\n", 6),
    "EXEC\r\nMULTI\r\nMULTI\r\nWATCH a\r\nBLAH\r\nEXEC\r\nDISCARD\r\n",
};

TEST_F(Abuse, GarbageOfEveryKind) {
  start();
  add(8, [&](Client&, uint64_t stream) {
    Random random = random_for(stream);
    while (running()) {
      Client client(server_.port());
      std::string bytes;
      switch (below(random, 4)) {
        case 0:
          for (size_t i = 1 + below(random, 3000); i > 0; --i) bytes.push_back(static_cast<char>(random()));
          break;
        case 1:
          bytes = std::string(below(random, 80'000), 'a');
          break;
        case 2:
          bytes = encode({"MSET", "a", std::string(below(random, 5000), 'x'), "b", "y"});
          bytes.resize(below(random, bytes.size()));
          break;
        default:
          bytes = kNasty[below(random, kNasty.size())];
          if (below(random, 2)) bytes += encode({"PING"});
      }
      client.send_without_reading(bytes, 1);
      if (below(random, 2)) client.read_raw(1000, 2);
      if (below(random, 2)) client.reset();
    }
  });
  add(1, [&](Client& client, uint64_t) {
    while (running()) EXPECT_EQ(client.call({"PING"}).text, "PONG");
  });
  run();
  auto client = connect();
  expect_alone(*client);
}

TEST_F(Abuse, PromisesOfHugeRequestsCostNothing) {
  start();
  auto other = connect();
  int64_t before_kib = server_.resident_kib();
  std::vector<std::unique_ptr<Client>> promising;
  for (int i = 0; i < 100; ++i) {
    promising.push_back(connect());
    promising.back()->send_without_reading(
        i % 2 ? "*1048576\r\n$4\r\nMGET\r\n" : "*2\r\n$4\r\nECHO\r\n$536870912\r\nthe beginning", 100);
  }
  EXPECT_EQ(other->call({"PING"}).text, "PONG");
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(other->call({"PING"}).text, "PONG");
  int64_t grown_kib = server_.resident_kib() - before_kib;
  std::printf("  100 clients that promise much: %lld KiB\n", static_cast<long long>(grown_kib));
  if (!kSanitized) {
    EXPECT_LT(grown_kib, 20 * 1024);
  }
  promising.clear();
  expect_alone(*other);
}

TEST_F(Abuse, ConnectingAndLeavingByTheThousand) {
  start();
  std::atomic<int64_t> count{0};
  add(4, [&](Client&, uint64_t stream) {
    Random random = random_for(stream);
    while (running()) {
      Client client(server_.port());
      if (below(random, 2)) {
        client.send_without_reading(encode({"PING"}), 1);
        if (below(random, 2)) client.try_read(100);
      }
      if (below(random, 2)) client.reset();
      ++count;
    }
  });
  run();
  auto client = connect();
  expect_alone(*client);
  std::printf("  %lld connections\n", static_cast<long long>(count.load()));
}

TEST_F(Abuse, StrangersAreKeptShort) {
  start({"--requirepass", "secret"});
  auto error_of = [&](const std::string& bytes) {
    auto stranger = connect();
    stranger->send_without_reading(bytes, 100);
    std::string answer = stranger->read_raw(200, 5000);
    EXPECT_EQ(stranger->read_raw(1, 5000), "") << "still open";
    return answer;
  };
  EXPECT_EQ(error_of("*11\r\n"), "-ERR Protocol error: unauthenticated multibulk length\r\n");
  EXPECT_EQ(error_of("*2\r\n$4\r\nAUTH\r\n$20000\r\n"),
            "-ERR Protocol error: unauthenticated bulk length\r\n");
  auto friendly = connect();
  EXPECT_TRUE(friendly->call({"GET", "k"}).is_error());
  EXPECT_EQ(friendly->call({"AUTH", "secret"}).text, "OK");
  // start() could not ask a server with a password whether it has loaded.
  while (friendly->call({"PING"}).text.starts_with("LOADING")) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_EQ(friendly->call({"SET", "k", std::string(100'000, 'v')}).text, "OK");
  expect_alone(*friendly);
}

}  // namespace
}  // namespace stress

// Pipelines of any length, split at any byte; huge values; many connections.

#include <sys/resource.h>

#include "stress.h"

namespace stress {
namespace {

class Pipelines : public StressTest {
 protected:
  // A pipeline and the replies it must have.
  struct Script {
    std::string input;
    std::string output;
  };
  Script make_script(size_t commands, uint64_t stream) {
    Random random = random_for(stream);
    Script script;
    int64_t counter = 0;
    std::string key = "count" + std::to_string(stream);
    for (size_t i = 0; i < commands; ++i) {
      switch (below(random, 5)) {
        case 0:
          script.input += encode({"INCR", key});
          script.output += ":" + std::to_string(++counter) + "\r\n";
          break;
        case 1: {
          std::string text(below(random, 60), 'e');
          script.input += encode({"ECHO", text});
          script.output += "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
          break;
        }
        case 2:
          script.input += "PING\r\n";
          script.output += "+PONG\r\n";
          break;
        case 3:
          script.input += encode({"MSET", key + "a", "1", key + "b", "2"});
          script.output += "+OK\r\n";
          break;
        default:
          script.input += encode({"NOSUCH"});
          script.output += "-ERR unknown command 'NOSUCH', with args beginning with: \r\n";
      }
    }
    return script;
  }
  static std::string read_all(Client& client, size_t bytes) {
    std::string got;
    while (got.size() < bytes) {
      std::string piece = client.read_raw(bytes - got.size(), kReplyDeadlineMs);
      if (piece.empty()) break;
      got += piece;
    }
    return got;
  }
};

// A run of equal commands that ended in one that had to wait was once counted from there on only. Here the
// last waits for the latch of an LREM.
TEST_F(Pipelines, EachCommandIsCountedOnce) {
  start();
  Strings push = {"RPUSH", "large"};
  push.resize(50'000, "element");
  ASSERT_FALSE(connect()->call(push).is_error());
  constexpr int64_t kCommands = 8;
  std::string pipeline;
  for (int64_t i = 1; i < kCommands; ++i) pipeline += encode({"LLEN", "small"});
  pipeline += encode({"LLEN", "large"});
  std::atomic<int64_t> sent{0};
  add(1, [&](Client& client, uint64_t) {
    while (running()) EXPECT_EQ(client.call({"LREM", "large", "0", "another"}).integer, 0);
  });
  add(4, [&](Client& client, uint64_t) {
    while (running()) {
      client.send(pipeline);
      for (int64_t i = 0; i < kCommands; ++i) EXPECT_EQ(client.read().type, ':');
      sent += kCommands;
    }
  });
  run();
  auto client = connect();
  std::string stats = client->call({"INFO", "commandstats"}).text;
  std::string wanted = "cmdstat_llen:calls=" + std::to_string(sent.load()) + ",";
  EXPECT_NE(stats.find(wanted), std::string::npos) << wanted << " is not in\n" << stats;
}

TEST_F(Pipelines, OfAnyLength) {
  start();
  uint64_t stream = 1;
  for (size_t length : {1, 2, 31, 32, 33, 63, 64, 65, 127, 128, 129, 1000, 100'000}) {
    Script script = make_script(length, stream++);
    auto client = connect();
    ASSERT_TRUE(client->send(script.input));
    EXPECT_TRUE(read_all(*client, script.output.size()) == script.output) << length << " commands";
  }
}

TEST_F(Pipelines, SplitAtAnyByte) {
  start();
  add(8, [&](Client& client, uint64_t stream) {
    Random random = random_for(stream);
    while (running()) {
      Script script = make_script(1 + below(random, 200), random());
      size_t piece_max = size_t{1} << below(random, 12);
      for (size_t at = 0; at < script.input.size();) {
        size_t piece = std::min(1 + below(random, piece_max), script.input.size() - at);
        client.send(std::string_view(script.input).substr(at, piece));
        at += piece;
      }
      EXPECT_TRUE(read_all(client, script.output.size()) == script.output);
    }
  });
  run();
}

TEST_F(Pipelines, HugeValueGoesRound) {
  start();
  const size_t bytes = settings().is_full ? 200'000'000 : 24'000'000;
  std::string value(bytes, '\0');
  Random random = random_for(5);
  for (size_t i = 0; i < bytes; i += 997) value[i] = static_cast<char>(random());
  auto client = connect();
  Prober prober(server_.port());
  EXPECT_EQ(client->call({"SET", "huge", value}).text, "OK");
  EXPECT_TRUE(client->call({"GET", "huge"}).text == value);
  std::printf("  %zu bytes there and back; worst PING meanwhile %lld us\n", bytes,
              static_cast<long long>(prober.stop()));
  EXPECT_EQ(client->call({"DEL", "huge"}).integer, 1);
}

TEST_F(Pipelines, ManyIdleConnections) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  rlimit raised = {limit.rlim_max, limit.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &raised);
  size_t count = std::min<size_t>(settings().is_full ? 10'000 : 1'000, limit.rlim_max - 200);
  start({"--maxclients", "12000"});
  auto first = connect();
  first->call({"PING"});
  int64_t before_kib = server_.resident_kib();
  std::vector<std::unique_ptr<Client>> idle;
  for (size_t i = 0; i < count; ++i) {
    idle.push_back(connect());
    ASSERT_TRUE(idle.back()->is_connected());
    EXPECT_EQ(idle.back()->call({"PING"}).text, "PONG");
  }
  double each_kib = static_cast<double>(server_.resident_kib() - before_kib) / static_cast<double>(count);
  std::printf("  %zu idle connections: %.1f KiB each\n", count, each_kib);
  if (!kSanitized) {
    EXPECT_LE(each_kib, 10.0);
  }
  EXPECT_EQ(connect()->call({"PING"}).text, "PONG");
  idle.clear();
  expect_alone(*first);
}

}  // namespace
}  // namespace stress

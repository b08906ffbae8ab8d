// Every command is answered, whoever leaves in the middle; and nothing is left of those who left.

#include "stress.h"

namespace stress {
namespace {

class Liveness : public StressTest {};

TEST_F(Liveness, NoReplyIsLostOnOneHotKey) {
  start();
  std::atomic<int64_t> acknowledged{0};
  add(24, [&](Client& client, uint64_t stream) {
    Random random = random_for(stream);
    while (running()) {
      switch (below(random, 6)) {
        case 0:
          client.send(encode({"MULTI"}) + encode({"INCR", "hot"}) + encode({"INCR", "hot2"}) +
                      encode({"EXEC"}));
          for (int i = 0; i < 4; ++i) client.read();
          ++acknowledged;
          break;
        case 1:
          EXPECT_EQ(client.call({"MGET", "hot", "hot2", "hot3"}).elements.size(), 3u);
          break;
        case 2:
          EXPECT_EQ(client.call({"DBSIZE"}).type, ':');
          break;
        default:
          if (client.call({"INCR", "hot"}).type == ':') ++acknowledged;
      }
    }
  });
  run();
  auto client = connect();
  EXPECT_EQ(client->call({"GET", "hot"}).number(), acknowledged.load());
  expect_alone(*client);
  std::printf("  %lld increments\n", static_cast<long long>(acknowledged.load()));
}

TEST_F(Liveness, ClientsLeaveWhileTheirCommandsAreQueued) {
  start();
  std::string value(2000, 'x');
  std::string pipeline;
  for (int i = 0; i < 30; ++i) {
    pipeline += encode({"SET", "hot", value}) + encode({"MSET", "hot", value, "other", value}) +
                encode({"GET", "hot"}) + encode({"MULTI"}) + encode({"APPEND", "hot", "y"}) +
                encode({"GET", "other"}) + encode({"EXEC"});
  }
  add(10, [&](Client&, uint64_t stream) {
    Random random = random_for(stream);
    while (running()) {
      Client client(server_.port());
      if (!client.is_connected()) continue;
      client.send_without_reading(pipeline.substr(0, below(random, pipeline.size())), 1);
      if (below(random, 2)) client.try_read(static_cast<int64_t>(below(random, 3)));
      switch (below(random, 3)) {
        case 0:
          client.reset();
          break;
        case 1:
          client.finish_sending();
          client.try_read(1);
          break;
        default:
          client.close();
      }
    }
  });
  add(6, [&](Client& client, uint64_t) {
    while (running()) {
      client.send(pipeline);
      for (int i = 0; i < 30 * 7; ++i) {
        if (client.read().is_lost()) return;
      }
    }
  });
  add(1, [&](Client& client, uint64_t) {
    while (running()) client.call({"CLIENT", "KILL", "TYPE", "pubsub"});
  });
  run();
  auto client = connect();
  EXPECT_EQ(client->call({"PING"}).text, "PONG");
  expect_alone(*client);
}

TEST_F(Liveness, KilledClientsGo) {
  start();
  add(8, [&](Client&, uint64_t) {
    while (running()) {
      Client client(server_.port());
      while (running() && client.is_connected() && client.send(encode({"INCR", "hot"})) &&
             !client.try_read(5000).is_lost()) {
      }
    }
  });
  add(1, [&](Client& client, uint64_t) {
    while (running()) {
      EXPECT_EQ(client.call({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"}).type, ':');
      EXPECT_GT(client.call({"CLIENT", "LIST"}).text.size(), 0u);
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  });
  run();
  auto client = connect();
  expect_alone(*client);
}

TEST_F(Liveness, HalfClosedClientGetsItsReplies) {
  start();
  for (int i = 0; i < 20; ++i) {
    auto client = connect();
    client->send(encode({"SET", "k", "v"}) + encode({"MSET", "k", "w", "k2", "w"}) + encode({"GET", "k"}));
    client->finish_sending();
    EXPECT_EQ(client->read().text, "OK");
    EXPECT_EQ(client->read().text, "OK");
    EXPECT_EQ(client->read().text, "w");
    EXPECT_EQ(client->read_raw(1, 5000), "");
  }
}

}  // namespace
}  // namespace stress

// Elements that pass through blocking commands: each is popped exactly once, whoever waits, times out, is
// unblocked, killed or leaves meanwhile.

#include <signal.h>

#include <algorithm>
#include <map>
#include <mutex>

#include "stress.h"

namespace stress {
namespace {

constexpr size_t kLists = 5;
constexpr size_t kPushesMax = 4;

std::string list_name(size_t i) { return "list" + std::to_string(i); }

class Blocking : public StressTest {
 protected:
  // Pushes numbers that nobody else pushes, in several ways.
  void add_pushers(size_t count) {
    add(count, [this](Client& client, uint64_t stream) {
      Random random = random_for(stream);
      for (uint64_t n = 0; running();) {
        Strings push = {below(random, 2) ? "RPUSH" : "LPUSH", list_name(below(random, kLists))};
        const size_t many = 1 + below(random, kPushesMax);
        for (size_t i = 0; i < many; ++i) push.push_back(std::to_string(stream * 10'000'000 + n++));
        const bool ok =
            below(random, 4) == 0 ? push_in_transaction(client, push) : !client.call(push).is_error();
        if (!ok) return;
        std::lock_guard lock(mutex_);
        pushed_.insert(pushed_.end(), push.begin() + 2, push.end());
      }
    });
  }
  static bool push_in_transaction(Client& client, const Strings& push) {
    Strings other = {"RENAMENX", push[1], list_name(0)};
    client.send(encode({"MULTI"}) + encode(push) + encode(other) + encode({"EXEC"}));
    for (int i = 0; i < 3; ++i) client.read();
    return client.read().type == '*';
  }
  static Strings draw_pop(Random& random) {
    const std::string a = list_name(below(random, kLists)), b = list_name(below(random, kLists));
    const char* timeouts[] = {"0.001", "0.01", "0.05", "0.2"};
    const std::string timeout = timeouts[below(random, 4)];
    switch (below(random, 6)) {
      case 0:
        return {"BLPOP", a, b, timeout};
      case 1:
        return {"BRPOP", a, timeout};
      case 2:
        return {"BLMPOP", timeout, "2", a, b, "LEFT", "COUNT", "3"};
      case 3:
        return {"BLMOVEM", a, b, "LEFT", "RIGHT", timeout, "EXACTLY", "3", "BULK"};
      case 4:
        return {"BLMOVEM", a, b, "RIGHT", "RIGHT", timeout, "COUNT", "2", "OBO"};
      default:
        return {"BLMOVE", a, b, "LEFT", "RIGHT", timeout};
    }
  }
  void note(const Strings& pop, const Reply& reply) {
    if (reply.is_null || reply.is_error() || pop[0].starts_with("BLMOVE")) return;
    std::lock_guard lock(mutex_);
    const Reply& what = reply.elements[1];
    if (pop[0] != "BLMPOP") {
      popped_.push_back(what.text);
    } else {
      for (const Reply& element : what.elements) popped_.push_back(element.text);
    }
  }
  void add_poppers(size_t count) {
    add(count, [this](Client& client, uint64_t stream) {
      Random random = random_for(stream);
      while (running()) {
        const Strings pop = draw_pop(random);
        const Reply reply = client.call(pop);
        EXPECT_TRUE(!reply.is_error() || reply.text.starts_with("UNBLOCKED")) << reply.describe();
        note(pop, reply);
      }
    });
  }
  // Reads what is left and compares.
  void expect_each_once(Client& client) {
    std::map<std::string, int> balance;
    for (const std::string& element : pushed_) ++balance[element];
    for (const std::string& element : popped_) --balance[element];
    for (size_t i = 0; i < kLists; ++i) {
      for (const Reply& element : client.call({"LRANGE", list_name(i), "0", "-1"}).elements)
        --balance[element.text];
    }
    int lost = 0, doubled = 0;
    for (auto& [element, count] : balance) {
      lost += count > 0;
      doubled += count < 0;
    }
    EXPECT_EQ(doubled, 0);
    EXPECT_LE(lost, lost_with_clients_.load());
    EXPECT_GT(popped_.size(), 0u);
    std::printf("  %zu pushed, %zu popped\n", pushed_.size(), popped_.size());
  }

  std::mutex mutex_;
  Strings pushed_, popped_;
  std::atomic<int> lost_with_clients_{0};
};

TEST_F(Blocking, EachElementIsPoppedOnce) {
  start({"--appendonly", "yes", "--appendfsync", "everysec"});
  add_pushers(3);
  add_poppers(8);
  add(1, [&](Client& client, uint64_t stream) {
    Random random = random_for(stream);
    while (running()) {
      client.call({"CLIENT", "UNBLOCK", std::to_string(1 + below(random, 20)),
                   below(random, 2) ? "ERROR" : "TIMEOUT"});
    }
  });
  run();
  auto client = connect();
  expect_each_once(*client);

  // What the log says is what there was.
  Strings lists;
  for (size_t i = 0; i < kLists; ++i)
    lists.push_back(client->call({"LRANGE", list_name(i), "0", "-1"}).describe());
  server_.signal(SIGTERM);
  EXPECT_EQ(server_.wait(), 0);
  start({"--appendonly", "yes", "--appendfsync", "everysec"});
  auto again = connect();
  for (size_t i = 0; i < kLists; ++i)
    EXPECT_EQ(again->call({"LRANGE", list_name(i), "0", "-1"}).describe(), lists[i]);
}

// Clients that are killed, reset or closed while they wait. What a push gave to a client that was just
// leaving is gone with it, one element for each such client at most; nothing is doubled.
TEST_F(Blocking, ClientsComeAndGo) {
  start();
  add_pushers(2);
  add_poppers(2);
  add(6, [&](Client&, uint64_t stream) {
    Random random = random_for(stream);
    while (running()) {
      auto client = connect();
      const int64_t id = client->call({"CLIENT", "ID"}).integer;
      const Strings pop = {"BLPOP", list_name(below(random, kLists)), list_name(below(random, kLists)), "0"};
      client->send(encode(pop) + encode({"PING"}));
      const Reply reply = client->try_read(static_cast<int64_t>(below(random, 5)));
      if (!reply.is_lost()) {
        note(pop, reply);
        continue;
      }
      ++lost_with_clients_;
      switch (below(random, 3)) {
        case 0:
          client->close();
          break;
        case 1:
          client->reset();
          break;
        default:
          connect()->call({"CLIENT", "KILL", "ID", std::to_string(id)});
          break;
      }
    }
  });
  run();
  auto client = connect();
  expect_alone(*client);
  expect_each_once(*client);
  const std::string clients = client->call({"INFO", "clients"}).text;
  EXPECT_NE(clients.find("blocked_clients:0\r\n"), std::string::npos) << clients;
  EXPECT_NE(clients.find("total_blocking_keys:0\r\n"), std::string::npos) << clients;
}

// A client that CLIENT KILL has named gets nothing that is pushed afterwards.
TEST_F(Blocking, NothingIsPoppedForTheKilled) {
  start();
  add(4, [&](Client& client, uint64_t stream) {
    const std::string list = "own" + std::to_string(stream);
    for (int64_t pushed = 1; running(); ++pushed) {
      auto victim = connect();
      const std::string id = std::to_string(victim->call({"CLIENT", "ID"}).integer);
      victim->send(encode({"BLPOP", list, "0"}));
      while (running() &&
             client.call({"CLIENT", "LIST", "ID", id}).text.find("flags=b") == std::string::npos) {
      }
      if (!running()) return;
      EXPECT_EQ(client.call({"CLIENT", "KILL", "ID", id}).integer, 1);
      EXPECT_EQ(client.call({"RPUSH", list, "x"}).integer, pushed);
    }
  });
  run();
}

// A waiter for a key in another shard: whoever pushed never sees what is about to be moved away.
TEST_F(Blocking, PushersSeeTheirElementsGone) {
  start();
  add(3, [&](Client& client, uint64_t stream) {
    const std::string from = "from" + std::to_string(stream);
    auto waiter = connect();
    const std::string id = std::to_string(waiter->call({"CLIENT", "ID"}).integer);
    for (int64_t n = 0; running(); ++n) {
      const std::string to = "to" + std::to_string(n % 7);
      waiter->send(encode({"BLMOVE", from, to, "LEFT", "RIGHT", "0"}));
      while (running() &&
             client.call({"CLIENT", "LIST", "ID", id}).text.find("flags=b") == std::string::npos) {
      }
      if (!running()) return;  // perhaps nobody waits yet
      if (n % 2) client.call({"PING"});
      client.send(encode({"RPUSH", from, std::to_string(n)}) + encode({"LLEN", from}));
      EXPECT_EQ(client.read().integer, 1);
      EXPECT_EQ(client.read().integer, 0);
      EXPECT_EQ(waiter->read().text, std::to_string(n));
    }
  });
  // Keeps the targets' shards busy.
  add(3, [&](Client& client, uint64_t stream) {
    Random random = random_for(stream);
    while (running()) {
      const std::string to = "to" + std::to_string(below(random, 7));
      std::string pipeline;
      for (int i = 0; i < 30; ++i) pipeline += encode({"LRANGE", to, "0", "50"});
      client.send(pipeline + encode({"DEL", to}));
      for (int i = 0; i <= 30; ++i) client.read();
    }
  });
  run();
}

}  // namespace
}  // namespace stress

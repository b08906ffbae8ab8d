// Commands over several shards are atomic, and no effect is lost or doubled, whoever runs them.

#include "stress.h"

namespace stress {
namespace {

constexpr size_t kPipelineMax = 40;
constexpr size_t kCounters = 4;
constexpr size_t kGroup = 8;
constexpr size_t kAccounts = 10;
constexpr int64_t kDeposit = 1000;

std::string name(const char* stem, size_t i) { return stem + std::to_string(i); }

class Atomicity : public StressTest {
 protected:
  // Whole-keyspace commands and expiry, in a database of their own, to get in everybody's way.
  void add_disturbance() {
    add(1, [this](Client& client, uint64_t stream) {
      Random random = random_for(stream);
      client.call({"SELECT", "1"});
      while (running()) {
        std::string pipeline;
        for (size_t i = 0; i < kPipelineMax; ++i) {
          pipeline += encode(
              {"SET", name("soon", below(random, 500)), "gone", "PX", std::to_string(1 + below(random, 20))});
        }
        pipeline += encode({"FLUSHDB", below(random, 2) ? "ASYNC" : "SYNC"});
        client.send(pipeline);
        for (size_t i = 0; i <= kPipelineMax; ++i) EXPECT_EQ(client.read().text, "OK");
      }
    });
  }
};

TEST_F(Atomicity, IncrementsAddUp) {
  start();
  std::atomic<int64_t> sums[kCounters] = {};
  add_disturbance();
  add(16, [&](Client& client, uint64_t stream) {
    Random random = random_for(stream);
    while (running()) {
      std::string pipeline;
      std::vector<std::pair<size_t, int64_t>> sent(1 + below(random, kPipelineMax));
      for (auto& [counter, by] : sent) {
        counter = below(random, kCounters);
        by = static_cast<int64_t>(below(random, 10));
        pipeline += by == 1 ? encode({"INCR", name("n", counter)})
                            : encode({"INCRBY", name("n", counter), std::to_string(by)});
      }
      client.send(pipeline);
      for (auto [counter, by] : sent) {
        if (client.read().type != ':') return;
        sums[counter] += by;
      }
    }
  });
  run();
  auto client = connect();
  for (size_t i = 0; i < kCounters; ++i)
    EXPECT_EQ(client->call({"GET", name("n", i)}).number(), sums[i].load());
}

TEST_F(Atomicity, GroupsAreSeenWhole) {
  start();
  auto expect_equal = [](const Reply& reply, const char* what) {
    for (const Reply& element : reply.elements) {
      EXPECT_EQ(element.describe(), reply.elements[0].describe()) << what << " " << reply.describe();
    }
  };
  add(3, [&](Client& client, uint64_t stream) {
    for (size_t n = 0; running(); ++n) {
      Strings mset = {"MSET"};
      for (size_t i = 0; i < kGroup; ++i)
        mset.insert(mset.end(), {name("g", i), std::to_string(stream * 1'000'000'000 + n)});
      EXPECT_EQ(client.call(mset).text, "OK");
    }
  });
  add(3, [&](Client& client, uint64_t) {
    while (running()) {
      client.send(encode({"MULTI"}) + encode({"INCR", "e1"}) + encode({"INCR", "e2"}) + encode({"EXEC"}));
      for (int i = 0; i < 3; ++i) client.read();
      expect_equal(client.read(), "EXEC of two INCRs");
    }
  });
  add(6, [&](Client& client, uint64_t) {
    Strings mget = {"MGET"};
    for (size_t i = 0; i < kGroup; ++i) mget.push_back(name("g", i));
    std::string pipeline = encode(mget) + encode({"MGET", "e1", "e2"}) + encode({"MULTI"}) +
                           encode({"GET", "e1"}) + encode({"GET", "e2"}) + encode({"EXEC"});
    while (running()) {
      client.send(pipeline);
      expect_equal(client.read(), "MGET of a group");
      expect_equal(client.read(), "MGET of two counters");
      for (int i = 0; i < 3; ++i) client.read();
      expect_equal(client.read(), "EXEC of two GETs");
    }
  });
  add(1, [&](Client& client, uint64_t stream) {
    Random random = random_for(stream);
    while (running()) {
      EXPECT_EQ(client.call({"FLUSHALL", below(random, 2) ? "ASYNC" : "SYNC"}).text, "OK");
      std::this_thread::sleep_for(std::chrono::milliseconds(below(random, 5)));
    }
  });
  run();
}

TEST_F(Atomicity, WatchedCounterIsExact) {
  start();
  std::atomic<int64_t> successes{0};
  add_disturbance();
  add(8, [&](Client& client, uint64_t stream) {
    Random random = random_for(stream);
    while (running()) {
      client.send(encode({"WATCH", "c", "other"}) + encode({"GET", "c"}));
      client.read();
      int64_t value = client.read().number();
      if (below(random, 8) == 0) {
        client.call({below(random, 2) ? "UNWATCH" : "RESET"});
        continue;
      }
      client.send(encode({"MULTI"}) + encode({"SET", "c", std::to_string(value + 1)}) +
                  encode({"INCR", "shadow"}));
      for (int i = 0; i < 3; ++i) client.read();
      if (below(random, 8) == 0) {
        client.call({"DISCARD"});
        continue;
      }
      Reply reply = client.call({"EXEC"});
      if (reply.is_lost()) return;
      if (!reply.is_null) ++successes;
    }
  });
  // Those who leave while they watch.
  add(2, [&](Client&, uint64_t) {
    while (running()) {
      Client passing(server_.port());
      passing.send(encode({"WATCH", "c", "other", "shadow"}) + encode({"MULTI"}) +
                   encode({"SET", "other", "1"}));
      passing.try_read(1);
    }
  });
  run();
  auto client = connect();
  EXPECT_EQ(client->call({"GET", "c"}).number(), successes.load());
  EXPECT_EQ(client->call({"GET", "shadow"}).number(), successes.load());
  std::printf("  %lld transactions\n", static_cast<long long>(successes.load()));
}

TEST_F(Atomicity, TransfersKeepTheSum) {
  start();
  auto setup = connect();
  Strings mget = {"MGET"};
  for (size_t i = 0; i < kAccounts; ++i) {
    setup->call({"SET", name("account", i), std::to_string(kDeposit)});
    mget.push_back(name("account", i));
  }
  auto expect_sum = [](const Reply& reply) {
    int64_t sum = 0;
    for (const Reply& element : reply.elements) sum += element.number();
    EXPECT_EQ(sum, kDeposit * static_cast<int64_t>(kAccounts)) << reply.describe();
  };
  add_disturbance();
  add(10, [&](Client& client, uint64_t stream) {
    Random random = random_for(stream);
    while (running()) {
      std::string amount = std::to_string(below(random, 50));
      client.send(encode({"MULTI"}) + encode({"DECRBY", name("account", below(random, kAccounts)), amount}) +
                  encode({"INCRBY", name("account", below(random, kAccounts)), amount}) + encode({"EXEC"}));
      for (int i = 0; i < 4; ++i) client.read();
    }
  });
  add(4, [&](Client& client, uint64_t) {
    while (running()) expect_sum(client.call(mget));
  });
  run();
  expect_sum(setup->call(mget));
}

TEST_F(Atomicity, RenamedValueIsNeverLost) {
  start();
  auto setup = connect();
  std::string large(100'000, 'v');
  setup->call({"RPUSH", "ping", "a", "b", large});
  setup->call({"SET", "tick", large});
  add_disturbance();
  add(8, [&](Client& client, uint64_t stream) {
    Random random = random_for(stream);
    while (running()) {
      bool forth = below(random, 2);
      const char* command = below(random, 2) ? "RENAME" : "RENAMENX";
      client.call({command, forth ? "ping" : "pong", forth ? "pong" : "ping"});
      client.call({command, forth ? "tick" : "tock", forth ? "tock" : "tick"});
    }
  });
  add(4, [&](Client& client, uint64_t) {
    while (running()) {
      EXPECT_EQ(client.call({"EXISTS", "ping", "pong"}).integer, 1);
      EXPECT_EQ(client.call({"EXISTS", "tick", "tock"}).integer, 1);
    }
  });
  run();
  EXPECT_EQ(setup->call({"LLEN", "ping"}).integer + setup->call({"LLEN", "pong"}).integer, 3);
  EXPECT_EQ(setup->call({"GET", "tick"}).text + setup->call({"GET", "tock"}).text, large);
}

}  // namespace
}  // namespace stress

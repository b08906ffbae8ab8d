// A great many keys that go at once, by their deadline or by FLUSHALL, stall nobody and do not linger.

#include "stress.h"

namespace stress {
namespace {

constexpr size_t kBatch = 1000;
constexpr int64_t kLingerMsMax = 30'000;
constexpr int64_t kWorstPingUsMax = kSanitized ? 10'000'000 : 1'000'000;

class BulkExpiry : public StressTest {
 protected:
  size_t key_count() const { return settings().is_full ? 1'000'000 : 100'000; }

  void load(Client& client, size_t from, size_t to, int64_t deadline_ms) {
    std::string deadline = std::to_string(deadline_ms);
    for (size_t i = from; i < to;) {
      std::string pipeline;
      size_t end = std::min(i + kBatch, to);
      for (size_t k = i; k < end; ++k) {
        std::string key = "key:" + std::to_string(k);
        pipeline +=
            deadline_ms ? encode({"SET", key, "value", "PXAT", deadline}) : encode({"SET", key, "value"});
      }
      client.send(pipeline);
      for (; i < end; ++i) ASSERT_EQ(client.read().text, "OK");
    }
  }
  static int64_t field(Client& client, const char* section, const std::string& name) {
    std::string info = client.call({"INFO", section}).text;
    size_t at = info.find("\n" + name + ":");
    return at == std::string::npos ? -1 : std::strtoll(info.c_str() + at + name.size() + 2, nullptr, 10);
  }
};

TEST_F(BulkExpiry, KeysWithOneDeadline) {
  start();
  auto client = connect();
  size_t count = key_count();
  // Far enough ahead that all are there before the first goes; a busy machine may need another guess.
  int64_t deadline = 0;
  int64_t expired_before = 0;
  int64_t margin_ms = static_cast<int64_t>(count) / 100;
  do {
    client->call({"FLUSHALL"});
    expired_before = field(*client, "stats", "expired_keys");
    deadline = wall_ms() + margin_ms;
    load(*client, 0, count, deadline);
    margin_ms *= 3;
  } while (client->call({"DBSIZE"}).integer < static_cast<int64_t>(count) && !HasFailure());
  Prober prober(server_.port());
  while (wall_ms() < deadline) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  while (client->call({"DBSIZE"}).integer > 0 && wall_ms() < deadline + kLingerMsMax) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  int64_t lingered_ms = wall_ms() - deadline;
  int64_t worst_us = prober.stop();
  EXPECT_EQ(client->call({"DBSIZE"}).integer, 0);
  EXPECT_LT(worst_us, kWorstPingUsMax);
  EXPECT_EQ(field(*client, "stats", "expired_keys") - expired_before, static_cast<int64_t>(count));
  std::printf("  %zu keys gone %lld ms after their deadline; worst PING %lld us\n", count,
              static_cast<long long>(lingered_ms), static_cast<long long>(worst_us));
}

TEST_F(BulkExpiry, FlushOfEverything) {
  start();
  auto client = connect();
  for (const char* how : {"ASYNC", "SYNC"}) {
    load(*client, 0, key_count(), wall_ms() + 100'000'000);
    load(*client, 0, key_count() / 2, 0);
    Prober prober(server_.port());
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    int64_t began = now_ms();
    EXPECT_EQ(client->call({"FLUSHALL", how}).text, "OK");
    int64_t took_ms = now_ms() - began;
    EXPECT_EQ(client->call({"DBSIZE"}).integer, 0);
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    int64_t worst_us = prober.stop();
    if (std::string_view(how) == "ASYNC") {
      EXPECT_LT(worst_us, kWorstPingUsMax);
    }
    std::printf("  FLUSHALL %s of %zu keys: %lld ms, worst PING %lld us\n", how, key_count(),
                static_cast<long long>(took_ms), static_cast<long long>(worst_us));
  }
}

// Deadlines all over the place, changed and removed while they come.
TEST_F(BulkExpiry, DeadlinesComeAndGo) {
  start();
  add(6, [&](Client& client, uint64_t stream) {
    Random random = random_for(stream);
    while (running()) {
      std::string pipeline;
      for (int i = 0; i < 50; ++i) {
        std::string key = "k" + std::to_string(below(random, 2000));
        std::string ms = std::to_string(1 + below(random, 150));
        switch (below(random, 8)) {
          case 0:
            pipeline += encode({"PERSIST", key});
            break;
          case 1:
            pipeline += encode({"PEXPIRE", key, ms});
            break;
          case 2:
            pipeline += encode({"DEL", key});
            break;
          case 3:
            pipeline += encode({"GET", key});
            break;
          case 4:
            pipeline += encode({"RENAME", key, "k" + std::to_string(below(random, 2000))});
            break;
          case 5:
            pipeline += encode({"APPEND", key, "more"});
            break;
          default:
            pipeline += encode({"SET", key, std::string(below(random, 200), 'v'), "PX", ms});
        }
      }
      client.send(pipeline);
      for (int i = 0; i < 50; ++i) client.read();
    }
  });
  run();
  auto client = connect();
  for (int i = 0; i < 2000; ++i) client->call({"PEXPIRE", "k" + std::to_string(i), "1"});
  int64_t until = now_ms() + kLingerMsMax;
  while (client->call({"DBSIZE"}).integer > 0 && now_ms() < until)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_EQ(client->call({"DBSIZE"}).integer, 0);
}

}  // namespace
}  // namespace stress

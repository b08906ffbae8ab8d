// What was acknowledged under load is there after SIGTERM and after SIGKILL, in order and whole.

#include <signal.h>

#include "stress.h"

namespace stress {
namespace {

constexpr size_t kWriters = 8;
constexpr size_t kPipelineMax = 20;

class Durability : public StressTest {
 protected:
  // Writer w pushes 0, 1, 2… to its list and sets two keys in a transaction, until the server goes.
  void write_until_it_ends(Client& client, size_t w) {
    Random random = random_for(w);
    std::string own = std::to_string(w);
    for (int64_t n = 0;;) {
      size_t count = 1 + below(random, kPipelineMax);
      std::string pipeline;
      for (size_t i = 0; i < count; ++i, ++n) {
        pipeline += encode({"RPUSH", "list" + own, std::to_string(n)}) + encode({"INCR", "hot"});
      }
      std::string last = std::to_string(n);
      pipeline += encode({"MULTI"}) + encode({"SET", "p" + own, last}) + encode({"SET", "q" + own, last}) +
                  encode({"EXEC"});
      if (!client.send(pipeline)) return;
      for (size_t i = 0; i < count; ++i) {
        if (client.try_read(kReplyDeadlineMs).type != ':') return;
        ++pushed_[w];
        if (client.try_read(kReplyDeadlineMs).type != ':') return;
        ++hot_;
      }
      for (int k = 0; k < 3; ++k) client.try_read(kReplyDeadlineMs);
      if (client.try_read(kReplyDeadlineMs).type != '*') return;
      executed_[w] = static_cast<size_t>(n);
    }
  }
  void verify() {
    auto client = connect();
    int64_t lost = 0;
    for (size_t w = 0; w < kWriters; ++w) {
      std::string own = std::to_string(w);
      Reply list = client->call({"LRANGE", "list" + own, "0", "-1"});
      EXPECT_GE(list.elements.size(), pushed_[w]);
      for (size_t i = 0; i < list.elements.size(); ++i) lost += list.elements[i].text != std::to_string(i);
      Reply pair = client->call({"MGET", "p" + own, "q" + own});
      if (pair.elements.size() != 2) return;
      EXPECT_EQ(pair.elements[0].text, pair.elements[1].text);
      EXPECT_GE(pair.elements[0].number(), static_cast<int64_t>(executed_[w]));
    }
    EXPECT_EQ(lost, 0);
    EXPECT_GE(client->call({"GET", "hot"}).number(), hot_.load());
    std::printf("  %lld increments acknowledged\n", static_cast<long long>(hot_.load()));
  }
  void run_and_end(const char* policy, int signal) {
    const std::vector<std::string> arguments = {"--appendonly", "yes", "--appendfsync", policy};
    start(arguments);
    std::vector<std::thread> writers;
    for (size_t w = 0; w < kWriters; ++w) {
      writers.emplace_back([this, w] {
        Client client(server_.port());
        write_until_it_ends(client, w);
      });
    }
    std::this_thread::sleep_for(std::chrono::duration<double>(settings().seconds));
    server_.signal(signal);
    EXPECT_EQ(server_.wait(), signal == SIGKILL ? -SIGKILL : 0);
    for (std::thread& writer : writers) writer.join();
    std::string complaints = server_.complaints();
    EXPECT_TRUE(complaints.empty()) << complaints;
    start(arguments);
    verify();
  }

  std::atomic<size_t> pushed_[kWriters] = {};
  std::atomic<size_t> executed_[kWriters] = {};  // the number in the last transaction
  std::atomic<int64_t> hot_{0};
};

TEST_F(Durability, TermUnderLoad) { run_and_end("everysec", SIGTERM); }
TEST_F(Durability, TermUnderLoadSyncingAlways) { run_and_end("always", SIGTERM); }
TEST_F(Durability, KillUnderLoad) { run_and_end("everysec", SIGKILL); }
TEST_F(Durability, KillUnderLoadSyncingAlways) { run_and_end("always", SIGKILL); }

// The invariants of one machine, with a log behind them: credit, marks and parked connections.
TEST_F(Durability, LargeWritesWaitForTheLogAndAreAnswered) {
  start({"--appendonly", "yes", "--appendfsync", "everysec"});
  std::string value(200'000, 'v');
  std::atomic<int64_t> count{0};
  add(8, [&](Client& client, uint64_t stream) {
    std::string key = "k" + std::to_string(stream);
    while (running()) {
      std::string pipeline;
      for (int i = 0; i < 10; ++i) pipeline += encode({"SET", key, value}) + encode({"INCR", "n"});
      pipeline += encode({"MULTI"}) + encode({"SET", key, value}) + encode({"INCR", "n"}) + encode({"EXEC"});
      client.send(pipeline);
      for (int i = 0; i < 10; ++i) {
        EXPECT_EQ(client.read().text, "OK");
        if (client.read().type == ':') ++count;
      }
      for (int i = 0; i < 3; ++i) client.read();
      if (client.read().type == '*') ++count;
    }
  });
  run();
  auto client = connect();
  EXPECT_EQ(client->call({"GET", "n"}).number(), count.load());
}

}  // namespace
}  // namespace stress

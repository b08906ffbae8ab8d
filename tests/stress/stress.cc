#include "stress.h"

#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace stress {
namespace {

Settings the_settings;

constexpr int kAloneAttempts = 3000;  // of 10 ms

}  // namespace

const Settings& settings() { return the_settings; }

Random random_for(uint64_t stream) { return Random(the_settings.seed * 1000003 + stream); }

int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

int64_t wall_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

void StressTest::start(std::vector<std::string> arguments) {
  bool has_log = false;
  for (const std::string& argument : arguments) has_log |= argument == "--appendonly";
  if (!has_log) arguments.insert(arguments.end(), {"--appendonly", "no"});
  arguments.insert(arguments.end(), {"--threads", std::to_string(the_settings.threads), "--io",
                                     the_settings.io, "--save", ""});
  if (!server_.start(the_settings.server, arguments)) {
    ADD_FAILURE() << "the server does not start\n" << server_.complaints();
  }
}

void StressTest::TearDown() {
  if (server_.is_running()) {
    server_.signal(SIGTERM);
    EXPECT_EQ(server_.wait(), 0) << "exit code";
  }
  std::string complaints = server_.complaints();
  EXPECT_TRUE(complaints.empty()) << complaints;
}

void StressTest::add(size_t count, Work work) { works_.emplace_back(count, std::move(work)); }

void StressTest::run() {
  running_ = true;
  std::vector<std::thread> threads;
  uint64_t stream = 0;
  for (auto& [count, work] : works_) {
    for (size_t i = 0; i < count; ++i) {
      threads.emplace_back([this, &work, id = stream++] {
        Client client(server_.port());
        work(client, id);
      });
    }
  }
  std::this_thread::sleep_for(std::chrono::duration<double>(the_settings.seconds));
  running_ = false;
  for (std::thread& thread : threads) thread.join();
  works_.clear();
}

void StressTest::expect_alone(Client& client) {
  size_t count = 0;
  for (int i = 0; i < kAloneAttempts; ++i) {
    std::string list = client.call({"CLIENT", "LIST"}).text;
    count = static_cast<size_t>(std::count(list.begin(), list.end(), '\n'));
    if (count == 1) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ADD_FAILURE() << count << " clients are still there";
}

Prober::Prober(uint16_t port)
    : thread_([this, port] {
        Client client(port);
        while (running_) {
          auto began = std::chrono::steady_clock::now();
          if (client.call({"PING"}).is_lost()) return;
          auto took = std::chrono::steady_clock::now() - began;
          worst_us_ = std::max<int64_t>(worst_us_,
                                        std::chrono::duration_cast<std::chrono::microseconds>(took).count());
          std::this_thread::sleep_for(std::chrono::microseconds(500));
        }
      }) {}

int64_t Prober::stop() {
  running_ = false;
  if (thread_.joinable()) thread_.join();
  return worst_us_;
}

}  // namespace stress

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  stress::Settings& settings = stress::the_settings;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--server") == 0) settings.server = argv[i + 1];
    if (std::strcmp(argv[i], "--io") == 0) settings.io = argv[i + 1];
    if (std::strcmp(argv[i], "--threads") == 0) settings.threads = std::atoi(argv[i + 1]);
  }
  if (settings.server.empty()) {
    std::fprintf(
        stderr, "usage: stress_test --server <strata-server> [--threads n] [--io epoll|uring] [--gtest_…]\n");
    return 1;
  }
  if (const char* seconds = std::getenv("STRATA_STRESS_SECONDS"); seconds && *seconds) {
    settings.seconds = std::atof(seconds);
    settings.is_full = true;
  }
  const char* seed = std::getenv("STRATA_STRESS_SEED");
  settings.seed = seed ? std::strtoull(seed, nullptr, 10) : std::random_device{}();
  std::printf("seed %llu, %d threads\n", static_cast<unsigned long long>(settings.seed), settings.threads);
  return RUN_ALL_TESTS();
}

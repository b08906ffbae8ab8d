// What the stress tests share: how long, how big, a fixture with a server, and clients on threads.
//
//   STRATA_STRESS_SECONDS   length of each timed part (quick: a quarter of a second) and full sizes
//   STRATA_STRESS_SEED      repeats the random choices of a run, which prints its seed
//
// Every test starts a server of its own, and fails if that server ends badly or a sanitizer spoke in it.

#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "client.h"
#include "server_process.h"

namespace stress {

struct Settings {
  std::string server;
  int threads = 4;
  std::string io = "auto";
  double seconds = 0.25;
  bool is_full = false;
  uint64_t seed = 0;
};
const Settings& settings();

// True when this build, and so the server's, has a sanitizer: memory and time are not asserted then.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

using Random = std::mt19937_64;
Random random_for(uint64_t stream);
inline size_t below(Random& random, size_t n) { return random() % n; }

int64_t now_ms();
int64_t wall_ms();

class StressTest : public testing::Test {
 protected:
  void start(std::vector<std::string> arguments = {});
  void TearDown() override;

  std::unique_ptr<Client> connect(int receive_buffer = 0) {
    return std::make_unique<Client>(server_.port(), receive_buffer);
  }
  // Runs work(client, stream) on `count` threads, each with a connection of its own, for the timed part. They
  // look at running() to know when to end.
  using Work = std::function<void(Client&, uint64_t)>;
  void add(size_t count, Work work);
  void run();
  bool running() const { return running_.load(std::memory_order_relaxed) && !HasFailure(); }
  // Waits until nobody but the asker is connected.
  void expect_alone(Client& client);

  ServerProcess server_;

 private:
  std::vector<std::pair<size_t, Work>> works_;
  std::atomic<bool> running_{false};
};

// Asks PING over and over on a thread of its own and keeps the worst answer's time.
class Prober {
 public:
  explicit Prober(uint16_t port);
  ~Prober() { stop(); }
  int64_t stop();  // worst, in microseconds

 private:
  std::atomic<bool> running_{true};
  std::atomic<int64_t> worst_us_{0};
  std::thread thread_;
};

}  // namespace stress

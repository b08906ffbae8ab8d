// Processes, clocks, entropy and terminals: small windows on the system, looked through once.

#include "platform/process.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "platform/clock.h"
#include "platform/entropy.h"
#include "platform/file_system.h"
#include "platform/socket.h"
#include "platform/terminal.h"
#include "platform/thread.h"

namespace strata {
namespace {

void burn_cpu_us(int64_t us) {
  for (int64_t start = thread_cpu_us(); thread_cpu_us() - start < us;) {
  }
}

TEST(Process, KnowsItself) {
  EXPECT_GT(process_id(), 0);
  EXPECT_TRUE(executable_path().ends_with("platform_test")) << executable_path();
  EXPECT_FALSE(host_name().empty());
  EXPECT_NE(system_name().find(' '), std::string::npos);
  EXPECT_NE(compiler_version().find('.'), std::string::npos);
  EXPECT_EQ(pointer_bits(), static_cast<int>(8 * sizeof(void*)));
}

TEST(Process, MemoryGrowsWithWhatIsTouched) {
  ProcessMemory before = process_memory();
  ASSERT_GT(before.resident_bytes, 0u);
  EXPECT_GE(before.resident_bytes_peak, before.resident_bytes);
  EXPECT_GT(system_memory_bytes(), before.resident_bytes);
  constexpr size_t kBytes = 64 << 20;
  std::vector<char> touched(kBytes, 'x');
  ProcessMemory after = process_memory();
  EXPECT_GT(after.resident_bytes, before.resident_bytes + kBytes / 2);
  EXPECT_GE(after.resident_bytes_peak, after.resident_bytes);
  EXPECT_EQ(touched[kBytes / 2], 'x');
}

TEST(Process, CpuTimeIsCounted) {
  ProcessCpu before = process_cpu();
  burn_cpu_us(30'000);
  ProcessCpu after = process_cpu();
  EXPECT_GT(after.self.user_us + after.self.system_us, before.self.user_us + before.self.system_us);
  EXPECT_GT(after.main_thread.user_us + after.main_thread.system_us,
            before.main_thread.user_us + before.main_thread.system_us);
  // Another thread sees the main thread's time too, in clock ticks.
  std::thread([&] {
    ProcessCpu other = process_cpu();
    constexpr int64_t kTicksApartUs = 100'000;
    EXPECT_LE(other.main_thread.user_us, after.main_thread.user_us + kTicksApartUs);
    EXPECT_GT(other.main_thread.user_us + other.main_thread.system_us, 0);
  }).join();
}

TEST(Process, DescriptorLimit) {
  uint64_t now = raise_descriptor_limit(0);
  EXPECT_GT(now, 0u);
  EXPECT_GE(raise_descriptor_limit(now), now);
  EXPECT_GE(raise_descriptor_limit(UINT64_MAX / 2), now);  // as far as it goes
  uint64_t open = open_descriptor_count();
  Socket listener = std::move(*listen_tcp({.address = "127.0.0.1"}));
  EXPECT_EQ(open_descriptor_count(), open + 1);
}

TEST(Process, Directory) {
  std::string before = *current_directory();
  ASSERT_TRUE(change_directory("/tmp"));
  EXPECT_EQ(*current_directory(), "/tmp");
  EXPECT_EQ(change_directory("/no/such").error().code, Errc::kNotFound);
  ASSERT_TRUE(change_directory(before));
}

TEST(Process, DaemonizeDetachesAndLeavesWithZero) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        // The daemon itself must not live on as a second test run.
        bool detached = daemonize().has_value();
        _Exit(detached ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

TEST(Clock, GoesOn) {
  Clock& clock = system_clock();
  constexpr int64_t kYear2020Us = 1'577'836'800'000'000;
  EXPECT_GT(clock.wall_us(), kYear2020Us);
  int64_t before = clock.monotonic_us();
  int64_t before_ns = monotonic_ns();
  burn_cpu_us(2'000);
  // CPU time follows the hardware's counter, the monotonic clock is slewed towards the true time by at most
  // 500 ppm: the two may differ by a microsecond here, and by another where readings are cut to whole ones.
  constexpr int64_t kSlackUs = 2'000 * 500 / 1'000'000 + 1;
  EXPECT_GE(clock.monotonic_us(), before + 2'000 - kSlackUs);
  EXPECT_GE(monotonic_ns(), before_ns + (2'000 - kSlackUs) * 1'000);
}

TEST(Clock, CyclesCountTime) {
  double rate = cycles_per_us();
  EXPECT_GT(rate, 0.5);
  EXPECT_LT(rate, 100'000);
  EXPECT_EQ(rate, cycles_per_us());
  uint64_t before = cycles_now();
  burn_cpu_us(1'000);
  EXPECT_GT(cycles_now(), before);
}

TEST(Clock, AManualOneStandsStill) {
  ManualClock clock;
  int64_t before = clock.wall_us();
  EXPECT_EQ(clock.wall_us(), before);
  clock.advance_us(5);
  EXPECT_EQ(clock.monotonic_us(), before + 5);
}

TEST(Entropy, DiffersFromCallToCall) {
  EXPECT_NE(random_u64(), random_u64());
  std::string one(1000, '\0');
  std::string two(1000, '\0');
  fill_random(one);
  fill_random(two);
  EXPECT_NE(one, two);
  EXPECT_NE(one.substr(992), std::string(8, '\0'));
  fill_random({});
}

TEST(Terminal, Answers) {
  (void)stdin_is_terminal();
  (void)stdout_is_terminal();
  (void)stderr_is_terminal();
  EXPECT_GT(terminal_columns(), 0);
}

}  // namespace
}  // namespace strata

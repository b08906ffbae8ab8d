#include "platform/signals.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <string>

#include "platform/file_system.h"
#include "platform/process.h"

namespace strata {
namespace {

class SignalsDeathTest : public testing::Test {
 protected:
  void SetUp() override { testing::FLAGS_gtest_death_test_style = "threadsafe"; }
};

TEST(Signals, TheFirstStopSignalIsARequest) {
  for (int signal : {SIGTERM, SIGINT}) {
    WakeEvent wake = std::move(*WakeEvent::create());
    install_stop_signals(&wake);
    EXPECT_EQ(stop_signal(), 0);
    std::raise(signal);
    EXPECT_EQ(stop_signal(), signal);
    EXPECT_TRUE(wake.drain());
    reset_stop_signals();
    EXPECT_EQ(stop_signal(), 0);
  }
}

TEST(Signals, PipesAndHangUpsAreIgnored) {
  ignore_broken_pipes_and_hangups();
  std::raise(SIGPIPE);
  std::raise(SIGHUP);
}

TEST(Signals, HaveNames) {
  EXPECT_STREQ(signal_name(SIGTERM), "SIGTERM");
  EXPECT_STREQ(signal_name(SIGSEGV), "SIGSEGV");
  EXPECT_STREQ(signal_name(0), "another signal");
}

TEST_F(SignalsDeathTest, TheSecondStopSignalEndsTheProcess) {
  EXPECT_EXIT(
      {
        install_stop_signals(nullptr);
        std::raise(SIGTERM);
        std::raise(SIGINT);
        _Exit(0);
      },
      testing::ExitedWithCode(1), "");
}

void crash_with_log(const std::string& path) {
  install_crash_handler();
  set_crash_log(path);
  std::raise(SIGSEGV);
}

TEST_F(SignalsDeathTest, ACrashIsReportedAndKeepsItsSignal) {
  std::string path = "/tmp/strata_crash_" + std::to_string(process_id());
  // The child of a death test runs this test again, so the path is a fixed one in its environment.
  if (const char* given = std::getenv("STRATA_TEST_CRASH_LOG")) path = given;
  setenv("STRATA_TEST_CRASH_LOG", path.c_str(), 1);  // NOLINT(concurrency-mt-unsafe)
  EXPECT_EXIT(crash_with_log(path), testing::KilledBySignal(SIGSEGV), "Strata crashed by signal SIGSEGV");
  auto report = read_whole_file(real_file_system(), path, 1 << 20);
  ASSERT_TRUE(report);
  EXPECT_NE(report->find("crashed by signal SIGSEGV"), std::string::npos);
  EXPECT_NE(report->find("platform_test"), std::string::npos);  // a frame of the backtrace
  EXPECT_NE(report->find("end of report"), std::string::npos);
  EXPECT_TRUE(real_file_system().remove(path));
  unsetenv("STRATA_TEST_CRASH_LOG");  // NOLINT(concurrency-mt-unsafe)
}

TEST_F(SignalsDeathTest, AnAbortIsReported) {
  EXPECT_EXIT(
      {
        install_crash_handler();
        std::abort();
      },
      testing::KilledBySignal(SIGABRT), "Strata crashed by signal SIGABRT");
}

// Deeper than any stack, but not for ever: compilers refuse that.
[[gnu::noinline]] int overflow_stack(int depth) {
  volatile char frame[4096];
  frame[0] = static_cast<char>(depth);
  if (depth == 10'000'000) return 0;
  int below = overflow_stack(depth + 1);
  return below + frame[0];
}

// The thread sanitizer's own stack checks end the process before any handler runs.
#if defined(__SANITIZE_THREAD__)
constexpr bool kThreadSanitizer = true;
#elif defined(__has_feature)
constexpr bool kThreadSanitizer = __has_feature(thread_sanitizer);
#else
constexpr bool kThreadSanitizer = false;
#endif

TEST_F(SignalsDeathTest, AStackOverflowIsReported) {
  if (kThreadSanitizer) GTEST_SKIP();
  EXPECT_EXIT(
      {
        install_crash_handler();
        _Exit(overflow_stack(0));
      },
      testing::KilledBySignal(SIGSEGV), "Strata crashed by signal SIGSEGV");
}

}  // namespace
}  // namespace strata

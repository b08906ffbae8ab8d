#include "platform/thread.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/simd.h"
#include "platform/file_system.h"

namespace strata {
namespace {

constexpr int kPatienceMs = 10'000;

TEST(Thread, ProcessorsFollowTheAffinityMask) {
  std::thread([] {
    std::vector<int> cpus = usable_cpus();
    ASSERT_GE(cpus.size(), 1u);
    EXPECT_EQ(usable_cpu_count(), static_cast<int>(cpus.size()));
    int last[] = {cpus.back()};
    ASSERT_TRUE(pin_this_thread(last));
    EXPECT_EQ(usable_cpus(), std::vector<int>{cpus.back()});
    EXPECT_TRUE(pin_this_thread(cpus));
    int wrong[] = {-1};
    EXPECT_EQ(pin_this_thread(wrong).error().code, Errc::kInvalidArgument);
  }).join();
}

TEST(Thread, HasANameAndANumber) {
  int64_t main_id = this_thread_id();
  std::thread([main_id] {
    name_this_thread("a-name-longer-than-fifteen");
    EXPECT_NE(this_thread_id(), main_id);
    std::string path = "/proc/self/task/" + std::to_string(this_thread_id()) + "/comm";
    auto file = real_file_system().open(path, OpenMode::kRead);
    if (!file) return;
    char text[64];
    auto size = file->read_at(0, text);
    ASSERT_TRUE(size);
    EXPECT_EQ(std::string(text, *size), "a-name-longer-t\n");
  }).join();
  spin_pause();
  yield_thread();
}

TEST(WakeEvent, ManySignalsAreOne) {
  auto event = WakeEvent::create();
  ASSERT_TRUE(event);
  EXPECT_GE(event->handle(), 0);
  EXPECT_FALSE(event->drain());
  EXPECT_FALSE(event->wait(0));
  event->signal();
  event->signal();
  EXPECT_TRUE(event->wait(0));
  EXPECT_TRUE(event->drain());
  EXPECT_FALSE(event->drain());
}

TEST(WakeEvent, WakesASleeper) {
  WakeEvent event = std::move(*WakeEvent::create());
  std::atomic<bool> woken{false};
  std::thread sleeper([&] {
    EXPECT_TRUE(event.wait(kPatienceMs));
    EXPECT_TRUE(event.drain());
    woken = true;
  });
  event.signal();
  sleeper.join();
  EXPECT_TRUE(woken);
}

TEST(WakeEvent, LosesNoWakeUp) {
  WakeEvent event = std::move(*WakeEvent::create());
  constexpr int kRounds = 2'000;
  std::atomic<int> produced{0};
  std::thread producer([&] {
    for (int i = 0; i < kRounds; ++i) {
      produced.fetch_add(1);
      event.signal();
    }
  });
  while (produced.load() < kRounds) {
    ASSERT_TRUE(event.wait(kPatienceMs));
    event.drain();
  }
  producer.join();
}

}  // namespace
}  // namespace strata

#include <chrono>
#include <mutex>
#include <thread>

#include "persistence/oplog_impl.h"
#include "platform/thread.h"

namespace strata {
namespace {

// A sync that did not get as far as was wanted is tried again after this.
constexpr std::chrono::milliseconds kHeldUp(1);
// Before a sync like the last, which took at least so long, the log thread waits while records come within
// each step.
constexpr int64_t kGatherSyncUsMin = 1000;
constexpr int64_t kGatherUsMax = 5000;
constexpr std::chrono::microseconds kGatherStep(100);

}  // namespace

void OpLog::Impl::log_thread_main() {
  name_this_thread("strata-log");
  for (;;) {
    bell_.wait(0, std::memory_order_acquire);
    bell_.exchange(0, std::memory_order_acq_rel);
    if (stopping_.load(std::memory_order_acquire)) return;
    if (policy() == SyncPolicy::kAlways) {
      gather();
      (void)sync_once();
    } else {
      write_now();
      notify();
    }
  }
}

// Clients whom a sync releases send again at once. Where syncs are slow, one that begins before they are
// here makes them wait for the one after: two groups take turns, and each sync serves half. So wait a
// little while more comes. Where they are quick, only those who are ready to run may be first.
void OpLog::Impl::gather() {
  const int64_t sync_us = last_sync_us_.load(std::memory_order_relaxed);
  if (sync_us < kGatherSyncUsMin) return yield_thread();
  const int64_t until_us = clock_.monotonic_us() + std::min(sync_us / 4, kGatherUsMax);
  sync_in_flight_.store(true, std::memory_order_relaxed);  // who wants a mere write asks the sync thread
  for (uint64_t before = 0; before != ring_.reserved() && clock_.monotonic_us() < until_us;) {
    before = ring_.reserved();
    std::this_thread::sleep_for(kGatherStep);
  }
  sync_in_flight_.store(false, std::memory_order_relaxed);
}

void OpLog::Impl::sync_thread_main() {
  name_this_thread("strata-sync");
  // From the beginning of one sync to the beginning of the next: on a slow disk an interval after the end
  // would let a write be older than the two seconds that kEverySecond may lose.
  const std::chrono::milliseconds interval(options_.sync_interval_ms);
  auto due = std::chrono::steady_clock::now() + interval;
  std::unique_lock guard(timer_mutex_);
  while (!stopping_.load(std::memory_order_acquire)) {
    guard.unlock();
    look_after_files();
    guard.lock();
    timer_.wait_until(guard, due, [this] {
      return stopping_.load(std::memory_order_acquire) || is_write_wanted_ || wants_sync() ||
             filler_wanted_.load(std::memory_order_relaxed);
    });
    const bool writes_only = std::exchange(is_write_wanted_, false);
    const bool syncs = policy() == SyncPolicy::kEverySecond || wants_sync();
    if (const auto now = std::chrono::steady_clock::now(); syncs || now >= due) due = now + interval;
    if (stopping_.load(std::memory_order_acquire)) return;
    if (!syncs && !writes_only) {
      if (!filler_wanted_.exchange(false, std::memory_order_relaxed)) continue;
      guard.unlock();
      (void)prefill_chunk();  // no space: the log goes on without
      guard.lock();
      continue;
    }
    guard.unlock();
    const uint64_t before = writer_.durable_sequence();
    if (syncs) {
      (void)sync_once();
    } else {
      write_now();
      notify();
    }
    guard.lock();
    // Before what is wanted, somebody still copies a record, or a rotation is due.
    const bool is_held_up = wants_sync() && writer_.durable_sequence() == before;
    if (is_held_up) timer_.wait_for(guard, kHeldUp);
  }
}

}  // namespace strata

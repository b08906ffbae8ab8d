// The event loop: one per thread, turning.
//
// A turn: wait for the kernel · read the clock once · deliver what is ready (coroutines run) · run
// posted work · fire timers · resume what was deferred · call the turn-end hook, where a server
// commits and flushes everything the turn produced.
//
// Threads: post(), stop(), turns(), sleeping() and stats() may be called by any thread (stop() by a
// signal handler too); all the rest belongs to the loop's thread, which is the one inside run(), or
// before run() the one that sets the loop up.
//
//   1. Posted work runs in the order of posting, on the loop's thread, within the turn that sees it.
//   2. A post costs a system call only when the loop sleeps, and then one for each sleep.
//   3. Whoever posts keeps the loop alive until post() has returned.
//   4. turns() changes between turns and at no other time. Memory that was unlinked (with a
//      sequentially consistent store) before a thread looked at turns() and sleeping() is not used
//      by this loop any more once it sleeps or turns() has changed.
//
// An idle loop sleeps without a timer of its own. After the loop in libuv, without its handles.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "base/result.h"
#include "platform/clock.h"
#include "runtime/backend.h"
#include "runtime/nap_length.h"
#include "runtime/nap_policy.h"
#include "runtime/timer_wheel.h"

namespace strata {

// Work that is a node of the queue it waits in. run() is called once and may destroy the object;
// discard() instead if the loop dies first.
class PostedWork {
 public:
  virtual void run() = 0;
  virtual void discard() {}
  PostedWork* next_work = nullptr;  // the loop's

 protected:
  ~PostedWork() = default;
};

struct EventLoopOptions {
  IoBackend backend = IoBackend::kAuto;
  BackendOptions io;
  // How long to poll before sleeping while at most kSpinStreamsMax streams are open. Worth it only
  // with a processor to spare: a sleep and its wake-up cost about 15 us, a spinning loop all of a core.
  int64_t spin_us = 0;
  Clock* clock = nullptr;  // null: system_clock()
};

inline constexpr size_t kSpinStreamsMax = 8;
inline constexpr int64_t kExpectationUs = 60;

struct EventLoopStats {
  uint64_t turns = 0;
  uint64_t sleeps = 0;  // waits that could block
  uint64_t wakes = 0;   // system calls other threads made to end a sleep
  uint64_t events = 0;
  int64_t longest_turn_cpu_us = 0;  // of turns that took more than kSlowTurnUs of wall time
  uint64_t slow_turns = 0;
};

inline constexpr int64_t kSlowTurnUs = 1000;

class EventLoop {
 public:
  static Result<std::unique_ptr<EventLoop>> create(const EventLoopOptions& options);
  ~EventLoop();  // every stream, listener, timer and task must be gone
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  void run();  // until stop(); the turn in which stop() is seen is finished
  void stop();
  // Turns until the condition holds, looking at it after every turn. Not inside run().
  void run_until(const std::function<bool()>& condition);
  bool is_loop_thread() const;
  static EventLoop* current();  // the loop this thread is inside of, or null

  void post(PostedWork* work);
  void post(std::function<void()> work);
  // From the loop's own thread, in this turn, after what is being delivered now: how callbacks
  // avoid re-entering each other.
  void defer(PostedWork* work);

  int64_t now_us() const { return now_us_; }    // monotonic, read once in each turn
  int64_t wall_ms() const { return wall_ms_; }  // since the Unix epoch, at most a turn old
  void refresh_now();                           // reads the clock again, after long work

  // Called once per turn, last. Returns true when there is more to do: the loop then does not sleep.
  void set_turn_end(std::function<bool()> hook) { turn_end_ = std::move(hook); }
  // Before the next sleep, bounds it: the loop turns again no later than this time on now_us().
  void limit_sleep(int64_t deadline_us);
  // Before the next sleep: another thread is about to post. The loop stays awake for up to kExpectationUs, and
  // lets everybody else who is ready run meanwhile: a sleep and a wake-up cost both threads more than that.
  void expect_post() { expects_post_ = true; }

  // Fire on the loop's thread, at the earliest after that many milliseconds of monotonic time.
  void start_timer(TimerNode& timer, int64_t delay_ms);  // restarts one that is scheduled
  void cancel_timer(TimerNode& timer) { timers_.cancel(timer); }
  void call_after(int64_t delay_ms, std::function<void()> work);

  uint64_t turns() const { return turns_.load(std::memory_order_seq_cst); }
  bool sleeping() const { return sleeping_.load(std::memory_order_seq_cst); }
  EventLoopStats stats() const;
  // Forgets the longest turn. From any thread.
  void reset_longest_turn() { longest_turn_cpu_us_.store(0, std::memory_order_relaxed); }
  // Of the last `wall_us` microseconds of this loop's turn, how many the thread was running; overstated by at
  // most a quarter of a millisecond. A system call, on the loop's own thread.
  int64_t cpu_of_last_us(int64_t wall_us) const;

  Backend& backend() { return *backend_; }
  IoBackend backend_kind() const { return backend_kind_; }  // what kAuto became
  const char* backend_name() const { return backend_->name(); }
  size_t stream_count() const { return stream_count_; }

 private:
  friend class Stream;

  EventLoop(std::unique_ptr<Backend> backend, IoBackend kind, const EventLoopOptions& options);
  void turn();
  size_t wait_for_events();
  int64_t sleep_timeout_us() const;
  void read_clock();
  void run_posted();
  void run_deferred();
  void enter();
  void leave();
  void note_turn_length(int64_t began_us);

  std::unique_ptr<Backend> backend_;
  IoBackend backend_kind_;
  Clock& clock_;
  int64_t spin_us_;
  int64_t now_us_ = 0;
  int64_t wall_ms_ = 0;
  int64_t wall_read_us_ = 0;  // now_us_ when wall_base_us_ was read
  int64_t wall_base_us_ = 0;
  int64_t turn_ended_us_ = 0;
  int64_t sleep_limit_us_ = INT64_MAX;
  int64_t cpu_read_at_us_ = 0;  // now_us_ when cpu_us_ was read
  int64_t cpu_us_ = 0;          // thread CPU time then
  bool more_work_ = false;
  bool expects_post_ = false;
  NapPolicy nap_policy_;
  NapLength nap_length_;
  TimerWheel timers_;
  PostedWork* deferred_head_ = nullptr;
  PostedWork* deferred_tail_ = nullptr;
  std::function<bool()> turn_end_;
  size_t stream_count_ = 0;

  // Written by the loop, read by others.
  alignas(64) std::atomic<uint64_t> turns_{0};
  std::atomic<uint64_t> sleeps_{0};
  std::atomic<uint64_t> events_{0};
  std::atomic<int64_t> longest_turn_cpu_us_{0};
  std::atomic<uint64_t> slow_turns_{0};
  // Written by everybody.
  alignas(64) std::atomic<PostedWork*> posted_{nullptr};
  std::atomic<bool> sleeping_{false};
  std::atomic<bool> stop_{false};
  std::atomic<bool> is_running_{false};
  std::atomic<uint64_t> wakes_{0};
};

// A timer that calls a function; cancelled when it dies.
class Timer final : public TimerNode {
 public:
  Timer(EventLoop& loop, std::function<void()> work) : loop_(loop), work_(std::move(work)) {}
  ~Timer() override { cancel(); }
  void start(int64_t delay_ms) { loop_.start_timer(*this, delay_ms); }
  void cancel() { loop_.cancel_timer(*this); }
  void fire() override { work_(); }

 private:
  EventLoop& loop_;
  std::function<void()> work_;
};

}  // namespace strata

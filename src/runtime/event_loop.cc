#include "runtime/event_loop.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/simd.h"
#include "platform/thread.h"

namespace strata {

namespace {

// Between two readings of the thread's CPU clock, which costs a system call. The longest turn is
// overstated by at most this.
constexpr int64_t kCpuReadIntervalUs = 250;
// The wall clock is read again after this long; in between it follows the monotonic one.
constexpr int64_t kWallReadIntervalUs = 1000;
constexpr int64_t kLongestDelayMs = int64_t{1} << 40;

thread_local EventLoop* current_loop = nullptr;

class FunctionWork final : public PostedWork {
 public:
  explicit FunctionWork(std::function<void()> work) : work_(std::move(work)) {}
  void run() override {
    auto work = std::move(work_);
    delete this;
    work();
  }
  void discard() override { delete this; }

 private:
  std::function<void()> work_;
};

class FunctionTimer final : public TimerNode {
 public:
  explicit FunctionTimer(std::function<void()> work) : work_(std::move(work)) {}
  void fire() override {
    auto work = std::move(work_);
    delete this;
    work();
  }
  void discard() override { delete this; }

 private:
  std::function<void()> work_;
};

// For counters with one writer: readers see a recent value, the writer pays no locked instruction.
template <typename T>
void add_one(std::atomic<T>& counter) {
  counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

}  // namespace

Result<std::unique_ptr<EventLoop>> EventLoop::create(const EventLoopOptions& options) {
  IoBackend kind = options.backend;
  // Measured (runtime_bench): the two differ by a few percent on sockets, and epoll needs no kernel
  // feature that containers like to forbid.
  if (kind == IoBackend::kAuto) kind = IoBackend::kEpoll;
  std::unique_ptr<Backend> backend;
  if (kind == IoBackend::kUring) {
    TRY_ASSIGN(backend, make_uring_backend(options.io));
  } else {
    TRY_ASSIGN(backend, make_epoll_backend(options.io));
  }
  return std::unique_ptr<EventLoop>(new EventLoop(std::move(backend), kind, options));
}

EventLoop::EventLoop(std::unique_ptr<Backend> backend, IoBackend kind, const EventLoopOptions& options)
    : backend_(std::move(backend)),
      backend_kind_(kind),
      clock_(options.clock != nullptr ? *options.clock : system_clock()),
      spin_us_(options.spin_us),
      timers_(static_cast<uint64_t>(clock_.monotonic_us() / 1000)) {
  refresh_now();
}

EventLoop::~EventLoop() {
  STRATA_ASSERT(stream_count_ == 0, "a stream outlives its loop");
  // Discarding may queue more, for example the end of a task.
  while (deferred_head_ != nullptr || posted_.load() != nullptr) {
    for (PostedWork* work = std::exchange(deferred_head_, nullptr); work != nullptr;) {
      std::exchange(work, work->next_work)->discard();
    }
    for (PostedWork* work = posted_.exchange(nullptr); work != nullptr;) {
      std::exchange(work, work->next_work)->discard();
    }
  }
  timers_.clear();
}

EventLoop* EventLoop::current() { return current_loop; }

bool EventLoop::is_loop_thread() const {
  return current_loop == this || !is_running_.load(std::memory_order_acquire);
}

void EventLoop::enter() {
  STRATA_ASSERT(current_loop == nullptr && !is_running_.load(), "a loop runs inside a loop");
  current_loop = this;
  is_running_.store(true, std::memory_order_release);
  refresh_now();
}

void EventLoop::leave() {
  current_loop = nullptr;
  is_running_.store(false, std::memory_order_release);
}

void EventLoop::run() {
  enter();
  while (!stop_.load(std::memory_order_acquire)) turn();
  stop_.store(false, std::memory_order_relaxed);
  leave();
}

void EventLoop::run_until(const std::function<bool()>& condition) {
  enter();
  while (!condition()) turn();
  leave();
}

void EventLoop::stop() {
  stop_.store(true, std::memory_order_seq_cst);
  if (sleeping_.exchange(false, std::memory_order_seq_cst)) backend_->wake();
}

void EventLoop::post(PostedWork* work) {
  PostedWork* head = posted_.load(std::memory_order_relaxed);
  do {
    work->next_work = head;
  } while (!posted_.compare_exchange_weak(head, work, std::memory_order_seq_cst, std::memory_order_relaxed));
  // The loop announces its sleep before it looks at the queue for the last time, and we look the
  // other way round: one of the two sees the other. Whoever takes the announcement back wakes.
  if (sleeping_.load(std::memory_order_seq_cst) && sleeping_.exchange(false, std::memory_order_seq_cst)) {
    wakes_.fetch_add(1, std::memory_order_relaxed);
    backend_->wake();
  }
}

void EventLoop::post(std::function<void()> work) { post(new FunctionWork(std::move(work))); }

void EventLoop::defer(PostedWork* work) {
  STRATA_DASSERT(is_loop_thread());
  work->next_work = nullptr;
  if (deferred_head_ == nullptr) {
    deferred_head_ = work;
  } else {
    deferred_tail_->next_work = work;
  }
  deferred_tail_ = work;
}

void EventLoop::refresh_now() {
  read_clock();
  turn_ended_us_ = now_us_;
}

void EventLoop::read_clock() {
  now_us_ = clock_.monotonic_us();
  if (now_us_ - wall_read_us_ >= kWallReadIntervalUs) {
    wall_read_us_ = now_us_;
    wall_base_us_ = clock_.wall_us();
  }
  wall_ms_ = (wall_base_us_ + (now_us_ - wall_read_us_)) / 1000;
}

void EventLoop::limit_sleep(int64_t deadline_us) { sleep_limit_us_ = std::min(sleep_limit_us_, deadline_us); }

void EventLoop::start_timer(TimerNode& timer, int64_t delay_ms) {
  timers_.cancel(timer);
  const int64_t delay = std::clamp<int64_t>(delay_ms, 0, kLongestDelayMs);
  timers_.add(timer, static_cast<uint64_t>((now_us_ + 999) / 1000 + delay));
}

void EventLoop::call_after(int64_t delay_ms, std::function<void()> work) {
  start_timer(*new FunctionTimer(std::move(work)), delay_ms);
}

EventLoopStats EventLoop::stats() const {
  EventLoopStats stats;
  stats.turns = turns_.load(std::memory_order_relaxed);
  stats.sleeps = sleeps_.load(std::memory_order_relaxed);
  stats.wakes = wakes_.load(std::memory_order_relaxed);
  stats.events = events_.load(std::memory_order_relaxed);
  stats.longest_turn_cpu_us = longest_turn_cpu_us_.load(std::memory_order_relaxed);
  stats.slow_turns = slow_turns_.load(std::memory_order_relaxed);
  return stats;
}

void EventLoop::turn() {
  const size_t ready = wait_for_events();
  events_.store(events_.load(std::memory_order_relaxed) + ready, std::memory_order_relaxed);
  read_clock();
  const int64_t began_us = now_us_;
  if (began_us - cpu_read_at_us_ >= kCpuReadIntervalUs) {
    cpu_read_at_us_ = began_us;
    cpu_us_ = thread_cpu_us();
  }
  backend_->deliver();
  run_posted();
  timers_.advance(static_cast<uint64_t>(now_us_ / 1000));
  run_deferred();
  more_work_ = turn_end_ && turn_end_();
  note_turn_length(began_us);
  turns_.store(turns_.load(std::memory_order_relaxed) + 1, std::memory_order_seq_cst);
}

int64_t EventLoop::cpu_of_last_us(int64_t wall_us) const {
  return std::min(thread_cpu_us() - cpu_us_, wall_us);
}

// Reading the clock at the turn's end costs some 25 ns; the CPU clock is read for slow turns only.
void EventLoop::note_turn_length(int64_t began_us) {
  turn_ended_us_ = clock_.monotonic_us();
  const int64_t wall_us = turn_ended_us_ - began_us;
  if (wall_us <= kSlowTurnUs) return;
  add_one(slow_turns_);
  const int64_t cpu_us = cpu_of_last_us(wall_us);
  if (cpu_us > longest_turn_cpu_us_.load(std::memory_order_relaxed)) {
    longest_turn_cpu_us_.store(cpu_us, std::memory_order_relaxed);
  }
}

void EventLoop::run_posted() {
  if (posted_.load(std::memory_order_relaxed) == nullptr) return;
  PostedWork* newest = posted_.exchange(nullptr, std::memory_order_acquire);
  PostedWork* oldest = nullptr;
  while (newest != nullptr) {
    PostedWork* work = std::exchange(newest, newest->next_work);
    work->next_work = oldest;
    oldest = work;
  }
  while (oldest != nullptr) std::exchange(oldest, oldest->next_work)->run();
}

// Only what was deferred before: work that defers itself again must not keep the loop from its sockets.
void EventLoop::run_deferred() {
  PostedWork* work = std::exchange(deferred_head_, nullptr);
  while (work != nullptr) std::exchange(work, work->next_work)->run();
}

int64_t EventLoop::sleep_timeout_us() const {
  if (more_work_ || deferred_head_ != nullptr) return 0;
  int64_t until_us = sleep_limit_us_;
  const uint64_t next_tick = timers_.next_event();
  if (next_tick != kNoTimer) until_us = std::min(until_us, static_cast<int64_t>(next_tick) * 1000);
  if (until_us == INT64_MAX) return -1;
  return std::max<int64_t>(until_us - turn_ended_us_, 0);
}

size_t EventLoop::wait_for_events() {
  const int64_t timeout_us = sleep_timeout_us();
  sleep_limit_us_ = INT64_MAX;
  const bool expects_post = std::exchange(expects_post_, false);
  if (timeout_us == 0 || posted_.load(std::memory_order_relaxed) != nullptr) return backend_->wait(0);
  const int64_t spin_us = stream_count_ <= kSpinStreamsMax ? spin_us_ : 0;
  if (const int64_t awake_us = expects_post ? std::max(spin_us, kExpectationUs) : spin_us; awake_us > 0) {
    const int64_t until_us =
        clock_.monotonic_us() + (timeout_us < 0 ? awake_us : std::min(awake_us, timeout_us));
    do {
      const size_t ready = backend_->wait(0);
      if (ready > 0 || posted_.load(std::memory_order_relaxed) != nullptr) return ready;
      expects_post ? yield_thread() : spin_pause();
    } while (clock_.monotonic_us() < until_us && !stop_.load(std::memory_order_relaxed));
  }
  // io_uring hands its sends to the kernel only as it waits: there a nap would keep replies back.
  const bool naps = backend_kind_ == IoBackend::kEpoll && nap_policy_.wants_nap(stream_count_, timeout_us);
  if (naps) nap_thread(nap_length_.us());
  sleeping_.store(true, std::memory_order_seq_cst);
  const bool must_stay_awake = posted_.load(std::memory_order_seq_cst) != nullptr || stop_.load();
  add_one(sleeps_);
  const size_t ready = backend_->wait(must_stay_awake ? 0 : timeout_us);
  // A full exchange, so that what this turn reads of shared tables is read after it.
  sleeping_.exchange(false, std::memory_order_seq_cst);
  nap_policy_.on_ready(ready);
  if (naps) nap_length_.on_nap(ready, turn_ended_us_);
  return ready;
}

}  // namespace strata

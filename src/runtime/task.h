// Coroutine tasks with structured lifetimes.
//
//   Task<void> serve(Stream& stream) {
//     while (true) {
//       auto received = co_await stream.receive();
//       if (!received || received->empty()) co_return;
//       ...
//
// A Task<T> is a function that has not started yet: it starts when it is awaited, or when a
// TaskScope spawns it, and hands its result over by value. Every running task belongs to a scope,
// and a scope ends only after all its tasks have ended: none is ever abandoned half-way.
//
// Cancelling a scope ends the operation its tasks wait for with kCancelled, and every operation
// they start afterwards too; the tasks see an ordinary error and return.
//
// Threads: a scope and its tasks belong to the thread of one event loop.
// Cost: one malloc per call of a coroutine; a suspension stores three words. Awaiting a task runs it
// on the stack, as a call would, until it ends or waits: a loop over tasks that end at once uses no
// more stack than one of them, in every build (GCC turns symmetric transfer into a jump only when it
// optimizes and no sanitizer is on). A task that waited resumes its parent by symmetric transfer.
// Nothing throws; an exception that escapes a task is an assertion.
//
// GCC 12 miscompiles some uses. Therefore `co_await` stands alone in its statement, never in a
// condition and never beside temporaries that have destructors; parameters are taken by value or
// as references to what outlives the task; lambdas with captures are not coroutines.

#pragma once

#include <coroutine>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <utility>

#include "base/assert.h"
#include "base/result.h"
#include "runtime/event_loop.h"

namespace strata {

// Something a task waits for and that can be made to end early.
class Cancellable {
 public:
  virtual void cancel() = 0;

 protected:
  ~Cancellable() = default;
};

// One for each spawned task, shared by all the tasks it awaits.
struct TaskContext {
  EventLoop* loop = nullptr;
  Cancellable* pending = nullptr;  // what it waits for now
  bool is_cancelled = false;
  PostedWork* on_end = nullptr;  // takes the finished task away
};

namespace task_internal {

struct PromiseBase {
  std::coroutine_handle<> continuation;
  TaskContext* context = nullptr;
  bool is_starting = false;  // the parent is below us on the stack and goes on by itself

  struct FinalAwaiter {
    bool await_ready() const noexcept { return false; }
    // A spawned task is destroyed by the loop, later in the turn, not while it stands here.
    template <typename Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> handle) const noexcept {
      PromiseBase& promise = handle.promise();
      if (promise.is_starting) return std::noop_coroutine();
      if (promise.continuation) return promise.continuation;
      promise.context->loop->defer(promise.context->on_end);
      return std::noop_coroutine();
    }
    void await_resume() const noexcept {}
  };

  std::suspend_always initial_suspend() const noexcept { return {}; }
  FinalAwaiter final_suspend() const noexcept { return {}; }
  void unhandled_exception() { STRATA_ASSERT(false, "an exception left a coroutine"); }

  static void* operator new(size_t bytes) {
    void* memory = std::malloc(bytes);
    STRATA_ASSERT(memory != nullptr, "out of memory for a coroutine");
    return memory;
  }
  static void operator delete(void* memory) { std::free(memory); }
};

template <typename T>
struct Promise final : PromiseBase {
  std::optional<T> value;
  std::coroutine_handle<Promise> get_return_object() {
    return std::coroutine_handle<Promise>::from_promise(*this);
  }
  template <typename U>
  void return_value(U&& result) {
    value.emplace(std::forward<U>(result));
  }
  T take() { return std::move(*value); }
};

template <>
struct Promise<void> final : PromiseBase {
  std::coroutine_handle<Promise> get_return_object() {
    return std::coroutine_handle<Promise>::from_promise(*this);
  }
  void return_void() const noexcept {}
  void take() const noexcept {}
};

}  // namespace task_internal

template <typename T = void>
class [[nodiscard]] Task {
 public:
  using promise_type = task_internal::Promise<T>;

  Task(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Task& operator=(Task&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Task() {
    if (handle_) handle_.destroy();
  }

  struct Awaiter {
    std::coroutine_handle<promise_type> child;
    bool await_ready() const noexcept { return false; }
    template <typename Parent>
    bool await_suspend(std::coroutine_handle<Parent> parent) {
      promise_type& promise = child.promise();
      promise.continuation = parent;
      promise.context = parent.promise().context;
      promise.is_starting = true;
      child.resume();
      if (child.done()) return false;
      promise.is_starting = false;
      return true;
    }
    T await_resume() { return child.promise().take(); }
  };
  Awaiter operator co_await() const noexcept { return Awaiter{handle_}; }

 private:
  friend class TaskScope;
  std::coroutine_handle<promise_type> handle_;
};

// Base of the awaitable operations of this layer. start() begins the operation and returns false
// when it is over already; finish() resumes the task and must be the last thing its caller does.
// cancel() resumes nobody: it settles the operation and defers its end to the loop.
class Operation : public Cancellable {
 public:
  bool await_ready() const noexcept { return false; }
  template <typename Promise>
  bool await_suspend(std::coroutine_handle<Promise> handle) {
    waiting_ = handle;
    context_ = handle.promise().context;
    STRATA_DASSERT(context_ != nullptr, "awaited outside a spawned task");
    if (context_->is_cancelled) {
      refuse();
      return false;
    }
    context_->pending = this;
    if (start()) return true;
    context_->pending = nullptr;
    return false;
  }

 protected:
  ~Operation() = default;
  virtual bool start() = 0;
  virtual void refuse() = 0;  // the task was cancelled before: set the result
  EventLoop& loop() const { return *context_->loop; }
  void finish() {
    context_->pending = nullptr;
    waiting_.resume();
  }
  // From here on cancelling does nothing: the result is on its way.
  void settle() { context_->pending = nullptr; }

 private:
  std::coroutine_handle<> waiting_;
  TaskContext* context_ = nullptr;
};

// Owns running tasks.
class TaskScope {
 public:
  explicit TaskScope(EventLoop& loop) : loop_(loop) {}
  ~TaskScope() { STRATA_ASSERT(count_ == 0, "a task outlives its scope"); }
  TaskScope(const TaskScope&) = delete;
  TaskScope& operator=(const TaskScope&) = delete;

  // Runs the task until it first waits, then returns. In a cancelled scope every operation of the
  // task fails at once.
  void spawn(Task<void> task);
  // Tasks are resumed by the loop, not inside this call.
  void cancel();
  // Ends when no task is left. `co_await scope.join();` in a task of another scope.
  class Join;
  Join join();
  // For the thread that owns the loop, outside run(): cancels and turns the loop until all ended.
  void shutdown();

  size_t count() const { return count_; }
  bool is_cancelled() const { return is_cancelled_; }
  EventLoop& loop() const { return loop_; }

 private:
  friend class Join;
  class Root;
  void remove(Root* root);

  EventLoop& loop_;
  Root* first_ = nullptr;
  size_t count_ = 0;
  bool is_cancelled_ = false;
  Join* joiner_ = nullptr;
};

// Waits until the scope is empty. Its result is kCancelled if the waiting task was cancelled first.
class TaskScope::Join final : public Operation, private PostedWork {
 public:
  explicit Join(TaskScope& scope) : scope_(scope) {}
  Status await_resume() const { return result_; }
  void cancel() override;

 private:
  friend class TaskScope;
  bool start() override;
  void refuse() override { result_ = fail(Errc::kCancelled, "join"); }
  void run() override { finish(); }

  TaskScope& scope_;
  Status result_;
};

inline TaskScope::Join TaskScope::join() { return Join(*this); }

// Starts a task that its scope owns.
inline void spawn(TaskScope& scope, Task<void> task) { scope.spawn(std::move(task)); }

// co_await sleep_for(loop, 20); gives Status: kCancelled when it was cut short.
class [[nodiscard]] SleepOperation final : public Operation, private TimerNode, private PostedWork {
 public:
  explicit SleepOperation(int64_t delay_ms) : delay_ms_(delay_ms) {}
  Status await_resume() const { return result_; }
  void cancel() override;

 private:
  bool start() override;
  void refuse() override { result_ = fail(Errc::kCancelled, "sleep"); }
  void fire() override { finish(); }
  void run() override { finish(); }

  int64_t delay_ms_;
  Status result_;
};

inline SleepOperation sleep_for(EventLoop&, int64_t delay_ms) { return SleepOperation(delay_ms); }

}  // namespace strata

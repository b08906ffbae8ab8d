#include "runtime/task.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "runtime/test_support.h"

namespace strata {
namespace {

Task<int> add(int a, int b) { co_return a + b; }

Task<std::string> describe(std::string name) {
  auto sum = co_await add(20, 22);
  co_return name + " " + std::to_string(sum);
}

Task<Result<int>> half(int number) {
  if (number % 2 != 0) co_return fail(Errc::kInvalidArgument, "odd");
  co_return number / 2;
}

Task<Result<int>> quarter(int number) {
  auto once = co_await half(number);
  CO_TRY(once);
  auto twice = co_await half(*once);
  CO_TRY_ASSIGN(int result, twice);
  co_return result;
}

Task<std::unique_ptr<std::string>> make_text() { co_return std::make_unique<std::string>("moved"); }

struct TaskTest : testing::Test {
  std::unique_ptr<EventLoop> loop = make_loop(IoBackend::kEpoll);
  std::vector<std::string> log;
};

Task<void> collect(std::vector<std::string>& log) {
  auto text = co_await describe("a name long enough to be on the heap");
  log.push_back(text);
  auto moved = co_await make_text();
  log.push_back(*moved);
  auto good = co_await quarter(12);
  log.push_back(std::to_string(*good));
  auto bad = co_await quarter(6);
  log.push_back(bad.error().what);
}

TEST_F(TaskTest, ResultsTravelByValue) {
  TaskScope scope(*loop);
  scope.spawn(collect(log));
  EXPECT_EQ(log, (std::vector<std::string>{"a name long enough to be on the heap 42", "moved", "3", "odd"}));
  scope.shutdown();
}

TEST_F(TaskTest, UnstartedTaskIsDestroyedQuietly) {
  auto task = describe("never awaited");
  (void)task;
}

Task<void> many_awaits(int& sum) {
  for (int i = 0; i < 200'000; ++i) {
    auto one = co_await add(i, 1 - i);
    sum += one;
  }
}

TEST_F(TaskTest, ManyFinishedTasksInARow) {
  TaskScope scope(*loop);
  int sum = 0;
  scope.spawn(many_awaits(sum));
  EXPECT_EQ(sum, 200'000);
  scope.shutdown();
}

Task<int> sleepy_depth(EventLoop& loop, int depth) {
  if (depth == 0) {
    auto slept = co_await sleep_for(loop, 1);
    co_return slept ? 0 : -1;
  }
  auto below = co_await sleepy_depth(loop, depth - 1);
  co_return below + 1;
}

Task<void> measure_depth(EventLoop& loop, int& depth) {
  auto result = co_await sleepy_depth(loop, 500);
  depth = result;
}

TEST_F(TaskTest, DeepChainsWaitAndReturn) {
  TaskScope scope(*loop);
  int depth = 0;
  scope.spawn(measure_depth(*loop, depth));
  loop->run_until([&] { return scope.count() == 0; });
  EXPECT_EQ(depth, 500);
}

Task<void> nap(EventLoop& loop, int64_t ms, std::string name, std::vector<std::string>& log) {
  auto slept = co_await sleep_for(loop, ms);
  log.push_back(name + (slept ? "" : " cancelled"));
}

TEST_F(TaskTest, SleepersWakeInOrder) {
  TaskScope scope(*loop);
  scope.spawn(nap(*loop, 30, "third", log));
  scope.spawn(nap(*loop, 1, "first", log));
  scope.spawn(nap(*loop, 15, "second", log));
  loop->run_until([&] { return scope.count() == 0; });
  EXPECT_EQ(log, (std::vector<std::string>{"first", "second", "third"}));
}

TEST_F(TaskTest, CancelEndsSleepersAndRefusesNewOperations) {
  TaskScope scope(*loop);
  scope.spawn(nap(*loop, 3'600'000, "a", log));
  scope.cancel();
  EXPECT_TRUE(log.empty()) << "cancel() resumes nobody itself";
  scope.cancel();
  scope.spawn(nap(*loop, 3'600'000, "b", log));
  EXPECT_EQ(log, (std::vector<std::string>{"b cancelled"}));
  loop->run_until([&] { return scope.count() == 0; });
  EXPECT_EQ(log, (std::vector<std::string>{"b cancelled", "a cancelled"}));
}

Task<void> parent(EventLoop& loop, std::vector<std::string>& log) {
  TaskScope children(loop);
  children.spawn(nap(loop, 2, "child 1", log));
  children.spawn(nap(loop, 5, "child 2", log));
  auto joined = co_await children.join();
  log.push_back(joined ? "joined" : "parent cancelled");
  if (!joined) children.cancel();
  while (children.count() > 0) {
    auto again = co_await children.join();
    if (!again && children.count() > 0) break;
  }
}

TEST_F(TaskTest, ScopeJoinsItsChildren) {
  TaskScope scope(*loop);
  scope.spawn(parent(*loop, log));
  loop->run_until([&] { return scope.count() == 0; });
  EXPECT_EQ(log, (std::vector<std::string>{"child 1", "child 2", "joined"}));
}

struct Mark {
  std::vector<std::string>* log;
  explicit Mark(std::vector<std::string>& target) : log(&target) {}
  Mark(Mark&& other) noexcept : log(std::exchange(other.log, nullptr)) {}
  ~Mark() {
    if (log != nullptr) log->push_back("destroyed");
  }
};

Task<void> hold(EventLoop& loop, Mark mark) {
  auto slept = co_await sleep_for(loop, 3'600'000);
  if (!slept) mark.log->push_back("cancelled");
}

TEST_F(TaskTest, ParametersAreDestroyedOnce) {
  {
    TaskScope scope(*loop);
    scope.spawn(hold(*loop, Mark(log)));
    scope.shutdown();
  }
  EXPECT_EQ(log, (std::vector<std::string>{"cancelled", "destroyed"}));
}

}  // namespace
}  // namespace strata

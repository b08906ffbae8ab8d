#include "runtime/task.h"

namespace strata {

// A spawned task: its context, and its place in the scope.
class TaskScope::Root final : public PostedWork {
 public:
  Root(TaskScope& scope, Task<void> task) : scope_(scope), task_(std::move(task)) {
    context.loop = &scope.loop_;
    context.is_cancelled = scope.is_cancelled_;
    context.on_end = this;
  }

  // The loop calls it when the task has ended.
  void run() override { scope_.remove(this); }

  TaskContext context;
  Root* next = nullptr;
  Root* previous = nullptr;

 private:
  TaskScope& scope_;
  Task<void> task_;
};

void TaskScope::spawn(Task<void> task) {
  STRATA_DASSERT(loop_.is_loop_thread(), "spawned from another thread");
  const auto handle = task.handle_;
  Root* root = new Root(*this, std::move(task));
  root->next = first_;
  if (first_ != nullptr) first_->previous = root;
  first_ = root;
  ++count_;
  handle.promise().context = &root->context;
  handle.resume();
}

void TaskScope::remove(Root* root) {
  if (root->previous != nullptr) root->previous->next = root->next;
  if (root->next != nullptr) root->next->previous = root->previous;
  if (first_ == root) first_ = root->next;
  delete root;
  --count_;
  if (count_ > 0 || joiner_ == nullptr) return;
  // The joiner may destroy the scope.
  std::exchange(joiner_, nullptr)->finish();
}

void TaskScope::cancel() {
  is_cancelled_ = true;
  for (Root* root = first_; root != nullptr; root = root->next) {
    root->context.is_cancelled = true;
    if (root->context.pending != nullptr) root->context.pending->cancel();
  }
}

void TaskScope::shutdown() {
  cancel();
  loop_.run_until([this] { return count_ == 0; });
}

bool TaskScope::Join::start() {
  STRATA_ASSERT(scope_.joiner_ == nullptr, "two tasks join one scope");
  if (scope_.count_ == 0) return false;
  scope_.joiner_ = this;
  return true;
}

void TaskScope::Join::cancel() {
  scope_.joiner_ = nullptr;
  result_ = fail(Errc::kCancelled, "join");
  settle();
  loop().defer(this);
}

bool SleepOperation::start() {
  loop().start_timer(*this, delay_ms_);
  return true;
}

void SleepOperation::cancel() {
  loop().cancel_timer(*this);
  result_ = fail(Errc::kCancelled, "sleep");
  settle();
  loop().defer(this);
}

}  // namespace strata

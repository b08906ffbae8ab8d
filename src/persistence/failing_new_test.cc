#include "persistence/failing_new.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <new>
#include <vector>

namespace strata::testing_tools {
namespace {

std::atomic<int64_t> left{0};  // until the one that fails; 0: none does
std::atomic<bool> stays_failing{false};
std::atomic<bool> is_hit{false};
thread_local int pauses = 0;

bool fails() {
  if (pauses > 0) return false;
  if (is_hit.load(std::memory_order_relaxed) && stays_failing.load(std::memory_order_relaxed)) return true;
  if (left.load(std::memory_order_relaxed) <= 0 || left.fetch_sub(1) != 1) return false;
  is_hit.store(true);
  return true;
}

void* take(size_t size) { return fails() ? nullptr : std::malloc(size == 0 ? 1 : size); }

[[maybe_unused]] void* take_or_throw(size_t size) {
  void* memory = take(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

class RoomyFile final : public FileImplementation {
 public:
  explicit RoomyFile(File file) : file_(std::move(file)) {}
  ~RoomyFile() override {
    FailingNew::Pause pause;
    file_.close();
  }
  Result<size_t> read_at(uint64_t offset, MutableBytes out) override {
    return RoomyFiles::pausing([&] { return file_.read_at(offset, out); });
  }
  Status write_at(uint64_t offset, Bytes bytes) override {
    return RoomyFiles::pausing([&] { return file_.write_at(offset, bytes); });
  }
  Status append(Bytes bytes) override {
    return RoomyFiles::pausing([&] { return file_.append(bytes); });
  }
  Status sync_data() override {
    return RoomyFiles::pausing([&] { return file_.sync_data(); });
  }
  Status sync_all() override {
    return RoomyFiles::pausing([&] { return file_.sync_all(); });
  }
  Status truncate(uint64_t size) override {
    return RoomyFiles::pausing([&] { return file_.truncate(size); });
  }
  Result<uint64_t> size() override {
    return RoomyFiles::pausing([&] { return file_.size(); });
  }
  void prefetch(uint64_t, uint64_t) override {}

 private:
  File file_;
};

}  // namespace

FailingNew::FailingNew(uint64_t nth, Mode mode) {
  is_hit = false;
  stays_failing = mode == kFromThenOn;
  left = static_cast<int64_t>(nth);
}
void FailingNew::stop() {
  left = 0;
  stays_failing = false;
}
bool FailingNew::was_hit() const { return is_hit; }
FailingNew::Pause::Pause() { ++pauses; }
FailingNew::Pause::~Pause() { --pauses; }

Result<File> RoomyFiles::open(std::string_view path, OpenMode mode) {
  FailingNew::Pause pause;
  TRY_ASSIGN(File file, files_.open(path, mode));
  return File(std::make_unique<RoomyFile>(std::move(file)));
}

TEST(FailingNewTest, FailsTheOneThatWasAskedFor) {
  if (!FailingNew::kIsPossible) GTEST_SKIP() << "another operator new is in use";
  const auto count_until_failure = [](FailingNew& failing, int tries) {
    std::vector<std::unique_ptr<int>> kept;
    kept.reserve(static_cast<size_t>(tries));
    int failures = 0;
    for (int i = 0; i < tries; ++i) {
      int* made = new (std::nothrow) int(i);
      failures += made == nullptr;
      kept.emplace_back(made);
    }
    EXPECT_TRUE(failing.was_hit());
    failing.stop();
    return failures;
  };
  FailingNew once(3, FailingNew::kOnce);
  EXPECT_EQ(count_until_failure(once, 8), 1);
  FailingNew lasting(3, FailingNew::kFromThenOn);  // the first is the vector's
  EXPECT_EQ(count_until_failure(lasting, 8), 7);
}

}  // namespace strata::testing_tools

#if STRATA_NEW_MAY_FAIL
// Both kinds of `new` and every kind of `delete`, so that no other library's half is paired with ours.
void* operator new(size_t size) { return strata::testing_tools::take_or_throw(size); }
void* operator new[](size_t size) { return strata::testing_tools::take_or_throw(size); }
void* operator new(size_t size, const std::nothrow_t&) noexcept { return strata::testing_tools::take(size); }
void* operator new[](size_t size, const std::nothrow_t&) noexcept {
  return strata::testing_tools::take(size);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
#endif

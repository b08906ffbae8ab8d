// Random changes to lists against a deque: tiny node limits force splits and joins, and blobs pinned at
// random moments must keep their bytes whatever happens to the list.

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <string>
#include <vector>

#include "base/random.h"
#include "data/list.h"

namespace strata::list {
namespace {

std::string text(const Element& element) {
  char scratch[kIntegerTextBytes];
  return std::string(element_text(element, scratch));
}

class Model {
 public:
  Model(uint64_t seed, Limits limits) : random_(seed), limits_(limits) {
    EXPECT_TRUE(create(heap_, &value_));
  }

  // A step while only `spare` blocks of each size are left in the heap: it succeeds or changes nothing.
  void starved_step(size_t spare) {
    starved_ = true;
    std::vector<void*> ballast;
    for (size_t bytes : {262'144, 16'384, 8192, 4096, 2048, 1024, 512, 256, 128, 64, 32, 16}) {
      size_t first = ballast.size();
      while (void* block = heap_.allocate(bytes)) ballast.push_back(block);
      for (size_t i = 0; i < spare && ballast.size() > first; i++) {
        heap_.free(ballast.back());
        ballast.pop_back();
      }
    }
    step();
    for (void* block : ballast) heap_.free(block);
    starved_ = false;
  }
  uint64_t failures() const { return failures_; }

  void step() {
    switch (random_.below(12)) {
      case 0:
      case 1:
      case 2:
        return push_some();
      case 3:
        return pop_some();
      case 4:
        return set_one();
      case 5:
      case 6:
        return insert_one();
      case 7:
        return remove_matching();
      case 8:
        return erase_some();
      case 9:
        return random_.one_in(8) ? trim_some() : push_some();
      case 10:
        return replace_by_copy();
      case 11:
        return random_.one_in(3) ? pin_some() : unpin_some();
    }
  }

  void check() {
    ASSERT_EQ(length(value_), expected_.size());
    std::vector<std::string> forward;
    for_each(value_, {0, expected_.size()},
             [&forward](const Element& element) { forward.push_back(text(element)); });
    ASSERT_TRUE(std::equal(forward.begin(), forward.end(), expected_.begin(), expected_.end()));
    size_t at = expected_.size();
    for (Iterator i(value_, at - 1); !i.done(); i.previous()) ASSERT_EQ(text(i.element()), expected_[--at]);
    ASSERT_EQ(at, 0u);
    check_part();
    check_nodes();
  }

  void finish() {
    while (!pins_.empty()) unpin_some();
    while (!destroy_some(value_, heap_, 3)) {
    }
    while (!heap_.collect()) {
    }
    ASSERT_EQ(heap_.used(), 0u);
  }

 private:
  // True when the operation did not succeed, for want of memory.
  bool failed(bool success) {
    if (success) return false;
    EXPECT_TRUE(starved_);
    failures_++;
    return true;
  }

  // Few different small ones, so that searches hit; now and then one that outgrows a node.
  std::string fresh() {
    switch (random_.below(8)) {
      case 0:
        return std::to_string(static_cast<int64_t>(random_.next()) >> random_.below(64));
      case 1:
        return std::string(random_.below(200), 'm');
      case 2:
        return random_.one_in(12) ? std::string(4000 + random_.below(6000), 'L') : "s";
      default:
        return "k" + std::to_string(random_.below(6));
    }
  }
  std::string existing() { return expected_.empty() ? fresh() : expected_[random_.below(expected_.size())]; }
  auto place(size_t index) { return expected_.begin() + static_cast<ptrdiff_t>(index); }
  End random_end() { return random_.one_in(2) ? End::kFront : End::kBack; }

  void push_some() {
    std::vector<std::string> fresh_ones(1 + random_.below(6));
    for (std::string& one : fresh_ones) one = fresh();
    End end = random_end();
    std::vector<Bytes> views(fresh_ones.begin(), fresh_ones.end());
    if (failed(push(value_, heap_, limits_, end, views))) return;
    for (const std::string& one : fresh_ones) {
      end == End::kBack ? expected_.push_back(one) : expected_.push_front(one);
    }
  }
  void pop_some() {
    End end = random_end();
    uint64_t count = random_.one_in(10) ? random_.below(30) : 1 + random_.below(3);
    failed(pop(value_, heap_, limits_, end, count, [&](const Element& element) {
      ASSERT_EQ(text(element), end == End::kFront ? expected_.front() : expected_.back());
      end == End::kFront ? expected_.pop_front() : expected_.pop_back();
      if (element.blob != nullptr) pin(element.blob);
    }));
  }
  void set_one() {
    int64_t elements = static_cast<int64_t>(expected_.size());
    int64_t index = static_cast<int64_t>(random_.below(2 * expected_.size() + 2)) - elements - 1;
    std::string one = fresh();
    Change change = set(value_, heap_, limits_, index, Element::of(Bytes(one)));
    if (failed(change != Change::kOutOfMemory)) return;
    bool inside = index >= -elements && index < elements;
    ASSERT_EQ(change, inside ? Change::kDone : Change::kNotFound);
    if (inside) expected_[static_cast<size_t>(index < 0 ? index + elements : index)] = one;
  }
  void insert_one() {
    std::string pivot = random_.one_in(4) ? "nowhere" : existing();
    std::string one = fresh();
    Side side = random_.one_in(2) ? Side::kBefore : Side::kAfter;
    Change change = insert(value_, heap_, limits_, side, packed::Needle(pivot), Element::of(Bytes(one)));
    if (failed(change != Change::kOutOfMemory)) return;
    auto found = std::find(expected_.begin(), expected_.end(), pivot);
    ASSERT_EQ(change, found == expected_.end() ? Change::kNotFound : Change::kDone);
    if (change == Change::kDone) expected_.insert(side == Side::kAfter ? found + 1 : found, one);
  }
  void remove_matching() {
    std::string victim = existing();
    int64_t count = static_cast<int64_t>(random_.below(7)) - 3;
    Removal removal(count);
    while (!removal.done) {
      packed::Needle needle(victim);
      if (failed(remove_some(value_, heap_, limits_, needle, removal, 1 + random_.below(20)))) break;
    }
    uint64_t left = count == 0 ? UINT64_MAX : static_cast<uint64_t>(std::abs(count));
    if (!removal.done) left = removal.removed;
    uint64_t removed = 0;
    auto goes = [&](const std::string& one) {
      return one == victim && left > 0 && (left--, removed++, true);
    };
    if (count < 0) std::reverse(expected_.begin(), expected_.end());
    std::deque<std::string> rest;
    for (const std::string& one : expected_) {
      if (!goes(one)) rest.push_back(one);
    }
    expected_ = std::move(rest);
    if (count < 0) std::reverse(expected_.begin(), expected_.end());
    ASSERT_EQ(removal.removed, removed);
  }
  void erase_some() {
    size_t first = random_.below(expected_.size() + 1);
    size_t count = std::min<size_t>(random_.below(12), expected_.size() - first);
    if (failed(erase_range(value_, heap_, limits_, {first, count}))) return;
    expected_.erase(place(first), place(first + count));
  }
  void trim_some() {
    size_t first = random_.below(expected_.size() + 1);
    size_t count = random_.below(expected_.size() - first + 1);
    if (failed(trim(value_, heap_, limits_, {first, count}))) return;
    expected_ = {place(first), place(first + count)};
  }
  void replace_by_copy() {
    if (!random_.one_in(10)) return push_some();
    Value copied;
    if (failed(copy(value_, heap_, limits_, &copied))) return;
    destroy(value_, heap_);
    value_ = copied;
  }

  void pin(Blob* blob) {
    blob->pin();
    pins_.emplace_back(blob, std::string(blob->view()));
  }
  void pin_some() {
    for (NodeCursor cursor(value_); !cursor.done(); cursor.next()) {
      if (random_.one_in(4)) pin(cursor.node().blob);
    }
  }
  void unpin_some() {
    for (auto& [blob, bytes] : pins_) {
      ASSERT_EQ(blob->view(), bytes);
      Blob::unpin(blob);
    }
    pins_.clear();
  }

  void check_part() {
    if (expected_.empty()) return;
    size_t first = random_.below(expected_.size());
    size_t at = first;
    for (Iterator i(value_, first); !i.done(); i.next()) ASSERT_EQ(text(i.element()), expected_[at++]);
    ASSERT_EQ(at, expected_.size());
    Element element;
    ASSERT_TRUE(
        index(value_, static_cast<int64_t>(first) - static_cast<int64_t>(expected_.size()), &element));
    ASSERT_EQ(text(element), expected_[first]);
  }
  void check_nodes() {
    for (NodeCursor cursor(value_); !cursor.done(); cursor.next()) {
      const Node& node = cursor.node();
      if (node.is_plain) {
        ASSERT_EQ(node.elements, 1u);
        continue;
      }
      ASSERT_TRUE(packed::validate(node.blob->view()));
      ASSERT_EQ(node.elements, packed::count(node.blob->view()));
      ASSERT_GT(node.elements, 0u);
      if (value_.encoding == Encoding::kQuicklist) {
        ASSERT_TRUE(limits_.allow(node.blob->size, node.elements));
      }
    }
  }

  Random random_;
  Limits limits_;
  static constexpr size_t kHeapBytes = size_t{12} << 20;
  Heap heap_{kHeapBytes};
  Value value_{};
  bool starved_ = false;
  uint64_t failures_ = 0;
  std::deque<std::string> expected_;
  std::vector<std::pair<Blob*, std::string>> pins_;
};

TEST(ListProperty, BehavesLikeADeque) {
  for (uint64_t seed = 1; seed <= 120; seed++) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    constexpr int32_t kSizes[] = {1, 2, 3, 5, 16, -1, -2, -5};
    Model model(seed, Limits{kSizes[seed % std::size(kSizes)]});
    for (int step = 0; step < 250; step++) {
      model.step();
      model.check();
      if (testing::Test::HasFatalFailure()) return;
    }
    model.finish();
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST(ListProperty, RunningOutOfMemoryChangesNothing) {
  uint64_t failures = 0;
  for (uint64_t seed = 1; seed <= 24; seed++) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    constexpr int32_t kSizes[] = {1, 3, 16, -1};
    Model model(seed, Limits{kSizes[seed % std::size(kSizes)]});
    for (int step = 0; step < 60; step++) {
      for (int quiet = 0; quiet < 4; quiet++) model.step();
      model.starved_step(static_cast<size_t>(step % 3));
      model.check();
      if (testing::Test::HasFatalFailure()) return;
    }
    failures += model.failures();
    model.finish();
    if (testing::Test::HasFatalFailure()) return;
  }
  EXPECT_GT(failures, 100u);
}

// Enough nodes for many pages: they fill, part, thin out and join.
TEST(ListProperty, NodesOverManyPages) {
  for (uint64_t seed = 1; seed <= 6; seed++) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    Heap heap;
    Value value;
    ASSERT_TRUE(create(heap, &value));
    Limits limits{1};
    std::vector<int64_t> expected;
    for (int64_t step = 0; step < 12'000; step++) {
      bool growing = step < 4'000 || (step > 7'000 && step < 8'000);
      if (growing || expected.empty() || random.one_in(3)) {
        size_t index = random.one_in(4) ? expected.size() : random.below(expected.size() + 1);
        if (index == expected.size()) {
          ASSERT_TRUE(push(value, heap, limits, End::kBack, Element::of(step)));
        } else {
          packed::Needle pivot(Element::of(expected[index]));
          ASSERT_EQ(insert(value, heap, limits, Side::kBefore, pivot, Element::of(step)), Change::kDone);
        }
        expected.insert(expected.begin() + static_cast<ptrdiff_t>(index), step);
      } else {
        size_t first = random.below(expected.size());
        size_t count = std::min<size_t>(random.one_in(100) ? 200 : 1, expected.size() - first);
        ASSERT_TRUE(erase_range(value, heap, limits, {first, count}));
        auto place = expected.begin() + static_cast<ptrdiff_t>(first);
        expected.erase(place, place + static_cast<ptrdiff_t>(count));
      }
      if (step % 500 != 0 && !expected.empty()) {
        Element element;
        size_t index = random.below(expected.size());
        ASSERT_TRUE(list::index(value, static_cast<int64_t>(index), &element));
        ASSERT_EQ(element.integer, expected[index]);
        continue;
      }
      size_t at = 0;
      for_each(value, {0, length(value)},
               [&](const Element& element) { ASSERT_EQ(element.integer, expected[at++]); });
      ASSERT_EQ(at, expected.size());
    }
    destroy(value, heap);
    ASSERT_EQ(heap.used(), 0u);
  }
}

}  // namespace
}  // namespace strata::list

#include "data/id_tree.h"

#include <gtest/gtest.h>

#include <iterator>
#include <map>

#include "base/random.h"
#include "memory/heap.h"

namespace strata {
namespace {

void* word(uint64_t number) { return reinterpret_cast<void*>(number); }

using Model = std::map<StreamId, void*>;

void expect_equal(const IdTree& tree, const Model& model) {
  tree.check();
  ASSERT_EQ(tree.size(), model.size());
  IdTree::Position at = tree.first();
  for (auto& [id, value] : model) {
    ASSERT_FALSE(at.done());
    ASSERT_EQ(at.id(), id);
    ASSERT_EQ(at.value(), value);
    at = IdTree::next(at);
  }
  ASSERT_TRUE(at.done());
  at = tree.last();
  for (auto item = model.rbegin(); item != model.rend(); ++item, at = IdTree::previous(at))
    ASSERT_EQ(at.id(), item->first);
  ASSERT_TRUE(at.done());
}

void expect_equal_around(const IdTree& tree, const Model& model, StreamId id) {
  auto after = model.lower_bound(id);
  IdTree::Position at = tree.at_or_after(id);
  ASSERT_EQ(at.done(), after == model.end());
  if (!at.done()) {
    ASSERT_EQ(at.id(), after->first);
  }
  auto before = model.upper_bound(id);
  at = tree.at_or_before(id);
  ASSERT_EQ(at.done(), before == model.begin());
  if (!at.done()) {
    ASSERT_EQ(at.id(), std::prev(before)->first);
  }
  auto found = model.find(id);
  ASSERT_EQ(tree.find(id), found == model.end() ? nullptr : found->second);
}

TEST(IdTree, EqualsAMapUnderRandomChanges) {
  // Phases of growth and of shrinking, each with another habit of where IDs come and go.
  for (uint64_t seed : {1u, 2u, 3u, 4u}) {
    Heap heap;
    IdTree tree;
    Model model;
    Random random(seed);
    uint64_t range = seed % 2 == 0 ? 100'000 : 3'000;
    for (int step = 0; step < 40'000; ++step) {
      bool grows = step / 5'000 % 2 == 0;
      StreamId id{random.below(range) / 10, random.below(10)};
      if (random.below(10) < (grows ? 8u : 2u)) {
        if (!model.contains(id)) {
          ASSERT_TRUE(tree.insert(heap, id, word(step + 1)));
          model[id] = word(step + 1);
        }
      } else {
        if (random.below(2) != 0 && !model.empty()) id = model.begin()->first;
        auto found = model.find(id);
        void* expected = found == model.end() ? nullptr : found->second;
        ASSERT_EQ(tree.erase(heap, id), expected);
        model.erase(id);
      }
      expect_equal_around(tree, model, {random.below(range) / 10, random.below(10)});
      if (step % 997 == 0) expect_equal(tree, model);
    }
    expect_equal(tree, model);
    tree.clear(heap);
    tree.check();
    EXPECT_EQ(heap.used(), 0u);
  }
}

TEST(IdTree, RisingIdsLeaveFullLeavesAndFallingOnesFindTheirPlace) {
  Heap heap;
  IdTree tree;
  for (uint64_t i = 0; i < 100'000; ++i) ASSERT_TRUE(tree.insert(heap, {1'000'000 + i, 0}, word(i + 1)));
  tree.check();
  EXPECT_LT(tree.memory(), 100'000u * 27);
  for (uint64_t i = 0; i < 50'000; ++i) ASSERT_TRUE(tree.insert(heap, {999'999 - i, 0}, word(i + 1)));
  tree.check();
  EXPECT_EQ(heap.used(), tree.memory());
  for (uint64_t i = 0; i < 149'999; ++i) ASSERT_NE(tree.erase(heap, tree.first().id()), nullptr);
  tree.check();
  EXPECT_EQ(tree.size(), 1u);
  tree.clear(heap);
  EXPECT_EQ(heap.used(), 0u);
}

TEST(IdTree, DrainsInSlices) {
  Heap heap;
  IdTree tree;
  for (uint64_t i = 0; i < 10'000; ++i) ASSERT_TRUE(tree.insert(heap, {i * 7919 % 10'007, 0}, word(i + 1)));
  uint64_t shown = 0;
  StreamId last;
  auto visit = [&](StreamId id, void*) {
    EXPECT_TRUE(shown == 0 || id > last);
    last = id;
    ++shown;
  };
  while (!tree.drain_some(heap, 3, visit)) tree.check();
  EXPECT_EQ(shown, 10'000u);
  EXPECT_EQ(heap.used(), 0u);
}

TEST(IdTree, OutOfMemoryChangesNothing) {
  for (size_t limit = 1; limit < 12; ++limit) {
    Heap heap(limit * 256 * 1024);
    IdTree tree;
    Model model;
    Random random(limit);
    for (bool is_full = false; !is_full;) {
      StreamId id{random.below(1'000'000), random.next()};
      is_full = !tree.insert(heap, id, word(1));
      if (!is_full) model[id] = word(1);
    }
    expect_equal(tree, model);
    tree.clear(heap);
    EXPECT_EQ(heap.used(), 0u);
  }
}

}  // namespace
}  // namespace strata

#include "data/bptree.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "data/value_test_tools.h"
#include "memory/heap.h"

namespace strata {
namespace {

using testing_tools::Starvation;
using testing_tools::test_seed;

class BpTreeTest : public ::testing::Test {
 protected:
  using Item = std::pair<double, std::string>;

  ~BpTreeTest() override {
    while (!tree_.destroy_some(heap_, 3)) {
    }
    for (TableEntry* entry : entries_) TableEntry::destroy(heap_, entry);
    EXPECT_EQ(heap_.used(), 0u);
  }

  TableEntry* entry(const std::string& member) {
    entries_.push_back(TableEntry::create_scored(heap_, member, 0));
    return entries_.back();
  }
  // Compares everything that the tree can be asked with the model.
  void expect_same(const std::set<Item>& model, Random& random) {
    tree_.check();
    ASSERT_EQ(tree_.size(), model.size());
    BpTree::Position at = tree_.at(0);
    BpTree::Position last;
    uint64_t rank = 0;
    for (const auto& [score, member] : model) {
      ASSERT_NE(at.leaf, nullptr);
      ASSERT_EQ(BpTree::score(at), score);
      ASSERT_EQ(BpTree::entry(at)->key(), member);
      if (random.one_in(16)) {
        ASSERT_EQ(tree_.rank(score, member), rank);
        ASSERT_EQ(BpTree::entry(tree_.at(rank))->key(), member);
      }
      ++rank;
      last = at;
      at = BpTree::next(at);
    }
    ASSERT_EQ(at.leaf, nullptr);
    ASSERT_EQ(tree_.at(rank).leaf, nullptr);
    for (auto item = model.rbegin(); item != model.rend(); ++item, last = BpTree::prev(last)) {
      ASSERT_EQ(BpTree::entry(last)->key(), item->second);
    }
    ASSERT_EQ(last.leaf, nullptr);
  }

  Heap heap_;
  BpTree tree_;
  std::vector<TableEntry*> entries_;
};

TEST_F(BpTreeTest, FillsLeavesWhenItemsComeInOrder) {
  constexpr int kCount = 62 * 63 * 3;
  for (int i = 0; i < kCount; ++i) ASSERT_TRUE(tree_.insert(heap_, i, entry(std::to_string(i))));
  tree_.check();
  EXPECT_LT(tree_.memory(), size_t{kCount} * 18);
}

TEST_F(BpTreeTest, FillsLeavesWhenItemsComeBackwards) {
  constexpr int kCount = 62 * 63 * 3;
  for (int i = kCount; i > 0; --i) ASSERT_TRUE(tree_.insert(heap_, i, entry(std::to_string(i))));
  tree_.check();
  EXPECT_LT(tree_.memory(), size_t{kCount} * 18);
}

TEST_F(BpTreeTest, AgreesWithAModel) {
  Random random(test_seed(21));
  std::set<Item> model;
  std::vector<std::pair<double, TableEntry*>> items;
  for (int round = 0; round < 10; ++round) {
    const uint64_t adds_of_ten = round % 2 == 0 ? 9 : 1;
    const uint64_t scores = round < 4 ? 5 : 100'000;
    for (int i = 0; i < 9'000; ++i) {
      const auto score = static_cast<double>(random.below(scores));
      if (random.below(10) < adds_of_ten) {
        items.emplace_back(score, entry(std::to_string(entries_.size())));
        ASSERT_TRUE(tree_.insert(heap_, score, items.back().second));
        model.emplace(score, items.back().second->key());
      } else if (!items.empty()) {
        std::swap(items[random.below(items.size())], items.back());
        auto& [old_score, changed] = items.back();
        model.erase({old_score, std::string(changed->key())});
        if (random.one_in(3) && score != old_score) {
          ASSERT_TRUE(tree_.update(heap_, old_score, changed, score));
          model.emplace(score, changed->key());
          old_score = score;
        } else {
          tree_.erase(heap_, old_score, changed->key());
          items.pop_back();
        }
      }
    }
    expect_same(model, random);
    for (int i = 0; i < 50; ++i) {
      const auto score = static_cast<double>(random.below(scores + 2)) - 1;
      const auto below = std::distance(model.begin(), model.lower_bound({score, ""}));
      ASSERT_EQ(tree_.count_below_score(score, false), static_cast<uint64_t>(below));
      const auto through = std::distance(model.begin(), model.lower_bound({score + 1, ""}));
      ASSERT_EQ(tree_.count_below_score(score, true), static_cast<uint64_t>(through));
    }
  }
}

TEST_F(BpTreeTest, ShrinksToNothingInAnyOrder) {
  Random random(test_seed(22));
  for (int order = 0; order < 3; ++order) {
    std::vector<int> numbers;
    auto score_of = [](int number) -> double {
      const int shared = number / 7;
      return shared;
    };
    for (int i = 0; i < 20'000; ++i) {
      numbers.push_back(i);
      ASSERT_TRUE(tree_.insert(heap_, score_of(i), entry("m" + std::to_string(100'000 + i))));
    }
    if (order == 1) std::reverse(numbers.begin(), numbers.end());
    for (size_t i = numbers.size(); order == 2 && i > 1; --i)
      std::swap(numbers[i - 1], numbers[random.below(i)]);
    for (size_t i = 0; i < numbers.size(); ++i) {
      tree_.erase(heap_, score_of(numbers[i]), "m" + std::to_string(100'000 + numbers[i]));
      if (i % 1'000 == 0) tree_.check();
    }
    tree_.check();
    EXPECT_EQ(tree_.memory(), 0u);
  }
}

TEST_F(BpTreeTest, CountsMembersWhenScoresAreEqual) {
  for (int i = 0; i < 5'000; ++i) ASSERT_TRUE(tree_.insert(heap_, 0, entry(std::to_string(10'000 + 2 * i))));
  for (int i = 0; i < 10'000; i += 97) {
    const std::string member = std::to_string(10'000 + i);
    EXPECT_EQ(tree_.count_below_member(member, false), static_cast<uint64_t>((i + 1) / 2));
    EXPECT_EQ(tree_.count_below_member(member, true), static_cast<uint64_t>(i / 2 + 1));
  }
  EXPECT_EQ(tree_.count_below_member("", true), 0u);
  EXPECT_EQ(tree_.count_below_member("z", false), 5'000u);
}

TEST_F(BpTreeTest, OutOfMemoryLeavesItAsItWas) {
  Random random(test_seed(23));
  std::set<Item> model;
  // Entries first: only the tree is to starve.
  for (int i = 0; i < 30'000; ++i) entry(std::to_string(i));
  size_t failures = 0;
  for (int i = 0; i < 30'000;) {
    Starvation starvation(heap_);
    for (int tries = 0; tries < 300 && i < 30'000;) {
      const auto score = static_cast<double>(random.below(1'000'000));
      if (tree_.insert(heap_, score, entries_[i])) {
        model.emplace(score, entries_[i++]->key());
        continue;
      }
      ++failures;
      if (++tries % 100 == 0) tree_.check();
      starvation.allow_one(random);
    }
    ASSERT_TRUE(tree_.size() == model.size());
    // What follows has memory, for a while.
    heap_.set_limit(0);
    for (int fed = 0; fed < 2'000 && i < 30'000; ++fed, ++i) {
      const auto score = static_cast<double>(random.below(1'000'000));
      ASSERT_TRUE(tree_.insert(heap_, score, entries_[i]));
      model.emplace(score, entries_[i]->key());
    }
  }
  EXPECT_GT(failures, 0u);
  expect_same(model, random);
}

}  // namespace
}  // namespace strata

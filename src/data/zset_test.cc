#include "data/zset.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <string>

#include "base/hash.h"
#include "data/blob.h"
#include "data/packed.h"
#include "data/value_test_tools.h"
#include "memory/heap.h"

namespace strata {
namespace {

using testing_tools::random_key;
using testing_tools::Starvation;
using testing_tools::test_seed;
using testing_tools::text;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

class ZsetTest : public ::testing::Test {
 protected:
  using Item = std::pair<double, std::string>;
  using Model = std::set<Item>;

  ZsetTest() : zset_(zset_create(context_, limits_, 1).value()) {}
  ~ZsetTest() override {
    while (!zset_destroy_some(heap_, zset_, 50)) {
    }
    EXPECT_EQ(heap_.used(), 0u);
  }

  void start() {
    zset_destroy(heap_, zset_);
    zset_ = zset_create(context_, limits_, 1).value();
  }
  ZaddResult add(double score, const std::string& member, ZaddFlags flags = {}) {
    return zset_add(context_, limits_, zset_, score, member, flags).value();
  }
  void make_tree() {
    limits_ = {0, 0};
    start();
    EXPECT_EQ(zset_.encoding, Encoding::kTree);
  }
  // Compares everything that can be asked about order.
  void expect_same(const Value& zset, const Model& model) {
    ASSERT_EQ(zset_size(zset), model.size());
    uint64_t rank = 0;
    ZsetCursor cursor = zset_at(zset, 0);
    for (const auto& [score, member] : model) {
      ASSERT_FALSE(cursor.done());
      ASSERT_EQ(text(cursor.member()), member);
      ASSERT_EQ(cursor.score(), score);
      ASSERT_EQ(zset_score(zset, member), score);
      ASSERT_EQ(zset_rank(zset, member), rank);
      ++rank;
      cursor.next();
    }
    ASSERT_TRUE(cursor.done());
    auto item = model.rbegin();
    zset_visit(zset, 0, UINT64_MAX, true, [&](const Element& member, double score) {
      EXPECT_EQ(Item(score, text(member)), *item);
      ++item;
    });
    ASSERT_EQ(item, model.rend());
    if (rank == 0) return;
    cursor = zset_at(zset, rank - 1);
    for (item = model.rbegin(); item != model.rend(); ++item, cursor.prev()) {
      ASSERT_EQ(text(cursor.member()), item->second);
    }
    ASSERT_TRUE(cursor.done());
  }

  Heap heap_;
  const HashSeed seed_ = HashSeed::fixed(4);
  const DataContext context_{heap_, seed_};
  ZsetLimits limits_;
  Value zset_;
};

TEST_F(ZsetTest, AddsUnderFlags) {
  for (const bool tree : {false, true}) {
    if (tree) make_tree();
    EXPECT_EQ(add(1, "a", {.if_present = true}).change, ZaddChange::kSkipped);
    EXPECT_EQ(add(1, "a", {.if_greater = true}).change, ZaddChange::kAdded);
    EXPECT_EQ(add(1, "a").change, ZaddChange::kSame);
    EXPECT_EQ(add(2, "a", {.if_absent = true}).change, ZaddChange::kSkipped);
    EXPECT_EQ(add(0.5, "a", {.if_greater = true}).change, ZaddChange::kSkipped);
    EXPECT_EQ(add(1.5, "a", {.if_less = true}).change, ZaddChange::kSkipped);
    EXPECT_EQ(zset_score(zset_, "a"), 1);
    EXPECT_EQ(add(2, "a", {.if_present = true, .if_greater = true}).change, ZaddChange::kUpdated);
    EXPECT_EQ(add(1.5, "a", {.if_less = true}).score, 1.5);
    const ZaddResult sum = add(3, "a", {.increment = true});
    EXPECT_EQ(sum.change, ZaddChange::kUpdated);
    EXPECT_EQ(sum.score, 4.5);
    EXPECT_EQ(add(-1, "a", {.if_greater = true, .increment = true}).change, ZaddChange::kSkipped);
    EXPECT_EQ(add(7, "b", {.increment = true}).score, 7);
    EXPECT_EQ(add(kInfinity, "b", {.increment = true}).score, kInfinity);
    EXPECT_EQ(add(-kInfinity, "b", {.increment = true}).change, ZaddChange::kNotANumber);
    EXPECT_EQ(zset_score(zset_, "b"), kInfinity);
    EXPECT_EQ(zset_size(zset_), 2u);
    EXPECT_FALSE(zset_score(zset_, "c"));
    EXPECT_FALSE(zset_rank(zset_, "c"));
  }
}

TEST_F(ZsetTest, BecomesATreeByCountOrLength) {
  for (int i = 0; i < 128; ++i) add(i, std::to_string(i));
  EXPECT_EQ(zset_.encoding, Encoding::kListpack);
  add(500, "7");
  EXPECT_EQ(zset_.encoding, Encoding::kListpack);
  EXPECT_EQ(add(3, "x", {.if_present = true}).change, ZaddChange::kSkipped);
  EXPECT_EQ(zset_.encoding, Encoding::kListpack);
  add(3, "x");
  EXPECT_EQ(zset_.encoding, Encoding::kTree);
  EXPECT_EQ(zset_size(zset_), 129u);
  EXPECT_EQ(zset_rank(zset_, "7"), 128u);
  start();
  add(1, std::string(64, 'x'));
  EXPECT_EQ(zset_.encoding, Encoding::kListpack);
  add(1, std::string(65, 'x'));
  EXPECT_EQ(zset_.encoding, Encoding::kTree);
  EXPECT_EQ(zset_size(zset_), 2u);
}

// RDB files and DUMP payloads carry the node as it is, so its bytes must be those that Redis writes.
TEST_F(ZsetTest, StoresScoresAsRedisDoes) {
  add(3, "c");
  add(-1.5, "a");
  add(1e300, "e");
  add(-0.0, "z");
  const Element expected[] = {
      Element::of("a"), Element::of("-1.5"), Element::of("z"), Element::of(0),
      Element::of("c"), Element::of(3),      Element::of("e"), Element::of("1.0000000000000001e+300")};
  Blob* node = packed::create_from(heap_, expected);
  EXPECT_EQ(static_cast<Blob*>(zset_.pointer)->view(), node->view());
  Blob::destroy(heap_, node);
}

TEST_F(ZsetTest, AgreesWithAModel) {
  Random random(test_seed(51));
  for (int round = 0; round < 120; ++round) {
    limits_ = {static_cast<uint32_t>(random.below(60)), static_cast<uint32_t>(random.below(400))};
    start();
    Model model;
    std::map<std::string, double> scores;
    const uint64_t variety = 1 + random.below(round % 10 == 0 ? 3'000 : 120);
    for (uint64_t i = 0; i < 3 * variety; ++i) {
      const std::string member = random_key(random, variety, 100);
      // Few different scores, so that members decide the order too; fractions and infinities among them.
      double score = static_cast<double>(random.below(20)) / (random.one_in(2) ? 1 : 3) - 3;
      if (random.one_in(50)) score = random.one_in(2) ? kInfinity : -kInfinity;
      const auto old = scores.find(member);
      if (random.below(4) > 0) {
        const ZaddChange expected = old == scores.end()    ? ZaddChange::kAdded
                                    : old->second == score ? ZaddChange::kSame
                                                           : ZaddChange::kUpdated;
        ASSERT_EQ(add(score, member).change, expected);
        if (old != scores.end()) model.erase({old->second, member});
        model.emplace(score, member);
        scores[member] = score;
      } else {
        ASSERT_EQ(zset_remove(context_, zset_, member).value(), old != scores.end());
        if (old == scores.end()) continue;
        model.erase({old->second, member});
        scores.erase(old);
      }
    }
    expect_same(zset_, model);
    for (double score = -4; score < 18; score += 1.0 / 3) {
      const auto below = std::distance(model.begin(), model.lower_bound({score, ""}));
      const double above = std::nextafter(score, kInfinity);
      const auto through = std::distance(model.begin(), model.lower_bound({above, ""}));
      ASSERT_EQ(zset_count_below_score(zset_, score, false), static_cast<uint64_t>(below));
      ASSERT_EQ(zset_count_below_score(zset_, score, true), static_cast<uint64_t>(through));
    }
    Value copy = zset_copy(context_, zset_).value();
    expect_same(copy, model);
    zset_destroy(heap_, copy);
    EXPECT_LE(zset_memory(zset_), heap_.used());
  }
}

TEST_F(ZsetTest, RemovesRangesAndPops) {
  Random random(test_seed(52));
  for (const int count : {5, 100, 5'000}) {
    start();
    Model model;
    for (int i = 0; i < count; ++i) {
      const int score = i / 3;  // shared by three
      add(score, std::to_string(i));
      model.emplace(score, std::to_string(i));
    }
    while (!model.empty()) {
      std::vector<Item> removed;
      const auto visit = [&](const Element& member, double score) {
        removed.emplace_back(score, text(member));
      };
      const uint64_t first = random.below(model.size() + 1);
      const uint64_t last = first + random.below(1 + model.size() / 4);
      ASSERT_TRUE(zset_remove_ranks(context_, zset_, first, last, visit));
      auto from = std::next(model.begin(), static_cast<ptrdiff_t>(first));
      for (const Item& item : removed) {
        ASSERT_EQ(item, *from);
        from = model.erase(from);
      }
      removed.clear();
      const uint64_t popped = 1 + random.below(4);
      ASSERT_TRUE(zset_pop(context_, zset_, true, popped, visit));
      for (const Item& item : removed) {
        ASSERT_EQ(item, *model.rbegin());
        model.erase(std::prev(model.end()));
      }
      removed.clear();
      ASSERT_TRUE(zset_pop(context_, zset_, false, popped, visit));
      for (const Item& item : removed) {
        ASSERT_EQ(item, *model.begin());
        model.erase(model.begin());
      }
      expect_same(zset_, model);
    }
  }
}

TEST_F(ZsetTest, CountsByMemberWhenScoresAreEqual) {
  for (const int count : {50, 1'000}) {
    start();
    for (int i = 0; i < count; ++i) add(0, "m" + std::to_string(10'000 + i));
    EXPECT_EQ(zset_count_below_member(zset_, "m10010", false), 10u);
    EXPECT_EQ(zset_count_below_member(zset_, "m10010", true), 11u);
    EXPECT_EQ(zset_count_below_member(zset_, "", true), 0u);
    EXPECT_EQ(zset_count_below_member(zset_, "n", false), static_cast<uint64_t>(count));
  }
}

TEST_F(ZsetTest, OutOfMemoryLeavesItAsItWas) {
  Random random(test_seed(53));
  Model model;
  std::map<std::string, double> scores;
  size_t failures = 0;
  size_t successes = 0;
  for (int round = 0; round < 300; ++round) {
    if (scores.size() > 700) {
      start();
      scores.clear();
      model.clear();
    }
    for (int i = 0; i < 20; ++i) {
      const std::string member = "fed" + std::to_string(round * 20 + i);
      ASSERT_EQ(add(i, member).change, ZaddChange::kAdded);
      model.emplace(i, member);
      scores[member] = i;
    }
    {
      Starvation starvation(heap_);
      for (int tries = 0; tries < 200;) {
        const std::string member = random_key(random, 4'000, 60);
        const auto score = static_cast<double>(random.below(300)) / 4;
        const auto old = scores.find(member);
        if (const Result<ZaddResult> done = zset_add(context_, limits_, zset_, score, member)) {
          ++successes;
          if (old != scores.end()) model.erase({old->second, member});
          model.emplace(score, member);
          scores[member] = score;
          continue;
        } else {
          ASSERT_EQ(done.error().code, Errc::kOutOfMemory);
        }
        ++failures;
        ++tries;
        if (old == scores.end()) {
          ASSERT_FALSE(zset_score(zset_, member));
        } else {
          ASSERT_EQ(zset_score(zset_, member), old->second);
        }
        starvation.allow_one(random);
      }
    }
    expect_same(zset_, model);
  }
  EXPECT_GT(failures, 10'000u);
  EXPECT_GT(successes, 1'000u);
}

TEST_F(ZsetTest, ScansAndChoosesAtRandom) {
  Random random(test_seed(54));
  for (const int count : {1, 100, 3'000}) {
    for (int i = 0; i < count; ++i) add(i, std::to_string(i));
    Model met;
    uint64_t cursor = 0;
    do {
      cursor = zset_scan(zset_, cursor, 10,
                         [&](const Element& member, double score) { met.emplace(score, text(member)); });
    } while (cursor != 0);
    EXPECT_EQ(met.size(), static_cast<size_t>(count));
    zset_random(zset_, random, [&](const Element& member, double score) {
      EXPECT_TRUE(met.contains({score, text(member)}));
    });
    for (const uint64_t wanted : {0, 1, 60, 900, 2'900, 100'000}) {
      Model chosen;
      ASSERT_TRUE(
          zset_random_distinct(context_, zset_, random, wanted, [&](const Element& member, double score) {
            EXPECT_TRUE(chosen.emplace(score, text(member)).second);
          }));
      EXPECT_EQ(chosen.size(), std::min<uint64_t>(wanted, met.size()));
    }
  }
}

TEST_F(ZsetTest, AdoptsPackedNodes) {
  const Element good[] = {Element::of("b"), Element::of("-inf"), Element::of("a"), Element::of("1.5"),
                          Element::of(10),  Element::of(2),      Element::of(9),   Element::of(2)};
  const Model model{{-kInfinity, "b"}, {1.5, "a"}, {2, "10"}, {2, "9"}};
  for (const uint32_t limit : {3, 4}) {
    Value adopted = zset_adopt(context_, {limit, 64}, packed::create_from(heap_, good)).value();
    EXPECT_EQ(adopted.encoding, limit == 3 ? Encoding::kTree : Encoding::kListpack);
    expect_same(adopted, model);
    zset_destroy(heap_, adopted);
  }
  const std::vector<std::vector<Element>> bad = {
      {Element::of("a"), Element::of(1), Element::of("b")},
      {Element::of("a"), Element::of("nan")},
      {Element::of("a"), Element::of("one")},
      {Element::of("a"), Element::of(2), Element::of("b"), Element::of(1)},
      {Element::of("b"), Element::of(1), Element::of("a"), Element::of(1)},
      {Element::of("a"), Element::of(1), Element::of("a"), Element::of(2)},
  };
  for (const std::vector<Element>& elements : bad) {
    Blob* node = packed::create_from(heap_, elements);
    EXPECT_EQ(zset_adopt(context_, limits_, node).error().code, Errc::kCorruption);
    Blob::destroy(heap_, node);
  }
}

TEST_F(ZsetTest, PinnedNodeStaysWhileMembersGo) {
  add(1, "a");
  add(2, "b");
  auto* blob = static_cast<Blob*>(zset_.pointer);
  const std::string before(blob->view());
  blob->pin();
  ASSERT_TRUE(zset_pop(context_, zset_, false, 1, [](const Element&, double) {}));
  add(3, "b");
  EXPECT_EQ(blob->view(), before);
  Blob::unpin(blob);
  heap_.collect();
  expect_same(zset_, {{3, "b"}});
}

}  // namespace
}  // namespace strata

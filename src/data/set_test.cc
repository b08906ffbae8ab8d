#include "data/set.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/hash.h"
#include "data/blob.h"
#include "data/intset.h"
#include "data/packed.h"
#include "data/value_test_tools.h"
#include "memory/heap.h"

namespace strata {
namespace {

using testing_tools::random_key;
using testing_tools::Starvation;
using testing_tools::test_seed;
using testing_tools::text;

class SetTest : public ::testing::Test {
 protected:
  using Model = std::set<std::string>;

  SetTest() { start("1"); }
  ~SetTest() override {
    set_destroy(heap_, set_);
    EXPECT_EQ(heap_.used(), 0u);
  }

  void start(Bytes first_member, uint64_t size_hint = 1) {
    if (set_.pointer != nullptr) set_destroy(heap_, set_);
    set_ = set_create(context_, limits_, first_member, size_hint).value();
  }
  bool add(const std::string& member) { return set_add(context_, limits_, set_, member).value(); }
  bool remove(const std::string& member) { return set_remove(context_, set_, member).value(); }
  Model contents(const Value& set) {
    Model all;
    set_visit(set,
              [&](const Element& member) { EXPECT_TRUE(all.insert(text(member)).second) << text(member); });
    EXPECT_EQ(all.size(), set_size(set));
    return all;
  }

  Heap heap_;
  const HashSeed seed_ = HashSeed::fixed(3);
  const DataContext context_{heap_, seed_};
  SetLimits limits_;
  Value set_{Type::kSet, Encoding::kIntset, nullptr};
};

TEST_F(SetTest, FiltersManyMembersAsItWouldOneByOne) {
  for (const char* first : {"1", "x", "long"}) {
    const bool is_table = Bytes(first) == "long";
    start(first, is_table ? 1000 : 1);
    for (int i = 0; i < (is_table ? 500 : 50); i += 2) add(std::to_string(i));
    if (Bytes(first) == "x") add("x");
    std::vector<std::string> texts;
    for (int i = 0; i < 500; ++i) texts.push_back(std::to_string(i));
    for (bool wanted : {true, false}) {
      std::vector<Element> members;
      std::vector<std::string> expected;
      for (int i = 0; i < 500; ++i) {
        const auto& member = texts[static_cast<size_t>(i)];
        members.push_back(i % 3 == 0 ? Element::of(int64_t{i}) : Element::of(member));
        if (set_contains(set_, member) == wanted) expected.push_back(member);
      }
      members.resize(set_filter(set_, members, wanted));
      std::vector<std::string> kept;
      for (const Element& member : members) kept.push_back(text(member));
      EXPECT_EQ(kept, expected) << first << wanted;
      EXPECT_FALSE(kept.empty());
    }
  }
}

TEST_F(SetTest, BeginsInTheFormThatFits) {
  EXPECT_EQ(set_.encoding, Encoding::kIntset);
  start("x");
  EXPECT_EQ(set_.encoding, Encoding::kListpack);
  start("1", 513);
  EXPECT_EQ(set_.encoding, Encoding::kTable);
  start("1", 512);
  EXPECT_EQ(set_.encoding, Encoding::kIntset);
  start("x", 129);
  EXPECT_EQ(set_.encoding, Encoding::kTable);
  start(std::string(65, 'x'));
  EXPECT_EQ(set_.encoding, Encoding::kTable);
}

TEST_F(SetTest, OfIntegersBecomesATableByCount) {
  for (int i = 0; i < 512; ++i) EXPECT_TRUE(add(std::to_string(-i)));
  EXPECT_FALSE(add("-7"));
  EXPECT_EQ(set_.encoding, Encoding::kIntset);
  EXPECT_TRUE(add("1"));
  EXPECT_EQ(set_.encoding, Encoding::kTable);
  EXPECT_EQ(set_size(set_), 513u);
  EXPECT_TRUE(set_contains(set_, Bytes("-511")));
  EXPECT_TRUE(set_contains(set_, Element::of(-511)));
}

TEST_F(SetTest, OfIntegersBecomesPackedOrATableByAnotherMember) {
  add("1");
  EXPECT_TRUE(add("x"));
  EXPECT_EQ(set_.encoding, Encoding::kListpack);
  EXPECT_EQ(contents(set_), (Model{"1", "x"}));
  start("1");
  for (int i = 0; i < 127; ++i) add(std::to_string(i));
  add("x");
  EXPECT_EQ(set_.encoding, Encoding::kListpack);
  EXPECT_FALSE(add("126"));
  add("y");
  EXPECT_EQ(set_.encoding, Encoding::kTable);
  start("1");
  for (int i = 0; i < 128; ++i) add(std::to_string(i));
  add("x");
  EXPECT_EQ(set_.encoding, Encoding::kTable);
  start("1");
  add("1");
  add(std::string(65, 'x'));
  EXPECT_EQ(set_.encoding, Encoding::kTable);
  EXPECT_EQ(set_size(set_), 2u);
}

TEST_F(SetTest, AgreesWithAModel) {
  Random random(test_seed(41));
  for (int round = 0; round < 300; ++round) {
    limits_ = {static_cast<uint32_t>(random.below(20)), static_cast<uint32_t>(random.below(20)),
               static_cast<uint32_t>(random.below(200))};
    const bool integers_only = random.one_in(3);
    const uint64_t variety = 1 + random.below(150);
    Model model;
    for (int i = 0; i < 200; ++i) {
      const std::string member =
          integers_only && !random.one_in(100)
              ? std::to_string(static_cast<int64_t>(random.next()) >> (62 - random.below(8)))
              : random_key(random, variety);
      if (i == 0) start(member);
      if (random.below(3) > 0) {
        ASSERT_EQ(add(member), model.insert(member).second);
      } else {
        ASSERT_EQ(remove(member), model.erase(member) == 1);
      }
      ASSERT_EQ(set_contains(set_, Bytes(member)), model.contains(member));
    }
    ASSERT_EQ(contents(set_), model);
    Value copy = set_copy(context_, set_).value();
    ASSERT_EQ(contents(copy), model);
    set_destroy(heap_, copy);
    while (!model.empty()) {
      size_t popped = 0;
      ASSERT_TRUE(set_pop(context_, set_, random, 1 + random.below(5), [&](const Element& member) {
        ASSERT_EQ(model.erase(text(member)), 1u);
        ++popped;
      }));
      ASSERT_GT(popped, 0u);
      ASSERT_EQ(set_size(set_), model.size());
    }
    ASSERT_TRUE(set_pop(context_, set_, random, 3, [](const Element&) { FAIL(); }));
  }
}

TEST_F(SetTest, OutOfMemoryLeavesItAsItWas) {
  Random random(test_seed(42));
  Model model;
  size_t failures = 0;
  size_t successes = 0;
  for (int round = 0; round < 300; ++round) {
    if (model.size() > 300) {
      start(round % 2 == 0 ? "1" : "x");
      model.clear();
    }
    const bool integers = round % 4 < 2;
    Starvation starvation(heap_);
    for (int tries = 0; tries < 200;) {
      const std::string member = integers ? std::to_string(random.below(3'000)) : random_key(random, 2'000);
      if (const Result<bool> done = set_add(context_, limits_, set_, member)) {
        ++successes;
        ASSERT_EQ(*done, model.insert(member).second);
        continue;
      } else {
        ASSERT_EQ(done.error().code, Errc::kOutOfMemory);
      }
      ++failures;
      ++tries;
      ASSERT_EQ(set_contains(set_, Bytes(member)), model.contains(member));
      starvation.allow_one(random);
    }
    ASSERT_EQ(contents(set_), model);
  }
  EXPECT_GT(failures, 10'000u);
  EXPECT_GT(successes, 1'000u);
}

TEST_F(SetTest, ScansAndChoosesAtRandom) {
  Random random(test_seed(43));
  for (const std::string prefix : {"", "m"}) {
    start(prefix + "1");
    for (const int members : {1, 100, 4'000}) {
      for (int i = 0; i < members; ++i) add(prefix + std::to_string(i));
      const Model model = contents(set_);
      Model met;
      uint64_t cursor = 0;
      do {
        cursor = set_scan(set_, cursor, 10, [&](const Element& member) { met.insert(text(member)); });
      } while (cursor != 0);
      EXPECT_EQ(met, model);
      met.clear();
      while (!set_visit_some(set_, cursor, 9,
                             [&](const Element& member) { EXPECT_TRUE(met.insert(text(member)).second); })) {
      }
      EXPECT_EQ(met, model);
      size_t repeated = 0;
      set_random_repeated(set_, random, 300, [&](const Element& member) {
        EXPECT_TRUE(model.contains(text(member)));
        ++repeated;
      });
      EXPECT_EQ(repeated, 300u);
      for (const uint64_t count : {0, 1, 50, 1'000, 3'900, 100'000}) {
        Model chosen;
        ASSERT_TRUE(set_random_distinct(context_, set_, random, count, [&](const Element& member) {
          EXPECT_TRUE(chosen.insert(text(member)).second);
        }));
        EXPECT_EQ(chosen.size(), std::min<uint64_t>(count, model.size()));
      }
    }
  }
}

TEST_F(SetTest, RandomIsUniformInEveryForm) {
  Random random(test_seed(44));
  for (const auto& [prefix, members] : {std::pair<std::string, int>{"", 100}, {"m", 100}, {"m", 600}}) {
    start(prefix + "1");
    for (int i = 0; i < members; ++i) add(prefix + std::to_string(i));
    std::map<std::string, int> drawn;
    for (int i = 0; i < members * 100; ++i) {
      set_random(set_, random, [&](const Element& member) { ++drawn[text(member)]; });
    }
    ASSERT_EQ(drawn.size(), static_cast<size_t>(members));
    double chi_square = 0;
    for (const auto& [member, times] : drawn) chi_square += (times - 100.0) * (times - 100.0) / 100.0;
    EXPECT_LT(chi_square, members + 5 * std::sqrt(2.0 * members));
  }
}

TEST_F(SetTest, AdoptsPackedNodesAndIntegerSets) {
  const Element good[] = {Element::of("a"), Element::of(1), Element::of("b")};
  for (const uint32_t limit : {2, 3}) {
    Value adopted = set_adopt_packed(context_, {512, limit, 64}, packed::create_from(heap_, good)).value();
    EXPECT_EQ(adopted.encoding, limit == 2 ? Encoding::kTable : Encoding::kListpack);
    EXPECT_EQ(contents(adopted), (Model{"a", "1", "b"}));
    set_destroy(heap_, adopted);

    Blob* integers = intset::create(heap_);
    for (const int64_t value : {int64_t{1}, int64_t{1} << 40, int64_t{-3}}) {
      ASSERT_EQ(intset::add(heap_, integers, value), intset::Change::kDone);
    }
    adopted = set_adopt_intset(context_, {limit, 128, 64}, integers).value();
    EXPECT_EQ(adopted.encoding, limit == 2 ? Encoding::kTable : Encoding::kIntset);
    EXPECT_EQ(contents(adopted), (Model{"1", "1099511627776", "-3"}));
    set_destroy(heap_, adopted);
  }
  const Element twice[] = {Element::of("a"), Element::of(1), Element::of("a")};
  Blob* node = packed::create_from(heap_, twice);
  EXPECT_EQ(set_adopt_packed(context_, limits_, node).error().code, Errc::kCorruption);
  EXPECT_EQ(set_adopt_intset(context_, limits_, node).error().code, Errc::kCorruption);
  Blob::destroy(heap_, node);
}

}  // namespace
}  // namespace strata

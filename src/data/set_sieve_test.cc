#include "data/set_sieve.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "base/hash.h"
#include "data/context.h"
#include "data/value_test_tools.h"
#include "memory/heap.h"

namespace strata {
namespace {

using testing_tools::text;

class SetSieveTest : public ::testing::Test {
 protected:
  ~SetSieveTest() override {
    for (Value& set : sets_) set_destroy(heap_, set);
    EXPECT_EQ(heap_.used(), 0u);
  }

  // Every `stride`-th number below `end`, behind the prefix.
  void add_set(const std::string& prefix, int stride, int end) {
    Value set = set_create(context_, limits_, prefix + "0").value();
    for (int i = 0; i < end; i += stride) {
      ASSERT_TRUE(set_add(context_, limits_, set, prefix + std::to_string(i)).value());
    }
    sets_.push_back(set);
  }
  std::set<std::string> sieved(std::span<const Value> sets, bool wanted) {
    std::set<std::string> all;
    SetSieve sieve(wanted);
    uint64_t cursor = 0;
    uint64_t seen = 0;
    for (bool is_end = false; !is_end;) {
      is_end = sieve.step(sets[0], sets.subspan(1), cursor);
      seen += sieve.seen();
      for (const Element& member : sieve.members()) EXPECT_TRUE(all.insert(text(member)).second);
    }
    EXPECT_EQ(seen, set_size(sets[0]));
    return all;
  }
  std::set<std::string> expected(std::span<const Value> sets, bool wanted) {
    std::set<std::string> all;
    set_visit(sets[0], [&](const Element& member) {
      for (const Value& other : sets.subspan(1)) {
        if (set_contains(other, member) != wanted) return;
      }
      all.insert(text(member));
    });
    return all;
  }
  void check_all_orders() {
    for (size_t first = 0; first < sets_.size(); ++first) {
      std::vector<Value> sets = sets_;
      std::swap(sets[0], sets[first]);
      for (const bool wanted : {true, false}) {
        for (size_t count = 1; count <= sets.size(); ++count) {
          const auto some = std::span<const Value>(sets).first(count);
          EXPECT_EQ(sieved(some, wanted), expected(some, wanted)) << first << " " << count;
        }
      }
    }
  }

  Heap heap_;
  const HashSeed seed_ = HashSeed::fixed(3);
  const DataContext context_{heap_, seed_};
  SetLimits limits_;
  std::vector<Value> sets_;
};

TEST_F(SetSieveTest, ComparesTablesOfAllSizes) {
  add_set("member:", 1, 1'000);
  add_set("member:", 2, 2'000);
  add_set("member:", 3, 1'500);
  add_set("member:", 1, 9'000);
  check_all_orders();
}

TEST_F(SetSieveTest, ComparesSetsInDifferentForms) {
  add_set("", 1, 300);    // integers
  add_set("", 2, 2'000);  // a table
  sets_.push_back(set_create(context_, limits_, "x").value());
  for (const char* member : {"x", "4", "100", "1998"}) {
    ASSERT_TRUE(set_add(context_, limits_, sets_.back(), member).value());  // packed
  }
  add_set("", 4, 4'000);
  check_all_orders();
}

}  // namespace
}  // namespace strata

#include "data/hash_deadlines.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "data/value_test_tools.h"

namespace strata {
namespace {

using testing_tools::random_key;
using testing_tools::Starvation;
using testing_tools::test_seed;
using testing_tools::text;

class HashDeadlinesTest : public ::testing::Test {
 protected:
  struct Field {
    std::string value;
    int64_t deadline_ms = kNoFieldDeadline;
    bool operator==(const Field&) const = default;
  };
  using Model = std::map<std::string, Field>;

  HashDeadlinesTest() : hash_(hash_create(context_).value()) {}
  ~HashDeadlinesTest() override {
    destroy(hash_);
    EXPECT_EQ(heap_.used(), 0u);
  }
  void destroy(Value& hash) {
    while (!hash_destroy_some(heap_, hash, 7)) {
    }
  }
  Model contents(const Value& hash) {
    Model all;
    hash_visit(hash, [&](const Element& field, const Element& value) {
      const std::string name = text(field);
      EXPECT_TRUE(all.emplace(name, Field{text(value), hash_deadline(hash, name)}).second) << name;
    });
    EXPECT_EQ(all.size(), hash_size(hash));
    return all;
  }
  void compare() {
    EXPECT_EQ(contents(hash_), model_);
    int64_t first = INT64_MAX;
    uint64_t timed = 0;
    for (const auto& [name, field] : model_) {
      if (field.deadline_ms == kNoFieldDeadline) continue;
      first = std::min(first, field.deadline_ms);
      ++timed;
    }
    EXPECT_EQ(hash_first_deadline(hash_), first);
    EXPECT_EQ(hash_deadline_count(hash_), timed);
    EXPECT_EQ(hash_is_timed(hash_), timed > 0);
  }
  void run_one(Random& random, uint64_t variety);
  void expire(int64_t now_ms, uint64_t budget);

  Heap heap_;
  const HashSeed seed_ = HashSeed::fixed(3);
  const DataContext context_{heap_, seed_};
  HashLimits limits_{.packed_entries = 60};
  Value hash_;
  Model model_;
  uint64_t failures_ = 0;
};

void HashDeadlinesTest::expire(int64_t now_ms, uint64_t budget) {
  std::vector<std::string> shown;
  const auto count =
      hash_expire_some(context_, hash_, now_ms, budget, [&](Bytes field) { shown.emplace_back(field); });
  if (!count) {
    ++failures_;
    return;
  }
  ASSERT_LE(*count, budget);
  ASSERT_LE(*count, shown.size());
  int64_t latest = 0;
  for (size_t i = 0; i < *count; ++i) {
    const auto found = model_.find(shown[i]);
    ASSERT_NE(found, model_.end());
    ASSERT_NE(found->second.deadline_ms, kNoFieldDeadline);
    EXPECT_LE(found->second.deadline_ms, now_ms);
    EXPECT_GE(found->second.deadline_ms, latest) << "the earliest come first";
    latest = found->second.deadline_ms;
    model_.erase(found);
  }
  if (*count < budget && *count == shown.size()) {
    EXPECT_TRUE(!hash_is_timed(hash_) || hash_first_deadline(hash_) > now_ms);
  }
}

void HashDeadlinesTest::run_one(Random& random, uint64_t variety) {
  const std::string field = random_key(random, variety, 90);
  const auto found = model_.find(field);
  switch (random.below(10)) {
    case 0:
    case 1:
    case 2: {
      const std::string value = random_key(random, 1000, 90);
      const auto set = hash_set(context_, limits_, hash_, field, value);
      if (!set) {
        ++failures_;
        return;
      }
      EXPECT_EQ(*set, found == model_.end());
      model_[field].value = value;  // and its deadline stays
      return;
    }
    case 3:
    case 4:
    case 5: {
      if (found == model_.end()) return;
      const auto deadline = static_cast<int64_t>(random.below(1000));
      if (hash_set_deadline(context_, hash_, field, deadline)) {
        found->second.deadline_ms = deadline;
      } else {
        ++failures_;
      }
      return;
    }
    case 6: {
      const auto cleared = hash_clear_deadline(context_, hash_, field);
      ASSERT_TRUE(cleared);
      EXPECT_EQ(*cleared, found != model_.end() && found->second.deadline_ms != kNoFieldDeadline);
      if (*cleared) found->second.deadline_ms = kNoFieldDeadline;
      return;
    }
    case 7: {
      const auto removed = hash_remove(context_, hash_, field);
      ASSERT_TRUE(removed);
      EXPECT_EQ(*removed, found != model_.end());
      if (*removed) model_.erase(found);
      return;
    }
    case 8:
      if (random.below(10) == 0) expire(static_cast<int64_t>(random.below(500)), random.below(20));
      return;
    default:
      EXPECT_EQ(hash_deadline(hash_, field),
                found == model_.end() ? kNoFieldDeadline : found->second.deadline_ms);
  }
}

TEST_F(HashDeadlinesTest, BehavesLikeAModel) {
  Random random(test_seed(1));
  for (const uint64_t variety : {20, 100, 2000}) {
    for (int i = 0; i < 20'000 && !HasFatalFailure(); ++i) {
      run_one(random, variety);
      if (i % 500 == 0) compare();
    }
  }
  compare();
  // A copy is equal and lives on its own.
  auto copy = hash_copy(context_, hash_);
  ASSERT_TRUE(copy);
  EXPECT_EQ(contents(*copy), model_);
  expire(INT64_MAX, UINT64_MAX);
  compare();
  EXPECT_FALSE(hash_is_timed(hash_));
  destroy(*copy);
}

TEST_F(HashDeadlinesTest, SurvivesOutOfMemory) {
  Random random(test_seed(2));
  for (int round = 0; round < 30 && !HasFatalFailure(); ++round) {
    for (int i = 0; i < 200; ++i) run_one(random, 300);
    Starvation starvation(heap_);
    for (int i = 0; i < 200 && !HasFatalFailure(); ++i) {
      for (uint64_t blocks = random.below(3); blocks > 0; --blocks) starvation.allow_one(random);
      run_one(random, 300);
    }
    compare();
  }
  EXPECT_GT(failures_, 50u);
}

TEST_F(HashDeadlinesTest, PlainHashesPayNothing) {
  ASSERT_TRUE(hash_set(context_, limits_, hash_, "f", "v"));
  const size_t plain_bytes = heap_.used();
  ASSERT_TRUE(hash_set_deadline(context_, hash_, "f", kFieldDeadlineMaxMs));
  EXPECT_EQ(hash_deadline(hash_, "f"), kFieldDeadlineMaxMs);
  EXPECT_GT(heap_.used(), plain_bytes);
  EXPECT_EQ(hash_memory(hash_), heap_.used());
  ASSERT_TRUE(hash_clear_deadline(context_, hash_, "f"));
  EXPECT_EQ(heap_.used(), plain_bytes);
  EXPECT_EQ(hash_.encoding, Encoding::kListpack);
}

}  // namespace
}  // namespace strata

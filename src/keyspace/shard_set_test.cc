#include "keyspace/shard_set.h"

#include <gtest/gtest.h>

#include <set>

#include "base/random.h"
#include "data/value_test_tools.h"

namespace strata {
namespace {

TEST(ShardSetTest, AgreesWithASet) {
  Random random(testing_tools::test_seed(1));
  EXPECT_TRUE(ShardSet().empty());
  EXPECT_EQ(ShardSet().next(0), ShardSet::kEnd);
  for (int round = 0; round < 300; ++round) {
    ShardSet shards;
    std::set<uint32_t> model;
    for (uint64_t n = random.below(40); n > 0; --n) {
      const auto shard = static_cast<uint32_t>(random.below(kShardsMax));
      shards.add(shard);
      model.insert(shard);
    }
    std::set<uint32_t> walked;
    for (uint32_t s = 0; (s = shards.next(s)) != ShardSet::kEnd; ++s) walked.insert(s);
    ASSERT_EQ(walked, model);
    ASSERT_EQ(shards.count(), model.size());
    ASSERT_EQ(shards.empty(), model.empty());
    for (uint32_t s = 0; s < kShardsMax; ++s) {
      ASSERT_EQ(shards.contains(s), model.contains(s));
      auto next = model.lower_bound(s);
      ASSERT_EQ(shards.next(s), next == model.end() ? ShardSet::kEnd : *next);
    }
    ASSERT_EQ(shards.next(kShardsMax), ShardSet::kEnd);
  }
}

TEST(ShardSetTest, FirstAndUnion) {
  EXPECT_EQ(ShardSet::first(0), ShardSet());
  EXPECT_EQ(ShardSet::first(kShardsMax).count(), kShardsMax);
  ShardSet set;
  set.add(255);
  set.add_all(ShardSet::first(65));
  EXPECT_EQ(set.count(), 66u);
  EXPECT_EQ(set.next(65), 255u);
}

}  // namespace
}  // namespace strata

#include "keyspace/keyspace.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace strata {
namespace {

Keyspace::Options options(uint32_t shards) {
  Keyspace::Options options;
  options.shard_count = shards;
  options.seed = HashSeed::fixed(1);
  return options;
}

TEST(HashTagTest, AsInRedisCluster) {
  EXPECT_EQ(hash_tag("plain"), "plain");
  EXPECT_EQ(hash_tag("{user}:1"), "user");
  EXPECT_EQ(hash_tag("a{user}b{other}"), "user");
  EXPECT_EQ(hash_tag("{}user"), "{}user");
  EXPECT_EQ(hash_tag("a{}{user}"), "a{}{user}");  // the first pair is empty: the whole key
  EXPECT_EQ(hash_tag("{{a}}"), "{a");
  EXPECT_EQ(hash_tag("a}b{c"), "a}b{c");
  EXPECT_EQ(hash_tag("}{a}"), "a");
  EXPECT_EQ(hash_tag(""), "");
  EXPECT_EQ(hash_tag("{"), "{");
}

TEST(KeyspaceTest, TheSameTagMeansTheSameShard) {
  Keyspace keyspace(options(64));
  for (int i = 0; i < 1000; ++i) {
    const std::string tag = "user" + std::to_string(i);
    const uint32_t shard = keyspace.key(tag).shard;
    EXPECT_LT(shard, 64u);
    for (const std::string& name : {"{" + tag + "}", "{" + tag + "}:following", "x{" + tag + "}y{z}"}) {
      EXPECT_EQ(keyspace.key(name).shard, shard) << name;
      EXPECT_NE(keyspace.key(name).hash, keyspace.key(tag).hash);  // but another bucket
    }
  }
}

TEST(KeyspaceTest, KeysSpreadEvenly) {
  for (uint32_t shards : {1u, 2u, 256u}) {
    Keyspace keyspace(options(shards));
    std::vector<int> counts(shards);
    const int mean = 400;
    for (uint32_t i = 0; i < shards * mean; ++i) ++counts[keyspace.key("key:" + std::to_string(i)).shard];
    for (int count : counts) {
      EXPECT_GT(count, mean * 3 / 4);
      EXPECT_LT(count, mean * 5 / 4);
    }
  }
}

TEST(KeyspaceTest, SumsOverShards) {
  Keyspace keyspace(options(8));
  EXPECT_EQ(keyspace.all_shards().count(), 8u);
  EXPECT_EQ(keyspace.used_bytes(), 0u);
  for (int i = 0; i < 1000; ++i) {
    const std::string name = std::to_string(i);
    const Key key = keyspace.key(name);
    ASSERT_TRUE(
        keyspace.shard(key.shard).database(5).set_string(key, "v", i % 4 == 0 ? 1'000'000 : kNoDeadline));
  }
  EXPECT_EQ(keyspace.key_count(5), 1000u);
  EXPECT_EQ(keyspace.deadline_count(5), 250u);
  EXPECT_EQ(keyspace.key_count(0), 0u);
  EXPECT_GT(keyspace.used_bytes(), 1000u * 20);
}

// RENAME across shards leaves values in their birth heaps, so no heap may go before all values have.
TEST(KeyspaceTest, ValuesBornInOtherShards) {
  Keyspace keyspace(options(2));
  Shard& from = keyspace.shard(0);
  Shard& to = keyspace.shard(1);
  const std::string big(5000, 'x');
  ASSERT_TRUE(from.database(0).set_string(keyspace.key("a"), big, kNoDeadline));
  ASSERT_TRUE(to.database(0).set_string(keyspace.key("b"), big, kNoDeadline));
  ASSERT_TRUE(to.database(0).put(keyspace.key("c"), *from.database(0).take(keyspace.key("a")), kNoDeadline));
  ASSERT_TRUE(from.database(0).put(keyspace.key("d"), *to.database(0).take(keyspace.key("b")), kNoDeadline));
  EXPECT_TRUE(from.database(0).erase(keyspace.key("d")));
  while (!to.clean(100)) {
  }
}

}  // namespace
}  // namespace strata

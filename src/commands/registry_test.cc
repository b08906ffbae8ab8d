#include "commands/registry.h"

#include <gtest/gtest.h>

namespace strata {
namespace {

TEST(RegistryTest, KnowsWhichArgumentIsAMember) {
  const Registry registry(data_command_groups());
  for (const auto& [name, member] : {std::pair("sadd", 2),
                                     {"sismember", 2},
                                     {"hset", 2},
                                     {"hget", 2},
                                     {"zscore", 2},
                                     {"zincrby", 3},
                                     {"zadd", -1},
                                     {"get", 0},
                                     {"lpush", 0},
                                     {"smembers", 0},
                                     {"mset", 0}}) {
    ASSERT_NE(registry.find(name), nullptr) << name;
    EXPECT_EQ(registry.find(name)->member, member) << name;
  }
}

}  // namespace
}  // namespace strata

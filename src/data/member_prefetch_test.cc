#include "data/member_prefetch.h"

#include <gtest/gtest.h>

#include <string>

#include "base/hash.h"
#include "data/hash.h"
#include "data/set.h"
#include "data/zset.h"
#include "memory/heap.h"

namespace strata {
namespace {

// A prefetch cannot be seen; that it reads only what is there, the sanitizers see.
TEST(MemberPrefetch, OnlyLargeCollectionsHavePlaces) {
  Heap heap;
  const HashSeed seed = HashSeed::fixed(1);
  const DataContext context{heap, seed};
  Value hash = hash_create(context).value();
  Value set = set_create(context, {}, "m").value();
  Value zset = zset_create(context, {}, 1).value();
  for (int i = 0; i < 2000; ++i) {
    const std::string member = "m" + std::to_string(i);
    for (const Value& value : {hash, set, zset}) {
      const MemberPlace place = member_place(value, member);
      if (i > 600 || i < 100) {
        EXPECT_EQ(place.table != nullptr, i > 600);
      }
      prefetch_bucket(place);
      prefetch_entry(place);
    }
    ASSERT_TRUE(hash_set(context, {}, hash, member, "v"));
    ASSERT_TRUE(set_add(context, {}, set, member));
    ASSERT_TRUE(zset_add(context, {}, zset, i, member));
  }
  EXPECT_EQ(member_place({Type::kString, Encoding::kInt, nullptr}, "m").table, nullptr);
  EXPECT_EQ(member_place({Type::kList, Encoding::kQuicklist, nullptr}, "m").table, nullptr);
  hash_destroy(heap, hash);
  set_destroy(heap, set);
  zset_destroy(heap, zset);
}

}  // namespace
}  // namespace strata

#include "data/intset.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "base/random.h"

namespace strata::intset {
namespace {

TEST(Intset, BytesAreRedisIntset) {
  Heap heap;
  Blob* set = create(heap);
  EXPECT_EQ(set->view(), Bytes("\x02\0\0\0\0\0\0\0", 8));
  for (int64_t value : {7, -1, 7}) {
    EXPECT_EQ(add(heap, set, value),
              value == 7 && count(set->view()) == 2 ? Change::kNothing : Change::kDone);
  }
  EXPECT_EQ(set->view(), Bytes("\x02\0\0\0\x02\0\0\0\xff\xff\x07\0", 12));
  EXPECT_EQ(add(heap, set, 70000), Change::kDone);
  EXPECT_EQ(set->view(), Bytes("\x04\0\0\0\x03\0\0\0\xff\xff\xff\xff\x07\0\0\0\x70\x11\x01\0", 20));
  Blob::destroy(heap, set);
  EXPECT_EQ(heap.used(), 0u);
}

TEST(Intset, ValidateRefusesDamage) {
  Bytes good("\x02\0\0\0\x02\0\0\0\xff\xff\x07\0", 12);
  EXPECT_TRUE(validate(good));
  EXPECT_FALSE(validate(good.substr(0, 11)));
  EXPECT_FALSE(validate(good.substr(0, 5)));
  EXPECT_FALSE(validate(Bytes("\x03\0\0\0\x02\0\0\0\xff\xff\x07\0", 12)));
  EXPECT_FALSE(validate(Bytes("\x02\0\0\0\x03\0\0\0\xff\xff\x07\0", 12)));
  EXPECT_FALSE(validate(Bytes("\x02\0\0\0\x02\0\0\0\x07\0\xff\xff", 12)));
  EXPECT_FALSE(validate(Bytes("\x02\0\0\0\x02\0\0\0\x07\0\x07\0", 12)));
  EXPECT_FALSE(validate(Bytes("\x08\0\0\0\xff\xff\xff\xff", 8)));
}

TEST(IntsetProperty, BehavesLikeASet) {
  for (uint64_t seed = 1; seed <= 40; seed++) {
    Random random(seed);
    Heap heap;
    Blob* set = create(heap);
    std::set<int64_t> expected;
    int shift = static_cast<int>(random.below(3)) * 16 + 8;
    for (int step = 0; step < 400; step++) {
      if (step == 200) shift = 0;
      int64_t value = shift == 0 && !random.one_in(4)
                          ? static_cast<int64_t>(random.below(40)) - 20
                          : static_cast<int64_t>(random.next()) >> (shift + random.below(8));
      bool pinned = random.one_in(5);
      Blob* before = set;
      std::string bytes(set->view());
      if (pinned) before->pin();
      bool was_there = expected.contains(value);
      ASSERT_EQ(contains(set->view(), value), was_there);
      if (random.one_in(3)) {
        ASSERT_EQ(remove(heap, set, value), was_there ? Change::kDone : Change::kNothing);
        expected.erase(value);
      } else {
        ASSERT_EQ(add(heap, set, value), was_there ? Change::kNothing : Change::kDone);
        expected.insert(value);
      }
      if (pinned) {
        ASSERT_EQ(before->view(), bytes);
        Blob::unpin(before);
      }
      ASSERT_TRUE(validate(set->view())) << "seed " << seed;
      ASSERT_EQ(count(set->view()), expected.size());
      uint32_t i = 0;
      for (int64_t member : expected) ASSERT_EQ(at(set->view(), i++), member) << "seed " << seed;
      if (!expected.empty()) {
        ASSERT_TRUE(expected.contains(intset::random(set->view(), random.next())));
      }
    }
    Blob::destroy(heap, set);
    while (!heap.collect()) {
    }
    ASSERT_EQ(heap.used(), 0u);
  }
}

}  // namespace
}  // namespace strata::intset

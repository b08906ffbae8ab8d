#include "base/simd.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace strata {
namespace {

TEST(MatchTags, EveryTagInEverySlot) {
  for (unsigned tag = 0; tag <= UINT16_MAX; ++tag)
    for (unsigned slot = tag % 3; slot < 8; slot += 3) {
      alignas(64) uint64_t slots[8];
      for (uint64_t& word : slots) word = (static_cast<uint64_t>(tag ^ 1) << 48) | 0xffffffffffff;
      slots[slot] = static_cast<uint64_t>(tag) << 48;
      ASSERT_EQ(match_tags8(slots, static_cast<uint16_t>(tag)), 1u << slot) << tag;
    }
}

TEST(MatchTags, AgreesWithScalar) {
  Random random(1);
  const uint16_t tags[] = {0, 1, 0x7fff, 0x8000, 0x8001, 0xffff, 0x00ff, 0xff00};
  for (int i = 0; i < 100000; ++i) {
    alignas(64) uint64_t slots[8];
    for (uint64_t& word : slots)
      word = (static_cast<uint64_t>(tags[random.below(8)]) << 48) | (random.next() >> 16);
    const uint16_t tag = tags[random.below(8)];
    ASSERT_EQ(match_tags8(slots, tag), match_tags8_scalar(slots, tag));
  }
}

}  // namespace
}  // namespace strata

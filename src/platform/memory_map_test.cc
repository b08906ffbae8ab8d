#include "platform/memory_map.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <utility>

namespace strata {
namespace {

TEST(MemoryMap, ReservationsAreAlignedZeroAndWritable) {
  constexpr size_t kBytes = 1 << 20, kAlignment = 4 << 20;
  for (int i = 0; i < 5; ++i) {
    auto address = reserve_memory(kBytes, kAlignment);
    ASSERT_TRUE(address);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(*address) % kAlignment, 0u);
    ASSERT_TRUE(commit_memory(*address, kBytes));
    char* bytes = static_cast<char*>(*address);
    EXPECT_EQ(bytes[kBytes - 1], 0);
    memset(bytes, 1, kBytes);
    decommit_memory(bytes, kBytes);
    ASSERT_TRUE(commit_memory(bytes, kBytes));
    EXPECT_EQ(bytes[0], 0);
    release_memory(bytes, kBytes);
  }
}

TEST(MemoryMap, ImpossibleReservationIsAValue) {
  auto address = reserve_memory(SIZE_MAX / 2 & ~(page_size() - 1), page_size());
  ASSERT_FALSE(address);
  EXPECT_EQ(address.error().code, Errc::kOutOfMemory);
}

TEST(MemoryMap, ResizeKeepsContentsAndAlignment) {
  constexpr size_t kAlignment = 4 << 20;
  size_t bytes = 1 << 20;
  auto address = reserve_memory(bytes, kAlignment);
  ASSERT_TRUE(address);
  memset(*address, 7, bytes);
  for (size_t target : {size_t{9} << 20, size_t{2} << 20}) {
    auto resized = resize_memory(*address, bytes, target, kAlignment);
    ASSERT_TRUE(resized);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(*resized) % kAlignment, 0u);
    const char* text = static_cast<const char*>(*resized);
    EXPECT_EQ(text[0], 7);
    EXPECT_EQ(text[(1 << 20) - 1], 7);
    EXPECT_EQ(text[1 << 20], 0);
    address = resized;
    bytes = target;
  }
  release_memory(*address, bytes);
}

TEST(MirroredMemory, BothHalvesAreTheSameBytes) {
  auto ring = MirroredMemory::create(10'000);
  ASSERT_TRUE(ring);
  EXPECT_EQ(ring->size() % page_size(), 0u);
  EXPECT_GE(ring->size(), 10'000u);
  const char text[] = "a record across the end";
  memcpy(ring->data() + ring->size() - 5, text, sizeof text);
  EXPECT_EQ(memcmp(ring->data(), text + 5, sizeof text - 5), 0);

  MirroredMemory moved = std::move(*ring);
  EXPECT_EQ(ring->data(), nullptr);
  EXPECT_EQ(memcmp(moved.data(), text + 5, sizeof text - 5), 0);
  EXPECT_FALSE(MirroredMemory::create(0));
}

}  // namespace
}  // namespace strata

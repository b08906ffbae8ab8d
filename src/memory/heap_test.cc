#include "memory/heap.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <random>
#include <thread>
#include <unordered_map>
#include <vector>

#include "platform/memory_map.h"

namespace strata {
namespace {

// Sanitizers keep memory of their own, so what the system counts is not the heap's alone.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#elif defined(__has_feature)
constexpr bool kSanitized = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
constexpr bool kSanitized = false;
#endif

// A block with a pattern of its own, so that two blocks which overlap do not stay unnoticed.
struct Filled {
  char* block;
  size_t bytes;
  unsigned char pattern;
};

Filled fill(void* block, size_t bytes, unsigned char pattern) {
  std::memset(block, pattern, bytes);
  return {static_cast<char*>(block), bytes, pattern};
}

// Looks at both ends and at samples between them.
bool intact(const Filled& filled, size_t bytes) {
  bytes = std::min(bytes, filled.bytes);
  for (size_t i = 0; i < bytes; i += i < 300 || i + 100 > bytes ? 1 : 61) {
    if (static_cast<unsigned char>(filled.block[i]) != filled.pattern) return false;
  }
  return true;
}

void expect_consistent(const Heap& heap) {
  HeapStats stats = heap.stats();
  EXPECT_EQ(stats.used, heap.used());
  EXPECT_LE(stats.used, stats.resident);
  EXPECT_EQ(stats.wasted, stats.resident - stats.used);
}

TEST(SizeClass, EveryRequestFitsAndIsTight) {
  for (size_t bytes = 1; bytes <= kLargestClassBytes; bytes += bytes < 5000 ? 1 : 97) {
    size_t size_class = size_class_of(bytes);
    ASSERT_GE(size_class_bytes(size_class), bytes);
    if (size_class > 0) {
      ASSERT_LT(size_class_bytes(size_class - 1), bytes);
    }
    ASSERT_LE(size_class_bytes(size_class), bytes < 256 ? bytes + 7 : bytes + bytes / 16);
  }
}

TEST(Heap, BlocksAreAlignedWritableAndKnowTheirHeap) {
  Heap heap;
  for (size_t bytes :
       {0,    1,    7,    8,    9,    16,     24,     32,      100,     128,           129,
        1000, 1024, 4096, 8192, 8193, 20'000, 40'000, 100'000, 1 << 20, (1 << 20) + 1, 10 << 20}) {
    void* block = heap.allocate(bytes);
    ASSERT_NE(block, nullptr);
    auto address = reinterpret_cast<uintptr_t>(block);
    EXPECT_EQ(address % 8, 0u);
    if (bytes % 16 == 0 && bytes > 0) {
      EXPECT_EQ(address % 16, 0u) << bytes;
    }
    EXPECT_LT(address, uintptr_t{1} << 47);
    EXPECT_GE(Heap::usable_size(block), bytes);
    EXPECT_EQ(Heap::usable_size(block), Heap::good_size(bytes));
    EXPECT_EQ(Heap::owner(block), &heap);
    std::memset(block, 1, Heap::usable_size(block));
    heap.free(block);
  }
  heap.free(nullptr);
  Heap::release(nullptr);
  EXPECT_EQ(heap.used(), 0u);
}

// Random work against a model; `size` draws the sizes.
template <typename Size>
void run_model(uint64_t seed, int steps, size_t blocks_max, Size size) {
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  Heap heap;
  std::vector<Filled> blocks;
  size_t used = 0;
  for (int step = 0; step < steps; ++step) {
    auto pattern = static_cast<unsigned char>(random());
    size_t choice = random() % 100;
    bool growing = blocks.size() < blocks_max && (step / 5000) % 2 == 0;
    if (blocks.empty() || choice < (growing ? 60u : 30u)) {
      size_t bytes = size(random);
      void* block = heap.allocate(bytes);
      ASSERT_NE(block, nullptr);
      used += Heap::usable_size(block);
      blocks.push_back(fill(block, bytes, pattern));
    } else {
      std::swap(blocks[random() % blocks.size()], blocks.back());
      Filled& filled = blocks.back();
      ASSERT_TRUE(intact(filled, filled.bytes));
      used -= Heap::usable_size(filled.block);
      if (choice < 75) {
        heap.free(filled.block);
        blocks.pop_back();
      } else {
        size_t bytes = size(random);
        Filled old = filled;
        filled.block = static_cast<char*>(heap.reallocate(old.block, bytes));
        ASSERT_NE(filled.block, nullptr);
        ASSERT_TRUE(intact(filled, bytes));
        used += Heap::usable_size(filled.block);
        filled = fill(filled.block, bytes, pattern);
      }
    }
    ASSERT_EQ(heap.used(), used);
    if (step % 1000 == 0) {
      expect_consistent(heap);
      heap.collect();
    }
  }
  for (const Filled& filled : blocks) {
    ASSERT_TRUE(intact(filled, filled.bytes));
    heap.free(filled.block);
  }
  while (!heap.collect()) {
  }
  EXPECT_EQ(heap.used(), 0u);
  EXPECT_EQ(heap.stats().resident, 0u);
}

TEST(Heap, RandomSmallBlocksFollowTheModel) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    run_model(seed, 40'000, 20'000, [](auto& random) { return random() % 300; });
  }
}

TEST(Heap, RandomBlocksOfAllSizesFollowTheModel) {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    run_model(seed, 6'000, 300, [](auto& random) { return random() >> (random() % 20 + 43); });
  }
}

TEST(Heap, ReallocateStaysInPlaceWithinAClassAndForNull) {
  Heap heap;
  void* block = heap.reallocate(nullptr, 300);
  ASSERT_NE(block, nullptr);
  EXPECT_EQ(heap.reallocate(block, 304), block);
  EXPECT_EQ(heap.reallocate(block, 289), block);
  void* moved = heap.reallocate(block, 10);
  EXPECT_NE(moved, block);
  EXPECT_EQ(heap.used(), 16u);
  heap.free(moved);
}

TEST(Heap, HugeBlocksGrowAndShrinkWithTheirContents) {
  Heap heap;
  size_t bytes = 3 << 20;
  auto* block = static_cast<char*>(heap.allocate(bytes));
  ASSERT_NE(block, nullptr);
  block[0] = 'a';
  block[bytes - 1] = 'z';
  void* others[3] = {heap.allocate(2 << 20), nullptr, heap.allocate(5 << 20)};
  block = static_cast<char*>(heap.reallocate(block, 40 << 20));
  ASSERT_NE(block, nullptr);
  EXPECT_EQ(Heap::owner(block), &heap);
  EXPECT_EQ(Heap::usable_size(block), size_t{40} << 20);
  EXPECT_EQ(block[0], 'a');
  EXPECT_EQ(block[bytes - 1], 'z');
  block[(40 << 20) - 1] = '!';
  block = static_cast<char*>(heap.reallocate(block, bytes));
  EXPECT_EQ(block[bytes - 1], 'z');
  EXPECT_EQ(heap.used(), bytes + (7 << 20));
  block = static_cast<char*>(heap.reallocate(block, 100));
  EXPECT_EQ(block[0], 'a');
  for (void* other : others) heap.free(other);
  heap.free(block);
  EXPECT_EQ(heap.used(), 0u);
  EXPECT_EQ(heap.allocate(SIZE_MAX), nullptr);
  EXPECT_EQ(heap.allocate(SIZE_MAX / 2), nullptr);
}

TEST(Heap, ClearingTouchesNothingElse) {
  Heap heap;
  for (size_t bytes : {size_t{100}, size_t{50'000}, size_t{3} << 20, (size_t{5} << 20) + 123}) {
    auto* block = static_cast<unsigned char*>(heap.allocate(bytes));
    ASSERT_NE(block, nullptr);
    for (auto [from, to] : {std::pair<size_t, size_t>{0, bytes},
                            {bytes, bytes},
                            {1, bytes - 1},
                            {bytes / 3, bytes},
                            {0, bytes / 2},
                            {bytes / 4, bytes / 4 + 70},
                            {bytes / 5, bytes - bytes / 7}}) {
      std::memset(block, 0xee, bytes);
      Heap::clear(block, from, to);
      size_t wrong = 0;
      for (size_t i = 0; i < bytes; ++i) wrong += block[i] != (i >= from && i < to ? 0 : 0xee);
      EXPECT_EQ(wrong, 0u) << bytes << " bytes, " << from << " to " << to;
    }
    heap.free(block);
  }
}

TEST(Heap, LimitIsAValueAndChangesNothing) {
  constexpr size_t kLimit = 8 << 20;
  Heap heap(kLimit);
  EXPECT_EQ(heap.allocate(9 << 20), nullptr);
  std::vector<void*> blocks;
  for (size_t bytes : {96, 5000, 70'000}) {
    while (void* block = heap.allocate(bytes)) blocks.push_back(block);
    EXPECT_LE(heap.stats().resident, kLimit);
    EXPECT_GT(heap.used(), kLimit * 8 / 10);
    size_t used = heap.used();
    EXPECT_EQ(heap.reallocate(blocks.back(), 2 << 20), nullptr);
    EXPECT_EQ(heap.used(), used);
    for (void* block : blocks) heap.free(block);
    blocks.clear();
  }
  // What was freed serves every other size, without a call to collect().
  void* huge = heap.allocate(7 << 20);
  EXPECT_NE(huge, nullptr);
  EXPECT_EQ(heap.reallocate(huge, 9 << 20), nullptr);
  heap.set_limit(0);
  huge = heap.reallocate(huge, 9 << 20);
  EXPECT_NE(huge, nullptr);
  heap.free(huge);
}

TEST(Heap, MillionBlocksCostLittleMoreThanTheirBytes) {
  constexpr size_t kBlocks = 1'000'000, kBytes = 96;
  std::vector<void*> blocks(kBlocks);
  std::memset(blocks.data(), 1, kBlocks * sizeof(void*));
  size_t before = resident_bytes();
  Heap heap;
  for (void*& block : blocks) {
    block = heap.allocate(kBytes);
    std::memset(block, 1, kBytes);
  }
  HeapStats stats = heap.stats();
  EXPECT_EQ(stats.used, kBlocks * kBytes);
  EXPECT_LT(stats.resident, 98'000'000u);
  if (before > 0 && !kSanitized) {
    size_t grown = resident_bytes() - before;
    // What the heap says is what the system says, but for the last huge page and the test's own noise.
    constexpr size_t kHugePageBytes = size_t{2} << 20;
    EXPECT_LT(grown, 98'000'000u + kHugePageBytes);
    EXPECT_NEAR(static_cast<double>(grown), static_cast<double>(stats.resident), kHugePageBytes + 1e6);
  }
  for (void* block : blocks) heap.free(block);
  EXPECT_LE(heap.stats().resident, 2 * kSegmentBytes);  // the spare, and the last page of the class
  while (!heap.collect()) {
  }
  EXPECT_EQ(heap.stats().resident, 0u);
  if (!kSanitized) {
    EXPECT_LT(resident_bytes(), before + (2 << 20));
  }
}

TEST(Heap, ManySmallHeapsStaySmall) {
  std::vector<std::unique_ptr<Heap>> heaps;
  size_t resident = 0;
  for (int i = 0; i < 64; ++i) {
    auto heap = std::make_unique<Heap>();
    EXPECT_EQ(heap->stats().resident, 0u);
    for (size_t bytes : {24, 48, 96, 200, 500, 1500}) {
      for (int n = 0; n < 3; ++n) ASSERT_NE(heap->allocate(bytes), nullptr);
    }
    resident += heap->stats().resident;
    heaps.push_back(std::move(heap));
  }
  EXPECT_LE(resident, 64u * 9 * 4096);
}

TEST(Heap, CollectGivesFreeMemoryBackInSteps) {
  Heap heap;
  std::vector<void*> blocks;
  for (int i = 0; i < 100'000; ++i) blocks.push_back(heap.allocate(1000));
  size_t full = heap.stats().resident;
  // One page in ten keeps a block, so no segment becomes empty.
  for (size_t i = 0; i < blocks.size(); ++i) {
    if (i % 650 != 0) heap.free(blocks[i]);
  }
  EXPECT_GT(heap.stats().resident, full * 9 / 10);
  int calls = 1;
  while (!heap.collect()) ++calls;
  EXPECT_GT(calls, 1);
  EXPECT_LT(heap.stats().resident, full / 5);
  // The addresses serve again.
  size_t segments = full / kSegmentBytes;
  std::vector<void*> again;
  for (int i = 0; i < 99'000; ++i) again.push_back(heap.allocate(1000));
  EXPECT_LE(heap.stats().resident / kSegmentBytes, segments + 1);
}

// Beyond 64 MiB segments of scattered blocks are asked to be huge pages; parts of them are given back all the
// same. Packed blocks lie apart, in small pages.
TEST(Heap, LargeHeapsGivePartsOfHugePagesBack) {
  struct Kind {
    size_t blocks, bytes, blocks_per_page;
    bool huge_pages;
  };
  for (Kind kind : {Kind{110'000, 1600, 40, true}, Kind{11'000, 16 << 10, 8, false}}) {
    Heap heap;
    std::vector<Filled> blocks;
    for (size_t i = 0; i < kind.blocks; ++i) {
      blocks.push_back(fill(heap.allocate(kind.bytes), 64, static_cast<unsigned char>(i)));
    }
    EXPECT_FALSE(segment_of(blocks.front().block)->huge_pages);
    EXPECT_EQ(segment_of(blocks.back().block)->huge_pages, kind.huge_pages);
    size_t full = heap.stats().resident;
    EXPECT_GE(full, kind.blocks * kind.bytes);
    auto kept = [&](size_t i) { return i / kind.blocks_per_page % 4 == 0; };
    for (size_t i = 0; i < kind.blocks; ++i) {
      if (!kept(i)) heap.free(blocks[i].block);
    }
    while (!heap.collect()) {
    }
    EXPECT_LT(heap.stats().resident, full * 3 / 10);
    for (size_t i = 0; i < kind.blocks; ++i) {
      if (kept(i)) {
        ASSERT_TRUE(intact(blocks[i], 64));
      }
    }
  }
}

// Both kinds of segment serve again and are collected, whichever of them has the memory.
TEST(Heap, KindsOfBlocksDoNotShareSegments) {
  Heap heap;
  std::mt19937_64 random(11);
  std::vector<void*> blocks;
  std::unordered_map<Segment*, BlockKind> kinds;
  for (int round = 0; round < 4; ++round) {
    for (int i = 0; i < 30'000; ++i) {
      size_t bytes = random() % (round % 2 == 0 ? 4000 : 500);
      void* block = heap.allocate(bytes);
      ASSERT_NE(block, nullptr);
      blocks.push_back(block);
      BlockKind kind = kind_of(Heap::usable_size(block));
      auto [at, is_new] = kinds.try_emplace(segment_of(block), kind);
      if (!is_new && at->second != kind) {
        ADD_FAILURE() << "a segment of blocks of both kinds";
        return;
      }
    }
    std::shuffle(blocks.begin(), blocks.end(), random);
    for (size_t kept = round == 3 ? 0 : 20'000; blocks.size() > kept; blocks.pop_back())
      heap.free(blocks.back());
    while (!heap.collect()) {
    }
    // A segment that is gone may come back as one of the other kind.
    std::erase_if(kinds, [&](const auto& known) {
      return std::none_of(blocks.begin(), blocks.end(),
                          [&](void* b) { return segment_of(b) == known.first; });
    });
  }
  EXPECT_EQ(heap.used(), 0u);
  EXPECT_EQ(heap.stats().resident, 0u);
}

TEST(Heap, DefragmentationEmptiesSparsePages) {
  Heap heap;
  std::mt19937_64 random(7);
  std::vector<void*> blocks;
  for (int i = 0; i < 50'000; ++i) blocks.push_back(heap.allocate(100));
  std::shuffle(blocks.begin(), blocks.end(), random);
  for (int i = 0; i < 35'000; ++i) {
    heap.free(blocks.back());
    blocks.pop_back();
  }
  while (!heap.collect()) {
  }
  size_t before = heap.stats().resident;
  for (int round = 0; round < 3; ++round) {
    for (void*& block : blocks) {
      if (!heap.in_sparse_page(block)) continue;
      void* moved = heap.allocate(100);
      heap.free(block);
      block = moved;
    }
  }
  while (!heap.collect()) {
  }
  HeapStats after = heap.stats();
  EXPECT_LT(after.resident, before / 2);
  EXPECT_LT(after.resident, after.used * 5 / 4 + 65536);
  EXPECT_EQ(std::count_if(blocks.begin(), blocks.end(), [&](void* b) { return heap.in_sparse_page(b); }), 0);
}

TEST(Heap, ForeignBlocksGoHome) {
  Heap home, away;
  auto* block = static_cast<char*>(home.allocate(100));
  std::memcpy(block, "text", 5);
  size_t used = home.used();
  auto* moved = static_cast<char*>(away.reallocate(block, 90));
  EXPECT_STREQ(moved, "text");
  EXPECT_EQ(Heap::owner(moved), &away);
  EXPECT_EQ(home.used(), used);  // until it is taken in
  EXPECT_TRUE(home.collect());
  EXPECT_EQ(home.used(), 0u);
  home.free(moved);
  EXPECT_TRUE(away.collect());
  EXPECT_EQ(away.used(), 0u);
}

// Several threads each own a heap and release blocks of all the others'.
TEST(Heap, RemoteReleaseFromManyThreads) {
  constexpr size_t kThreads = 4, kBlocks = 20'000;
  std::vector<std::unique_ptr<Heap>> heaps;
  std::vector<std::vector<void*>> blocks(kThreads);
  for (size_t t = 0; t < kThreads; ++t) {
    heaps.push_back(std::make_unique<Heap>());
    for (size_t i = 0; i < kBlocks; ++i) {
      void* block = heaps[t]->allocate(16 + i % 200);
      std::memset(block, static_cast<int>(t), 16);
      blocks[i % kThreads].push_back(block);
    }
    blocks[t].push_back(heaps[t]->allocate(2 << 20));
  }
  auto work = [&](size_t t) {
    std::mt19937_64 random(t);
    std::vector<void*> own;
    for (void* block : blocks[t]) {
      Heap::release(block);
      own.push_back(heaps[t]->allocate(random() % 300));
      if (random() % 2 == 0) {
        heaps[t]->free(own.back());
        own.pop_back();
      }
      if (random() % 500 == 0) heaps[t]->collect();
      (void)heaps[(t + 1) % kThreads]->stats();
    }
    for (void* block : own) heaps[t]->free(block);
  };
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) threads.emplace_back(work, t);
  for (std::thread& thread : threads) thread.join();
  for (auto& heap : heaps) {
    while (!heap->collect()) {
    }
    EXPECT_EQ(heap->used(), 0u);
    EXPECT_EQ(heap->stats().resident, 0u);
  }
}

#ifdef STRATA_DEBUG_CHECKS
TEST(HeapDeathTest, MisuseIsCaught) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  Heap heap;
  auto* block = static_cast<char*>(heap.allocate(100));
  void* keep = heap.allocate(100);
  alignas(16) char foreign[64] = {};
  EXPECT_DEATH(heap.free(foreign), "no heap");
  EXPECT_DEATH(heap.free(block + 8), "beginning");
  EXPECT_DEATH((heap.free(block), heap.free(block)), "freed before|use-after-poison");
  EXPECT_DEATH((Heap::release(block), Heap::release(block)), "freed before|use-after-poison");
#ifdef STRATA_ADDRESS_SANITIZER
  EXPECT_DEATH((heap.free(block), ++block[50]), "use-after-poison");
#endif
  heap.free(block);
  heap.free(keep);
}
#endif

}  // namespace
}  // namespace strata

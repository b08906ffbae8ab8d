#include "memory/segment_stock.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "memory/heap.h"
#include "platform/clock.h"
#include "platform/memory_map.h"
#include "platform/thread.h"

namespace strata {
namespace {

constexpr int64_t kNeverMs = 3'600'000;
constexpr int64_t kPatienceMs = 30'000;

bool comes_to(const SegmentStock& stock, size_t count) {
  int64_t began = monotonic_ns() / 1000000;
  while (stock.count() != count) {
    if (monotonic_ns() / 1000000 - began > kPatienceMs) return false;
    nap_thread(500);
  }
  return true;
}

TEST(SegmentStock, HandsOutZeroedSegments) {
  SegmentStock stock(kNeverMs);
  EXPECT_EQ(stock.take().segment, nullptr);
  EXPECT_FALSE(stock.take().is_coming);
  std::vector<char*> taken;
  for (int round = 0; round < 3; ++round) {
    stock.prepare();
    ASSERT_TRUE(comes_to(stock, 1));
    auto* segment = static_cast<char*>(stock.take().segment);
    ASSERT_NE(segment, nullptr);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(segment) % kSegmentBytes, 0u);
    EXPECT_TRUE(std::all_of(segment, segment + kSegmentBytes, [](char c) { return c == 0; }));
    std::fill(segment, segment + kSegmentBytes, static_cast<char>(round + 1));
    taken.push_back(segment);
  }
  for (size_t i = 0; i < taken.size(); ++i) {
    EXPECT_EQ(taken[i][kSegmentBytes - 1], static_cast<char>(i + 1));
    release_memory(taken[i], kSegmentBytes);
  }
}

TEST(SegmentStock, IsBounded) {
  SegmentStock stock(kNeverMs);
  for (size_t i = 0; i < 3 * SegmentStock::kSegmentsMax; ++i) stock.prepare();
  ASSERT_TRUE(comes_to(stock, SegmentStock::kSegmentsMax));
  auto [segment, is_coming] = stock.take();
  EXPECT_FALSE(is_coming);
  release_memory(segment, kSegmentBytes);
}

TEST(SegmentStock, GoesBackWhenUnusedAndFillsAgain) {
  SegmentStock stock(1);
  for (int round = 0; round < 3; ++round) {
    stock.prepare();
    // It may be full for a moment that nobody sees; what stays is none.
    ASSERT_TRUE(comes_to(stock, 0));
  }
  void* segment = nullptr;
  for (int64_t began = monotonic_ns();
       segment == nullptr && monotonic_ns() - began < kPatienceMs * 1'000'000;) {
    stock.prepare();
    segment = stock.take().segment;
  }
  ASSERT_NE(segment, nullptr);
  release_memory(segment, kSegmentBytes);
}

TEST(SegmentStock, SaysThatOneIsComing) {
  SegmentStock stock(kNeverMs);
  stock.prepare();
  for (bool is_there = false; !is_there;) {
    auto [segment, is_coming] = stock.take();
    is_there = segment != nullptr;
    EXPECT_NE(is_there, is_coming);
    if (is_there) release_memory(segment, kSegmentBytes);
  }
}

TEST(SegmentStock, EndsWhateverItDoes) {
  for (int round = 0; round < 20; ++round) {
    SegmentStock stock(round % 2 == 0 ? kNeverMs : 1);
    stock.prepare();
    if (round % 4 < 2) nap_thread(300 * round);
  }
}

// Several heaps, each on a thread, grow from one stock. What is in stock is nobody's.
TEST(SegmentStock, SuppliesLargeHeaps) {
  constexpr size_t kThreads = 3, kBlocks = 900'000, kBytes = 96;
  SegmentStock stock(kNeverMs);
  auto grow = [&](unsigned char pattern) {
    Heap heap;
    heap.use_stock(&stock);
    std::vector<unsigned char*> blocks(kBlocks);
    for (unsigned char*& block : blocks) {
      block = static_cast<unsigned char*>(heap.allocate(kBytes));
      std::fill(block, block + kBytes, pattern);
    }
    EXPECT_EQ(heap.used(), kBlocks * kBytes);
    EXPECT_LT(heap.stats().resident, kBlocks * kBytes * 102 / 100);
    bool good = true;
    for (unsigned char* block : blocks) {
      good &= block[0] == pattern && block[kBytes - 1] == pattern;
      heap.free(block);
    }
    EXPECT_TRUE(good);
    while (!heap.collect()) {
    }
    EXPECT_EQ(heap.stats().resident, 0u);
  };
  std::vector<std::thread> threads;
  for (size_t i = 0; i < kThreads; ++i) threads.emplace_back(grow, static_cast<unsigned char>(i + 1));
  for (std::thread& thread : threads) thread.join();
}

// A heap that has half of a segment left says so; the next one is there when it is wanted.
TEST(SegmentStock, IsFilledAheadOfTheHeap) {
  SegmentStock stock(kNeverMs);
  Heap heap;
  heap.use_stock(&stock);
  while (heap.stats().resident < (size_t{40} << 20)) ASSERT_NE(heap.allocate(96), nullptr);
  EXPECT_EQ(stock.count(), 0u);
  while (heap.stats().resident < (size_t{64} << 20)) ASSERT_NE(heap.allocate(96), nullptr);
  ASSERT_TRUE(comes_to(stock, 1));
  void* block = nullptr;
  while (heap.stats().resident < (size_t{68} << 20)) ASSERT_NE(block = heap.allocate(96), nullptr);
  EXPECT_TRUE(segment_of(block)->huge_pages);
}

}  // namespace
}  // namespace strata

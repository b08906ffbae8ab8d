#include "keyspace/graveyard.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "memory/heap.h"

namespace strata {
namespace {

TEST(TurnGateTest, AStampIsPassedWhenEveryThreadHasPassedOrSleeps) {
  TurnGate gate(3);
  EXPECT_TRUE(gate.passed(gate.stamp()));  // all asleep at first
  gate.pass(0);
  gate.pass(1);
  const uint64_t first = gate.stamp();
  EXPECT_FALSE(gate.passed(first));
  gate.pass(0);
  EXPECT_FALSE(gate.passed(first));
  gate.sleep(1);
  EXPECT_TRUE(gate.passed(first));
  const uint64_t second = gate.stamp();
  EXPECT_GT(second, first);
  EXPECT_TRUE(gate.passed(first));
  EXPECT_FALSE(gate.passed(second));
  gate.pass(1);
  gate.pass(2);
  EXPECT_FALSE(gate.passed(second));
  gate.pass(0);
  EXPECT_TRUE(gate.passed(second));
}

TEST(GraveyardTest, WithOneThreadFreesAtOnce) {
  Heap heap;
  TurnGate gate(1);
  Graveyard graveyard(heap, gate);
  gate.pass(0);
  graveyard.bury(heap.allocate(100));
  EXPECT_TRUE(graveyard.empty());
  EXPECT_EQ(heap.used(), 0u);
}

TEST(GraveyardTest, FreesInTheOrderOfBurial) {
  Heap heap;
  TurnGate gate(2);
  {
    Graveyard graveyard(heap, gate);
    gate.pass(0);
    graveyard.bury(heap.allocate(64));
    gate.pass(0);
    graveyard.bury(heap.allocate(64));
    EXPECT_EQ(heap.used(), 128u);
    graveyard.clear_passed();
    EXPECT_EQ(heap.used(), 64u);
    graveyard.clear_passed();
    EXPECT_EQ(heap.used(), 64u);
    graveyard.bury(heap.allocate(64));
    gate.sleep(0);
    graveyard.clear_passed();
    EXPECT_TRUE(graveyard.empty());
    gate.pass(0);
    graveyard.bury(heap.allocate(64));  // the end frees what is left
  }
  EXPECT_EQ(heap.used(), 0u);
}

// Readers follow a published pointer while the owner replaces it. Freed too early it would be poisoned, or
// another value.
TEST(GraveyardTest, ReadersNeverSeeAFreedBlock) {
  constexpr size_t kReaders = 3;
  constexpr uint64_t kMagic = 0x5742'5454'4141'0101;
  Heap heap;
  TurnGate gate(kReaders + 1);
  Graveyard graveyard(heap, gate);
  auto make = [&] {
    auto* block = static_cast<std::atomic<uint64_t>*>(heap.allocate(64));
    block->store(kMagic, std::memory_order_relaxed);
    return block;
  };
  std::atomic<std::atomic<uint64_t>*> published{make()};
  std::atomic<bool> stop{false};
  std::vector<std::thread> readers;
  for (size_t r = 0; r < kReaders; ++r) {
    readers.emplace_back([&, r] {
      for (uint64_t turn = 0; !stop.load(std::memory_order_relaxed); ++turn) {
        gate.pass(r);
        const std::atomic<uint64_t>* block = published.load(std::memory_order_acquire);
        for (int i = 0; i < 10; ++i) EXPECT_EQ(block->load(std::memory_order_relaxed), kMagic);
        if (turn % 3 == 0) gate.sleep(r);
      }
      gate.sleep(r);
    });
  }
  for (int i = 0; i < 30'000; ++i) {
    std::atomic<uint64_t>* fresh = make();
    std::atomic<uint64_t>* old = published.exchange(fresh, std::memory_order_release);
    graveyard.bury(old);
    graveyard.clear_passed();
    // What is free is used again at once.
    auto* other = static_cast<std::atomic<uint64_t>*>(heap.allocate(64));
    other->store(0, std::memory_order_relaxed);
    heap.free(other);
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  graveyard.clear_passed();
  EXPECT_TRUE(graveyard.empty());
  heap.free(published.load());
  EXPECT_EQ(heap.used(), 0u);
}

}  // namespace
}  // namespace strata

#include "memory/arena.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "memory/heap.h"
#include "memory/pool.h"

namespace strata {
namespace {

void copies_stay_intact(Arena& arena) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 3; ++round) {
    std::vector<std::pair<std::string, Bytes>> copies;
    for (int i = 0; i < 2000; ++i) {
      std::string text(random() % (i % 100 == 0 ? 200'000 : 50), static_cast<char>('a' + i % 26));
      copies.emplace_back(text, arena.copy(text));
      auto* number = arena.create<uint64_t>(7u);
      ASSERT_NE(number, nullptr);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(number) % 8, 0u);
    }
    for (const auto& [text, copy] : copies) EXPECT_EQ(text, copy);
    EXPECT_GT(arena.resident_bytes(), 100'000u);
    arena.reset();
    EXPECT_LE(arena.resident_bytes(), 2 * Arena::kChunkBytesMax);
  }
}

TEST(Arena, OverMalloc) {
  Arena arena;
  arena.reset();
  copies_stay_intact(arena);
}

TEST(Arena, OverAHeapGivesEverythingBack) {
  Heap heap;
  {
    Arena arena(&heap);
    copies_stay_intact(arena);
    EXPECT_EQ(heap.used(), arena.resident_bytes());
  }
  EXPECT_EQ(heap.used(), 0u);
}

TEST(Arena, OutOfMemoryIsAValue) {
  Heap heap(256 << 10);
  Arena arena(&heap);
  EXPECT_EQ(arena.allocate(1 << 20), nullptr);
  EXPECT_EQ(arena.copy(std::string(1 << 20, 'x')).data(), nullptr);
  EXPECT_NE(arena.allocate(100), nullptr);
}

struct Node {
  explicit Node(int* alive_count, int start) : alive(alive_count), value(start) { ++*alive; }
  ~Node() { --*alive; }
  int* alive;
  int value;
};

TEST(Pool, ObjectsAreReusedAndSlabsReturned) {
  Heap heap;
  int alive = 0;
  {
    Pool<Node> pool(heap);
    std::vector<Node*> nodes;
    for (int i = 0; i < 5000; ++i) nodes.push_back(pool.create(&alive, i));
    EXPECT_EQ(alive, 5000);
    for (int i = 0; i < 5000; ++i) EXPECT_EQ(nodes[i]->value, i);
    size_t used = heap.used();
    for (Node* node : nodes) pool.destroy(node);
    EXPECT_EQ(alive, 0);
    EXPECT_EQ(pool.size(), 0u);
    for (int i = 0; i < 5000; ++i) (void)pool.create(&alive, i);
    EXPECT_EQ(heap.used(), used);
  }
  EXPECT_EQ(heap.used(), 0u);
}

TEST(Pool, OutOfMemoryIsAValue) {
  Heap heap(64 << 10);
  int alive = 0;
  Pool<Node> pool(heap);
  while (pool.create(&alive, 0) != nullptr) {
  }
  EXPECT_EQ(pool.size(), static_cast<size_t>(alive));
  EXPECT_GT(alive, 1000);
}

}  // namespace
}  // namespace strata

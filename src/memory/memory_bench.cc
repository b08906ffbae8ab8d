// The heap beside malloc, in one process and run, so that only the ratio counts.
//
//   memory_bench --benchmark_repetitions=5 --benchmark_report_aggregates_only=true
//
// Each benchmark exists twice: BM_…<StrataHeap> and BM_…<Malloc>.

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <cstring>
#include <random>
#include <utility>
#include <vector>

#include "memory/arena.h"
#include "memory/heap.h"
#include "memory/pool.h"

namespace strata {
namespace {

struct StrataHeap {
  Heap heap;
  void* allocate(size_t bytes) { return heap.allocate(bytes); }
  void* reallocate(void* block, size_t bytes) { return heap.reallocate(block, bytes); }
  void free(void* block) { heap.free(block); }
};

struct Malloc {
  void* allocate(size_t bytes) { return std::malloc(bytes); }
  void* reallocate(void* block, size_t bytes) { return std::realloc(block, bytes); }
  void free(void* block) { std::free(block); }
};

// One block comes and goes.
template <typename Allocator>
void BM_Pair(benchmark::State& state) {
  Allocator allocator;
  auto bytes = static_cast<size_t>(state.range(0));
  for (auto _ : state) {
    void* block = allocator.allocate(bytes);
    benchmark::DoNotOptimize(block);
    allocator.free(block);
  }
}

// 100,000 blocks of one size, written once, then all freed in the order of allocation.
template <typename Allocator>
void BM_Sequence(benchmark::State& state) {
  Allocator allocator;
  auto bytes = static_cast<size_t>(state.range(0));
  std::vector<char*> blocks(100'000);
  for (auto _ : state) {
    for (char*& block : blocks) {
      block = static_cast<char*>(allocator.allocate(bytes));
      *block = 1;
    }
    for (char* block : blocks) allocator.free(block);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(blocks.size()));
}

// A steady state: `range(0)` live blocks of random sizes, of which a random one is replaced each time, as
// overwritten values do in a shard.
template <typename Allocator>
void BM_RandomReplace(benchmark::State& state) {
  Allocator allocator;
  std::mt19937_64 random(1);
  auto bytes_max = static_cast<size_t>(state.range(1));
  std::vector<char*> blocks(static_cast<size_t>(state.range(0)));
  for (char*& block : blocks) block = static_cast<char*>(allocator.allocate(random() % bytes_max + 1));
  std::vector<std::pair<uint32_t, uint32_t>> plan(1 << 16);
  for (auto& [index, bytes] : plan) {
    index = static_cast<uint32_t>(random() % blocks.size());
    bytes = static_cast<uint32_t>(random() % bytes_max + 1);
  }
  size_t step = 0;
  for (auto _ : state) {
    auto [index, bytes] = plan[step++ % plan.size()];
    allocator.free(blocks[index]);
    blocks[index] = static_cast<char*>(allocator.allocate(bytes));
    *blocks[index] = 1;
  }
  for (char* block : blocks) allocator.free(block);
}

// A value that grows by appends.
template <typename Allocator>
void BM_Grow(benchmark::State& state) {
  Allocator allocator;
  auto bytes_max = static_cast<size_t>(state.range(0));
  for (auto _ : state) {
    void* block = nullptr;
    for (size_t bytes = 64; bytes <= bytes_max; bytes += bytes / 2) {
      block = allocator.reallocate(block, bytes);
      std::memset(static_cast<char*>(block) + bytes - bytes / 4, 1, bytes / 4);
    }
    allocator.free(block);
  }
}

#define STRATA_BOTH(name, ...)                      \
  BENCHMARK_TEMPLATE(name, StrataHeap) __VA_ARGS__; \
  BENCHMARK_TEMPLATE(name, Malloc) __VA_ARGS__

STRATA_BOTH(BM_Pair, ->Arg(16)->Arg(96)->Arg(1000)->Arg(20'000)->Arg(300'000));
STRATA_BOTH(BM_Sequence, ->Arg(16)->Arg(96)->Arg(1000));
STRATA_BOTH(BM_RandomReplace, ->Args({1000, 256})
                                  ->Args({100'000, 256})
                                  ->Args({1'000'000, 256})
                                  ->Args({10'000, 8192}));
STRATA_BOTH(BM_Grow, ->Arg(10'000)->Arg(1'000'000)->Arg(100'000'000));

void BM_Arena(benchmark::State& state) {
  Arena arena;
  for (auto _ : state) {
    for (int i = 0; i < 1000; ++i) benchmark::DoNotOptimize(arena.allocate(40));
    arena.reset();
  }
  state.SetItemsProcessed(state.iterations() * 1000);
}
BENCHMARK(BM_Arena);

void BM_Pool(benchmark::State& state) {
  Heap heap;
  Pool<std::pair<int64_t, int64_t>> pool(heap);
  for (auto _ : state) {
    auto* object = pool.create(1, 2);
    benchmark::DoNotOptimize(object);
    pool.destroy(object);
  }
}
BENCHMARK(BM_Pool);

}  // namespace
}  // namespace strata

// What lists cost: pushes and pops at the ends, ranges, indexes, search and removal.

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "base/random.h"
#include "data/list.h"

namespace strata::list {
namespace {

constexpr Limits kLimits;

struct Filled {
  Heap heap;
  Value value{};

  explicit Filled(uint64_t elements, Bytes element = "xxx") {
    if (!create(heap, &value)) std::abort();
    for (uint64_t i = 0; i < elements; i++) push_back(element);
  }
  ~Filled() { destroy(value, heap); }
  void push_back(Bytes element) {
    if (!push(value, heap, kLimits, End::kBack, Element::of(element))) std::abort();
  }
};

// LRANGE of so many three-byte elements, copied out as a reply would.
void range(benchmark::State& state) {
  uint64_t elements = static_cast<uint64_t>(state.range(0));
  Filled list(elements);
  std::vector<char> out(elements * 8);
  for (auto _ : state) {
    char* at = out.data();
    for_each(list.value, {0, elements}, [&at](const Element& element) {
      size_t size = element.bytes.size();
      std::memcpy(at, element.bytes.data(), size);
      at += size;
    });
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(range)->Arg(100)->Arg(600)->Arg(1'000'000);

void range_by_iterator(benchmark::State& state) {
  uint64_t elements = static_cast<uint64_t>(state.range(0));
  Filled list(elements);
  for (auto _ : state) {
    size_t bytes = 0;
    for (Iterator i(list.value, 0); !i.done(); i.next()) bytes += i.element().bytes.size();
    benchmark::DoNotOptimize(bytes);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(range_by_iterator)->Arg(600)->Arg(1'000'000);

void push_at(benchmark::State& state, End end) {
  Heap heap;
  Value value;
  if (!create(heap, &value)) std::abort();
  Bytes element[] = {"xxx"};
  for (auto _ : state) {
    if (!push(value, heap, kLimits, end, element)) std::abort();
  }
  state.counters["bytes/element"] =
      static_cast<double>(memory_bytes(value)) / static_cast<double>(length(value));
  destroy(value, heap);
}
BENCHMARK_CAPTURE(push_at, back, End::kBack)->Iterations(2'000'000);
BENCHMARK_CAPTURE(push_at, front, End::kFront)->Iterations(2'000'000);

// A queue: in at one end, out at the other, with `elements` waiting.
void queue(benchmark::State& state, End in, End out) {
  Filled list(static_cast<uint64_t>(state.range(0)));
  Bytes element[] = {"xxx"};
  size_t bytes = 0;
  for (auto _ : state) {
    if (!push(list.value, list.heap, kLimits, in, element)) std::abort();
    if (!pop(list.value, list.heap, kLimits, out, 1,
             [&bytes](const Element& e) { bytes += e.bytes.size(); })) {
      std::abort();
    }
  }
  benchmark::DoNotOptimize(bytes);
}
BENCHMARK_CAPTURE(queue, in_front_out_back, End::kFront, End::kBack)->Arg(10)->Arg(100'000);
BENCHMARK_CAPTURE(queue, in_back_out_front, End::kBack, End::kFront)->Arg(10)->Arg(100'000);

void index_at_random(benchmark::State& state) {
  Filled list(static_cast<uint64_t>(state.range(0)));
  Random random(1);
  Element element;
  for (auto _ : state) {
    if (!index(list.value, static_cast<int64_t>(random.below(static_cast<uint64_t>(state.range(0)))),
               &element)) {
      std::abort();
    }
    benchmark::DoNotOptimize(element);
  }
}
BENCHMARK(index_at_random)->Arg(100)->Arg(1'000'000);

void find_missing(benchmark::State& state) {
  Filled list(static_cast<uint64_t>(state.range(0)));
  packed::Needle needle("xxy");
  for (auto _ : state) {
    uint64_t hits = 0;
    find_positions(list.value, needle, 1, 0, [&hits](uint64_t) { return ++hits > 0; });
    benchmark::DoNotOptimize(hits);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(find_missing)->Arg(600)->Arg(1'000'000);

// LREM of every other element of a million.
void remove_half(benchmark::State& state) {
  for (auto _ : state) {
    state.PauseTiming();
    {
      Filled list(0);
      for (int i = 0; i < 500'000; i++) {
        list.push_back("xxx");
        list.push_back("yyy");
      }
      Removal removal(0);
      state.ResumeTiming();
      if (!remove_some(list.value, list.heap, kLimits, packed::Needle("yyy"), removal, UINT64_MAX))
        std::abort();
      state.PauseTiming();
    }
    state.ResumeTiming();
  }
}
BENCHMARK(remove_half)->Unit(benchmark::kMillisecond)->Iterations(5);

// A hash of so many fields in a packed node: its last field, and one that is not there.
void packed_find(benchmark::State& state, bool hit) {
  Heap heap;
  Blob* node = packed::create(heap);
  for (int64_t i = 0; i < state.range(0); i++) {
    std::string field = "field:" + std::to_string(i);
    Element pair[] = {Element::of(Bytes(field)), Element::of("some value")};
    if (!packed::append_all(heap, node, pair)) std::abort();
  }
  std::string wanted = "field:" + std::to_string(hit ? state.range(0) - 1 : 1000);
  for (auto _ : state) {
    packed::Needle needle{Bytes(wanted)};
    benchmark::DoNotOptimize(packed::find(node->view(), packed::begin(node->view()), needle, 1));
  }
  Blob::destroy(heap, node);
}
BENCHMARK_CAPTURE(packed_find, last, true)->Arg(10)->Arg(100);
BENCHMARK_CAPTURE(packed_find, missing, false)->Arg(10)->Arg(100);

}  // namespace
}  // namespace strata::list

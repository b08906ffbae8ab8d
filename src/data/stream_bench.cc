// What streams cost: appending, ranges in both directions, and the bytes of an entry.

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <string>

#include "data/stream.h"

namespace strata {
namespace {

constexpr StreamLimits kLimits;

struct Filled {
  Heap heap;
  StreamValue* stream = StreamValue::create(heap);
  StreamId id{1'700'000'000'000, 0};

  explicit Filled(uint64_t entries) {
    for (; entries > 0; --entries) append();
  }
  ~Filled() { StreamValue::destroy(heap, stream); }
  void append() {
    id = {id.ms + 1, 0};
    constexpr Bytes kPairs[] = {"field", "value123"};
    if (!stream->append(heap, kLimits, id, kPairs)) std::abort();
  }
};

void append(benchmark::State& state) {
  Filled filled(0);
  for (auto _ : state) filled.append();
  state.counters["bytes/entry"] =
      static_cast<double>(filled.heap.used()) / static_cast<double>(filled.stream->length());
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(append);

// XRANGE of so many entries from the middle.
void range(benchmark::State& state, StreamCursor::Order order) {
  Filled filled(100'000);
  const StreamId first{filled.id.ms - 50'000, 0};
  const StreamId last{first.ms + static_cast<uint64_t>(state.range(0)) - 1, 0};
  for (auto _ : state) {
    size_t bytes = 0;
    for (StreamCursor at(*filled.stream, first, last, order); !at.done(); at.next())
      at.visit([&](const Element& field, const Element& value) {
        bytes += field.bytes.size() + value.bytes.size();
      });
    benchmark::DoNotOptimize(bytes);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK_CAPTURE(range, up, StreamCursor::Order::kUp)->Arg(1)->Arg(10)->Arg(100)->Arg(10'000);
BENCHMARK_CAPTURE(range, down, StreamCursor::Order::kDown)->Arg(1)->Arg(10)->Arg(100)->Arg(10'000);

// Delivered, and acknowledged a thousand later.
void deliver_and_acknowledge(benchmark::State& state) {
  Heap heap;
  StreamValue* stream = StreamValue::create(heap);
  StreamGroup* group = stream->create_group(heap, "group", {}, 0).value();
  StreamConsumer* consumer = group->create_consumer(heap, "consumer", 0);
  uint64_t number = 0;
  for (auto _ : state) {
    ++number;
    if (!group->assign(heap, {number, 0}, consumer, static_cast<int64_t>(number), 1)) std::abort();
    if (number > 1000) group->remove_pending(heap, {number - 1000, 0});
  }
  state.SetItemsProcessed(state.iterations());
  StreamValue::destroy(heap, stream);
}
BENCHMARK(deliver_and_acknowledge);

}  // namespace
}  // namespace strata

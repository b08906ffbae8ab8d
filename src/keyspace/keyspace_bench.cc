// What a key costs: nanoseconds for a look-up, a batch of look-ups with prefetching, an insertion, an
// overwrite; and bytes.
//
// Keys have 16 bytes, values 64. A million keys are 110 MB and lie beyond the second-level cache and the
// reach of the TLB; ten million lie beyond everything. The peer is std::unordered_map<std::string,
// std::string>, measured in the same run.

#include <benchmark/benchmark.h>

#include <cstdio>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/random.h"
#include "keyspace/database.h"
#include "keyspace/graveyard.h"
#include "keyspace/keyspace.h"
#include "keyspace/lazy_free.h"
#include "keyspace/ownership.h"
#include "memory/heap.h"

namespace strata {
namespace {

constexpr size_t kValueBytes = 64;
constexpr size_t kBatch = 32;

struct Name {
  explicit Name(uint64_t number) {
    std::snprintf(bytes, sizeof bytes, "key:%012u", static_cast<unsigned>(number));
  }
  operator Bytes() const { return {bytes, 16}; }
  char bytes[24];
};

struct Store {
  Key key(Bytes name) const { return {name, hash_bytes(name, seed), 0}; }
  void fill(size_t keys) {
    const std::string value(kValueBytes, 'v');
    for (size_t i = 0; i < keys; ++i) (void)database.set_string(key(Name(i)), value, kNoDeadline);
  }

  Heap heap;
  HashSeed seed = HashSeed::fixed(1);
  TurnGate gate{1};
  Graveyard graveyard{heap, gate};
  LazyFree lazy_free{heap};
  ShardClock clock;
  Keyspace keyspace{{}};
  ShardSnapshot snapshot{keyspace.shard(0)};
  Database database{heap, seed, graveyard, lazy_free, clock, snapshot};
};

// The full store of the last size asked for: filling ten million keys takes seconds.
Store& full_store(size_t keys) {
  static std::unique_ptr<Store> store;
  static size_t size = 0;
  if (size != keys) {
    store.reset();
    store = std::make_unique<Store>();
    store->fill(keys);
    size = keys;
  }
  return *store;
}

// Made beforehand, so that printing them is not measured.
std::vector<Name> random_names(size_t keys) {
  Random random(2);
  std::vector<Name> names;
  for (size_t i = 0; i < (1 << 16); ++i) names.emplace_back(random.below(keys));
  return names;
}

uint64_t first_byte(const Entry* entry) { return static_cast<unsigned char>(entry->inline_bytes()[0]); }

void find_single(benchmark::State& state) {
  const auto keys = static_cast<size_t>(state.range(0));
  Store& store = full_store(keys);
  const std::vector<Name> names = random_names(keys);
  uint64_t sum = 0;
  size_t i = 0;
  for (auto _ : state) {
    sum += first_byte(store.database.find(store.key(names[i++ % names.size()])));
  }
  benchmark::DoNotOptimize(sum);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(find_single)->Arg(1'000'000);

// As a pipeline is executed: first every bucket, then every entry, then the look-ups.
void find_batch(benchmark::State& state) {
  const auto keys = static_cast<size_t>(state.range(0));
  Store& store = full_store(keys);
  const std::vector<Name> names = random_names(keys);
  const KeyTable& table = store.database.table();
  uint64_t sum = 0;
  size_t i = 0;
  Key batch[kBatch];
  for (auto _ : state) {
    for (Key& key : batch) {
      key = store.key(names[i++ % names.size()]);
      table.prefetch_bucket(key.hash);
    }
    for (const Key& key : batch) table.prefetch_entry(key.hash);
    for (const Key& key : batch) sum += first_byte(store.database.find(key));
  }
  benchmark::DoNotOptimize(sum);
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kBatch));
}
BENCHMARK(find_batch)->Arg(1'000'000);

void find_unordered_map(benchmark::State& state) {
  const auto keys = static_cast<size_t>(state.range(0));
  std::unordered_map<std::string, std::string> map;
  for (size_t i = 0; i < keys; ++i) map.emplace(Bytes(Name(i)), std::string(kValueBytes, 'v'));
  const std::vector<Name> names = random_names(keys);
  uint64_t sum = 0;
  size_t i = 0;
  for (auto _ : state) {
    sum += static_cast<unsigned char>(map.find(std::string(Bytes(names[i++ % names.size()])))->second[0]);
  }
  benchmark::DoNotOptimize(sum);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(find_unordered_map)->Arg(1'000'000);

void overwrite_in_place(benchmark::State& state) {
  const auto keys = static_cast<size_t>(state.range(0));
  Store& store = full_store(keys);
  const std::vector<Name> names = random_names(keys);
  const std::string value(kValueBytes, 'w');
  size_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        store.database.set_string(store.key(names[i++ % names.size()]), value, kNoDeadline));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(overwrite_in_place)->Arg(1'000'000);

void bytes_per_key(benchmark::State& state) {
  const auto keys = static_cast<size_t>(state.range(0));
  Store& store = full_store(keys);
  for (auto _ : state) benchmark::DoNotOptimize(store.heap.used());
  const auto per_key = [&](size_t bytes) { return static_cast<double>(bytes) / static_cast<double>(keys); };
  state.counters["used"] = per_key(store.heap.used());
  state.counters["resident"] = per_key(store.heap.stats().resident);
  state.counters["table"] = per_key(store.database.table().memory_bytes());
}
BENCHMARK(bytes_per_key)->Arg(1'000'000)->Iterations(1);

// Afterwards, because they need the other store.
BENCHMARK(find_single)->Arg(10'000'000);
BENCHMARK(find_batch)->Arg(10'000'000);
BENCHMARK(overwrite_in_place)->Arg(10'000'000);
BENCHMARK(bytes_per_key)->Arg(10'000'000)->Iterations(1);

void insert(benchmark::State& state) {
  const auto keys = static_cast<size_t>(state.range(0));
  std::vector<Name> names;
  for (size_t i = 0; i < keys; ++i) names.emplace_back(i);
  const std::string value(kValueBytes, 'v');
  for (auto _ : state) {
    auto store = std::make_unique<Store>();
    for (const Name& name : names) (void)store->database.set_string(store->key(name), value, kNoDeadline);
    state.PauseTiming();
    store.reset();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(keys));
}
BENCHMARK(insert)->Arg(1'000'000)->Unit(benchmark::kMillisecond);

void enter_and_leave(benchmark::State& state) {
  Ownership ownership(state.range(0) != 0);
  for (auto _ : state) {
    benchmark::DoNotOptimize(ownership.try_enter());
    benchmark::DoNotOptimize(ownership.leave());
  }
}
BENCHMARK(enter_and_leave)->Arg(0)->Arg(1);

// A deadline set and taken back, with a million others around.
void add_and_remove_deadline(benchmark::State& state) {
  Random random(3);
  ExpiryWheel wheel;
  constexpr int64_t kNow = 1'750'000'000'000;
  std::vector<ExpiryLink> links(1'000'000);
  for (ExpiryLink& link : links) {
    link.deadline_ms = kNow + static_cast<int64_t>(random.below(100'000'000));
    wheel.add(link, kNow);
  }
  size_t i = 0;
  for (auto _ : state) {
    ExpiryLink& link = links[(i += 7919) % links.size()];
    wheel.remove(link);
    wheel.add(link, kNow);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(add_and_remove_deadline);

}  // namespace
}  // namespace strata

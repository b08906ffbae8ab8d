// What one operation costs inside the data layer, and how many bytes a member takes.
//
// Sizes: 100 fields is what HGETALL is measured with; 128 is the largest packed form; a million goes beyond
// every cache. Members and fields have 14 bytes, values 8.

#include <benchmark/benchmark.h>

#include <cstdio>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/random.h"
#include "data/hash.h"
#include "data/set.h"
#include "data/zset.h"
#include "memory/heap.h"

namespace strata {
namespace {

struct Bench {
  Heap heap;
  HashSeed seed = HashSeed::fixed(1);
  DataContext context{heap, seed};
  Random random{1};
};

struct Name {
  explicit Name(uint64_t number) {
    std::snprintf(bytes, sizeof(bytes), "member%08u", static_cast<unsigned>(number));
  }
  operator Bytes() const { return {bytes, 14}; }
  char bytes[24];
};

// Names in random order, made beforehand so that printing them is not measured.
std::vector<Name> shuffled_names(Random& random, size_t count) {
  std::vector<Name> names;
  names.reserve(count);
  for (size_t i = 0; i < count; ++i) names.emplace_back(i);
  for (size_t i = count; i > 1; --i) std::swap(names[i - 1], names[random.below(i)]);
  return names;
}

Value make_hash(Bench& bench, size_t fields) {
  Value hash = hash_create(bench.context).value();
  for (size_t i = 0; i < fields; ++i) (void)hash_set(bench.context, {}, hash, Name(i), "value678");
  return hash;
}

Value make_set(Bench& bench, size_t members) {
  Value set = set_create(bench.context, {}, Name(0)).value();
  for (size_t i = 0; i < members; ++i) (void)set_add(bench.context, {}, set, Name(i));
  return set;
}

Value make_zset(Bench& bench, size_t members) {
  Value zset = zset_create(bench.context, {}, 14).value();
  for (size_t i = 0; i < members; ++i) {
    (void)zset_add(bench.context, {}, zset, static_cast<double>(bench.random.below(1'000'000)), Name(i));
  }
  return zset;
}

void report_bytes(benchmark::State& state, const Heap& heap, size_t members) {
  state.counters["bytes/member"] = static_cast<double>(heap.used()) / static_cast<double>(members);
}

void BM_SetAddNew(benchmark::State& state) {
  const auto members = static_cast<size_t>(state.range(0));
  Bench bench;
  const std::vector<Name> names = shuffled_names(bench.random, members);
  for (auto _ : state) {
    Value set = set_create(bench.context, {}, names[0]).value();
    for (const Name& name : names) (void)set_add(bench.context, {}, set, name);
    report_bytes(state, bench.heap, members);
    state.PauseTiming();
    set_destroy(bench.heap, set);
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_SetAddNew)->Arg(100)->Arg(10'000)->Arg(1'000'000);

void BM_SetAddAgain(benchmark::State& state) {
  Bench bench;
  Value set = make_set(bench, static_cast<size_t>(state.range(0)));
  const std::vector<Name> names = shuffled_names(bench.random, static_cast<size_t>(state.range(0)));
  for (size_t i = 0; auto _ : state) {
    benchmark::DoNotOptimize(set_add(bench.context, {}, set, names[i]));
    if (++i == names.size()) i = 0;
  }
}
BENCHMARK(BM_SetAddAgain)->Arg(100)->Arg(10'000)->Arg(1'000'000);

void BM_SetRandom(benchmark::State& state) {
  Bench bench;
  Value set = make_set(bench, static_cast<size_t>(state.range(0)));
  for (auto _ : state) {
    set_random(set, bench.random,
               [](const Element& member) { benchmark::DoNotOptimize(member.bytes.data()); });
  }
}
BENCHMARK(BM_SetRandom)->Arg(100)->Arg(10'000)->Arg(1'000'000);

void BM_SetPop(benchmark::State& state) {
  Bench bench;
  Value set = make_set(bench, static_cast<size_t>(state.range(0)));
  for (auto _ : state) {
    if (set_size(set) == 0) {
      state.PauseTiming();
      set_destroy(bench.heap, set);
      set = make_set(bench, static_cast<size_t>(state.range(0)));
      state.ResumeTiming();
    }
    (void)set_pop(bench.context, set, bench.random, 1, [](const Element&) {});
  }
}
BENCHMARK(BM_SetPop)->Arg(10'000)->Arg(1'000'000);

void BM_HashSetNew(benchmark::State& state) {
  const auto fields = static_cast<size_t>(state.range(0));
  Bench bench;
  const std::vector<Name> names = shuffled_names(bench.random, fields);
  for (auto _ : state) {
    Value hash = hash_create(bench.context).value();
    for (const Name& name : names) (void)hash_set(bench.context, {}, hash, name, "value678");
    report_bytes(state, bench.heap, fields);
    state.PauseTiming();
    hash_destroy(bench.heap, hash);
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_HashSetNew)->Arg(100)->Arg(10'000)->Arg(1'000'000);

void BM_HashSetAgain(benchmark::State& state) {
  Bench bench;
  Value hash = make_hash(bench, static_cast<size_t>(state.range(0)));
  const std::vector<Name> names = shuffled_names(bench.random, static_cast<size_t>(state.range(0)));
  for (size_t i = 0; auto _ : state) {
    benchmark::DoNotOptimize(hash_set(bench.context, {}, hash, names[i], "value876"));
    if (++i == names.size()) i = 0;
  }
}
BENCHMARK(BM_HashSetAgain)->Arg(100)->Arg(10'000)->Arg(1'000'000);

void BM_HashVisit(benchmark::State& state) {
  Bench bench;
  Value hash = make_hash(bench, static_cast<size_t>(state.range(0)));
  for (auto _ : state) {
    size_t bytes = 0;
    hash_visit(hash, [&](const Element& field, const Element& value) {
      bytes += field.bytes.size() + value.bytes.size();
    });
    benchmark::DoNotOptimize(bytes);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_HashVisit)->Arg(100)->Arg(200)->Arg(1'000'000);

void BM_ZsetAddNew(benchmark::State& state) {
  const auto members = static_cast<size_t>(state.range(0));
  Bench bench;
  const std::vector<Name> names = shuffled_names(bench.random, members);
  for (auto _ : state) {
    Value zset = zset_create(bench.context, {}, 14).value();
    for (const Name& name : names) {
      (void)zset_add(bench.context, {}, zset, static_cast<double>(bench.random.below(1'000'000)), name);
    }
    report_bytes(state, bench.heap, members);
    state.PauseTiming();
    zset_destroy(bench.heap, zset);
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_ZsetAddNew)->Arg(100)->Arg(10'000)->Arg(1'000'000);

void BM_ZsetMove(benchmark::State& state) {
  Bench bench;
  Value zset = make_zset(bench, static_cast<size_t>(state.range(0)));
  const std::vector<Name> names = shuffled_names(bench.random, static_cast<size_t>(state.range(0)));
  for (size_t i = 0; auto _ : state) {
    benchmark::DoNotOptimize(
        zset_add(bench.context, {}, zset, static_cast<double>(bench.random.below(1'000'000)), names[i]));
    if (++i == names.size()) i = 0;
  }
}
BENCHMARK(BM_ZsetMove)->Arg(100)->Arg(10'000)->Arg(1'000'000);

void BM_ZsetRank(benchmark::State& state) {
  Bench bench;
  Value zset = make_zset(bench, static_cast<size_t>(state.range(0)));
  const std::vector<Name> names = shuffled_names(bench.random, static_cast<size_t>(state.range(0)));
  for (size_t i = 0; auto _ : state) {
    benchmark::DoNotOptimize(zset_rank(zset, names[i]));
    if (++i == names.size()) i = 0;
  }
}
BENCHMARK(BM_ZsetRank)->Arg(100)->Arg(10'000)->Arg(1'000'000);

void BM_ZsetVisitHundred(benchmark::State& state) {
  Bench bench;
  Value zset = make_zset(bench, static_cast<size_t>(state.range(0)));
  for (auto _ : state) {
    const uint64_t first = bench.random.below(zset_size(zset) - 99);
    size_t bytes = 0;
    zset_visit(zset, first, first + 100, false,
               [&](const Element& member, double) { bytes += member.bytes.size(); });
    benchmark::DoNotOptimize(bytes);
  }
}
BENCHMARK(BM_ZsetVisitHundred)->Arg(100)->Arg(10'000)->Arg(1'000'000);

}  // namespace
}  // namespace strata

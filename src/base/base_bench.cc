// Checksums by size, the key hash by length, and the tag compare.

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "base/crc.h"
#include "base/crc_kernels.h"
#include "base/hash.h"
#include "base/random.h"
#include "base/simd.h"

namespace strata {
namespace {

template <auto checksum>
void BM_Crc(benchmark::State& state) {
  const std::string bytes(static_cast<size_t>(state.range(0)), 'x');
  for (auto _ : state) benchmark::DoNotOptimize(checksum(0, bytes));
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) * state.range(0));
}
BENCHMARK(BM_Crc<crc32c>)
    ->Name("BM_Crc32c")
    ->Arg(16)
    ->Arg(64)
    ->Arg(128)
    ->Arg(256)
    ->Arg(512)
    ->Arg(1024)
    ->Arg(65536);
BENCHMARK(BM_Crc<crc32>)->Name("BM_Crc32")->Arg(16)->Arg(64)->Arg(128)->Arg(256)->Arg(1024)->Arg(65536);
BENCHMARK(BM_Crc<crc64>)->Name("BM_Crc64")->Arg(16)->Arg(64)->Arg(128)->Arg(256)->Arg(1024)->Arg(65536);
BENCHMARK(BM_Crc<crc16>)->Name("BM_Crc16")->Arg(16)->Arg(64);

void BM_Crc64Tables(benchmark::State& state) {
  static constexpr auto kTables = crc_detail::make_tables(crc_detail::kCrc64Polynomial);
  const std::string bytes(static_cast<size_t>(state.range(0)), 'x');
  for (auto _ : state)
    benchmark::DoNotOptimize(crc_detail::update_scalar<uint64_t>(0, bytes.data(), bytes.size(), kTables));
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) * state.range(0));
}
BENCHMARK(BM_Crc64Tables)->Arg(65536);

constexpr size_t kKeys = 1024;

// Independent keys, as in a pipeline: what matters is throughput.
void BM_Hash(benchmark::State& state) {
  const HashSeed seed = HashSeed::fixed(1);
  Random random(1);
  std::vector<std::string> keys(kKeys, std::string(static_cast<size_t>(state.range(0)), 'k'));
  for (std::string& key : keys) key.back() = static_cast<char>(random.next());
  size_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(hash_bytes(keys[i++ % kKeys], seed));
}
BENCHMARK(BM_Hash)->Arg(4)->Arg(8)->Arg(16)->Arg(24)->Arg(64)->Arg(200)->Arg(1000);

void BM_MatchTags(benchmark::State& state) {
  alignas(64) uint64_t slots[8 * 64];
  Random random(1);
  for (uint64_t& slot : slots) slot = random.next();
  size_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(match_tags8(slots + 8 * (i % 64), static_cast<uint16_t>(i)));
    ++i;
  }
}
BENCHMARK(BM_MatchTags);

}  // namespace
}  // namespace strata

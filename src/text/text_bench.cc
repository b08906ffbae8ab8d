// Printing and parsing numbers, glob matching, comparing words.

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "base/random.h"
#include "text/ascii.h"
#include "text/glob.h"
#include "text/numbers.h"

namespace strata {
namespace {

constexpr size_t kCount = 1024;

// Of every length.
std::vector<int64_t> integers() {
  Random random(1);
  std::vector<int64_t> values(kCount);
  for (int64_t& value : values) value = static_cast<int64_t>(random.next() >> random.below(64));
  return values;
}

void BM_PrintI64(benchmark::State& state) {
  const std::vector<int64_t> values = integers();
  char out[kI64TextBytes];
  size_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(print_i64(values[i++ % kCount], out));
    benchmark::ClobberMemory();
  }
}
BENCHMARK(BM_PrintI64);

void BM_ParseI64(benchmark::State& state) {
  std::vector<std::string> texts;
  for (const int64_t value : integers()) texts.push_back(std::to_string(value));
  size_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(parse_i64(texts[i++ % kCount]));
}
BENCHMARK(BM_ParseI64);

void BM_PrintDouble(benchmark::State& state) {
  Random random(2);
  std::vector<double> values(kCount);
  const bool whole = state.range(0) != 0;
  for (double& value : values)
    value = whole ? static_cast<double>(random.below(1'000'000)) : random.unit() * 1e6;
  char out[kDoubleTextBytes];
  size_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(print_double(values[i++ % kCount], out));
}
BENCHMARK(BM_PrintDouble)->ArgName("whole")->Arg(1)->Arg(0);

std::vector<std::string> decimals() {
  Random random(3);
  std::vector<std::string> texts(kCount);
  for (std::string& text : texts) text = std::to_string(random.unit() * 1e6);
  return texts;
}

void BM_ParseDouble(benchmark::State& state) {
  const std::vector<std::string> texts = decimals();
  size_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(parse_double(texts[i++ % kCount]));
}
BENCHMARK(BM_ParseDouble);

void BM_ParseLongDouble(benchmark::State& state) {
  const std::vector<std::string> texts = decimals();
  size_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(parse_long_double(texts[i++ % kCount]));
}
BENCHMARK(BM_ParseLongDouble);

void BM_PrintLongDouble(benchmark::State& state) {
  Random random(4);
  std::vector<long double> values(kCount);
  for (long double& value : values) value = static_cast<long double>(random.below(1'000'000'000)) / 1000;
  char out[kLongDoubleTextBytes];
  size_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(print_long_double_human(values[i++ % kCount], out));
}
BENCHMARK(BM_PrintLongDouble);

void BM_Glob(benchmark::State& state, const char* pattern, const std::string& text) {
  for (auto _ : state) benchmark::DoNotOptimize(glob_match(pattern, text, false));
}
BENCHMARK_CAPTURE(BM_Glob, prefix, "key:*", std::string("key:000000001234"));
BENCHMARK_CAPTURE(BM_Glob, infix, "*1234*", std::string("key:000000001234"));
BENCHMARK_CAPTURE(BM_Glob, hostile, "a*a*a*a*a*a*a*a*b", std::string(10000, 'a'));

void BM_IEquals(benchmark::State& state) {
  std::string a = "incrbyfloat";
  std::string b = "INCRBYFLOAT";
  for (auto _ : state) {
    benchmark::DoNotOptimize(a.data());
    benchmark::DoNotOptimize(iequals(a, b));
  }
}
BENCHMARK(BM_IEquals);

}  // namespace
}  // namespace strata

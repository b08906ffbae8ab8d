// What one command costs in this layer: cutting it out of the input and writing its reply.

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "protocol/output.h"
#include "protocol/reply.h"
#include "protocol/request_parser.h"

namespace strata {
namespace {

// Bytes that gather up before they are "sent", as in one turn of the loop.
constexpr size_t kSendBytes = 8 * 1024;

void send_when_large(Output& output) {
  if (output.size() >= kSendBytes) output.consume(output.size());
}

void BM_BulkReply(benchmark::State& state) {
  Output output;
  Reply reply(output);
  const std::string value(static_cast<size_t>(state.range(0)), 'v');
  for (auto _ : state) {
    reply.bulk(value);
    send_when_large(output);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_BulkReply)->Arg(3)->Arg(64)->Arg(512)->Arg(4096);

// One reply, one send, as without a pipeline: the chunk comes from the cache and goes back.
void BM_BulkReplySentAtOnce(benchmark::State& state) {
  Output output;
  Reply reply(output);
  const std::string value(64, 'v');
  Bytes slices[4];
  for (auto _ : state) {
    reply.bulk(value);
    benchmark::DoNotOptimize(output.gather(slices));
    output.consume(output.size());
  }
}
BENCHMARK(BM_BulkReplySentAtOnce);

void BM_OkReply(benchmark::State& state) {
  Output output;
  Reply reply(output);
  for (auto _ : state) {
    reply.ok();
    send_when_large(output);
  }
}
BENCHMARK(BM_OkReply);

void BM_IntegerReply(benchmark::State& state) {
  Output output;
  Reply reply(output);
  for (auto _ : state) {
    reply.integer(state.range(0));
    send_when_large(output);
  }
}
BENCHMARK(BM_IntegerReply)->Arg(1)->Arg(123'456'789);

void BM_ReferenceReply(benchmark::State& state) {
  Output output;
  Reply reply(output);
  const std::string value(20'000, 'v');
  for (auto _ : state) {
    reply.bulk_reference(value, nullptr, nullptr);
    if (output.size() > 1'000'000) output.consume(output.size());
  }
}
BENCHMARK(BM_ReferenceReply);

void parse_all(benchmark::State& state, const std::string& input, size_t commands) {
  RequestParser parser;
  ParsedBatch batch;
  for (auto _ : state) {
    size_t at = 0;
    while (at < input.size()) at += parser.parse(Bytes(input).substr(at), batch);
    benchmark::DoNotOptimize(at);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(commands));
}

void BM_ParsePipelinedGets(benchmark::State& state) {
  std::string input;
  for (int i = 0; i < 100; ++i) input += "*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000042\r\n";
  parse_all(state, input, 100);
}
BENCHMARK(BM_ParsePipelinedGets);

void BM_ParsePipelinedSets(benchmark::State& state) {
  std::string input;
  const std::string value(64, 'v');
  for (int i = 0; i < 100; ++i) {
    input += "*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000042\r\n$64\r\n" + value + "\r\n";
  }
  parse_all(state, input, 100);
}
BENCHMARK(BM_ParsePipelinedSets);

void BM_ParseInlinePings(benchmark::State& state) {
  std::string input;
  for (int i = 0; i < 100; ++i) input += "PING\r\n";
  parse_all(state, input, 100);
}
BENCHMARK(BM_ParseInlinePings);

// A command of many arguments that arrives in 64 KiB pieces; the time for each argument must not
// depend on their number.
void BM_ParseManyArgumentsInPieces(benchmark::State& state) {
  std::string input("*");
  input.append(std::to_string(state.range(0))).append("\r\n");
  for (int64_t i = 0; i < state.range(0); ++i) input += "$8\r\nabcdefgh\r\n";
  RequestParser parser;
  ParsedBatch batch;
  for (auto _ : state) {
    size_t consumed = 0;
    for (size_t size = 64 * 1024; consumed == 0; size += 64 * 1024) {
      consumed = parser.parse(Bytes(input).substr(0, size), batch);
    }
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_ParseManyArgumentsInPieces)->Arg(10'000)->Arg(100'000)->Arg(1'000'000);

}  // namespace
}  // namespace strata

// What the log costs a writer, and how fast it comes back. On the real file system, in the directory for
// temporary files; the sync policy is "no", so that the disk is not what is measured.

#include <benchmark/benchmark.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "persistence/oplog.h"
#include "platform/file_system.h"
#include "platform/process.h"

namespace strata {
namespace {

class Directory {
 public:
  Directory()
      : path_(std::filesystem::temp_directory_path() /
              ("strata-oplog-bench-" + std::to_string(process_id()))) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~Directory() { std::filesystem::remove_all(path_); }
  AofLocation location() const { return {.directory = path_.string()}; }

 private:
  std::filesystem::path path_;
};

class IgnoringApplier final : public Applier {
 public:
  Status apply(uint16_t, std::span<const Bytes> args) override {
    benchmark::DoNotOptimize(args.data());
    return {};
  }
};
class NoRdb final : public BaseLoader {
 public:
  Result<uint64_t> load_rdb(File&, std::string_view, bool) override {
    return fail(Errc::kUnsupported, "no RDB");
  }
};

const std::string kValue(64, 'v');
const std::array<Bytes, 3> kSet = {"SET", "key:000000000001", kValue};

// Per SET: the append inside the shard, and its share of the commit, at `range` commands a turn.
void append_and_commit(benchmark::State& state) {
  const Directory directory;
  auto log = OpLog::open(real_file_system(), directory.location(), {.policy = SyncPolicy::kNo}, {}).value();
  const auto per_turn = static_cast<uint64_t>(state.range(0));
  uint64_t count = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(log->append_command(0, kSet));
    if (++count % per_turn == 0) log->commit_inline();
  }
  state.SetItemsProcessed(static_cast<int64_t>(count));
}
BENCHMARK(append_and_commit)->Arg(1)->Arg(16)->Arg(100)->Arg(1000);

// The same into a ring that somebody empties for nothing: what the shard sees.
void append_only(benchmark::State& state) {
  LogRing ring = LogRing::create({}).value();
  uint64_t count = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(ring.append_command(0, kSet));
    if (++count % 64 != 0) continue;
    for (LogRing::Record record; ring.peek(record); ring.take(record)) continue;
    ring.release_to(ring.taken());
  }
}
BENCHMARK(append_only);

void commit_nothing(benchmark::State& state) {
  const Directory directory;
  auto log = OpLog::open(real_file_system(), directory.location(), {.policy = SyncPolicy::kNo}, {}).value();
  for (auto _ : state) log->commit_inline();
}
BENCHMARK(commit_nothing);

// Reading, verifying and parsing; the applier does nothing.
void replay(benchmark::State& state) {
  const Directory directory;
  constexpr int kCommands = 500'000;
  {
    auto log = OpLog::open(real_file_system(), directory.location(), {.policy = SyncPolicy::kNo}, {}).value();
    for (int i = 1; i <= kCommands; ++i) {
      log->append_command(0, kSet);
      if (i % 100 == 0) log->commit_inline();
    }
    if (!log->stop()) std::abort();
  }
  uint64_t bytes = 0;
  for (auto _ : state) {
    AofReader reader(real_file_system(), directory.location());
    IgnoringApplier applier;
    NoRdb no_rdb;
    if (!reader.load(applier, no_rdb)) std::abort();
    bytes += reader.report().bytes_total;
  }
  state.SetItemsProcessed(state.iterations() * kCommands);
  state.SetBytesProcessed(static_cast<int64_t>(bytes));
}
BENCHMARK(replay)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace strata

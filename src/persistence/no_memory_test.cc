// M1: the n-th allocation fails, for every n, while the log is written, dumps are saved and loaded, and a log
// is read back. Each answers out of memory or is done; nothing on disk is worse than after a kill; and
// afterwards the same work succeeds. The sanitizers look for leaks.

#include <gtest/gtest.h>

#include "keyspace/shard_job.h"
#include "persistence/failing_new.h"
#include "persistence/oplog_test_support.h"
#include "persistence/rdb_snapshot.h"
#include "persistence/rdb_test_support.h"
#include "platform/sim_file_system.h"

namespace strata {
namespace {

using namespace rdb_test;  // NOLINT
using log_test::open_log;
using log_test::recover;
using testing_tools::FailingNew;
using testing_tools::RoomyFiles;

const AofLocation kLocation{.directory = "/data"};
constexpr uint64_t kAllocationsMax = 100'000;

// Calls work(n, mode) for every n until it is done without a failure, for both modes. Answers how many
// failed.
template <typename Work>
uint64_t for_every_allocation(Work&& work) {
  uint64_t hits = 0;
  for (const FailingNew::Mode mode : {FailingNew::kOnce, FailingNew::kFromThenOn}) {
    for (uint64_t n = 1; n < kAllocationsMax; ++n) {
      SCOPED_TRACE(testing::Message() << "allocation " << n << ", mode " << mode);
      if (!work(n, mode)) break;
      ++hits;
      if (testing::Test::HasFatalFailure()) return hits;
    }
  }
  return hits;
}

void expect_starved(const Error& error) {
  EXPECT_TRUE(error.code == Errc::kOutOfMemory) << error_text(error.code) << ": " << error.what;
}

std::unique_ptr<Keyspace> filled_keyspace(uint32_t shards = 2) {
  static const RdbLimits limits;
  auto keyspace = make_keyspace(shards, 1);
  RandomFiller(3, limits).fill(*keyspace, 30);
  return keyspace;
}

std::vector<std::string> files_in(FileSystem& fs, const char* directory) {
  return fs.list(directory).value();
}

TEST(NoMemory, TheLogFailsOrGoesOn) {
  if (!FailingNew::kIsPossible) GTEST_SKIP() << "another operator new is in use";
  const uint64_t hits = for_every_allocation([](uint64_t n, FailingNew::Mode mode) {
    SimFileSystem disk({.seed = n, .trace = false});
    EXPECT_TRUE(disk.create_directory("/data"));
    EXPECT_TRUE(disk.sync_directory("/"));
    RoomyFiles fs(disk);
    const AofReport fresh;
    const OpLogOptions options = log_test::test_options(SyncPolicy::kAlways);
    const std::string small = "v";
    const std::string large(100'000, 'L');  // a record with a block of its own
    std::vector<uint64_t> sequences;
    sequences.reserve(32);
    uint64_t durable = 0;
    bool was_hit = false;
    {
      FailingNew failing(n, mode);
      Result<std::unique_ptr<OpLog>> log = OpLog::open(fs, kLocation, options, fresh);
      if (!log) expect_starved(log.error());
      for (uint16_t i = 0; log && i < 12; ++i) {
        const Bytes args[] = {"SET", "k", i % 5 == 4 ? large : small};
        sequences.push_back((*log)->append_command(i % 3, args));
        if (i % 2 == 1) static_cast<void>((*log)->step_sync());
        if (i == 6) static_cast<void>((*log)->rotate());
      }
      if (log) {
        static_cast<void>((*log)->stop());
        for (const uint64_t sequence : sequences) durable += sequence <= (*log)->durable_sequence();
        if ((*log)->failed()) expect_starved((*log)->failure());
      }
      failing.stop();
      was_hit = failing.was_hit();
    }
    disk.crash(n);
    const log_test::Recovered recovered = recover(disk, kLocation);
    EXPECT_TRUE(recovered.status) << recovered.status.error().what;
    EXPECT_GE(recovered.lines.size(), durable);
    EXPECT_LE(recovered.lines.size(), sequences.size());
    EXPECT_NE(open_log(disk, kLocation, options), nullptr);
    return was_hit;
  });
  EXPECT_GT(hits, 30u);
}

TEST(NoMemory, SavingLeavesTheOldDump) {
  if (!FailingNew::kIsPossible) GTEST_SKIP() << "another operator new is in use";
  auto keyspace = filled_keyspace();
  const uint64_t hits = for_every_allocation([&](uint64_t n, FailingNew::Mode mode) {
    SimFileSystem disk({.seed = n, .trace = false});
    RoomyFiles fs(disk);
    EXPECT_TRUE(replace_file(disk, "dump.rdb", "old"));
    FailingNew failing(n, mode);
    const Result<RdbSaveReport> saved = rdb_save(fs, "dump.rdb", *keyspace, {});
    failing.stop();
    if (!saved) {
      expect_starved(saved.error());
      EXPECT_EQ(bytes_of(disk, "dump.rdb"), "old");
      EXPECT_EQ(files_in(disk, ".").size(), 1u);
    } else {
      EXPECT_TRUE(load_bytes(bytes_of(disk, "dump.rdb")).status);
    }
    return failing.was_hit();
  });
  EXPECT_GT(hits, 5u);
}

TEST(NoMemory, ASnapshotFailsAndHoldsNobody) {
  if (!FailingNew::kIsPossible) GTEST_SKIP() << "another operator new is in use";
  auto keyspace = filled_keyspace();
  const Contents all = contents_of(*keyspace);
  const uint64_t hits = for_every_allocation([&](uint64_t n, FailingNew::Mode mode) {
    SimFileSystem disk({.seed = n, .trace = false});
    RoomyFiles fs(disk);
    EXPECT_TRUE(replace_file(disk, "dump.rdb", "old"));
    bool was_hit = false;
    {
      RdbSnapshot snapshot(*keyspace, {});
      JobRunner runner(*keyspace);
      FailingNew failing(n, mode);
      snapshot.begin();
      for (uint32_t s = 0; s < keyspace->shard_count(); ++s) {
        while (!keyspace->shard(s).snapshot().walk(runner, INT64_MAX)) {
        }
      }
      snapshot.finish();
      const Result<RdbSaveReport> saved = snapshot.replace(fs, "dump.rdb", "temporary");
      failing.stop();
      was_hit = failing.was_hit();
      if (!saved) {
        expect_starved(saved.error());
        EXPECT_EQ(bytes_of(disk, "dump.rdb"), "old");
      } else {
        EXPECT_EQ(difference(load_bytes(bytes_of(disk, "dump.rdb"), {}, 0, 2).contents(), all), "");
      }
      EXPECT_FALSE(snapshot.holds_writers());
      EXPECT_EQ(files_in(disk, ".").size(), 1u);
    }
    return was_hit;
  });
  EXPECT_GT(hits, 5u);
  EXPECT_EQ(difference(contents_of(*keyspace), all), "");
}

TEST(NoMemory, LoadingADumpIsRefused) {
  if (!FailingNew::kIsPossible) GTEST_SKIP() << "another operator new is in use";
  SimFileSystem disk({.seed = 1, .trace = false});
  EXPECT_TRUE(rdb_save(disk, "dump.rdb", *filled_keyspace(), {}));
  const std::string bytes = bytes_of(disk, "dump.rdb");
  const Contents all = load_bytes(bytes).contents();
  for (const unsigned threads : {1u, 3u}) {
    const uint64_t hits = for_every_allocation([&](uint64_t n, FailingNew::Mode mode) {
      RoomyFiles fs(disk);
      File file = fs.open("dump.rdb", OpenMode::kRead).value();
      auto keyspace = make_keyspace(4, threads);
      RdbLoadReport report;
      FailingNew failing(n, mode);
      const Status loaded = rdb_load(file, 0, *keyspace, {.thread_count = threads}, &report);
      failing.stop();
      if (!loaded) {
        expect_starved(loaded.error());
      } else {
        EXPECT_EQ(difference(contents_of(*keyspace), all), "");
      }
      return failing.was_hit();
    });
    EXPECT_GT(hits, 5u);
  }
}

// Also where a torn tail has to be cut.
TEST(NoMemory, ReadingALogIsRefusedAndChangesNothing) {
  if (!FailingNew::kIsPossible) GTEST_SKIP() << "another operator new is in use";
  SimFileSystem original({.seed = 1, .trace = false});
  ASSERT_TRUE(original.create_directory("/data"));
  for (int start = 0; start < 2; ++start) {
    auto log = open_log(original, kLocation, log_test::test_options(SyncPolicy::kAlways));
    for (int i = 0; i < 5; ++i) {
      log_test::append(*log, 0, {"SET", "k" + std::to_string(i), "v"});
      ASSERT_TRUE(log->step_sync());
    }
  }
  const std::vector<std::string> names = original.list(kLocation.log_directory()).value();
  const std::string last = increment_name(kLocation, 2);
  const uint64_t hits = for_every_allocation([&](uint64_t n, FailingNew::Mode mode) {
    SimFileSystem disk({.seed = n, .trace = false});
    EXPECT_TRUE(disk.create_directory("/data"));
    EXPECT_TRUE(disk.create_directory(kLocation.log_directory()));
    for (const std::string& name : names) {
      const std::string text = log_test::read_file(original, kLocation.path_of(name));
      log_test::write_file(disk, kLocation.path_of(name),
                           name == last ? text.substr(0, text.size() - 9) : text);
    }
    RoomyFiles fs(disk);
    class Counting final : public Applier, public BaseLoader {
     public:
      Status apply(uint16_t, std::span<const Bytes>) override { return ++count, Status(); }
      Result<uint64_t> load_rdb(File&, std::string_view, bool) override { return uint64_t{0}; }
      int count = 0;
    } applier;
    FailingNew failing(n, mode);
    const bool was_hit = [&] {
      AofReader reader(fs, kLocation);
      const Status loaded = reader.load(applier, applier);
      failing.stop();
      if (!loaded) {
        expect_starved(loaded.error());
      } else {
        EXPECT_EQ(applier.count, 9);
      }
      return failing.was_hit();
    }();
    const log_test::Recovered again = recover(disk, kLocation);
    EXPECT_TRUE(again.status);
    EXPECT_EQ(again.lines.size(), 9u);
    return was_hit;
  });
  EXPECT_GT(hits, 10u);
}

}  // namespace
}  // namespace strata

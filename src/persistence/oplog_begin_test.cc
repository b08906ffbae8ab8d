// A log that begins and ends beside running traffic: the power is cut at every operation on files, and every
// one fails once, in a folder with an old log and in one without.
//
// A base here is a made-up RDB that holds the lines of the memory. What a start finds is what the folder held
// before, or the memory and some of what was appended since.

#include <gtest/gtest.h>

#include <algorithm>

#include "persistence/oplog_test_support.h"
#include "persistence/rdb_snapshot.h"
#include "platform/sim_file_system.h"

namespace strata {
namespace {

using namespace log_test;  // NOLINT

using Lines = std::vector<std::string>;
const AofLocation kLocation{.directory = "/data"};
const std::string kTemporary = snapshot_temporary_path(kLocation.path_of("appendonly.aof"), "base");
const Lines kOldLines{"0: SET old 1", "0: SET old 2"};
const Lines kMemory{"memory 1", "memory 2"};
constexpr uint64_t kCrashSeeds = 3;

class MemoryLoader final : public BaseLoader {
 public:
  Result<uint64_t> load_rdb(File& file, std::string_view, bool) override {
    TRY_ASSIGN(const uint64_t size, file.size());
    std::string bytes(size, '\0');
    TRY_ASSIGN(const size_t got, file.read_at(0, bytes));
    if (got != size || bytes != "REDIS0010\xff") return fail(Errc::kCorruption, "half a base");
    lines = kMemory;
    return size;
  }
  Lines lines;
};

void make_folder(SimFileSystem& fs, bool has_old_log) {
  ASSERT_TRUE(fs.create_directory("/data"));
  ASSERT_TRUE(fs.sync_directory("/"));
  if (!has_old_log) return;
  auto log = open_log(fs, kLocation, test_options(SyncPolicy::kAlways));
  append(*log, 0, {"SET", "old", "1"});
  append(*log, 0, {"SET", "old", "2"});
  ASSERT_TRUE(log->stop());
}

// One life of a log, and what it promised.
struct Life {
  explicit Life(FileSystem& files) : fs(files) {
    Result<std::unique_ptr<OpLog>> made = OpLog::make_off(fs, kLocation, test_options(SyncPolicy::kAlways));
    EXPECT_TRUE(made);
    log = std::move(*made);
  }

  void write(int number) {
    const std::string value = std::to_string(number);
    last_sequence = append(*log, 1, {"SET", "new", value});
    appended.push_back("1: SET new " + value);
    sequences.push_back(last_sequence);
  }
  void note_durable() {
    durable = 0;
    for (const uint64_t sequence : sequences) durable += log->is_durable(sequence);
  }

  // As the server does it.
  Status begin() {
    appended.clear();
    sequences.clear();
    log->begin();
    write(1);
    TRY(log->rotate());
    write(2);
    (void)log->step_sync();
    EXPECT_FALSE(log->is_durable(last_sequence)) << "nothing counts before there is a base";
    TRY_ASSIGN(File file, fs.open(kTemporary, OpenMode::kTruncate));
    TRY(file.write_at(0, "REDIS0010\xff"));
    TRY(file.sync_all());
    TRY(log->adopt_base(kTemporary, log->stats().increment_seq));
    is_in_force = true;
    note_durable();
    write(3);
    (void)log->step_sync();
    note_durable();
    write(4);
    return {};
  }
  Status end() {
    Status ended = log->end();
    note_durable();
    return ended;
  }

  FileSystem& fs;
  std::unique_ptr<OpLog> log;
  Lines appended;
  std::vector<uint64_t> sequences;
  uint64_t last_sequence = 0;
  bool is_in_force = false;
  size_t durable = 0;
};

// Old or new; new once it was in force, with all that was durable.
void expect_old_or_new(const Recovered& found, const Life& life, bool has_old_log) {
  ASSERT_TRUE(found.status) << found.status.error().what << " in " << found.report.failed_file;
  if (found.lines == (has_old_log ? kOldLines : Lines()) && !life.is_in_force) return;
  Lines expected = kMemory;
  expected.insert(expected.end(), life.appended.begin(), life.appended.end());
  ASSERT_GE(found.lines.size(), kMemory.size() + (life.is_in_force ? life.durable : 0));
  ASSERT_LE(found.lines.size(), expected.size());
  expected.resize(found.lines.size());
  EXPECT_EQ(found.lines, expected);
}

void expect_tidy(FileSystem& fs) {
  int bases = 0;
  const std::vector<std::string> names = fs.list(kLocation.log_directory()).value();
  for (const std::string& name : names) {
    bases += name.ends_with(".base.rdb");
    EXPECT_FALSE(name.starts_with("temp-") || name.ends_with(".beginning")) << name;
  }
  EXPECT_LE(bases, 1);
}

TEST(OpLogBegin, BeginsEndsAndBeginsAgain) {
  SimFileSystem fs({.seed = 1});
  make_folder(fs, true);
  Life life(fs);
  EXPECT_EQ(life.log->standing(), OpLog::Standing::kOff);
  uint64_t position = 0;
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(life.begin());
    EXPECT_GT(life.log->stats().position, position) << "positions go on";
    position = life.log->stats().position;
    ASSERT_TRUE(life.end());
    EXPECT_TRUE(life.log->is_durable(life.last_sequence));
    fs.crash(static_cast<uint64_t>(round));
    const Recovered found = recover<MemoryLoader>(fs, kLocation);
    expect_old_or_new(found, life, true);
    EXPECT_EQ(found.lines.size(), kMemory.size() + 4);
    expect_tidy(fs);
  }
}

TEST(OpLogBegin, APowerCutAtAnyOperationLeavesTheOldOrTheNew) {
  for (const bool has_old_log : {false, true}) {
    uint64_t cuts = 0;
    for (bool goes_on = true; goes_on; ++cuts) {
      for (const CutWhen when : {CutWhen::kBefore, CutWhen::kAfter}) {
        for (uint64_t seed = 0; seed < kCrashSeeds; ++seed) {
          SCOPED_TRACE(testing::Message()
                       << "old log " << has_old_log << ", cut " << cuts << ", seed " << seed);
          SimFileSystem fs({.seed = seed, .trace = false});
          make_folder(fs, has_old_log);
          const uint64_t first = fs.operation_count();
          Life life(fs);
          fs.cut_power_at(first + cuts + 1, when);
          if (life.begin()) static_cast<void>(life.end());
          goes_on = fs.power_is_cut();
          fs.crash(seed);
          const Recovered found = recover<MemoryLoader>(fs, kLocation);
          expect_old_or_new(found, life, has_old_log);
          // A start continues it, and leaves nothing behind.
          auto next = open_log(fs, kLocation, test_options());
          if (!found.lines.empty() && found.lines[0] == kMemory[0])
            continue;  // FakeBaseLoader knows no lines
          ASSERT_NE(next, nullptr);
          expect_tidy(fs);
          if (testing::Test::HasFailure()) return;
        }
      }
    }
    EXPECT_GT(cuts, 15u);
  }
}

TEST(OpLogBegin, AFailureOfAnyOperationIsUndoneAndTheNextAttemptWorks) {
  for (const bool has_old_log : {false, true}) {
    uint64_t faults = 0;
    for (bool was_hit = true; was_hit; ++faults) {
      SCOPED_TRACE(testing::Message() << "old log " << has_old_log << ", fault " << faults);
      SimFileSystem fs({.seed = faults, .trace = false});
      make_folder(fs, has_old_log);
      const uint64_t bad = fs.operation_count() + faults + 1;
      was_hit = false;
      fs.set_hook([&](const SimEvent& event) -> std::optional<Errc> {
        if (event.index != bad) return {};
        was_hit = true;
        return Errc::kIo;
      });
      Life life(fs);
      static_cast<void>(life.begin());
      static_cast<void>(life.end());
      EXPECT_EQ(life.log->standing(), OpLog::Standing::kOff);
      fs.set_hook(nullptr);
      expect_old_or_new(recover<MemoryLoader>(fs, kLocation), life, has_old_log);
      ASSERT_TRUE(life.begin());
      ASSERT_TRUE(life.end());
      fs.crash(faults);
      expect_old_or_new(recover<MemoryLoader>(fs, kLocation), life, has_old_log);
      expect_tidy(fs);
      if (testing::Test::HasFailure()) return;
    }
    EXPECT_GT(faults, 15u);
  }
}

// redis-server's own rewrite could leave such a one; ours would be a lost manifest.
TEST(OpLogBegin, IncrementsWithoutManifestAreRefusedUnlessTheyWereBeginning) {
  SimFileSystem fs({.seed = 1});
  make_folder(fs, false);
  Life life(fs);
  life.log->begin();
  life.write(1);
  ASSERT_TRUE(life.log->rotate());
  ASSERT_TRUE(life.log->step_sync());
  EXPECT_TRUE(recover<MemoryLoader>(fs, kLocation).status);
  SimFileSystem other({.seed = 1});
  make_folder(other, false);
  ASSERT_TRUE(other.create_directory(kLocation.log_directory()));
  Life second(other);
  second.log->begin();
  second.write(1);
  ASSERT_TRUE(second.log->rotate());
  ASSERT_TRUE(second.log->step_sync());
  ASSERT_TRUE(other.remove(kLocation.beginning_path()));
  EXPECT_FALSE(recover<MemoryLoader>(other, kLocation).status);
}

}  // namespace
}  // namespace strata

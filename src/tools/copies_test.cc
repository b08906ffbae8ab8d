// Restoring at every position and every second gives exactly the records before it; a backup gives them all.

#include "tools/copies.h"

#include <gtest/gtest.h>

#include <map>

#include "persistence/oplog_test_support.h"
#include "persistence/rdb_format.h"
#include "persistence/rdb_log_position.h"
#include "platform/clock.h"
#include "platform/sim_file_system.h"
#include "tools/check.h"

namespace strata {
namespace {

using namespace log_test;  // NOLINT

const AofLocation kLocation{.directory = "/data"};

struct Written {
  std::vector<uint64_t> ends;  // the position behind each record
  std::vector<std::string> lines;
};

// Several records a batch, two starts, a rotation. The records are all of database 0.
Written write_log(FileSystem& fs) {
  Written written;
  EXPECT_TRUE(fs.create_directory("/data"));
  uint64_t position = 0;
  for (int start = 0; start < 2; ++start) {
    auto log = open_log(fs, kLocation, test_options(SyncPolicy::kAlways));
    for (int i = 0; i < 9; ++i) {
      const std::vector<std::string> words = {"SET", "k" + std::to_string(start * 9 + i),
                                              std::string(i, 'v')};
      append(*log, 0, words);
      position += resp(words).size();
      written.ends.push_back(position);
      written.lines.push_back("0: SET " + words[1] + " " + words[2]);
      if (i % 3 == 2) {
        EXPECT_TRUE(log->step_write());
      }
      if (i == 5) {
        EXPECT_TRUE(log->rotate());
      }
    }
    EXPECT_TRUE(log->stop());
  }
  return written;
}

std::vector<std::string> lines_in(FileSystem& fs, const std::string& directory) {
  const Recovered recovered = recover(fs, {.directory = directory});
  EXPECT_TRUE(recovered.status) << directory;
  EXPECT_EQ(recovered.report.cut_bytes, 0u) << directory;
  return recovered.lines;
}

TEST(Restore, AtEveryPosition) {
  SimFileSystem fs({.seed = 1, .trace = false});
  const Written written = write_log(fs);
  for (uint64_t position = 0; position <= written.ends.back() + 1; ++position) {
    const std::string target = "/at" + std::to_string(position);
    CopyReport report;
    ASSERT_TRUE(restore_log(fs, "/data", target, {.position = position, .unix_seconds = {}}, report))
        << position;
    std::vector<std::string> expected;
    for (size_t i = 0; i < written.ends.size() && written.ends[i] <= position; ++i)
      expected.push_back(written.lines[i]);
    ASSERT_EQ(lines_in(fs, target), expected) << position;
    ASSERT_EQ(report.position, expected.empty() ? 0 : written.ends[expected.size() - 1]);
  }
}

// Of our own log: a batch belongs to the last second named before it.
TEST(Restore, AtEverySecondOfOurs) {
  SimFileSystem fs({.seed = 1, .trace = false});
  ASSERT_TRUE(fs.create_directory("/data"));
  ManualClock clock;
  OpLogOptions options = test_options(SyncPolicy::kAlways);
  options.clock = &clock;
  options.names_times = true;
  std::vector<std::pair<int64_t, std::string>> history;
  for (int start = 0; start < 2; ++start) {
    auto log = open_log(fs, kLocation, options);
    for (int i = 0; i < 12; ++i) {
      const std::string value = std::to_string(history.size());
      append(*log, 0, {"SET", "k", value});
      history.emplace_back(clock.wall_us() / 1'000'000, "0: SET k " + value);
      if (i % 2 == 1) {
        ASSERT_TRUE(log->step_write());
        clock.advance_us(i % 4 == 1 ? 700'000 : 2'000'000);
      }
      if (i == 7) {
        ASSERT_TRUE(log->rotate());
      }
    }
    ASSERT_TRUE(log->stop());
  }
  for (int64_t second = history.front().first - 1; second <= history.back().first + 1; ++second) {
    const std::string target = "/at" + std::to_string(second);
    CopyReport report;
    ASSERT_TRUE(restore_log(fs, "/data", target,
                            {.position = {}, .unix_seconds = static_cast<uint64_t>(second)}, report))
        << second;
    std::vector<std::string> expected;
    for (const auto& [when, line] : history) {
      if (when <= second) expected.push_back(line);
    }
    ASSERT_EQ(lines_in(fs, target), expected) << second;
  }
}

TEST(Restore, AtEverySecond) {
  SimFileSystem fs({.seed = 1, .trace = false});
  ASSERT_TRUE(fs.create_directory("/data"));
  ASSERT_TRUE(fs.create_directory(kLocation.log_directory()));
  Manifest manifest;
  manifest.increments = {{increment_name(kLocation, 1), 1}, {increment_name(kLocation, 2), 2}};
  ASSERT_TRUE(store_manifest(fs, kLocation, manifest));
  std::vector<std::pair<uint64_t, std::string>> history;
  for (int file = 0; file < 2; ++file) {
    std::string text;
    for (int i = 0; i < 5; ++i) {
      const uint64_t second = 1000 + static_cast<uint64_t>(file * 10 + i * 2);
      text += "#TS:" + std::to_string(second) + "\r\n";
      for (int k = 0; k < 2; ++k) {
        const std::string value = std::to_string(history.size());
        text += resp({"SET", "k", value});
        history.emplace_back(second, "0: SET k " + value);
      }
    }
    write_file(fs, kLocation.path_of(manifest.increments[file].name), text);
  }
  for (uint64_t second = 998; second < 1025; ++second) {
    const std::string target = "/at" + std::to_string(second);
    CopyReport report;
    ASSERT_TRUE(restore_log(fs, "/data", target, {.position = {}, .unix_seconds = second}, report)) << second;
    std::vector<std::string> expected;
    for (const auto& [when, line] : history) {
      if (when <= second) expected.push_back(line);
    }
    ASSERT_EQ(lines_in(fs, target), expected) << second;
  }
}

// A base of version 4: no checksum, and its time where a real one has it. FakeBaseLoader takes it too.
std::string made_up_base(int64_t second) {
  const std::string text = std::to_string(second);
  return "REDIS0004\xfa\x05"
         "ctime" +
         std::string(1, static_cast<char>(text.size())) + text + "\xff";
}

// A log of several generations: what was written when, and where each base stands in it.
class Generations : public ::testing::Test {
 protected:
  struct Record {
    int64_t second;
    uint64_t end;
    std::string line;
  };

  void SetUp() override {
    ASSERT_TRUE(fs_.create_directory("/data"));
    options_.clock = &clock_;
    options_.names_times = true;
    options_.retention_s = 1000;
    log_ = open_log(fs_, kLocation, options_);
  }
  int64_t now() { return clock_.wall_us() / 1'000'000; }
  void write(int count) {
    for (int i = 0; i < count; ++i) {
      const std::string value = std::to_string(records_.size());
      append(*log_, 0, {"SET", "k", value});
      ASSERT_TRUE(log_->step_write());
      records_.push_back({now(), log_->stats().position, "0: SET k " + value});
      clock_.advance_us(i % 2 == 0 ? 300'000 : 2'000'000);
    }
  }
  void rewrite() {
    ASSERT_TRUE(log_->rotate());
    const std::string temporary = kLocation.path_of("temporary");
    write_file(fs_, temporary, made_up_base(now()));
    const size_t records_before = records_.size();
    write(1);  // while the base is written
    ASSERT_TRUE(log_->adopt_base(temporary, log_->stats().increment_seq));
    base_begins_[load_manifest(fs_, kLocation)->base.name] = records_before;
  }
  void start_again() {
    ASSERT_TRUE(log_->stop());
    log_ = open_log(fs_, kLocation, options_);
  }
  void write_all() {
    write(5);
    rewrite();
    write(4);
    start_again();
    write(3);
    rewrite();
    write(3);
    ASSERT_TRUE(log_->stop());
  }
  // What the copy holds, base included, as a number of records.
  size_t count_in(const std::string& directory) {
    const Manifest manifest = load_manifest(fs_, {.directory = directory}).value();
    EXPECT_TRUE(manifest.history.empty());
    const size_t begin = manifest.has_base() ? base_begins_.at(manifest.base.name) : 0;
    const std::vector<std::string> lines = lines_in(fs_, directory);
    for (size_t i = 0; i < lines.size(); ++i) EXPECT_EQ(lines[i], records_.at(begin + i).line) << directory;
    return begin + lines.size();
  }

  SimFileSystem fs_{{.seed = 1, .trace = false}};
  ManualClock clock_;
  OpLogOptions options_ = test_options(SyncPolicy::kAlways);
  std::unique_ptr<OpLog> log_;
  std::vector<Record> records_;
  std::map<std::string, size_t> base_begins_;
};

TEST_F(Generations, RestoredAtEveryPosition) {
  write_all();
  EXPECT_EQ(base_begins_.size(), 2u);
  for (uint64_t position = 0; position <= records_.back().end; ++position) {
    const std::string target = "/at" + std::to_string(position);
    CopyReport report;
    ASSERT_TRUE(restore_log(fs_, "/data", target, {.position = position, .unix_seconds = {}}, report))
        << position;
    size_t expected = 0;
    while (expected < records_.size() && records_[expected].end <= position) ++expected;
    ASSERT_EQ(count_in(target), expected) << position;
  }
}

TEST_F(Generations, RestoredAtEverySecond) {
  write_all();
  for (int64_t second = records_.front().second - 1; second <= records_.back().second + 1; ++second) {
    const std::string target = "/at" + std::to_string(second);
    CopyReport report;
    const RestorePoint at{.position = {}, .unix_seconds = static_cast<uint64_t>(second)};
    ASSERT_TRUE(restore_log(fs_, "/data", target, at, report)) << second;
    size_t expected = 0;
    while (expected < records_.size() && records_[expected].second <= second) ++expected;
    ASSERT_EQ(count_in(target), expected) << second;
  }
}

// What is older than the retention goes, by itself and at a start; what a restore then cannot know it
// refuses, and leaves no directory.
TEST_F(Generations, HistoryGoesWhenItIsOldEnough) {
  write(4);
  rewrite();
  const int64_t first_rewrite = now();
  clock_.advance_us(1'000'000);
  write(1);
  clock_.advance_us(600'000'000);
  rewrite();
  EXPECT_GT(log_->stats().history_bytes, 200u);
  log_->step_history();
  EXPECT_EQ(load_manifest(fs_, kLocation)->history.size(), 3u);
  clock_.advance_us(500'000'000);
  log_->step_history();
  const Manifest manifest = load_manifest(fs_, kLocation).value();
  ASSERT_EQ(manifest.history.size(), 2u);
  EXPECT_EQ(manifest.history[0].name, rdb_base_name(kLocation, 1));
  EXPECT_EQ(fs_.list(kLocation.log_directory())->size(), 5u);
  CopyReport report;
  const auto restore = [&](uint64_t second) {
    return restore_log(fs_, "/data", "/then", {.position = {}, .unix_seconds = second}, report);
  };
  const Status early = restore(records_[1].second);
  ASSERT_FALSE(early);
  EXPECT_EQ(early.error().code, Errc::kInvalidArgument);
  EXPECT_FALSE(fs_.info("/then"));
  ASSERT_TRUE(restore(first_rewrite));
  EXPECT_EQ(count_in("/then"), 5u);
  clock_.advance_us(1'000'000'000);
  start_again();
  EXPECT_TRUE(load_manifest(fs_, kLocation)->history.empty());
  EXPECT_EQ(log_->stats().history_bytes, 0u);
  EXPECT_EQ(fs_.list(kLocation.log_directory())->size(), 4u);
}

TEST_F(Generations, WithoutRetentionNothingStays) {
  log_->set_retention(0);
  write(2);
  rewrite();
  EXPECT_TRUE(load_manifest(fs_, kLocation)->history.empty());
  EXPECT_EQ(fs_.list(kLocation.log_directory())->size(), 3u);
}

// Records that name no time could be younger than any second.
TEST_F(Generations, RecordsWithoutTimesAreNotGuessedAt) {
  write(2);
  log_->set_names_times(false);
  start_again();
  options_.names_times = false;
  start_again();
  write(2);
  ASSERT_TRUE(log_->stop());
  CopyReport report;
  const auto restore = [&](int64_t second) {
    return restore_log(fs_, "/data", "/at" + std::to_string(second),
                       {.position = {}, .unix_seconds = static_cast<uint64_t>(second)}, report);
  };
  const Status late = restore(now());
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Errc::kInvalidArgument);
  EXPECT_FALSE(fs_.info("/at" + std::to_string(now())));
}

TEST_F(Generations, ABackupLeavesHistoryBehind) {
  write_all();
  CopyReport report;
  ASSERT_TRUE(back_up_log(fs_, "/data", "/copy", report));
  EXPECT_EQ(count_in("/copy"), records_.size());
  EXPECT_EQ(fs_.list("/copy/appendonlydir")->size(), 1 + report.file_count);
}

// A base that says where it was taken, and the increment behind it gone: what is left is not the log.
TEST_F(Generations, RefusesAnIncrementMissingBehindTheBase) {
  write(3);
  ASSERT_TRUE(log_->rotate());
  const uint64_t taken_at = log_->stats().increment_position;
  char digits[kRdbLogPositionBytes];
  format_log_position(digits, taken_at);
  const std::string field =
      "\xfa\x13" + std::string(kRdbLogPositionField) + "\x10" + std::string(digits, sizeof digits);
  std::string base = made_up_base(now());
  base.insert(kRdbHeaderBytes, field);
  write_file(fs_, kLocation.path_of("temporary"), base);
  ASSERT_TRUE(log_->adopt_base(kLocation.path_of("temporary"), log_->stats().increment_seq));
  const uint64_t last_whole = taken_at;
  write(2);
  start_again();
  write(2);
  ASSERT_TRUE(log_->stop());
  const uint64_t end = log_->stats().position;
  Manifest manifest = load_manifest(fs_, kLocation).value();
  ASSERT_EQ(manifest.increments.size(), 2u);
  CopyReport report;
  ASSERT_TRUE(restore_log(fs_, "/data", "/whole", {.position = end, .unix_seconds = {}}, report));
  ASSERT_EQ(report.position, end);
  manifest.increments.erase(manifest.increments.begin());
  ASSERT_TRUE(store_manifest(fs_, kLocation, manifest));
  const Status refused = restore_log(fs_, "/data", "/then", {.position = end, .unix_seconds = {}}, report);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kCorruption);
  EXPECT_EQ(report.detail, kLocation.path_of(manifest.increments[0].name));
  EXPECT_FALSE(fs_.info("/then"));
  // The base alone is what was there at its own position.
  ASSERT_TRUE(restore_log(fs_, "/data", "/base", {.position = last_whole, .unix_seconds = {}}, report));
  EXPECT_EQ(report.position, last_whole);
  EXPECT_TRUE(load_manifest(fs_, {.directory = "/base"})->has_base());
}

// Records of a real Redis behind ours, and a batch behind those: then they are the rest of a damaged one,
// even where the wanted point lies among them.
TEST(Restore, RefusesRecordsBetweenBatches) {
  SimFileSystem fs({.seed = 1, .trace = false});
  const Written written = write_log(fs);
  const Manifest manifest = load_manifest(fs, kLocation).value();
  const std::string path = kLocation.path_of(manifest.increments[0].name);
  std::string text = read_file(fs, path);
  const size_t second_batch = text.find(kBatchMark, kOpeningBytes + 1);
  ASSERT_NE(second_batch, std::string::npos);
  text[second_batch + 1] = 'X';
  write_file(fs, path, text);
  CopyReport report;
  const RestorePoint among{.position = written.ends[3], .unix_seconds = {}};
  const Status refused = restore_log(fs, "/data", "/then", among, report);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kCorruption);
  EXPECT_EQ(refused.error().offset, second_batch);
  const RestorePoint before{.position = written.ends[2], .unix_seconds = {}};
  ASSERT_TRUE(restore_log(fs, "/data", "/before", before, report));
  EXPECT_EQ(lines_in(fs, "/before").size(), 3u);
}

// The base may be younger than the wanted second: giving it would be an answer to another question.
TEST(Restore, RefusesASecondBeforeTheFirstTimeBehindABase) {
  SimFileSystem fs({.seed = 1, .trace = false});
  ASSERT_TRUE(fs.create_directory("/data"));
  ASSERT_TRUE(fs.create_directory(kLocation.log_directory()));
  Manifest manifest;
  manifest.base = {"appendonly.aof.1.base.aof", 1};
  manifest.increments = {{increment_name(kLocation, 1), 1}};
  ASSERT_TRUE(store_manifest(fs, kLocation, manifest));
  write_file(fs, kLocation.path_of(manifest.base.name), resp({"SET", "k", "0"}));
  write_file(fs, kLocation.path_of(manifest.increments[0].name), "#TS:1000\r\n" + resp({"SET", "k", "1"}));
  CopyReport report;
  const Status early = restore_log(fs, "/data", "/early", {.position = {}, .unix_seconds = 999}, report);
  ASSERT_FALSE(early);
  EXPECT_EQ(early.error().code, Errc::kInvalidArgument);
  ASSERT_TRUE(restore_log(fs, "/data", "/then", {.position = {}, .unix_seconds = 1000}, report));
  EXPECT_EQ(lines_in(fs, "/then"), (std::vector<std::string>{"0: SET k 0", "0: SET k 1"}));
}

TEST(Restore, RefusesDamageBelowThePoint) {
  SimFileSystem fs({.seed = 1, .trace = false});
  const Written written = write_log(fs);
  const std::string path = kLocation.path_of(increment_name(kLocation, 1));
  std::string contents = read_file(fs, path);
  contents[contents.size() / 2] = static_cast<char>(contents[contents.size() / 2] ^ 1);
  write_file(fs, path, contents);
  CopyReport report;
  const Status restored =
      restore_log(fs, "/data", "/new", {.position = written.ends.back(), .unix_seconds = {}}, report);
  ASSERT_FALSE(restored);
  EXPECT_EQ(restored.error().code, Errc::kCorruption);
  EXPECT_EQ(report.detail, path);
  EXPECT_FALSE(fs.info("/new"));
}

TEST(Restore, NeverWritesIntoADirectoryThatIsThere) {
  SimFileSystem fs({.seed = 1, .trace = false});
  write_log(fs);
  CopyReport report;
  const Status restored = restore_log(fs, "/data", "/data", {.position = 1, .unix_seconds = {}}, report);
  ASSERT_FALSE(restored);
  EXPECT_EQ(restored.error().code, Errc::kExists);
}

TEST(Backup, HoldsEverythingAndStaysAsItIs) {
  SimFileSystem fs({.seed = 1, .trace = false});
  const Written written = write_log(fs);
  CopyReport report;
  ASSERT_TRUE(back_up_log(fs, "/data", "/copy", report));
  EXPECT_EQ(report.file_count, 4u);
  auto log = open_log(fs, kLocation, test_options(SyncPolicy::kAlways));
  append(*log, 0, {"SET", "later", "1"});
  ASSERT_TRUE(log->stop());
  EXPECT_EQ(lines_in(fs, "/copy"), written.lines);
}

}  // namespace
}  // namespace strata

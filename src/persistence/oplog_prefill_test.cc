// Filler: what the log writes ahead under appendfsync always, overwrites, and leaves behind.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "base/random.h"
#include "persistence/aof_reader_resp.h"
#include "persistence/log_batch.h"
#include "persistence/oplog_test_support.h"
#include "platform/sim_file_system.h"

namespace strata {
namespace {

using namespace log_test;  // NOLINT

const AofLocation kLocation{.directory = "/data"};
const std::string kFirst = "/data/appendonlydir/appendonly.aof.1.incr.aof";

OpLogOptions prefilling() {
  OpLogOptions options = test_options(SyncPolicy::kAlways);
  options.prefill = {
      .after_batches = 1, .ahead_bytes = 32 << 10, .chunk_bytes = 16 << 10, .piece_bytes = 8 << 10};
  return options;
}

class OpLogPrefill : public ::testing::Test {
 protected:
  void SetUp() override {
    (void)fs_.create_directory("/data");
    open();
    write("first");
    ASSERT_TRUE(log_->step_prefill());
  }
  void open() { log_ = open_log(fs_, kLocation, prefilling()); }
  void write(const std::string& value) {
    append(*log_, 0, {"SET", "k", value});
    ASSERT_TRUE(log_->step_sync());
    expected_.push_back("0: SET k " + value);
  }
  // Every line that Redis would read between commands begins with '#' and is short; and Strata reads the
  // same.
  void check_file() { EXPECT_EQ(check_lines(read_file(fs_, kFirst)), expected_.size()); }
  // Says how many SETs there are.
  static size_t check_lines(const std::string& text) {
    AofCommand command;
    size_t commands = 0;
    for (size_t at = 0; at < text.size(); at += command.bytes) {
      const AofParse parsed = parse_aof_command(Bytes(text).substr(at), command);
      EXPECT_EQ(parsed, AofParse::kOk) << at;
      if (parsed != AofParse::kOk) return 0;
      if (!command.args.empty() && command.args[0] == "SET") ++commands;
    }
    for (size_t at = 0; at < text.size();) {
      const size_t end = text.find('\n', at);
      EXPECT_NE(end, std::string::npos);
      if (end == std::string::npos) break;
      if (text[at] == '#') {
        EXPECT_LT(end - at, 1000u) << at;
      }
      at = end + 1;
    }
    return commands;
  }
  void check_recovery() {
    const Recovered recovered = recover(fs_, kLocation);
    ASSERT_TRUE(recovered.status) << recovered.status.error().what;
    EXPECT_EQ(recovered.report.cut_bytes, 0u);
    EXPECT_EQ(recovered.lines, expected_);
  }

  SimFileSystem fs_;
  std::unique_ptr<OpLog> log_;
  std::vector<std::string> expected_;
};

TEST_F(OpLogPrefill, WritesAheadWhatTheSizeDoesNotCount) {
  EXPECT_GT(log_->stats().filler_bytes, 12'000u);
  EXPECT_LT(log_->stats().current_bytes, 300u);
  EXPECT_GT(fs_.info(kFirst)->size, 12'000u);
  check_file();
}

// Records of every length, so that batches end at every place of a line and of a page.
TEST_F(OpLogPrefill, AnyLengthLeavesWholeCommentLines) {
  for (size_t bytes = 0; bytes < 700; ++bytes) {
    write(std::string(bytes % 300, 'v'));
    if (bytes % 3 == 0) {
      ASSERT_TRUE(log_->step_prefill());
    }
    if (bytes % 20 == 0) check_file();
  }
  check_file();
  fs_.kill_process();
  check_recovery();
}

// A kill stops a write between two pages: whichever pages were reached, whole batches are there, in order.
TEST_F(OpLogPrefill, APartOfTheWrittenPagesIsAWholeLog) {
  write("before");
  const std::string before = read_file(fs_, kFirst);
  const std::vector<std::string> lines_before = expected_;
  for (int n = 0; n < 150; ++n) {
    append(*log_, 0, {"SET", "k", std::string(n % 90, 'v')});
    expected_.push_back("0: SET k " + std::string(n % 90, 'v'));
  }
  const uint64_t writes_before = fs_.operation_count(SimOperation::kWrite);
  ASSERT_TRUE(log_->step_sync());
  EXPECT_EQ(fs_.operation_count(SimOperation::kWrite), writes_before + 1);
  check_file();
  check_recovery();
  const std::string after = read_file(fs_, kFirst);
  ASSERT_EQ(before.size(), after.size());
  size_t different = 0;
  for (size_t reached = 0; reached <= after.size(); reached += kPageBytes) {
    write_file(fs_, kFirst, after.substr(0, reached) + before.substr(reached));
    check_lines(read_file(fs_, kFirst));
    const Recovered recovered = recover(fs_, kLocation);
    ASSERT_TRUE(recovered.status);
    EXPECT_EQ(recovered.report.cut_bytes, 0u);
    ASSERT_LE(recovered.lines.size(), expected_.size());
    EXPECT_GE(recovered.lines.size(), reached == 0 ? lines_before.size() : 0);
    EXPECT_TRUE(std::equal(recovered.lines.begin(), recovered.lines.end(), expected_.begin())) << reached;
    different += recovered.lines.size() != lines_before.size() && recovered.lines.size() != expected_.size();
  }
  EXPECT_GE(different, 2u);
}

TEST_F(OpLogPrefill, ALargeRecordDropsTheFillerAndItComesBack) {
  write(std::string(5000, 'L'));
  EXPECT_EQ(log_->stats().filler_bytes, 0u);
  write("small");
  ASSERT_TRUE(log_->step_prefill());
  EXPECT_GT(log_->stats().filler_bytes, 0u);
  write(std::string(100'000, 'X'));
  EXPECT_EQ(log_->stats().filler_bytes, 0u);
  check_file();
  check_recovery();
}

TEST_F(OpLogPrefill, ACleanEndLeavesNone) {
  ASSERT_TRUE(log_->stop());
  EXPECT_EQ(fs_.info(kFirst)->size, log_->stats().current_bytes);
  check_recovery();
}

TEST_F(OpLogPrefill, ARotationLeavesNone) {
  ASSERT_TRUE(log_->rotate());
  EXPECT_LT(fs_.info(kFirst)->size, 400u);
  check_recovery();
}

TEST_F(OpLogPrefill, TheNextStartTakesAwayWhatAKillLeft) {
  log_.reset();
  fs_.kill_process();
  check_recovery();
  open();
  EXPECT_LT(fs_.info(kFirst)->size, 400u);
  check_recovery();
}

TEST_F(OpLogPrefill, WhatRedisAppendsBehindItIsRead) {
  log_.reset();
  fs_.kill_process();
  write_file(
      fs_, kFirst,
      read_file(fs_, kFirst) + "#TS:1700000000\r\n" + resp({"SELECT", "0"}) + resp({"SET", "k", "redis"}));
  expected_.push_back("0: SET k redis");
  check_recovery();
}

// Version 1 is the same without filler.
TEST_F(OpLogPrefill, AnOlderFileIsReadAndHasNoFiller) {
  log_.reset();
  fs_.kill_process();
  std::string text = read_file(fs_, kFirst);
  LogOpening opening;
  ASSERT_TRUE(parse_opening(text, opening));
  EXPECT_EQ(opening.version, kLogFormatVersion);
  const auto with_version = [&](unsigned version) {
    char line[kOpeningBytes];
    opening.version = version;
    format_opening(line, opening);
    return text.replace(0, kOpeningBytes, line, kOpeningBytes);
  };
  write_file(fs_, kFirst, with_version(1));
  const Recovered with_filler = recover(fs_, kLocation);
  ASSERT_TRUE(with_filler.status);
  EXPECT_GT(with_filler.report.cut_bytes, 0u);
  EXPECT_EQ(with_filler.lines, expected_);
  check_recovery();  // the cut has taken it away
  write_file(fs_, kFirst, with_version(kLogFormatVersion + 1));
  EXPECT_EQ(recover(fs_, kLocation).status.error().code, Errc::kUnsupported);
}

// The middle of a torn batch that begins with a whole record, at a place where Redis cannot have begun.
TEST_F(OpLogPrefill, ARecordInTheMiddleOfFillerIsDamage) {
  log_.reset();
  std::string text = read_file(fs_, kFirst);
  text.replace(4096 + 512, resp({"SET", "k", "torn"}).size(), resp({"SET", "k", "torn"}));
  write_file(fs_, kFirst, text);
  const Recovered recovered = recover(fs_, kLocation);
  ASSERT_TRUE(recovered.status);
  EXPECT_EQ(recovered.lines, expected_);
  EXPECT_GT(recovered.report.cut_bytes, 0u);
}

TEST_F(OpLogPrefill, NoSpaceForFillerIsNoFailure) {
  fs_.set_capacity(fs_.used_bytes() + 100);
  for (int n = 0; n < 40; ++n) write("v");
  EXPECT_FALSE(log_->step_prefill());
  EXPECT_FALSE(log_->failed());
  write("more");
  check_file();
  check_recovery();
}

// Its error may be about pages of the log itself.
TEST_F(OpLogPrefill, AFailedSyncOfFillerEndsTheLog) {
  for (int n = 0; n < 40; ++n) write("v");
  fs_.add_fault({.kind = SimOperation::kSync});
  EXPECT_FALSE(log_->step_prefill());
  EXPECT_TRUE(log_->failed());
}

TEST_F(OpLogPrefill, OtherPoliciesAppend) {
  log_->set_policy(SyncPolicy::kEverySecond);
  for (int n = 0; n < 400; ++n) write(std::string(100, 'v'));
  ASSERT_TRUE(log_->step_prefill());
  EXPECT_EQ(log_->stats().filler_bytes, 0u);
  check_file();
  check_recovery();
}

// --- What a kill amid a write leaves: the write ends between two pages of the file ---

// What redis-server does with the file: it cuts a command that is not whole, with what comes before it since
// the last whole one, and an unfinished MULTI if the commands in it are whole; and appends. False when it
// would refuse.
bool go_on_as_redis(std::string& text) {
  AofCommand command;
  size_t end_of_commands = 0;
  size_t end_before_multi = 0;
  bool in_multi = false;
  for (size_t at = 0; at < text.size(); at += command.bytes) {
    const AofParse parsed = parse_aof_command(Bytes(text).substr(at), command);
    if (parsed == AofParse::kMalformed) return false;
    if (parsed == AofParse::kIncomplete) {
      text.resize(end_of_commands);
      in_multi = false;
      break;
    }
    if (command.args.empty()) continue;
    if (command.args[0] == "MULTI") end_before_multi = end_of_commands;
    in_multi = command.args[0] == "MULTI" || (in_multi && command.args[0] != "EXEC");
    end_of_commands = at + command.bytes;
  }
  if (in_multi) text.resize(end_before_multi);
  text += resp({"SELECT", "0"}) + resp({"SET", "k", "redis"});
  return true;
}

class KilledAmidAWrite {
 public:
  explicit KilledAmidAWrite(uint64_t seed) : random_(seed) {
    (void)fs_.create_directory("/data");
    OpLogOptions options = prefilling();
    if (random_.one_in(2)) options.policy = SyncPolicy::kEverySecond;
    log_ = open_log(fs_, kLocation, options);
    for (int step = 0; step < 4; ++step) {
      append_some();
      (void)log_->step_sync();
      (void)log_->step_prefill();
    }
    before_ = read_file(fs_, kFirst);
    has_large_ = false;
    append_some();
    (void)log_->step_sync();
    after_ = read_file(fs_, kFirst);
    log_.reset();
    fs_.kill_process();
    lines_ = recover(fs_, kLocation).lines;
  }

  void check() {
    bool has_stopped_early = false;
    for (size_t reached = 0; reached <= after_.size() + kPageBytes; reached += kPageBytes) {
      std::string text = after_.substr(0, reached);
      // A record that is larger than a page has truncated the filler before it was written.
      if (reached < before_.size() && !has_large_) text += before_.substr(reached);
      write_file(fs_, kFirst, text);
      const Recovered ours = recover(fs_, kLocation);
      ASSERT_TRUE(ours.status) << reached;
      ASSERT_TRUE(go_on_as_redis(text)) << reached;
      write_file(fs_, kFirst, text);
      Recovered after_redis = recover(fs_, kLocation);
      ASSERT_TRUE(after_redis.status) << reached << ": " << after_redis.status.error().what;
      ASSERT_EQ(after_redis.report.cut_bytes, 0u) << reached;
      ASSERT_FALSE(after_redis.lines.empty());
      EXPECT_EQ(after_redis.lines.back(), "0: SET k redis");
      after_redis.lines.pop_back();
      EXPECT_EQ(after_redis.lines, ours.lines) << reached;
      ASSERT_LE(ours.lines.size(), lines_.size());
      EXPECT_TRUE(std::equal(ours.lines.begin(), ours.lines.end(), lines_.begin())) << reached;
      has_stopped_early |= ours.lines.size() != lines_.size();
    }
    EXPECT_TRUE(has_stopped_early);
  }

 private:
  void append_some() {
    for (uint64_t n = 30 + random_.below(100); n > 0; --n) {
      const auto db = static_cast<uint16_t>(random_.one_in(8) ? random_.below(12) : 0);
      const uint64_t most = random_.one_in(100) ? 80'000 : random_.one_in(15) ? 6000 : 300;
      const bool is_group = random_.one_in(10);  // of a part of a large one redis-server makes a bad log
      const std::string value(random_.below(is_group ? 900 : most), 'v');
      has_large_ |= value.size() > 1500;
      if (!is_group) {
        append(*log_, db, {"SET", "k", value});
        continue;
      }
      RecordBuilder group;
      const std::array<Bytes, 3> args = {"SET", "g", value};
      group.add(db, args);
      group.add(static_cast<uint16_t>(random_.below(3)), args);
      log_->append_record(group);
    }
  }

  Random random_;
  SimFileSystem fs_;
  std::unique_ptr<OpLog> log_;
  std::string before_;
  std::string after_;
  bool has_large_ = false;
  std::vector<std::string> lines_;
};

TEST(OpLogKilledAmidAWrite, LeavesALogForRedisAndWhatItAppendsIsRead) {
  for (uint64_t seed = 1; seed <= 40 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    KilledAmidAWrite(seed).check();
  }
}

}  // namespace
}  // namespace strata

// Filler: what the log writes ahead under appendfsync always, overwrites, and leaves behind.

#include <gtest/gtest.h>

#include "persistence/aof_reader_resp.h"
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
  void check_file() {
    const std::string text = read_file(fs_, kFirst);
    AofCommand command;
    size_t commands = 0;
    for (size_t at = 0; at < text.size(); at += command.bytes) {
      ASSERT_EQ(parse_aof_command(Bytes(text).substr(at), command), AofParse::kOk) << at;
      if (!command.args.empty() && command.args[0] == "SET") ++commands;
    }
    EXPECT_EQ(commands, expected_.size());
    for (size_t at = 0; at < text.size();) {
      const size_t end = text.find('\n', at);
      ASSERT_NE(end, std::string::npos);
      if (text[at] == '#') {
        ASSERT_LT(end - at, 1000u) << at;
      }
      at = end + 1;
    }
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

// A kill between two pages of one write(2) would leave half a command in front of filler.
TEST_F(OpLogPrefill, NoWriteOverFillerCrossesAPage) {
  for (int n = 0; n < 300; ++n) {
    append(*log_, 0, {"SET", "k", std::string(50, 'v')});
    expected_.push_back("0: SET k " + std::string(50, 'v'));
  }
  const uint64_t before = fs_.operation_count(SimOperation::kWrite);
  ASSERT_TRUE(log_->step_sync());
  EXPECT_GE(fs_.operation_count(SimOperation::kWrite) - before, 3u);
  check_file();
  check_recovery();
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

}  // namespace
}  // namespace strata

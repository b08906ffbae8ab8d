#include "server/log_resumption.h"

#include <gtest/gtest.h>

#include "platform/sim_file_system.h"

namespace strata {
namespace {

constexpr Error kBroken{Errc::kIo};
constexpr Error kFull{Errc::kNoSpace};
constexpr uint64_t kCapacity = 1 << 20;

class LogResumptionTest : public testing::Test {
 protected:
  LogResumptionTest() : fs_({.capacity_bytes = kCapacity}) {
    file_ = std::move(*fs_.open("/file", OpenMode::kCreate));
  }
  void leave_free(uint64_t bytes) {
    EXPECT_TRUE(file_.truncate(0));
    EXPECT_TRUE(file_.append(std::string(kCapacity - bytes, 'x')));
  }
  void attempt_fails(const Error& error, int64_t now_ms) {
    resumption_.attempt_begins();
    resumption_.attempt_failed(error, now_ms);
  }

  SimFileSystem fs_;
  File file_;
  LogResumption resumption_{fs_, "/"};
};

TEST_F(LogResumptionTest, TriesLaterAndLater) {
  int64_t now_ms = 5000;
  EXPECT_FALSE(resumption_.is_due(kBroken, now_ms));
  for (const int64_t delay_s : {1, 2, 4, 8, 16, 30, 30}) {
    EXPECT_EQ(resumption_.delay_ms(), delay_s * 1000);
    EXPECT_FALSE(resumption_.is_due(kBroken, now_ms + delay_s * 1000 - 1));
    now_ms += delay_s * 1000;
    EXPECT_TRUE(resumption_.is_due(kBroken, now_ms));
    attempt_fails(kBroken, now_ms);
  }
  resumption_.succeeded();
  EXPECT_FALSE(resumption_.is_due(kBroken, now_ms)) << "another failure";
  EXPECT_EQ(resumption_.delay_ms(), LogResumption::kDelayMs);
}

TEST_F(LogResumptionTest, AnotherErrorThanAFullDiskDoesNotAskForRoom) {
  leave_free(0);
  EXPECT_FALSE(resumption_.is_due(kBroken, 0));
  leave_free(kCapacity / 2);
  EXPECT_FALSE(resumption_.is_due(kBroken, 500));
}

TEST_F(LogResumptionTest, RoomOnAFullDiskIsUsedAtOnce) {
  leave_free(0);
  EXPECT_FALSE(resumption_.is_due(kFull, 0));
  leave_free(LogResumption::kRoomBytesMin - 1);
  EXPECT_FALSE(resumption_.is_due(kFull, 1));
  leave_free(LogResumption::kRoomBytesMin);
  EXPECT_FALSE(resumption_.is_due(kFull, 2)) << "asked a moment ago";
  EXPECT_TRUE(resumption_.is_due(kFull, 1 + LogResumption::kProbeMs));
}

TEST_F(LogResumptionTest, WhatWasNotEnoughIsNotTriedAgainEarly) {
  leave_free(kCapacity / 2);
  EXPECT_FALSE(resumption_.is_due(kFull, 0));
  attempt_fails(kFull, 1000);
  EXPECT_FALSE(resumption_.is_due(kFull, 1500));
  leave_free(kCapacity / 2 + kCapacity / 16 - 1);
  EXPECT_FALSE(resumption_.is_due(kFull, 2000));
  EXPECT_TRUE(resumption_.is_due(kFull, 3000)) << "but when its time has come";
  leave_free(kCapacity / 2 + kCapacity / 16);
  EXPECT_TRUE(resumption_.is_due(kFull, 2500));
}

}  // namespace
}  // namespace strata

#include "persistence/oplog.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <future>
#include <mutex>
#include <optional>
#include <thread>

#include "base/random.h"
#include "persistence/log_batch.h"
#include "persistence/oplog_test_support.h"
#include "platform/clock.h"
#include "platform/sim_file_system.h"

namespace strata {
namespace {

using namespace log_test;  // NOLINT

const AofLocation kLocation{.directory = "/data"};

class OpLogTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(fs_.create_directory("/data"));
    ASSERT_TRUE(fs_.sync_directory("/"));
  }
  std::string increment(uint64_t seq) {
    return read_file(fs_, kLocation.path_of(increment_name(kLocation, seq)));
  }

  SimFileSystem fs_{{.seed = 1}};
};

TEST_F(OpLogTest, ComesBackInOrderWithDatabasesAndGroups) {
  auto log = open_log(fs_, kLocation, test_options());
  append(*log, 0, {"SET", "a", "1"});
  append(*log, 5, {"SET", "b", "2"});
  RecordBuilder group;
  const std::array<Bytes, 2> del = {"DEL", "a"};
  group.add(5, del);
  group.add(9, del);
  log->append_record(group);
  append(*log, 9, {"SET", "c", "3"});
  append(*log, 5, {"SET", "d", "4"});
  ASSERT_TRUE(log->stop());
  const Recovered recovered = recover(fs_, kLocation);
  ASSERT_TRUE(recovered.status);
  EXPECT_EQ(recovered.lines, (std::vector<std::string>{"0: SET a 1", "5: SET b 2", "[", "5: DEL a",
                                                       "9: DEL a", "]", "9: SET c 3", "5: SET d 4"}));
  EXPECT_EQ(recovered.report.cut_bytes, 0u);
}

// A loop's only client is not made to wait for two changes of threads, but only where syncs are known to be
// quick.
TEST_F(OpLogTest, ALoneClientsLoopSyncsItselfWhileSyncsAreQuick) {
  ManualClock clock;
  int64_t sync_us = 300;
  OpLogOptions options = test_options(SyncPolicy::kAlways);
  options.clock = &clock;
  auto log = open_log(fs_, kLocation, options);
  fs_.set_hook([&](const SimEvent& event) -> std::optional<Errc> {
    if (event.kind == SimOperation::kSync) clock.advance_us(sync_us);
    return std::nullopt;
  });
  const auto commit_alone = [&] {
    const uint64_t sequence = append(*log, 0, {"INCR", "n"});
    log->commit_alone();
    return log->durable_sequence() >= sequence;
  };
  const auto syncs_until_quick = [&] {
    int count = 0;
    for (; count < 100 && !commit_alone(); ++count) EXPECT_TRUE(log->step_sync());
    return count;
  };
  EXPECT_EQ(syncs_until_quick(), 16);
  EXPECT_TRUE(commit_alone());
  sync_us = 5000;
  EXPECT_TRUE(commit_alone());  // it is not known before
  EXPECT_FALSE(commit_alone());
  EXPECT_TRUE(log->step_sync());
  EXPECT_FALSE(commit_alone());
  sync_us = 100;
  EXPECT_EQ(syncs_until_quick(), 16);
  log->set_policy(SyncPolicy::kEverySecond);
  EXPECT_FALSE(commit_alone());
  EXPECT_EQ(log->acknowledged_sequence(), log->appended_sequence());
  fs_.set_hook({});
}

// One line a second, in front of a batch's first record, and one in every file; none where nothing is
// written.
TEST_F(OpLogTest, NamesSecondsInFrontOfBatches) {
  ManualClock clock;
  OpLogOptions options = test_options();
  options.clock = &clock;
  options.names_times = true;
  auto log = open_log(fs_, kLocation, options);
  const auto write = [&](const std::string& value) {
    append(*log, 3, {"SET", "k", value});
    ASSERT_TRUE(log->step_write());
  };
  const auto count = [&](uint64_t seq, const std::string& second) {
    const std::string text = increment(seq);
    // Behind it a command; or, where a large one follows, that one's own batch.
    const std::string line = "\r\n#TS:" + second + "\r\n";
    size_t found = 0;
    for (size_t at = text.find(line); at != std::string::npos; at = text.find(line, at + 1)) {
      found += text[at + line.size()] == '*' || Bytes(text).substr(at + line.size()).starts_with(kBatchMark);
    }
    return found;
  };
  ASSERT_TRUE(log->step_write());
  write("1");
  write("2");
  clock.advance_us(2'000'000);
  write(std::string(100'000, 'L'));
  write("3");
  clock.advance_us(-5'000'000);  // the clock goes back; what the log says does not
  write("4");
  ASSERT_TRUE(log->rotate());
  write("5");
  log->set_names_times(false);
  clock.advance_us(9'000'000);
  write("6");
  EXPECT_EQ(count(1, "1000000"), 1u);
  EXPECT_EQ(count(1, "1000002"), 1u);
  EXPECT_EQ(count(2, "1000002"), 1u);
  EXPECT_EQ(increment(2).find("#TS:1000006"), std::string::npos);
  ASSERT_TRUE(log->stop());
  const Recovered recovered = recover(fs_, kLocation);
  ASSERT_TRUE(recovered.status);
  EXPECT_EQ(recovered.lines,
            (std::vector<std::string>{"3: SET k 1", "3: SET k 2", "3: SET k " + std::string(100'000, 'L'),
                                      "3: SET k 3", "3: SET k 4", "3: SET k 5", "3: SET k 6"}));
  EXPECT_EQ(recovered.report.end_position, log->stats().position);
}

TEST_F(OpLogTest, SequencesAdvanceWithWriteAndSync) {
  auto log = open_log(fs_, kLocation, test_options(SyncPolicy::kAlways));
  int progress = 0;
  log->set_on_progress([&] { ++progress; });
  const uint64_t sequence = append(*log, 0, {"SET", "a", "1"});
  EXPECT_LT(log->written_sequence(), sequence);
  ASSERT_TRUE(log->step_write());
  EXPECT_EQ(log->written_sequence(), sequence);
  EXPECT_LT(log->acknowledged_sequence(), sequence);
  ASSERT_TRUE(log->step_sync());
  EXPECT_EQ(log->durable_sequence(), sequence);
  EXPECT_EQ(log->acknowledged_sequence(), sequence);
  EXPECT_GE(progress, 2);
}

TEST_F(OpLogTest, InlineCommitWritesOnceAndNotWhenThereIsNothing) {
  auto log = open_log(fs_, kLocation, test_options());
  const uint64_t before = fs_.operation_count(SimOperation::kWrite);
  log->commit_inline();
  EXPECT_EQ(fs_.operation_count(SimOperation::kWrite), before);
  for (int i = 0; i < 10; ++i) append(*log, 0, {"INCR", "a"});
  log->commit_inline();
  EXPECT_EQ(fs_.operation_count(SimOperation::kWrite), before + 1);
  EXPECT_EQ(log->acknowledged_sequence(), log->appended_sequence());
  EXPECT_LT(log->durable_sequence(), log->appended_sequence());
}

TEST_F(OpLogTest, LargeRecordsKeepTheirPlace) {
  auto log = open_log(fs_, kLocation, test_options());
  const std::string large(300'000, 'L');
  append(*log, 0, {"SET", "a", "1"});
  append(*log, 4, {"SET", "b", large});
  append(*log, 0, {"SET", "c", "3"});
  ASSERT_TRUE(log->stop());
  const Recovered recovered = recover(fs_, kLocation);
  ASSERT_TRUE(recovered.status);
  EXPECT_EQ(recovered.lines, (std::vector<std::string>{"0: SET a 1", "4: SET b " + large, "0: SET c 3"}));
}

TEST_F(OpLogTest, PositionsGoOnOverRestartsAndRotation) {
  uint64_t position = 0;
  for (int start = 0; start < 3; ++start) {
    auto log = open_log(fs_, kLocation, test_options());
    EXPECT_EQ(log->stats().position, position);
    append(*log, 1, {"SET", "a", std::to_string(start)});
    ASSERT_TRUE(log->rotate());
    append(*log, 1, {"SET", "b", std::to_string(start)});
    ASSERT_TRUE(log->stop());
    position = log->stats().position;
    EXPECT_EQ(log->stats().durable_position, position);
  }
  const Recovered recovered = recover(fs_, kLocation);
  ASSERT_TRUE(recovered.status);
  EXPECT_EQ(recovered.report.end_position, position);
  EXPECT_EQ(recovered.lines.size(), 6u);
  EXPECT_EQ(recovered.report.manifest.increments.size(), 6u);
}

TEST_F(OpLogTest, StatsCountAllFilesOfTheLog) {
  auto log = open_log(fs_, kLocation, test_options());
  append(*log, 0, {"SET", "a", "1"});
  EXPECT_GT(log->stats().buffer_bytes, 0u);
  ASSERT_TRUE(log->step_write());
  EXPECT_EQ(log->stats().buffer_bytes, 0u);
  EXPECT_GT(log->stats().pending_sync_bytes, 0u);
  ASSERT_TRUE(log->rotate());
  append(*log, 0, {"SET", "a", "1"});
  ASSERT_TRUE(log->stop());
  EXPECT_EQ(log->stats().current_bytes, increment(1).size() + increment(2).size());
  EXPECT_EQ(recover(fs_, kLocation).report.bytes_total, log->stats().current_bytes);
}

TEST_F(OpLogTest, StartsWithoutWritesDoNotPileUpFiles) {
  for (int start = 0; start < 5; ++start) {
    auto log = open_log(fs_, kLocation, test_options());
    ASSERT_TRUE(log->stop());
    EXPECT_EQ(log->stats().current_bytes, kOpeningBytes + kBatchHeaderBytes);
  }
  EXPECT_EQ(recover(fs_, kLocation).report.manifest.increments.size(), 1u);
  EXPECT_EQ(fs_.list(kLocation.log_directory())->size(), 2u);
}

TEST_F(OpLogTest, AdoptsADumpAsBase) {
  write_file(fs_, "/data/dump.rdb", "REDIS0010 made up \xff");
  Result<AofReport> report = adopt_rdb_base(fs_, kLocation, "/data/dump.rdb");
  ASSERT_TRUE(report);
  auto log = OpLog::open(fs_, kLocation, test_options(), *report).value();
  append(*log, 0, {"SET", "a", "1"});
  ASSERT_TRUE(log->stop());
  const Recovered recovered = recover(fs_, kLocation);
  ASSERT_TRUE(recovered.status);
  EXPECT_EQ(recovered.report.manifest.base.name, "appendonly.aof.1.base.rdb");
  EXPECT_EQ(recovered.lines, std::vector<std::string>{"0: SET a 1"});
  EXPECT_FALSE(adopt_rdb_base(fs_, kLocation, "/data/dump.rdb"));
}

// Removing a large file takes long on some disks.
TEST_F(OpLogTest, SyncsGoOnWhileARewriteRemovesOldFiles) {
  auto log = open_log(fs_, kLocation, test_options(SyncPolicy::kAlways));
  append(*log, 0, {"SET", "a", "1"});
  ASSERT_TRUE(log->rotate());
  const std::string temporary = kLocation.path_of("temporary");
  write_file(fs_, temporary, "REDIS0010 made up \xff");
  std::atomic<bool> was_removing{false};
  std::future<uint64_t> synced;  // outlives the removal
  fs_.set_hook([&](const SimEvent& event) -> std::optional<Errc> {
    if (event.kind != SimOperation::kRemove || !event.path.ends_with(".1.incr.aof")) return {};
    if (was_removing.exchange(true)) return {};
    const uint64_t sequence = append(*log, 0, {"SET", "a", "2"});
    synced = std::async(std::launch::async, [&log] {
      EXPECT_TRUE(log->step_sync());
      return log->durable_sequence();
    });
    const bool has_synced = synced.wait_for(std::chrono::seconds(20)) == std::future_status::ready;
    EXPECT_TRUE(has_synced) << "a sync waits for the removal";
    EXPECT_GE(has_synced ? synced.get() : 0, sequence);
    return {};
  });
  ASSERT_TRUE(log->adopt_base(temporary, log->stats().increment_seq));
  fs_.set_hook({});
  EXPECT_TRUE(was_removing);
  EXPECT_TRUE(load_manifest(fs_, kLocation)->history.empty());
  ASSERT_TRUE(log->stop());
  EXPECT_EQ(recover(fs_, kLocation).lines, std::vector<std::string>{"0: SET a 2"});
}

// Fails the k-th write or sync of the log's files for every k: nothing later is acknowledged, nothing
// is tried again, what was acknowledged before is there.
void fail_every_kth(SimOperation kind, Errc error, SyncPolicy policy) {
  for (uint64_t k = 1;; ++k) {
    SimFileSystem fs({.seed = k});
    ASSERT_TRUE(fs.create_directory("/data"));
    ASSERT_TRUE(fs.sync_directory("/"));
    auto log = open_log(fs, kLocation, test_options(policy));
    fs.add_fault({.kind = kind, .error = error, .nth = k, .path_part = "incr.aof"});
    uint64_t acknowledged = 0;
    uint64_t tries_at_failure = 0;
    bool told = false;
    log->set_on_progress([&] { told |= log->failed(); });
    for (int i = 0; i < 20; ++i) {
      const uint64_t sequence = append(*log, 0, {"SET", "key", std::to_string(i)});
      (void)log->step_write();
      if (policy == SyncPolicy::kAlways || i % 5 == 4) (void)log->step_sync();
      if (log->failed() && tries_at_failure == 0) {
        tries_at_failure = fs.operation_count();
        EXPECT_EQ(log->failure().code, error);
      }
      if (log->acknowledged_sequence() < sequence) continue;
      EXPECT_FALSE(log->failed() && policy == SyncPolicy::kAlways) << "acknowledged on top of a failure";
      ++acknowledged;
    }
    const bool hit = fs.faults_hit() > 0;
    EXPECT_EQ(log->failed(), hit);
    if (!hit) {
      EXPECT_EQ(acknowledged, 20u);
      EXPECT_GT(k, 4u) << "the injection was never hit";
      return;
    }
    EXPECT_TRUE(told);
    EXPECT_EQ(fs.operation_count(), tries_at_failure) << "something was tried again";
    EXPECT_FALSE(log->rotate());
    EXPECT_FALSE(log->stop());
    EXPECT_LT(acknowledged, 20u);
    EXPECT_FALSE(log->stats().last_write_ok);
    EXPECT_EQ(log->stats().buffer_bytes, 0u) << "appenders would be stuck";
    log.reset();
    fs.clear_faults();
    fs.crash(k);
    const Recovered recovered = recover(fs, kLocation);
    ASSERT_TRUE(recovered.status) << "k " << k << ": " << recovered.status.error().what;
    if (policy == SyncPolicy::kAlways) {
      EXPECT_GE(recovered.lines.size(), acknowledged);
    }
  }
}

TEST(OpLogFailure, EveryKthWriteAndSync) {
  fail_every_kth(SimOperation::kWrite, Errc::kIo, SyncPolicy::kAlways);
  fail_every_kth(SimOperation::kWrite, Errc::kNoSpace, SyncPolicy::kEverySecond);
  fail_every_kth(SimOperation::kSync, Errc::kIo, SyncPolicy::kAlways);
}

TEST_F(OpLogTest, AFailedRotationBeforeTheManifestLeavesTheLogAsItWas) {
  auto log = open_log(fs_, kLocation, test_options());
  append(*log, 0, {"SET", "a", "1"});
  fs_.add_fault({.kind = SimOperation::kOpen, .error = Errc::kNoSpace, .path_part = "2.incr"});
  EXPECT_FALSE(log->rotate());
  EXPECT_FALSE(log->failed());
  append(*log, 0, {"SET", "b", "2"});
  ASSERT_TRUE(log->stop());
  EXPECT_EQ(recover(fs_, kLocation).lines.size(), 2u);
}

TEST_F(OpLogTest, AFailedManifestDuringRotationEndsTheLog) {
  auto log = open_log(fs_, kLocation, test_options());
  const uint64_t first = append(*log, 0, {"SET", "a", "1"});
  fs_.add_fault({.kind = SimOperation::kRename, .error = Errc::kIo, .path_part = "manifest"});
  EXPECT_FALSE(log->rotate());
  EXPECT_TRUE(log->failed());
  EXPECT_GE(log->acknowledged_sequence(), first);
}

// The disk hangs in a sync: writes go on, done by the log thread.
TEST_F(OpLogTest, WritesDoNotWaitForASync) {
  std::atomic<bool> hold{false};
  std::atomic<bool> in_sync{false};
  fs_.set_hook([&](const SimEvent& event) -> std::optional<Errc> {
    if (event.kind != SimOperation::kSync) return {};
    in_sync = true;
    while (hold) std::this_thread::yield();
    return {};
  });
  auto log = open_log(fs_, kLocation, test_options());
  log->start();
  append(*log, 0, {"SET", "a", "1"});
  log->commit_inline();
  in_sync = false;
  hold = true;
  log->request_sync(log->appended_sequence());
  while (!in_sync) std::this_thread::yield();
  EXPECT_TRUE(log->stats().sync_in_flight);
  const uint64_t sequence = append(*log, 0, {"SET", "b", "2"});
  while (log->written_sequence() < sequence) {
    log->commit_inline();
    std::this_thread::yield();
  }
  EXPECT_LT(log->durable_sequence(), sequence);
  EXPECT_GT(log->stats().delayed_sync_count, 0u);
  hold = false;
  while (log->durable_sequence() < sequence) {
    log->request_sync(sequence);
    std::this_thread::yield();
  }
  ASSERT_TRUE(log->stop());
}

// Who sees failed() may tell a client, or kill the process: the mark for the next one is there by then.
TEST_F(OpLogTest, AFailedSyncIsMarkedBeforeAnybodyKnows) {
  auto log = open_log(fs_, kLocation, test_options(SyncPolicy::kAlways));
  bool is_marked = false;
  fs_.set_hook([&](const SimEvent& event) -> std::optional<Errc> {
    if (event.kind == SimOperation::kSync) return Errc::kIo;
    if (event.path == kLocation.doubt_path()) {
      is_marked = true;
      EXPECT_FALSE(log->failed());
    }
    return {};
  });
  append(*log, 0, {"SET", "a", "1"});
  EXPECT_FALSE(log->step_sync());
  EXPECT_TRUE(log->failed());
  EXPECT_TRUE(is_marked);
  fs_.set_hook(nullptr);
}

// Somebody wants his own write durable although the policy would not sync, or not for a long time.
TEST_F(OpLogTest, ARequestedSyncComesUnderAnyPolicy) {
  for (const SyncPolicy policy : {SyncPolicy::kNo, SyncPolicy::kEverySecond, SyncPolicy::kAlways}) {
    SimFileSystem fs({.seed = 1});
    ASSERT_TRUE(fs.create_directory("/data"));
    OpLogOptions options = test_options(policy);
    options.sync_interval_ms = 3'600'000;
    auto log = open_log(fs, kLocation, options);
    log->start();
    for (int i = 0; i < 100; ++i) {
      const uint64_t sequence = append(*log, 0, {"SET", "a", "1"});
      if (i % 2 == 0) log->commit_inline();
      log->request_sync(sequence);
      while (log->durable_sequence() < sequence) std::this_thread::yield();
    }
    ASSERT_TRUE(log->stop());
  }
}

// What was asked for under a policy that syncs everything anyway is not forgotten when that changes.
TEST_F(OpLogTest, ARequestedSyncOutlivesAChangeOfPolicy) {
  std::atomic<bool> hold{false};
  std::atomic<bool> in_sync{false};
  fs_.set_hook([&](const SimEvent& event) -> std::optional<Errc> {
    if (event.kind != SimOperation::kSync) return {};
    in_sync = true;
    while (hold) std::this_thread::yield();
    return {};
  });
  OpLogOptions options = test_options(SyncPolicy::kAlways);
  options.sync_interval_ms = 3'600'000;
  auto log = open_log(fs_, kLocation, options);
  log->start();
  in_sync = false;
  hold = true;
  append(*log, 0, {"SET", "a", "1"});
  log->commit_inline();
  while (!in_sync) std::this_thread::yield();
  const uint64_t sequence = append(*log, 0, {"SET", "b", "2"});
  log->request_sync(sequence);
  log->set_policy(SyncPolicy::kNo);
  hold = false;
  while (log->durable_sequence() < sequence) std::this_thread::yield();
  ASSERT_TRUE(log->stop());
}

// Under kAlways the log thread hangs in a sync; what is wanted written is written meanwhile.
TEST_F(OpLogTest, ARequestedWriteDoesNotWaitForASync) {
  std::atomic<bool> hold{false};
  std::atomic<bool> in_sync{false};
  fs_.set_hook([&](const SimEvent& event) -> std::optional<Errc> {
    if (event.kind != SimOperation::kSync) return {};
    in_sync = true;
    while (hold) std::this_thread::yield();
    return {};
  });
  auto log = open_log(fs_, kLocation, test_options(SyncPolicy::kAlways));
  log->start();
  in_sync = false;
  hold = true;
  append(*log, 0, {"SET", "a", "1"});
  log->commit_inline();
  while (!in_sync) std::this_thread::yield();
  const uint64_t sequence = append(*log, 0, {"SET", "b", "2"});
  log->commit_inline();
  log->request_write();
  while (log->written_sequence() < sequence) std::this_thread::yield();
  EXPECT_LT(log->durable_sequence(), sequence);
  hold = false;
  while (log->durable_sequence() < sequence) std::this_thread::yield();
  ASSERT_TRUE(log->stop());
}

// Several threads append, commit at the end of their "turn" and wait for their acknowledgement; the
// policy changes under them. Everything comes back, each thread's writes in its order.
void run_stress(SyncPolicy policy, bool change_policy) {
  constexpr int kThreads = 3;
  constexpr int kTurns = 300;
  SimFileSystem fs({.seed = 7, .trace = false});
  ASSERT_TRUE(fs.create_directory("/data"));
  OpLogOptions options = test_options(policy);
  options.ring.ring_bytes = kRingBytesMin;
  options.sync_interval_ms = 1;
  auto log = open_log(fs, kLocation, options);
  std::mutex mutex;
  std::condition_variable progressed;
  log->set_on_progress([&] {
    std::scoped_lock guard(mutex);
    progressed.notify_all();
  });
  log->start();
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      Random random(t);
      for (int turn = 0; turn < kTurns; ++turn) {
        {
          std::unique_lock guard(mutex);
          progressed.wait(guard, [&] { return log->has_credit(); });
        }
        uint64_t sequence = 0;
        for (uint64_t n = random.below(8) + 1; n > 0; --n)
          sequence =
              append(*log, static_cast<uint16_t>(t), {"RPUSH", std::to_string(turn), std::to_string(n)});
        if (random.one_in(20)) sequence = append(*log, 9, {"SET", "large", std::string(100'000, 'x')});
        log->commit_inline();
        std::unique_lock guard(mutex);
        progressed.wait(guard, [&] { return log->acknowledged_sequence() >= sequence; });
      }
    });
  if (change_policy) {
    for (int i = 0; i < 30; ++i) {
      log->set_policy(static_cast<SyncPolicy>(i % 3));
      if (i % 10 == 0) {
        EXPECT_TRUE(log->rotate());
      }
      std::this_thread::yield();
    }
    log->set_policy(policy);
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(log->stop());
  EXPECT_EQ(log->durable_sequence(), log->appended_sequence());
  const Recovered recovered = recover(fs, kLocation);
  ASSERT_TRUE(recovered.status) << recovered.status.error().what;
  for (int t = 0; t < kThreads; ++t) {
    Random random(t);
    const std::string db = std::to_string(t) + ":";
    auto line = recovered.lines.begin();
    for (int turn = 0; turn < kTurns; ++turn) {
      for (uint64_t n = random.below(8) + 1; n > 0; --n, ++line) {
        while (line != recovered.lines.end() && !line->starts_with(db)) ++line;
        ASSERT_NE(line, recovered.lines.end());
        ASSERT_EQ(*line, db + " RPUSH " + std::to_string(turn) + " " + std::to_string(n));
      }
      static_cast<void>(random.one_in(20));
    }
  }
}

TEST(OpLogStress, Always) { run_stress(SyncPolicy::kAlways, false); }
TEST(OpLogStress, EverySecond) { run_stress(SyncPolicy::kEverySecond, false); }
TEST(OpLogStress, PolicyChangesAndRotation) { run_stress(SyncPolicy::kEverySecond, true); }

}  // namespace
}  // namespace strata

// A log that failed and goes on with a fresh generation: by hand, at every operation, and by seed.
//
// A base here is a made-up RDB that holds the lines of everything appended so far, so what a start finds is
// the history up to some record, whatever generation it comes from.
//
// STRATA_CRASH_SEEDS=50000 runs as many seeds; STRATA_CRASH_SEED=17 runs that one.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "base/random.h"
#include "persistence/oplog_test_support.h"
#include "persistence/rdb_snapshot.h"
#include "platform/sim_file_system.h"

namespace strata {
namespace {

using namespace log_test;  // NOLINT

constexpr uint64_t kSeedsUsual = 1500;
constexpr uint64_t kRoomy = UINT64_MAX;
const AofLocation kLocation{.directory = "/data"};
const std::string kTemporary = snapshot_temporary_path(kLocation.path_of("appendonly.aof"), "base");

class LinesLoader final : public BaseLoader {
 public:
  Result<uint64_t> load_rdb(File& file, std::string_view, bool) override {
    TRY_ASSIGN(const uint64_t size, file.size());
    std::string bytes(size, '\0');
    TRY_ASSIGN(const size_t got, file.read_at(0, bytes));
    if (got != size || !bytes.ends_with('\xff')) return fail(Errc::kCorruption, "half a base");
    for (size_t at = bytes.find('\n') + 1; at < size - 1;) {
      const size_t end = bytes.find('\n', at);
      if (end == std::string::npos) return fail(Errc::kCorruption, "half a line");
      lines.push_back(bytes.substr(at, end - at));
      at = end + 1;
    }
    return size;
  }
  std::vector<std::string> lines;
};

struct Mutant {
  bool skip_base_sync = false;
  bool forget_lines = false;  // a base that lacks what the failed log lost
};

// One simulated machine whose disk fails, and what it should hold.
class ResumeRun {
 public:
  ResumeRun(uint64_t seed, SyncPolicy policy, Mutant mutant = {})
      : random_(seed),
        fs_({.seed = seed, .trace = std::getenv("STRATA_CRASH_SEED") != nullptr}),
        policy_(policy),
        mutant_(mutant) {
    (void)fs_.create_directory("/data");
    (void)fs_.sync_directory("/");
    fs_.set_hook([this](const SimEvent& event) { return before(event); });
  }

  bool start() {
    broken_files_.clear();
    const Recovered found = recover<LinesLoader>(fs_, kLocation);
    if (is_down()) return false;
    if (!found.status) return broken(std::string("refused to start: ") + found.status.error().what);
    if (!check(found.lines)) return false;
    OpLogOptions options = test_options(policy_);
    options.ring.ring_bytes = kRingBytesMin;
    options.salt = random_.next();
    Result<std::unique_ptr<OpLog>> log = OpLog::open(fs_, kLocation, options, found.report);
    if (!log) return is_down() || broken(std::string("cannot open: ") + log.error().what);
    log_ = std::move(*log);
    if (!log_->failed()) durable_ = history_.size();
    in_doubt_ += log_->failed();
    return true;
  }

  void append_one() {
    const std::string value = std::to_string(++counter_) + std::string(random_.below(600), 'v');
    const auto db = static_cast<uint16_t>(random_.below(3));
    const uint64_t sequence = append(*log_, db, {"SET", "key", value});
    history_.push_back({std::to_string(db) + ": SET key " + value, sequence});
  }

  // As the server does it; `in_flight` writes come behind the mark, and are written when it has worked.
  Status resume(uint64_t in_flight = 0) {
    log_->mark_rotation();
    std::string base = "REDIS0010\n";
    const size_t count = mutant_.forget_lines ? std::min(durable_, history_.size()) : history_.size();
    for (size_t i = 0; i < count; ++i) base.append(history_[i].line).append("\n");
    base.push_back('\xff');
    for (; in_flight > 0; --in_flight) append_one();
    Status status = write_base(base);
    if (status) {
      status = log_->resume(kTemporary);
    } else {
      log_->forget_rotation();
    }
    if (!status) (void)fs_.remove(kTemporary);
    if (status) {
      ++resumed_;
      failed_at_ = 0;  // it may have failed again already
    }
    return status;
  }

  Status write_base(const std::string& bytes) {
    TRY_ASSIGN(File file, fs_.open(kTemporary, OpenMode::kTruncate));
    TRY(file.append(bytes));
    if (mutant_.skip_base_sync) return {};
    return file.sync_all();
  }

  // Looks whether the log keeps its word; call it after every step.
  void look() {
    if (log_ == nullptr || is_down()) return;
    const OpLog& log = *log_;
    if (!log.failed()) {
      failed_at_ = 0;
      for (size_t i = durable_; i < history_.size(); ++i) {
        if (history_[i].sequence <= log.durable_sequence()) durable_ = i + 1;
      }
      for (size_t i = acknowledged_; i < history_.size(); ++i) {
        if (history_[i].sequence <= log.acknowledged_sequence()) acknowledged_ = i + 1;
      }
      return;
    }
    if (failed_at_ == 0) {
      ++failures_;
      failed_at_ = 1 + log.written_sequence();
      broken_files_.insert(kLocation.path_of(increment_name(kLocation, log.stats().increment_seq)));
    }
    if (failed_at_ != 1 + log.written_sequence()) (void)broken("a failed log got on");
  }

  void crash(bool is_kill) {
    look();
    log_.reset();
    failed_at_ = 0;
    error_.reset();
    is_kill ? fs_.kill_process() : fs_.crash(random_.next());
    fs_.set_capacity(kRoomy);
  }

  // The operation `nth` from now fails, and those behind it, `count` in all.
  void fail_operations(uint64_t nth, uint64_t count, Errc error) {
    error_ = error;
    fails_from_ = fs_.operation_count() + nth;
    fails_to_ = fails_from_ + count;
  }

  bool run(int generations) {
    for (int i = 0; i < generations && problem_.empty(); ++i) {
      if (start()) work(20 + random_.below(80));
      crash(random_.one_in(4));
    }
    if (problem_.empty() && start()) crash(false);
    return problem_.empty();
  }

  bool is_down() const { return fs_.power_is_cut(); }
  bool broken(const std::string& what) {
    if (problem_.empty()) problem_ = what;
    return false;
  }
  const std::string& problem() const { return problem_; }
  uint64_t lost_acknowledged() const { return lost_acknowledged_; }
  uint64_t failures() const { return failures_; }
  uint64_t resumed() const { return resumed_; }
  uint64_t in_doubt() const { return in_doubt_; }
  uint64_t hits() const { return hits_; }
  OpLog& log() { return *log_; }
  SimFileSystem& fs() { return fs_; }

 private:
  struct Written {
    std::string line;
    uint64_t sequence;  // in this generation
  };

  std::optional<Errc> before(const SimEvent& event) {
    const bool is_io = event.kind == SimOperation::kWrite || event.kind == SimOperation::kSync;
    if (is_io && broken_files_.contains(std::string(event.path)))
      (void)broken("tried again on " + std::string(event.path));
    // Without the mark the next process cannot know: that is how far the promise goes.
    if (event.path == kLocation.doubt_path()) return {};
    if (!error_ || event.index < fails_from_ || event.index >= fails_to_) return {};
    ++hits_;
    return error_;
  }

  bool check(const std::vector<std::string>& lines) {
    if (lines.size() > history_.size()) return broken("something was invented");
    for (size_t i = 0; i < lines.size(); ++i) {
      if (lines[i] != history_[i].line) return broken("not a prefix of the history");
    }
    if (lines.size() < durable_) return broken("something durable was lost");
    lost_acknowledged_ += acknowledged_ > lines.size() ? acknowledged_ - lines.size() : 0;
    history_.resize(lines.size());
    for (Written& written : history_) written.sequence = 0;
    acknowledged_ = std::min(acknowledged_, lines.size());
    return true;
  }

  void work(uint64_t steps) {
    for (; steps > 0 && !is_down() && problem_.empty(); --steps) {
      step();
      look();
    }
  }

  void step() {
    switch (random_.below(14)) {
      case 0:
      case 1:
        return (void)log_->step_sync();
      case 2:
        return (void)log_->step_write();
      case 3:
        return log_->commit_inline();
      case 4:
        if (random_.one_in(3)) (void)log_->rotate();
        return;
      case 5:
        return fail_operations(1 + random_.below(6), 1 + random_.below(3), Errc::kIo);
      case 6:
        return fs_.set_capacity(random_.one_in(2) ? kRoomy : fs_.used_bytes() + random_.below(3000));
      case 7:
      case 8:
        if (log_->failed()) (void)resume(random_.below(3));
        return;
      case 9:
        if (random_.one_in(6)) fs_.cut_power_at(fs_.operation_count() + 1 + random_.below(20), any_when());
        return;
      default:
        append_one();
    }
  }
  CutWhen any_when() { return random_.one_in(2) ? CutWhen::kBefore : CutWhen::kAfter; }

  Random random_;
  SimFileSystem fs_;
  const SyncPolicy policy_;
  const Mutant mutant_;
  std::unique_ptr<OpLog> log_;
  std::vector<Written> history_;
  std::set<std::string> broken_files_;  // nothing may be written to them any more
  std::optional<Errc> error_;
  uint64_t fails_from_ = 0, fails_to_ = 0, hits_ = 0;
  size_t durable_ = 0, acknowledged_ = 0;
  uint64_t failed_at_ = 0;
  uint64_t counter_ = 0, lost_acknowledged_ = 0, failures_ = 0, resumed_ = 0, in_doubt_ = 0;
  std::string problem_;
};

// --- By seed
// ------------------------------------------------------------------------------------------------

struct Tally {
  uint64_t broken = 0, lost_acknowledged = 0, failures = 0, resumed = 0, in_doubt = 0, hits = 0;
};

Tally run_seeds(uint64_t part, SyncPolicy policy, Mutant mutant, bool report) {
  Tally tally;
  const char* count = std::getenv("STRATA_CRASH_SEEDS");
  const char* single = std::getenv("STRATA_CRASH_SEED");
  const uint64_t first = single != nullptr ? std::strtoull(single, nullptr, 10) : 1;
  uint64_t seeds = (count != nullptr ? std::strtoull(count, nullptr, 10) : kSeedsUsual) / part;
  if (single != nullptr) seeds = 1;
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    ResumeRun run(seed, policy, mutant);
    if (!run.run(4)) {
      ++tally.broken;
      if (single != nullptr) {
        for (const std::string& line : run.fs().trace()) std::puts(line.c_str());
      }
      if (report) ADD_FAILURE() << "STRATA_CRASH_SEED=" << seed << ": " << run.problem();
    }
    tally.lost_acknowledged += run.lost_acknowledged();
    tally.failures += run.failures();
    tally.resumed += run.resumed();
    tally.in_doubt += run.in_doubt();
    tally.hits += run.hits();
  }
  if (single == nullptr && report) {
    EXPECT_GT(tally.hits, seeds) << "the disk hardly ever failed";
    EXPECT_GT(tally.failures, seeds / 2);
    EXPECT_GT(tally.resumed, seeds / 4);
    EXPECT_GT(tally.in_doubt, seeds / 50) << "starts on a log in doubt";
  }
  return tally;
}

TEST(OpLogResumeCrash, AlwaysLosesNothingAcknowledged) {
  EXPECT_EQ(run_seeds(2, SyncPolicy::kAlways, {}, true).lost_acknowledged, 0u);
}

TEST(OpLogResumeCrash, EverySecondKeepsAPrefix) { run_seeds(3, SyncPolicy::kEverySecond, {}, true); }

TEST(OpLogResumeCrash, NoSyncKeepsAPrefixAndLosesAcknowledgedWrites) {
  const Tally tally = run_seeds(6, SyncPolicy::kNo, {}, true);
  if (std::getenv("STRATA_CRASH_SEED") == nullptr) {
    EXPECT_GT(tally.lost_acknowledged, 0u);
  }
}

TEST(OpLogResumeCrash, AMutantWhoseBaseIsNotSyncedIsCaught) {
  EXPECT_GT(run_seeds(6, SyncPolicy::kAlways, {.skip_base_sync = true}, false).broken, 3u);
}

TEST(OpLogResumeCrash, AMutantThatForgetsWhatTheFailedLogLostIsCaught) {
  EXPECT_GT(run_seeds(6, SyncPolicy::kAlways, {.forget_lines = true}, false).broken, 3u);
}

// --- At every operation
// -------------------------------------------------------------------------------------

// Writes and syncs until something fails, ten records in all; then resumes until it works, and goes on.
void fail_and_go_on(ResumeRun& run) {
  for (int i = 0; i < 10; ++i) {
    run.append_one();
    if (i % 3 == 2) (void)run.log().step_sync();
    if (i == 5) (void)run.log().rotate();
    run.look();
  }
  for (int attempts = 0; run.log().failed() && !run.is_down() && attempts < 20; ++attempts) {
    (void)run.resume(attempts % 2);
    run.look();
  }
}

// Every operation fails in turn, and with it the next ones; afterwards nothing is missing, also not what was
// told to be in doubt.
TEST(OpLogResumeCrash, EveryOperationFails) {
  uint64_t hits = 0;
  for (const Errc error : {Errc::kIo, Errc::kNoSpace}) {
    for (const uint64_t count : {1, 2, 3, 7}) {
      for (uint64_t k = 1;; ++k) {
        ResumeRun run(k, SyncPolicy::kAlways);
        ASSERT_TRUE(run.start());
        const uint64_t before = run.fs().operation_count();
        run.fail_operations(k, count, error);
        fail_and_go_on(run);
        ASSERT_EQ(run.problem(), "") << k << " and " << count;
        ASSERT_FALSE(run.log().failed()) << k << " and " << count;
        run.fail_operations(1, 0, error);
        run.append_one();
        ASSERT_TRUE(run.log().step_sync()) << k;
        hits += run.hits();
        const uint64_t operations = run.fs().operation_count() - before;
        run.crash(false);
        ASSERT_TRUE(run.start()) << run.problem();
        EXPECT_EQ(run.lost_acknowledged(), 0u);
        if (k > operations) break;
      }
    }
  }
  EXPECT_GT(hits, 100u);
}

// The disk fails at a write or a sync, and power goes at every operation of the resumption.
TEST(OpLogResumeCrash, PowerIsCutAtEveryOperationOfAResumption) {
  for (const uint64_t failing : {5, 6, 9}) {
    for (const CutWhen when : {CutWhen::kBefore, CutWhen::kAfter}) {
      bool was_cut = true;
      for (uint64_t k = 1; was_cut; ++k) {
        ResumeRun run(100 * failing + k, SyncPolicy::kAlways);
        ASSERT_TRUE(run.start());
        run.fail_operations(failing, 1, Errc::kIo);
        for (int i = 0; !run.log().failed(); ++i) {
          run.append_one();
          (void)run.log().step_sync();
          ASSERT_LT(i, 100);
        }
        run.look();
        run.fs().cut_power_at(run.fs().operation_count() + k, when);
        (void)run.resume(1);
        run.append_one();
        (void)run.log().step_sync();
        run.look();
        was_cut = run.is_down();
        EXPECT_TRUE(was_cut || run.resumed() == 1);
        run.crash(false);
        ASSERT_TRUE(run.start()) << "operation " << k << ": " << run.problem();
        EXPECT_EQ(run.lost_acknowledged(), 0u);
        if (k == 1) {
          ASSERT_TRUE(was_cut);
        }
      }
    }
  }
}

// --- By hand
// ------------------------------------------------------------------------------------------------

std::vector<std::string> names(FileSystem& fs) { return fs.list(kLocation.log_directory()).value(); }

TEST(OpLogResume, IsNotForALogInOrder) {
  ResumeRun run(1, SyncPolicy::kAlways);
  ASSERT_TRUE(run.start());
  run.append_one();
  EXPECT_EQ(run.resume().error().code, Errc::kInvalidArgument);
  EXPECT_TRUE(run.log().step_sync());
  EXPECT_EQ(run.log().durable_sequence(), run.log().appended_sequence());
}

TEST(OpLogResume, AFullDiskLeavesNoFilesBehindAndTheNextAttemptHasRoom) {
  ResumeRun run(2, SyncPolicy::kAlways);
  ASSERT_TRUE(run.start());
  for (int i = 0; i < 20; ++i) run.append_one();
  ASSERT_TRUE(run.log().step_sync());
  run.fs().set_capacity(run.fs().used_bytes() + 10);
  run.append_one();
  EXPECT_EQ(run.log().step_sync().error().code, Errc::kNoSpace);
  const std::vector<std::string> before = names(run.fs());
  for (const uint64_t more : {0, 100, 3000}) {
    run.fs().set_capacity(run.fs().used_bytes() + more);
    EXPECT_EQ(run.resume().error().code, Errc::kNoSpace);
    EXPECT_EQ(names(run.fs()), before);
  }
  run.fs().set_capacity(kRoomy);
  EXPECT_TRUE(run.resume());
  EXPECT_EQ(names(run.fs()).size(), 3u) << "base, increment, manifest";
  EXPECT_EQ(run.log().stats().resumption_count, 1u);
  run.look();
  run.crash(false);
  EXPECT_TRUE(run.start()) << run.problem();
}

TEST(OpLogResume, WhatIsAppendedBehindTheMarkIsWrittenAfterwards) {
  ResumeRun run(3, SyncPolicy::kAlways);
  ASSERT_TRUE(run.start());
  run.append_one();
  run.fail_operations(1, 1, Errc::kIo);
  EXPECT_FALSE(run.log().step_sync());
  ASSERT_TRUE(run.resume(5));
  EXPECT_EQ(run.log().written_sequence(), run.log().appended_sequence());
  EXPECT_LT(run.log().durable_sequence(), run.log().appended_sequence());
  EXPECT_TRUE(run.log().step_sync());
  run.look();
  run.crash(false);
  EXPECT_TRUE(run.start()) << run.problem();
}

// Nobody inside a shard may wait for a snapshot: then the snapshot is worth nothing.
TEST(OpLogResume, MoreBehindTheMarkThanTheRingHoldsNeedsAnotherBase) {
  ResumeRun run(4, SyncPolicy::kAlways);
  ASSERT_TRUE(run.start());
  run.append_one();
  run.fail_operations(1, 1, Errc::kIo);
  EXPECT_FALSE(run.log().step_sync());
  EXPECT_EQ(run.resume(2000).error().code, Errc::kReadOnly);
  EXPECT_TRUE(run.log().failed());
  EXPECT_TRUE(run.resume());
  EXPECT_FALSE(run.log().failed());
  run.look();
  run.crash(false);
  EXPECT_TRUE(run.start()) << run.problem();
}

// A killed process whose sync has failed leaves pages that look clean; the next must not build upon them.
TEST(OpLogResume, AStartAfterAFailedSyncBeginsAfresh) {
  ResumeRun run(6, SyncPolicy::kAlways);
  ASSERT_TRUE(run.start());
  run.append_one();
  ASSERT_TRUE(run.log().step_sync());
  run.append_one();
  run.fail_operations(2, 1, Errc::kIo);
  EXPECT_FALSE(run.log().step_sync());
  run.look();
  run.crash(true);
  const std::vector<std::string> before = names(run.fs());
  EXPECT_NE(std::ranges::find(before, "appendonly.aof.in-doubt"), before.end());
  ASSERT_TRUE(run.start()) << run.problem();
  EXPECT_TRUE(run.log().failed());
  EXPECT_EQ(names(run.fs()), before) << "a start that changes nothing";
  ASSERT_TRUE(run.resume());
  EXPECT_FALSE(run.log().failed());
  run.append_one();
  ASSERT_TRUE(run.log().step_sync());
  EXPECT_EQ(names(run.fs()).size(), 3u);
  run.look();
  run.crash(false);
  ASSERT_TRUE(run.start()) << run.problem();
  EXPECT_FALSE(run.log().failed());
}

// Where the mark cannot be made at once it is made as soon as that works, unless the doubt is over by then.
TEST(OpLogResume, AMarkOfDoubtThatCouldNotBeMadeIsMadeLater) {
  for (const bool is_killed : {true, false}) {
    ResumeRun run(7, SyncPolicy::kAlways);
    ASSERT_TRUE(run.start());
    run.append_one();
    run.fs().add_fault(
        {.kind = SimOperation::kOpen, .error = Errc::kNoSpace, .count = 2, .path_part = "in-doubt"});
    run.fail_operations(2, 1, Errc::kIo);
    EXPECT_FALSE(run.log().step_sync());
    const auto is_marked = [&] { return run.fs().info(kLocation.doubt_path()).has_value(); };
    EXPECT_FALSE(is_marked());
    run.log().step_history();
    EXPECT_FALSE(is_marked());
    if (!is_killed) {
      ASSERT_TRUE(run.resume());
      run.log().step_history();
      EXPECT_FALSE(is_marked());
      continue;
    }
    run.log().step_history();
    EXPECT_TRUE(is_marked());
    run.look();
    run.crash(true);
    ASSERT_TRUE(run.start()) << run.problem();
    EXPECT_TRUE(run.log().failed());
  }
}

TEST(OpLogResume, AChangeOfPolicyTakesEffectWithIt) {
  ResumeRun run(5, SyncPolicy::kAlways);
  ASSERT_TRUE(run.start());
  run.append_one();
  run.fail_operations(2, 1, Errc::kIo);
  EXPECT_FALSE(run.log().step_sync());
  EXPECT_GT(run.log().written_sequence(), run.log().durable_sequence());
  run.log().set_policy(SyncPolicy::kNo);
  EXPECT_EQ(run.log().acknowledged_sequence(), run.log().durable_sequence()) << "what is in doubt stays so";
  ASSERT_TRUE(run.resume());
  EXPECT_EQ(run.log().policy(), SyncPolicy::kNo);
}

}  // namespace
}  // namespace strata

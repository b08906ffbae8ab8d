// Power cuts on the simulated file system, by seed: a random history of appends, commits, syncs,
// rotations and restarts is cut somewhere (also during recovery), and what comes back is compared.
//
//   always                 nothing acknowledged is lost
//   everysec, no           nothing that was durable is lost; what was only written may be
//   kill instead of a cut  nothing written is lost, in any mode
//   all                    what comes back is the history up to some record: no group torn, nothing
//                          invented, and no start is refused
//
// STRATA_CRASH_SEEDS=50000 runs as many seeds; STRATA_CRASH_SEED=17 runs that one.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "base/random.h"
#include "persistence/oplog_test_support.h"
#include "platform/sim_file_system.h"

namespace strata {
namespace {

using namespace log_test;  // NOLINT

constexpr uint64_t kSeedsUsual = 2500;
const AofLocation kLocation{.directory = "/data"};

struct Mutant {
  bool skip_sync = false;
  bool skip_checksum = false;
};

// One simulated machine and what it should hold.
class CrashRun {
 public:
  CrashRun(uint64_t seed, SyncPolicy policy, Mutant mutant)
      : random_(seed), fs_({.seed = seed, .trace = false}), policy_(policy), mutant_(mutant) {
    (void)fs_.create_directory("/data");
    (void)fs_.sync_directory("/");
  }

  // False when a promise was broken; problem() says which.
  bool run(int generations) {
    for (int i = 0; i < generations && problem_.empty(); ++i) run_generation(30 + random_.below(60));
    return problem_.empty();
  }
  // Starts, works a little and loses power at operation `k`, and again during the recovery at `j`.
  bool run_cut_at(uint64_t k, CutWhen when, uint64_t j) {
    fs_.cut_power_at(fs_.operation_count() + k, when);
    cut_of_recovery_ = j;
    if (start()) work(160);
    end_with_crash();
    if (problem_.empty() && start()) {
      log_.reset();
      check_prefix();
    }
    return problem_.empty();
  }

  const std::string& problem() const { return problem_; }
  uint64_t lost_acknowledged() const { return lost_acknowledged_; }
  uint64_t operations() const { return fs_.operation_count(); }

 private:
  struct Written {
    std::vector<std::string> lines;
    uint64_t sequence;  // in this generation
  };

  void run_generation(uint64_t steps) {
    if (random_.one_in(3)) fs_.cut_power_at(fs_.operation_count() + 1 + random_.below(40), any_when());
    if (start()) work(steps);
    end_with_crash();
  }
  CutWhen any_when() { return random_.one_in(2) ? CutWhen::kBefore : CutWhen::kAfter; }

  // Recovers, checks and opens. False when power went, or a promise was broken.
  bool start() {
    if (cut_of_recovery_ != 0) fs_.cut_power_at(fs_.operation_count() + cut_of_recovery_, CutWhen::kAfter);
    cut_of_recovery_ = 0;
    const Recovered recovered = recover(fs_, kLocation, {.test_skip_checksum = mutant_.skip_checksum});
    if (fs_.power_is_cut()) return false;
    if (!recovered.status) {
      problem_ = std::string("refused to start: ") + recovered.status.error().what;
      return false;
    }
    lines_ = recovered.lines;
    if (!check_prefix()) return false;
    OpLogOptions options = test_options(policy_);
    options.ring.ring_bytes = kRingBytesMin;
    options.salt = random_.next();
    // Little filler, so that the log often reaches its end.
    options.prefill = {.after_batches = random_.below(4),
                       .ahead_bytes = 24 << 10,
                       .chunk_bytes = 8 << 10,
                       .piece_bytes = 4 << 10};
    options.test_skip_sync = mutant_.skip_sync;
    Result<std::unique_ptr<OpLog>> log = OpLog::open(fs_, kLocation, options, recovered.report);
    if (!log) {
      if (!fs_.power_is_cut()) problem_ = std::string("cannot open: ") + log.error().what;
      return false;
    }
    log_ = std::move(*log);
    durable_ = history_.size();  // open() has synced what recovery read
    return true;
  }

  // What came back is whole records from the beginning of the history, at least those that must.
  bool check_prefix() {
    size_t line = 0;
    size_t records = 0;
    for (; records < history_.size() && line < lines_.size(); ++records)
      for (const std::string& expected : history_[records].lines)
        if (line == lines_.size() || lines_[line++] != expected) return broken("not a prefix of the history");
    if (line != lines_.size()) return broken("something was invented");
    if (records < survivors_) return broken("something promised was lost");
    lost_acknowledged_ += acknowledged_ > records ? acknowledged_ - records : 0;
    acknowledged_ = 0;
    survivors_ = durable_ = std::min(durable_, records);
    history_.resize(records);
    for (Written& written : history_) written.sequence = 0;
    return true;
  }
  bool broken(const char* what) {
    problem_ = what;
    return false;
  }

  void work(uint64_t steps) {
    for (; steps > 0 && !fs_.power_is_cut(); --steps) {
      switch (random_.below(13)) {
        case 0:
        case 1:
          (void)log_->step_sync();
          break;
        case 2:
          (void)log_->step_write();
          break;
        case 3:
        case 4:
          log_->commit_inline();
          break;
        case 5:
          (void)log_->step_prefill();
          break;
        case 6:
          if (random_.one_in(10)) (void)log_->rotate();
          break;
        default:
          append_something();
      }
    }
    if (random_.one_in(10)) (void)log_->stop();
  }

  void append_something() {
    const auto db = static_cast<uint16_t>(random_.below(4));
    Written written;
    if (random_.one_in(4)) {
      append_group(db, written);
    } else {
      const size_t bytes = random_.one_in(40) ? 70'000 : random_.below(random_.one_in(5) ? 3000 : 40);
      const std::string value = std::to_string(++counter_) + std::string(bytes, 'v');
      written.sequence = append(*log_, db, {"SET", "key", value});
      written.lines = {std::to_string(db) + ": SET key " + value};
    }
    history_.push_back(std::move(written));
  }

  void append_group(uint16_t db, Written& written) {
    RecordBuilder group;
    written.lines.emplace_back("[");
    for (uint64_t n = 2 + random_.below(4); n > 0; --n) {
      const std::string value = std::to_string(++counter_) + std::string(random_.below(400), 'g');
      const std::array<Bytes, 3> args = {"SET", "group", value};
      group.add(db, args);
      written.lines.push_back(std::to_string(db) + ": SET group " + value);
      if (random_.one_in(3)) db = static_cast<uint16_t>(random_.below(4));
    }
    written.lines.emplace_back("]");
    written.sequence = log_->append_record(group);
  }

  void end_with_crash() {
    const bool was_cut = fs_.power_is_cut();
    const bool kill = !was_cut && random_.one_in(4);
    if (log_ != nullptr) {
      const uint64_t acknowledged = log_->acknowledged_sequence();
      for (size_t i = 0; i < history_.size(); ++i) {
        if (history_[i].sequence <= acknowledged) acknowledged_ = i + 1;
        if (history_[i].sequence <= log_->durable_sequence()) durable_ = i + 1;
        if (kill && history_[i].sequence <= log_->written_sequence()) survivors_ = i + 1;
      }
    }
    survivors_ = kill ? std::max(survivors_, durable_) : durable_;
    log_.reset();
    if (kill) {
      fs_.kill_process();
    } else {
      fs_.crash(random_.next());
    }
  }

  Random random_;
  SimFileSystem fs_;
  const SyncPolicy policy_;
  const Mutant mutant_;
  std::unique_ptr<OpLog> log_;
  std::vector<Written> history_;
  std::vector<std::string> lines_;
  size_t durable_ = 0;       // records that must outlive any crash
  size_t survivors_ = 0;     // and this one, which may be a mere kill
  size_t acknowledged_ = 0;  // records that clients were told of
  uint64_t lost_acknowledged_ = 0;
  uint64_t counter_ = 0;
  uint64_t cut_of_recovery_ = 0;
  std::string problem_;
};

uint64_t seeds_from_environment(uint64_t usual) {
  const char* text = std::getenv("STRATA_CRASH_SEEDS");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : usual;
}

struct Tally {
  uint64_t broken = 0;
  uint64_t lost_acknowledged = 0;
};

Tally run_seeds(uint64_t count, SyncPolicy policy, Mutant mutant, bool report) {
  Tally tally;
  const char* single = std::getenv("STRATA_CRASH_SEED");
  const uint64_t first = single != nullptr ? std::strtoull(single, nullptr, 10) : 1;
  for (uint64_t seed = first; seed < first + (single != nullptr ? 1 : count); ++seed) {
    CrashRun run(seed, policy, mutant);
    if (!run.run(4)) {
      ++tally.broken;
      if (report) ADD_FAILURE() << "STRATA_CRASH_SEED=" << seed << ": " << run.problem();
    }
    tally.lost_acknowledged += run.lost_acknowledged();
  }
  return tally;
}

TEST(OpLogCrash, AlwaysLosesNothingAcknowledged) {
  const Tally tally = run_seeds(seeds_from_environment(kSeedsUsual) / 2, SyncPolicy::kAlways, {}, true);
  EXPECT_EQ(tally.lost_acknowledged, 0u);
}

TEST(OpLogCrash, EverySecondKeepsAPrefix) {
  run_seeds(seeds_from_environment(kSeedsUsual) / 4, SyncPolicy::kEverySecond, {}, true);
}

// And shows that the test sees loss where loss is allowed.
TEST(OpLogCrash, NoSyncKeepsAPrefixAndLosesAcknowledgedWrites) {
  const Tally tally = run_seeds(seeds_from_environment(kSeedsUsual) / 4, SyncPolicy::kNo, {}, true);
  if (std::getenv("STRATA_CRASH_SEED") == nullptr) {
    EXPECT_GT(tally.lost_acknowledged, 0u);
  }
}

TEST(OpLogCrash, AMutantThatSkipsTheSyncIsCaught) {
  const Tally tally = run_seeds(50, SyncPolicy::kAlways, {.skip_sync = true}, false);
  EXPECT_GT(tally.broken, 5u);
}

TEST(OpLogCrash, AMutantThatSkipsTheChecksumIsCaught) {
  const Tally tally = run_seeds(400, SyncPolicy::kEverySecond, {.skip_checksum = true}, false);
  EXPECT_GT(tally.broken, 3u);
}

// Power lost before and after every single operation of a start and some work, and once more during
// the recovery from it.
TEST(OpLogCrash, AtEveryOperation) {
  for (uint64_t k = 1;; ++k) {
    uint64_t operations = 0;
    for (CutWhen when : {CutWhen::kBefore, CutWhen::kAfter})
      for (uint64_t j : {uint64_t{0}, 1 + k % 13}) {
        CrashRun run(99, SyncPolicy::kAlways, {});
        const uint64_t before = run.operations();
        ASSERT_TRUE(run.run_cut_at(k, when, j)) << "operation " << k << ": " << run.problem();
        EXPECT_EQ(run.lost_acknowledged(), 0u) << k;
        operations = run.operations() - before;
      }
    if (k > 100 && k > operations) break;
  }
}

}  // namespace
}  // namespace strata

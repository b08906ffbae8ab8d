// Snapshots and rewrites on the simulated file system: power cuts and failures at every operation. With
// STRATA_CRASH_SEEDS=50000 each cut comes with a hundred seeds instead of a few.

#include "persistence/rdb_snapshot.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>
#include <thread>

#include "keyspace/shard_job.h"
#include "persistence/failing_new.h"
#include "persistence/oplog_rewrite.h"
#include "persistence/oplog_test_support.h"
#include "persistence/rdb_test_support.h"

namespace strata {
namespace {

using namespace rdb_test;  // NOLINT

// Walks to the end. Nothing of what the tests save is so much that the walk would wait for the writing.
void walk(Keyspace& keyspace, RdbSnapshot& snapshot) {
  JobRunner runner(keyspace);
  for (uint32_t s = 0; s < keyspace.shard_count(); ++s) {
    while (!keyspace.shard(s).snapshot().walk(runner, INT64_MAX)) {
    }
  }
  snapshot.finish();
}

uint64_t seeds(uint64_t usual) {
  const char* text = std::getenv("STRATA_CRASH_SEEDS");
  return text != nullptr ? std::max<uint64_t>(1, std::strtoull(text, nullptr, 10) / 500) : usual;
}

void expect_no_leftovers(FileSystem& fs, const std::string& directory) {
  const auto names = fs.list(directory);
  ASSERT_TRUE(names.has_value());
  for (const std::string& name : *names) EXPECT_FALSE(name.starts_with("temp")) << name;
}

class DumpCrash : public ::testing::Test {
 protected:
  DumpCrash() { RandomFiller(6, RdbLimits{}).fill(*keyspace_, 50); }

  Result<RdbSaveReport> save(FileSystem& fs) {
    RdbSnapshot snapshot(*keyspace_, {});
    snapshot.begin();
    walk(*keyspace_, snapshot);
    return snapshot.replace(fs, "dump.rdb", snapshot_temporary_path("dump.rdb", "bgsave"));
  }
  void expect_new(FileSystem& fs) {
    const Loaded loaded = load_bytes(bytes_of(fs, "dump.rdb"));
    ASSERT_TRUE(loaded.status);
    EXPECT_EQ(difference(loaded.contents(), contents_of(*keyspace_)), "");
  }

  std::unique_ptr<Keyspace> keyspace_ = make_keyspace(4);
};

TEST_F(DumpCrash, EveryCutLeavesOneOfTheTwo) {
  SimFileSystem reference;
  ASSERT_TRUE(save(reference));
  const uint64_t operations = reference.operation_count();
  EXPECT_GE(operations, 5u);  // open, write, sync, rename, sync of the directory
  for (uint64_t k = 1; k <= operations; ++k) {
    for (uint64_t seed = 1; seed <= seeds(12); ++seed) {
      SCOPED_TRACE("operation " + std::to_string(k) + ", seed " + std::to_string(seed));
      SimFileSystem fs({.seed = seed, .trace = false});
      ASSERT_TRUE(replace_file(fs, "dump.rdb", "old"));
      fs.cut_power_at(fs.operation_count() + k, seed % 2 ? CutWhen::kBefore : CutWhen::kAfter);
      const bool is_saved = save(fs).has_value();
      fs.crash(seed);
      ASSERT_TRUE(remove_snapshot_leftovers(fs, "dump.rdb"));
      expect_no_leftovers(fs, ".");
      if (bytes_of(fs, "dump.rdb") == "old") {
        EXPECT_FALSE(is_saved);
      } else {
        expect_new(fs);
      }
    }
  }
}

TEST_F(DumpCrash, EveryFailureLeavesOneOfTheTwo) {
  constexpr SimOperation kKinds[] = {SimOperation::kOpen, SimOperation::kWrite, SimOperation::kSync,
                                     SimOperation::kRename, SimOperation::kSyncDirectory};
  for (const SimOperation kind : kKinds) {
    SCOPED_TRACE(sim_operation_name(kind));
    SimFileSystem fs({.trace = false});
    ASSERT_TRUE(replace_file(fs, "dump.rdb", "old"));
    fs.add_fault({.kind = kind, .error = Errc::kNoSpace});
    EXPECT_FALSE(save(fs).has_value());
    EXPECT_EQ(fs.faults_hit(), 1u);
    expect_no_leftovers(fs, ".");
    if (kind == SimOperation::kSyncDirectory) {
      expect_new(fs);
    } else {
      EXPECT_EQ(bytes_of(fs, "dump.rdb"), "old");
    }
    ASSERT_TRUE(save(fs).has_value());  // and the next one goes
    expect_new(fs);
  }
}

TEST_F(DumpCrash, ACancelledOneReplacesNothing) {
  SimFileSystem fs;
  ASSERT_TRUE(replace_file(fs, "dump.rdb", "old"));
  RdbSnapshot snapshot(*keyspace_, {});
  snapshot.begin();
  walk(*keyspace_, snapshot);
  snapshot.cancel();
  const auto report = snapshot.replace(fs, "dump.rdb", "temp");
  ASSERT_FALSE(report.has_value());
  EXPECT_EQ(report.error().code, Errc::kCancelled);
  EXPECT_EQ(bytes_of(fs, "dump.rdb"), "old");
  expect_no_leftovers(fs, ".");
}

// Entries that are saved out of turn cannot wait: their writers must, until the file has caught up.
TEST(SnapshotPressure, WritersAreHeldAboveABound) {
  auto keyspace = make_keyspace();
  Database& database = keyspace->shard(0).database(0);
  const std::string value(1000, 'v');
  constexpr size_t kCount = kSnapshotBehindBytes / 1000 * 2;
  for (size_t i = 0; i < kCount; ++i)
    ASSERT_TRUE(database.set_string(keyspace->key(std::to_string(i)), value, kNoDeadline));
  size_t crowded = 0, roomy = 0;
  RdbSnapshot* self = nullptr;
  RdbSnapshot snapshot(
      *keyspace, {}, {.on_room = [&] { roomy += !self->holds_writers(); }, .on_crowded = [&] { ++crowded; }});
  self = &snapshot;
  snapshot.begin();
  size_t changed = 0;
  for (; changed < kCount && !snapshot.holds_writers(); ++changed) {
    EXPECT_EQ(crowded, 0u);
    ASSERT_TRUE(database.set_string(keyspace->key(std::to_string(changed)), "new", kNoDeadline));
  }
  EXPECT_GE(crowded, 1u);
  EXPECT_LT(changed, kCount * 6 / 10);
  JobRunner runner(*keyspace);
  EXPECT_TRUE(snapshot.is_full());
  EXPECT_FALSE(keyspace->shard(0).snapshot().walk(runner, INT64_MAX)) << "the walk waits, too";
  SimFileSystem fs({.trace = false});
  Result<RdbSaveReport> report = fail(Errc::kCancelled, "not yet");
  std::thread writer([&] { report = snapshot.replace(fs, "dump.rdb", "temp"); });
  while (!keyspace->shard(0).snapshot().walk(runner, INT64_MAX)) std::this_thread::yield();
  snapshot.finish();
  writer.join();
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->key_count, kCount);
  EXPECT_GE(roomy, 1u);
}

// A disk that is full while the walk waits for it: the walk goes to its end all the same.
TEST(SnapshotPressure, AFailureHoldsNobody) {
  auto keyspace = make_keyspace();
  Database& database = keyspace->shard(0).database(0);
  const std::string value(1000, 'v');
  for (size_t i = 0; i < 20'000; ++i)
    ASSERT_TRUE(database.set_string(keyspace->key(std::to_string(i)), value, kNoDeadline));
  SimFileSystem fs({.capacity_bytes = 1 << 20, .trace = false});
  RdbSnapshot snapshot(*keyspace, {.writer = {.compression = false}});
  snapshot.begin();
  Result<RdbSaveReport> report;
  std::thread writer([&] { report = snapshot.replace(fs, "dump.rdb", "temp"); });
  JobRunner runner(*keyspace);
  while (!keyspace->shard(0).snapshot().walk(runner, INT64_MAX)) std::this_thread::yield();
  snapshot.finish();
  writer.join();
  ASSERT_FALSE(report.has_value());
  EXPECT_EQ(report.error().code, Errc::kNoSpace);
  EXPECT_FALSE(snapshot.holds_writers());
  expect_no_leftovers(fs, ".");
}

TEST(SnapshotNames, LeftoversOfOthersStay) {
  SimFileSystem fs;
  const std::string ours = snapshot_temporary_path("dump.rdb", "bgsave");
  const std::string others = snapshot_temporary_path("other.rdb", "bgsave");
  ASSERT_TRUE(replace_file(fs, ours, "x"));
  ASSERT_TRUE(replace_file(fs, others, "x"));
  ASSERT_TRUE(remove_snapshot_leftovers(fs, "dump.rdb"));
  EXPECT_FALSE(fs.info(ours).has_value());
  EXPECT_TRUE(fs.info(others).has_value());
}

// ---- Rewrites --------------------------------------------------------------------------------------------

const AofLocation kLocation{.directory = "/data"};
constexpr int kNames = 7;

// A keyspace and its log. Record n is SET <n mod 7> n, so the newest value says how many records there are
// and what every other key must hold.
class Machine final : public Applier, public BaseLoader {
 public:
  explicit Machine(FileSystem& fs, uint64_t retention_s = 0) : fs_(fs), retention_s_(retention_s) {}

  Status start() {
    AofReader reader(fs_, kLocation);
    TRY(reader.load(*this, *this));
    OpLogOptions options = log_test::test_options();
    options.retention_s = retention_s_;
    TRY_ASSIGN(log_, OpLog::open(fs_, kLocation, options, reader.report()));
    for (const auto& [name, held] : contents_of(*keyspace_)) count_ = std::max(count_, number(held));
    return {};
  }
  // How many records the data holds; fails if it is not exactly what they make.
  uint64_t check() const {
    const Contents contents = contents_of(*keyspace_);
    for (const auto& [name, held] : contents) {
      const uint64_t key = std::stoull(name.substr(name.find(':') + 1));
      EXPECT_EQ(number(held), count_ - (count_ - key) % kNames) << name;
    }
    EXPECT_EQ(contents.size(), std::min<uint64_t>(count_, kNames));
    return count_;
  }

  void write() {
    const testing_tools::FailingNew::Pause clients_have_memory;
    const std::string key = std::to_string(++count_ % kNames), value = std::to_string(count_);
    const Bytes args[] = {"SET", key, value};
    EXPECT_TRUE(set(0, key, value));
    sequence_of_.push_back(log_->append_command(0, args));
  }
  void sync() { static_cast<void>(log_->step_sync()); }
  // Of those written since the start.
  uint64_t durable_count() const {
    uint64_t count = count_ - sequence_of_.size();
    for (const uint64_t sequence : sequence_of_) count += sequence <= log_->durable_sequence();
    return count;
  }
  bool log_failed() const { return log_->failed(); }

  // With writes between the steps of the walk. The file is written when the walk has ended.
  bool rewrite() {
    std::optional<testing_tools::FailingNew::Pause> beginning(std::in_place);
    RdbSnapshot snapshot(*keyspace_, {});
    log_->mark_rotation();
    snapshot.begin();
    JobRunner runner(*keyspace_);
    beginning.reset();
    for (uint32_t s = 0; s < keyspace_->shard_count(); ++s) {
      write();
      while (!keyspace_->shard(s).snapshot().walk(runner, 0)) write();
    }
    snapshot.finish();
    return rewrite_log(fs_, kLocation, log_.get(), snapshot, {}).has_value();
  }

  Status apply(uint16_t db, std::span<const Bytes> args) override { return set(db, args[1], args[2]); }
  Result<uint64_t> load_rdb(File& file, std::string_view, bool verify_only) override {
    RdbLoadReport report;
    TRY(verify_only ? rdb_verify(file, 0, 16, {}, &report) : rdb_load(file, 0, *keyspace_, {}, &report));
    return report.end_offset;
  }

 private:
  static uint64_t number(const Held& held) { return std::stoull(held.elements[0]); }
  Status set(uint16_t db, Bytes name, Bytes value) {
    const Key key = keyspace_->key(name);
    TRY(database_for(*keyspace_, db, key).set_string(key, value, kNoDeadline));
    return {};
  }

  FileSystem& fs_;
  const uint64_t retention_s_;
  std::unique_ptr<Keyspace> keyspace_ = make_keyspace(4);
  std::unique_ptr<OpLog> log_;
  uint64_t count_ = 0;
  std::vector<uint64_t> sequence_of_;
};

void make_directory(FileSystem& fs) {
  ASSERT_TRUE(fs.create_directory("/data"));
  ASSERT_TRUE(fs.sync_directory("/"));
}

// Two rewrites among writes. True when both went.
bool work(Machine& machine) {
  bool went = true;
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 5; ++i) machine.write();
    machine.sync();
    machine.write();
    went &= machine.rewrite();
    machine.write();
    machine.sync();
  }
  return went;
}

void expect_only_the_logs_files(FileSystem& fs, bool has_retention = false, bool is_in_doubt = false) {
  const Manifest manifest = load_manifest(fs, kLocation).value();
  std::vector<std::string> wanted = {"appendonly.aof.manifest"};
  if (manifest.has_base()) wanted.push_back(manifest.base.name);
  for (const ManifestFile& file : manifest.increments) wanted.push_back(file.name);
  for (const ManifestFile& file : manifest.history) wanted.push_back(file.name);
  EXPECT_TRUE(manifest.history.empty() || has_retention);
  if (is_in_doubt) wanted.push_back("appendonly.aof.in-doubt");
  std::vector<std::string> found = fs.list(kLocation.log_directory()).value();
  std::sort(wanted.begin(), wanted.end());
  std::sort(found.begin(), found.end());
  EXPECT_EQ(found, wanted);
}

TEST(RewriteCrash, LeavesABaseAndOneIncrement) {
  SimFileSystem fs;
  make_directory(fs);
  Machine machine(fs);
  ASSERT_TRUE(machine.start());
  ASSERT_TRUE(work(machine));
  expect_only_the_logs_files(fs);
  const Manifest manifest = load_manifest(fs, kLocation).value();
  EXPECT_EQ(manifest.base.seq, 2u);
  EXPECT_EQ(manifest.increments.size(), 1u);
  Machine again(fs);
  ASSERT_TRUE(again.start());
  EXPECT_EQ(again.check(), machine.check());
}

uint64_t operations_of_work() {
  SimFileSystem fs;
  make_directory(fs);
  Machine machine(fs);
  EXPECT_TRUE(machine.start());
  const uint64_t before = fs.operation_count();
  EXPECT_TRUE(work(machine));
  return fs.operation_count() - before;
}

// Cut at every operation, and again in the middle of the start that follows.
TEST(RewriteCrash, EveryCutKeepsWhatWasDurable) {
  const uint64_t operations = operations_of_work();
  EXPECT_GE(operations, 40u);
  for (uint64_t k = 1; k <= operations; ++k) {
    for (uint64_t seed = 1; seed <= seeds(6); ++seed) {
      SCOPED_TRACE("operation " + std::to_string(k) + ", seed " + std::to_string(seed));
      SimFileSystem fs({.seed = seed, .trace = false});
      make_directory(fs);
      const uint64_t retention_s = seed % 3 == 0 ? 1000 : 0;
      uint64_t durable;
      {
        Machine machine(fs, retention_s);
        ASSERT_TRUE(machine.start());
        fs.cut_power_at(fs.operation_count() + k, seed % 2 ? CutWhen::kBefore : CutWhen::kAfter);
        work(machine);
        durable = machine.durable_count();
      }
      fs.crash(seed * 1000 + k);
      fs.cut_power_at(fs.operation_count() + 1 + k % 8, CutWhen::kAfter);
      static_cast<void>(Machine(fs, retention_s).start());
      fs.crash(seed * 2000 + k);
      Machine again(fs, retention_s);
      const Status started = again.start();
      ASSERT_TRUE(started) << started.error().what;
      EXPECT_GE(again.check(), durable);
      expect_only_the_logs_files(fs, retention_s != 0);
    }
  }
}

// A failure at every operation: the log goes on or has failed, and what it called durable is there after a
// crash.
TEST(RewriteCrash, EveryFailureKeepsWhatWasDurable) {
  uint64_t failed = 0;
  for (uint64_t k = 1;; ++k) {
    SCOPED_TRACE(k);
    SimFileSystem fs({.seed = k, .trace = false});
    make_directory(fs);
    uint64_t durable;
    {
      Machine machine(fs);
      ASSERT_TRUE(machine.start());
      const uint64_t at = fs.operation_count() + k;
      fs.set_hook([&](const SimEvent& event) -> std::optional<Errc> {
        return event.index == at ? std::optional(Errc::kIo) : std::nullopt;
      });
      const bool went = work(machine);
      if (fs.operation_count() < at) break;
      failed += !went;
      fs.set_hook(nullptr);
      if (!machine.log_failed()) {
        EXPECT_TRUE(machine.rewrite());  // the next one goes
        machine.sync();
        EXPECT_EQ(machine.durable_count(), machine.check());
      }
      expect_no_leftovers(fs, kLocation.log_directory());
      durable = machine.durable_count();
    }
    fs.crash(k);
    Machine again(fs);
    const Status started = again.start();
    ASSERT_TRUE(started) << started.error().what;
    EXPECT_GE(again.check(), durable);
    // After a failed sync the mark stays until the log has begun afresh.
    expect_only_the_logs_files(fs, false, again.log_failed());
  }
  EXPECT_GE(failed, 10u);
}

// M1: no memory at the n-th allocation of two rewrites. What was durable is there after a crash.
TEST(RewriteMemory, EveryFailureKeepsWhatWasDurable) {
  if (!testing_tools::FailingNew::kIsPossible) GTEST_SKIP() << "another operator new is in use";
  using testing_tools::FailingNew;
  uint64_t failed = 0;
  for (const FailingNew::Mode mode : {FailingNew::kOnce, FailingNew::kFromThenOn}) {
    for (uint64_t n = 1;; ++n) {
      SCOPED_TRACE(testing::Message() << "allocation " << n << ", mode " << mode);
      SimFileSystem disk({.seed = n, .trace = false});
      make_directory(disk);
      testing_tools::RoomyFiles fs(disk);
      const uint64_t retention_s = n % 2 == 0 ? 1000 : 0;
      uint64_t durable;
      bool was_hit;
      {
        Machine machine(fs, retention_s);
        ASSERT_TRUE(machine.start());
        FailingNew failing(n, mode);
        const bool went = work(machine);
        failing.stop();
        was_hit = failing.was_hit();
        failed += !went;
        if (!machine.log_failed()) {
          EXPECT_TRUE(machine.rewrite());  // the next one goes
          machine.sync();
        }
        durable = machine.durable_count();
      }
      disk.crash(n);
      Machine again(disk, retention_s);
      const Status started = again.start();
      ASSERT_TRUE(started) << started.error().what;
      EXPECT_GE(again.check(), durable);
      expect_only_the_logs_files(disk, retention_s != 0);
      if (!was_hit) break;
    }
  }
  EXPECT_GT(failed, 50u);
}

// BGREWRITEAOF with appendonly no.
TEST(RewriteCrash, WithoutALog) {
  SimFileSystem fs;
  make_directory(fs);
  auto keyspace = make_keyspace(4);
  RandomFiller(7, RdbLimits{}).fill(*keyspace, 30);
  for (uint64_t round = 1; round <= 2; ++round) {
    RdbSnapshot snapshot(*keyspace, {});
    snapshot.begin();
    walk(*keyspace, snapshot);
    ASSERT_TRUE(rewrite_log(fs, kLocation, nullptr, snapshot, {}));
    expect_only_the_logs_files(fs);
    const Manifest manifest = load_manifest(fs, kLocation).value();
    EXPECT_EQ(manifest.base.seq, round);
    const Loaded loaded = load_bytes(bytes_of(fs, kLocation.path_of(manifest.base.name)));
    EXPECT_EQ(difference(loaded.contents(), contents_of(*keyspace)), "");
  }
}

}  // namespace
}  // namespace strata

// Properties of simulated crashes, by seed: what may be left, judged by a model that knows nothing of
// how the simulation works; and that small programs with known mistakes are caught.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "platform/sim_file_image.h"
#include "platform/sim_file_system.h"

namespace strata {
namespace {

constexpr uint64_t kSeeds = 3'000;

// A file as the outside world may judge it: bytes covered by a sync, and what was done since.
class FileModel {
 public:
  void write(uint64_t offset, const std::string& bytes) {
    unsynced_.push_back({offset, bytes, true});
    apply(cached_, unsynced_.back());
  }
  void truncate(uint64_t size) {
    unsynced_.push_back({size, "", false});
    apply(cached_, unsynced_.back());
  }
  void sync() {
    synced_ = cached_;
    unsynced_.clear();
  }
  const std::string& cached() const { return cached_; }

  // Every byte is one that somebody put there, and nothing untouched has changed.
  testing::AssertionResult allows(const std::string& after) const {
    for (size_t at = 0; at < std::max(after.size(), synced_.size()); ++at) {
      bool is_synced = at < synced_.size() && at < after.size() && after[at] == synced_[at];
      if (!is_synced && !excused(at, after)) {
        return testing::AssertionFailure()
               << "byte " << at << " of " << after.size() << " has no explanation";
      }
    }
    return testing::AssertionSuccess();
  }
  void restart(const std::string& after) {
    synced_ = cached_ = after;
    unsynced_.clear();
  }

 private:
  struct Change {
    uint64_t offset;
    std::string bytes;
    bool is_write;
  };
  static void apply(std::string& image, const Change& change) {
    if (!change.is_write) return image.resize(change.offset, '\0');
    image.resize(std::max<size_t>(image.size(), change.offset + change.bytes.size()), '\0');
    image.replace(change.offset, change.bytes.size(), change.bytes);
  }

  bool excused(size_t at, const std::string& after) const {
    for (const Change& change : unsynced_) {
      if (!change.is_write) {
        // A truncation may have cut this byte off, or have left a zero here when the file grew again.
        if (change.offset <= at && (at >= after.size() || after[at] == '\0')) return true;
        if (change.offset > at && at < after.size() && at >= synced_.size() && after[at] == '\0') return true;
        continue;
      }
      uint64_t end = change.offset + change.bytes.size();
      // A hole before a write that was kept.
      if (at < change.offset && at >= synced_.size() && at < after.size() && after[at] == '\0') return true;
      if (at < change.offset || at >= end || at >= after.size()) continue;
      if (after[at] == change.bytes[at - change.offset]) return true;
      // What follows a tear may be anything; a write tears where a sector begins inside it.
      uint64_t first_sector = (change.offset + kSimSectorBytes - 1) / kSimSectorBytes * kSimSectorBytes;
      if (at >= first_sector) return true;
    }
    return false;
  }

  std::string synced_;
  std::string cached_;
  std::vector<Change> unsynced_;
};

std::string random_bytes(SimRandom& random, size_t size_max) {
  std::string bytes(random.below(size_max + 1), '\0');
  for (char& byte : bytes) byte = static_cast<char>('a' + random.below(26));
  return bytes;
}

void run_file_history(uint64_t seed) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  SimRandom random(seed);
  SimFileSystem fs({.seed = seed, .trace = false});
  FileModel model;
  ASSERT_TRUE(fs.open("f", OpenMode::kCreate));
  ASSERT_TRUE(fs.sync_directory("/"));
  for (int life = 0; life < 3; ++life) {
    auto file = fs.open("f", OpenMode::kReadWrite);
    ASSERT_TRUE(file);
    for (uint64_t steps = 1 + random.below(12); steps > 0; --steps) {
      uint64_t size = model.cached().size();
      std::string bytes = random_bytes(random, random.one_in(3) ? 2000 : 100);
      switch (random.below(6)) {
        case 0:
        case 1:
          ASSERT_TRUE(file->append(bytes));
          model.write(size, bytes);
          break;
        case 2: {
          uint64_t offset = random.below(size + 600);
          if (bytes.empty()) bytes = "x";
          ASSERT_TRUE(file->write_at(offset, bytes));
          model.write(offset, bytes);
          break;
        }
        case 3: {
          uint64_t length = random.below(size + 100);
          ASSERT_TRUE(file->truncate(length));
          model.truncate(length);
          break;
        }
        default:
          ASSERT_TRUE(file->sync_data());
          model.sync();
      }
    }
    ASSERT_EQ(*read_whole_file(fs, "f", 1 << 20), model.cached());
    fs.crash(random.next());
    auto after = read_whole_file(fs, "f", 1 << 20);
    ASSERT_TRUE(after);
    ASSERT_TRUE(model.allows(*after));
    ASSERT_EQ(*after, *fs.synced_contents("f"));
    model.restart(*after);
  }
}

TEST(SimCrash, ContentsAreExplainedByWhatWasWritten) {
  for (uint64_t seed = 0; seed < kSeeds && !testing::Test::HasFatalFailure(); ++seed) run_file_history(seed);
}

// A name as the outside world may judge it: the last synced holder, or any it had since.
using Holders = std::map<std::string, std::set<std::string>>;
const std::string kNobody = "-";

std::string holder(FileSystem& fs, const std::string& name) {
  auto text = read_whole_file(fs, name, 100);
  return text ? *text : kNobody;
}

void run_name_history(uint64_t seed) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  const std::vector<std::string> names = {"a", "b", "c", "d"};
  SimRandom random(seed);
  SimFileSystem fs({.seed = seed, .trace = false});
  Holders allowed;
  for (const std::string& name : names) allowed[name] = {kNobody};
  for (uint64_t step = 0; step < 25; ++step) {
    const std::string& one = names[random.below(names.size())];
    const std::string& two = names[random.below(names.size())];
    switch (random.below(7)) {
      case 0:
      case 1:
        if (auto file = fs.open(one, OpenMode::kCreateNew)) {
          ASSERT_TRUE(file->append(std::to_string(step)));
          ASSERT_TRUE(file->sync_all());
        }
        break;
      case 2:
        (void)fs.remove(one);
        break;
      case 3:
        (void)fs.rename(one, two);
        break;
      case 4:
        (void)fs.link(one, two);
        break;
      case 5:
        ASSERT_TRUE(fs.sync_directory("/"));
        for (const std::string& name : names) allowed[name].clear();
        break;
      default:
        if (!random.one_in(3)) break;
        fs.crash(random.next());
        for (const std::string& name : names) {
          ASSERT_TRUE(allowed[name].contains(holder(fs, name))) << "name " << name << " at step " << step;
          allowed[name].clear();
        }
    }
    for (const std::string& name : names) allowed[name].insert(holder(fs, name));
  }
}

TEST(SimCrash, NamesAreExplainedByWhatHeldThem) {
  for (uint64_t seed = 0; seed < kSeeds && !testing::Test::HasFatalFailure(); ++seed) run_name_history(seed);
}

// Writes, syncs and renames with faults; returns the trace and the final contents.
std::vector<std::string> traced_history(uint64_t seed) {
  SimRandom random(seed);
  SimFileSystem fs({.seed = seed});
  fs.add_fault({.kind = SimOperation::kWrite, .nth = 3});
  for (int life = 0; life < 3; ++life) {
    for (int step = 0; step < 5; ++step) {
      std::string name(1, static_cast<char>('a' + random.below(3)));
      if (auto file = fs.open(name, OpenMode::kCreate)) {
        (void)file->append(random_bytes(random, 3000));
        if (random.one_in(3)) (void)file->sync_data();
      }
      if (random.one_in(3)) (void)fs.rename(name, "g");
      if (random.one_in(4)) (void)fs.sync_directory("/");
    }
    fs.crash(random.next());
  }
  std::vector<std::string> lines = fs.trace();
  std::vector<std::string> names = *fs.list("/");
  for (const std::string& name : names) lines.push_back(name + "=" + *read_whole_file(fs, name, 1 << 20));
  return lines;
}

TEST(SimCrash, OneSeedGivesOneTrace) {
  std::set<std::vector<std::string>> distinct;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    std::vector<std::string> first = traced_history(seed);
    ASSERT_EQ(first, traced_history(seed)) << "seed " << seed;
    ASSERT_GT(first.size(), 20u);
    distinct.insert(std::move(first));
  }
  EXPECT_EQ(distinct.size(), 200u);
}

// Three ways to replace a file; the first is right.
enum class Mistake : uint8_t { kNone, kNoFileSync, kNoDirectorySync, kNoTemporary };

Status replace_with(SimFileSystem& fs, Bytes contents, Mistake mistake) {
  if (mistake == Mistake::kNone) return replace_file(fs, "/f", contents);
  TRY_ASSIGN(File file, fs.open(mistake == Mistake::kNoTemporary ? "/f" : "/t", OpenMode::kTruncate));
  TRY(file.append(contents));
  if (mistake != Mistake::kNoFileSync) {
    TRY(file.sync_all());
  }
  if (mistake != Mistake::kNoTemporary) {
    TRY(fs.rename("/t", "/f"));
  }
  if (mistake != Mistake::kNoDirectorySync) {
    TRY(fs.sync_directory("/"));
  }
  return {};
}

// Replaces a file while the power fails at every operation; how many crashes left neither what was
// acknowledged nor what was being written.
int count_failures(Mistake mistake, uint64_t seeds) {
  const std::string old_text(700, 'o');
  const std::string new_text(1500, 'n');
  int failures = 0;
  for (CutWhen when : {CutWhen::kBefore, CutWhen::kAfter}) {
    bool reached_end = false;
    for (uint64_t k = 1; !reached_end; ++k) {
      for (uint64_t seed = 0; seed < seeds; ++seed) {
        SimFileSystem fs({.seed = seed, .trace = false});
        EXPECT_TRUE(replace_file(fs, "/f", old_text));
        fs.cut_power_at(fs.operation_count() + k, when);
        bool acknowledged = replace_with(fs, new_text, mistake).has_value();
        reached_end = !fs.power_is_cut();
        fs.crash(seed);
        auto text = read_whole_file(fs, "/f", 1 << 20);
        bool good = text && (*text == new_text || (!acknowledged && *text == old_text));
        failures += !good;
      }
    }
  }
  return failures;
}

TEST(SimCrash, ReplaceFileSurvivesACutAtEveryOperation) { EXPECT_EQ(count_failures(Mistake::kNone, 300), 0); }

TEST(SimCrash, MistakesAreCaught) {
  EXPECT_GT(count_failures(Mistake::kNoFileSync, 100), 0);
  EXPECT_GT(count_failures(Mistake::kNoDirectorySync, 100), 0);
  EXPECT_GT(count_failures(Mistake::kNoTemporary, 100), 0);
}

TEST(SimCrash, ReplaceFileCleansUpAfterEveryFault) {
  constexpr SimOperation kKinds[] = {SimOperation::kOpen, SimOperation::kWrite, SimOperation::kSync,
                                     SimOperation::kRename, SimOperation::kSyncDirectory};
  for (SimOperation kind : kKinds) {
    for (Errc error : {Errc::kIo, Errc::kNoSpace}) {
      SimFileSystem fs;
      ASSERT_TRUE(replace_file(fs, "/f", "old"));
      fs.add_fault({.kind = kind, .error = error});
      Status status = replace_file(fs, "/f", "new");
      ASSERT_FALSE(status);
      EXPECT_EQ(status.error().code, error);
      EXPECT_EQ(fs.faults_hit(), 1u) << sim_operation_name(kind);
      EXPECT_EQ(fs.list("/")->size(), 1u) << sim_operation_name(kind);
      EXPECT_EQ(*read_whole_file(fs, "/f", 100), kind == SimOperation::kSyncDirectory ? "new" : "old");
    }
  }
}

}  // namespace
}  // namespace strata

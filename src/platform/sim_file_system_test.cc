#include "platform/sim_file_system.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <set>
#include <thread>

namespace strata {
namespace {

constexpr uint64_t kSeeds = 2'000;

File open_or_die(FileSystem& fs, std::string_view path, OpenMode mode) {
  auto file = fs.open(path, mode);
  EXPECT_TRUE(file) << path;
  return file ? std::move(*file) : File();
}

std::string contents(FileSystem& fs, std::string_view path) {
  auto text = read_whole_file(fs, path, 1 << 20);
  return text ? *text : std::string("<") + error_name(text.error().code) + ">";
}

// A synced file `name` with `text`, its name synced too.
void put_synced(FileSystem& fs, std::string_view path, Bytes text) {
  File file = open_or_die(fs, path, OpenMode::kTruncate);
  ASSERT_TRUE(file.append(text));
  ASSERT_TRUE(file.sync_data());
  ASSERT_TRUE(fs.sync_directory(parent_directory(path)));
}

// What `make` leaves after crashes with many seeds.
template <typename Make>
std::set<std::string> outcomes(std::string_view path, Make make) {
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SimFileSystem fs({.trace = false});
    make(fs);
    fs.crash(seed);
    seen.insert(contents(fs, path));
  }
  return seen;
}

using Outcomes = std::set<std::string>;

TEST(SimFileSystem, SyncedDataUnderASyncedNameSurvives) {
  EXPECT_EQ(outcomes("d/f",
                     [](SimFileSystem& fs) {
                       ASSERT_TRUE(fs.create_directory("d"));
                       ASSERT_TRUE(fs.sync_directory("/"));
                       put_synced(fs, "d/f", "data");
                     }),
            Outcomes{"data"});
}

TEST(SimFileSystem, UnsyncedBytesAreKeptOrLost) {
  EXPECT_EQ(outcomes("f",
                     [](SimFileSystem& fs) {
                       put_synced(fs, "f", "ab");
                       File file = open_or_die(fs, "f", OpenMode::kReadWrite);
                       ASSERT_TRUE(file.append("c"));
                       ASSERT_TRUE(file.append("d"));
                       EXPECT_EQ(contents(fs, "f"), "abcd");  // reads see the page cache
                     }),
            (Outcomes{"ab", "abc", "abcd", std::string("ab\0d", 4)}));
}

TEST(SimFileSystem, SyncedFileWithALostNameIsLost) {
  auto seen = outcomes("f", [](SimFileSystem& fs) {
    File file = open_or_die(fs, "f", OpenMode::kCreate);
    ASSERT_TRUE(file.append("x"));
    ASSERT_TRUE(file.sync_all());
  });
  EXPECT_EQ(seen, (Outcomes{"<kNotFound>", "x"}));
}

// A write that begins with a sector may tear before its first byte: the file grew, and what stands
// there is not what was written.
TEST(SimFileSystem, SyncedNameWithoutSyncedDataIsEmptyOrWholeOrGarbage) {
  auto seen = outcomes("f", [](SimFileSystem& fs) {
    File file = open_or_die(fs, "f", OpenMode::kCreate);
    ASSERT_TRUE(file.append("x"));
    ASSERT_TRUE(fs.sync_directory("."));
  });
  for (const char* text : {"", "x"}) EXPECT_TRUE(seen.contains(text));
  EXPECT_TRUE(seen.contains(std::string(1, '\0')));
  for (const std::string& text : seen) EXPECT_LE(text.size(), 1u);
}

TEST(SimFileSystem, RemovalsAndTruncationsMayBeUndone) {
  EXPECT_EQ(outcomes("f",
                     [](SimFileSystem& fs) {
                       put_synced(fs, "f", "old");
                       ASSERT_TRUE(fs.remove("f"));
                     }),
            (Outcomes{"<kNotFound>", "old"}));
  EXPECT_EQ(outcomes("f",
                     [](SimFileSystem& fs) {
                       put_synced(fs, "f", "old");
                       (void)open_or_die(fs, "f", OpenMode::kTruncate);
                     }),
            (Outcomes{"", "old"}));
}

TEST(SimFileSystem, ARenameIsWholeOrNot) {
  EXPECT_EQ(outcomes("f",
                     [](SimFileSystem& fs) {
                       put_synced(fs, "f", "old");
                       put_synced(fs, "t", "new");
                       ASSERT_TRUE(fs.rename("t", "f"));
                     }),
            (Outcomes{"old", "new"}));
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SimFileSystem fs;
    put_synced(fs, "t", "new");
    ASSERT_TRUE(fs.rename("t", "u"));
    ASSERT_TRUE(fs.rename("u", "v"));
    fs.crash(seed);
    EXPECT_EQ(fs.list("/")->size(), 1u) << "one file has one name, seed " << seed;
  }
}

TEST(SimFileSystem, LinksAreLostAloneAndShareTheirFile) {
  EXPECT_EQ(outcomes("g",
                     [](SimFileSystem& fs) {
                       put_synced(fs, "f", "data");
                       ASSERT_TRUE(fs.link("f", "g"));
                     }),
            (Outcomes{"<kNotFound>", "data"}));
}

TEST(SimFileSystem, ALostDirectoryTakesItsFilesAlong) {
  EXPECT_EQ(outcomes("d/f",
                     [](SimFileSystem& fs) {
                       ASSERT_TRUE(fs.create_directory("d"));
                       put_synced(fs, "d/f", "data");
                     }),
            (Outcomes{"<kNotFound>", "data"}));
}

TEST(SimFileSystem, SyncingOneEndOfARenameMakesItDurable) {
  for (const char* synced : {"a", "b"}) {
    auto make = [&](SimFileSystem& fs) {
      ASSERT_TRUE(fs.create_directory("a"));
      ASSERT_TRUE(fs.create_directory("b"));
      ASSERT_TRUE(fs.sync_directory("/"));
      put_synced(fs, "a/f", "data");
      ASSERT_TRUE(fs.rename("a/f", "b/f"));
      ASSERT_TRUE(fs.sync_directory(synced));
    };
    EXPECT_EQ(outcomes("a/f", make), Outcomes{"<kNotFound>"});
    EXPECT_EQ(outcomes("b/f", make), Outcomes{"data"});
  }
}

TEST(SimFileSystem, ADurableRenameSettlesWhatHappenedToItsOldNameBefore) {
  auto make = [](SimFileSystem& fs) {
    ASSERT_TRUE(fs.create_directory("a"));
    ASSERT_TRUE(fs.create_directory("b"));
    ASSERT_TRUE(fs.sync_directory("/"));
    File file = open_or_die(fs, "a/f", OpenMode::kCreate);
    ASSERT_TRUE(file.append("data"));
    ASSERT_TRUE(file.sync_all());
    ASSERT_TRUE(fs.rename("a/f", "b/f"));
    ASSERT_TRUE(fs.sync_directory("b"));
  };
  EXPECT_EQ(outcomes("a/f", make), Outcomes{"<kNotFound>"});
  EXPECT_EQ(outcomes("b/f", make), Outcomes{"data"});
}

TEST(SimFileSystem, LongWritesTearAtSectors) {
  const std::string old_text(2048, 'o');
  const std::string new_text(1300, 'n');
  auto seen = outcomes("f", [&](SimFileSystem& fs) {
    put_synced(fs, "f", old_text);
    File file = open_or_die(fs, "f", OpenMode::kReadWrite);
    ASSERT_TRUE(file.write_at(300, new_text));
  });
  bool torn = false;
  bool zeros = false;
  bool garbage = false;
  for (const std::string& text : seen) {
    ASSERT_EQ(text.size(), 2048u);
    EXPECT_EQ(text.substr(0, 300), old_text.substr(0, 300));
    EXPECT_EQ(text.substr(1600), old_text.substr(1600));
    std::string first = text.substr(300, 212);  // up to the first sector that begins in the write
    EXPECT_TRUE(first == std::string(212, 'n') || first == std::string(212, 'o'));
    for (size_t at = 512; at < 1600; at += 512) {
      std::string sector = text.substr(at, std::min<size_t>(512, 1600 - at));
      bool is_old = sector == std::string(sector.size(), 'o');
      bool is_new = sector == std::string(sector.size(), 'n');
      bool is_zero = sector == std::string(sector.size(), '\0');
      torn |= is_old && first[0] == 'n';
      zeros |= is_zero;
      garbage |= !is_old && !is_new && !is_zero;
    }
  }
  EXPECT_TRUE(seen.contains(old_text));
  EXPECT_TRUE(torn);
  EXPECT_TRUE(zeros);
  EXPECT_TRUE(garbage);
}

TEST(SimFileSystem, AfterAFailedSyncNothingMakesTheWritesSure) {
  auto make = [](SimFileSystem& fs) {
    put_synced(fs, "f", "....");
    File file = open_or_die(fs, "f", OpenMode::kReadWrite);
    ASSERT_TRUE(file.write_at(0, "A"));
    ASSERT_TRUE(file.write_at(1, "B"));
    fs.add_fault({.kind = SimOperation::kSync});
    EXPECT_EQ(file.sync_data().error().code, Errc::kIo);
    ASSERT_TRUE(file.write_at(2, "C"));
    ASSERT_TRUE(file.write_at(0, "D"));
    EXPECT_TRUE(file.sync_data());
    EXPECT_EQ(contents(fs, "f"), "DBC.");
    EXPECT_EQ(*fs.synced_contents("f"), "D.C.");
    EXPECT_EQ(*fs.unsynced_changes("f"), 2u);
  };
  EXPECT_EQ(outcomes("f", make), (Outcomes{"D.C.", "DBC."}));
}

TEST(SimFileSystem, AfterAFailedDirectorySyncNothingMakesTheNamesSure) {
  auto make = [](SimFileSystem& fs) {
    put_synced(fs, "f", "data");
    ASSERT_TRUE(fs.link("f", "g"));
    fs.add_fault({.kind = SimOperation::kSyncDirectory, .error = Errc::kIo});
    EXPECT_FALSE(fs.sync_directory("/"));
    ASSERT_TRUE(fs.link("f", "h"));
    EXPECT_TRUE(fs.sync_directory("/"));
  };
  EXPECT_EQ(outcomes("g", make), (Outcomes{"<kNotFound>", "data"}));
  EXPECT_EQ(outcomes("h", make), Outcomes{"data"});
}

TEST(SimFileSystem, FaultsHitTheChosenOperations) {
  SimFileSystem fs;
  File log = open_or_die(fs, "log", OpenMode::kCreate);
  File other = open_or_die(fs, "other", OpenMode::kCreate);
  fs.add_fault(
      {.kind = SimOperation::kWrite, .error = Errc::kNoSpace, .nth = 2, .count = 2, .path_part = "log"});
  EXPECT_TRUE(log.append("1"));
  EXPECT_TRUE(other.append("1"));
  EXPECT_EQ(log.append("2").error().code, Errc::kNoSpace);
  EXPECT_EQ(log.append("3").error().code, Errc::kNoSpace);
  EXPECT_TRUE(other.append("2"));
  EXPECT_TRUE(log.append("4"));
  EXPECT_EQ(fs.faults_hit(), 2u);

  struct {
    SimOperation kind;
    std::function<bool()> succeeds;
  } const cases[] = {
      {SimOperation::kOpen, [&] { return fs.open("log", OpenMode::kRead).has_value(); }},
      {SimOperation::kTruncate, [&] { return log.truncate(0).has_value(); }},
      {SimOperation::kSync, [&] { return log.sync_data().has_value(); }},
      {SimOperation::kRename, [&] { return fs.rename("other", "another").has_value(); }},
      {SimOperation::kLink, [&] { return fs.link("log", "link").has_value(); }},
      {SimOperation::kRemove, [&] { return fs.remove("another").has_value(); }},
      {SimOperation::kCreateDirectory, [&] { return fs.create_directory("d").has_value(); }},
      {SimOperation::kRemoveDirectory, [&] { return fs.remove_directory("d").has_value(); }},
      {SimOperation::kSyncDirectory, [&] { return fs.sync_directory("/").has_value(); }},
      {SimOperation::kRead, [&] { return fs.info("log").has_value(); }},
  };
  for (const auto& fault : cases) {
    fs.add_fault({.kind = fault.kind});
    uint64_t hit = fs.faults_hit();
    EXPECT_FALSE(fault.succeeds()) << sim_operation_name(fault.kind);
    EXPECT_EQ(fs.faults_hit(), hit + 1);
    EXPECT_TRUE(fault.succeeds()) << sim_operation_name(fault.kind);
  }
  fs.add_fault({.kind = SimOperation::kSync, .count = UINT64_MAX});
  EXPECT_FALSE(log.sync_all());
  EXPECT_FALSE(log.sync_all());
  fs.clear_faults();
  EXPECT_TRUE(log.sync_all());
}

TEST(SimFileSystem, AFailedWriteMayWriteSome) {
  std::set<size_t> sizes;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    SimFileSystem fs({.seed = seed});
    File file = open_or_die(fs, "f", OpenMode::kCreate);
    fs.add_fault({.kind = SimOperation::kWrite});
    EXPECT_FALSE(file.append("0123"));
    std::string text = contents(fs, "f");
    EXPECT_EQ(text, std::string("0123").substr(0, text.size()));
    sizes.insert(text.size());
  }
  EXPECT_EQ(sizes, (std::set<size_t>{0, 1, 2, 3, 4}));
}

TEST(SimFileSystem, AFullDiskTakesWhatFits) {
  SimFileSystem fs({.capacity_bytes = 10});
  File file = open_or_die(fs, "f", OpenMode::kCreate);
  EXPECT_TRUE(file.append("12345678"));
  EXPECT_EQ(file.append("9abcd").error().code, Errc::kNoSpace);
  EXPECT_EQ(contents(fs, "f"), "123456789a");
  EXPECT_TRUE(file.write_at(0, "overwriting needs no room").error().code == Errc::kNoSpace);
  EXPECT_TRUE(file.write_at(0, "0123456789"));
  EXPECT_EQ(fs.used_bytes(), 10u);
  EXPECT_FALSE(replace_file(fs, "g", "x"));
  EXPECT_EQ(fs.list("/")->size(), 1u);
  EXPECT_TRUE(file.truncate(5));
  EXPECT_TRUE(replace_file(fs, "g", "x"));
  fs.set_capacity(1000);
  EXPECT_TRUE(file.append("there is room again"));
}

TEST(SimFileSystem, PowerCutsBeforeAndAfterAnOperation) {
  for (CutWhen when : {CutWhen::kBefore, CutWhen::kAfter}) {
    SimFileSystem fs;
    put_synced(fs, "f", "a");  // operations 1 to 4
    EXPECT_EQ(fs.operation_count(), 4u);
    fs.cut_power_at(7, when);
    File file = open_or_die(fs, "f", OpenMode::kReadWrite);  // 5
    EXPECT_TRUE(file.append("b"));                           // 6
    EXPECT_EQ(file.sync_data().error().code, Errc::kClosed);
    EXPECT_TRUE(fs.power_is_cut());
    EXPECT_EQ(file.append("c").error().code, Errc::kClosed);
    EXPECT_EQ(file.size().error().code, Errc::kClosed);
    EXPECT_EQ(fs.open("f", OpenMode::kRead).error().code, Errc::kClosed);
    EXPECT_EQ(fs.operation_count(), 7u);
    // A synced append cannot be lost; an unsynced one is, by some seed.
    if (when == CutWhen::kAfter) {
      EXPECT_EQ(*fs.synced_contents("f"), "ab");
    } else {
      EXPECT_EQ(*fs.synced_contents("f"), "a");
    }
    fs.crash(1);
    EXPECT_FALSE(fs.power_is_cut());
    EXPECT_EQ(file.append("d").error().code, Errc::kClosed);  // opened before the crash
    EXPECT_TRUE(fs.open("f", OpenMode::kRead));
  }
}

TEST(SimFileSystem, AKilledProcessLosesNothingButItsFiles) {
  SimFileSystem fs;
  File file = open_or_die(fs, "f", OpenMode::kCreate);
  ASSERT_TRUE(file.append("x"));
  fs.kill_process();
  EXPECT_EQ(file.append("y").error().code, Errc::kClosed);
  EXPECT_EQ(contents(fs, "f"), "x");
  EXPECT_EQ(*fs.unsynced_changes("f"), 1u);
}

TEST(SimFileSystem, TheHookSeesAndFailsOperations) {
  SimFileSystem fs;
  std::vector<std::string> seen;
  fs.set_hook([&](const SimEvent& event) -> std::optional<Errc> {
    seen.push_back(std::to_string(event.index) + sim_operation_name(event.kind) + std::string(event.path));
    return event.kind == SimOperation::kSync ? std::optional(Errc::kIo) : std::nullopt;
  });
  File file = open_or_die(fs, "f", OpenMode::kCreate);
  EXPECT_TRUE(file.append("x"));
  EXPECT_FALSE(file.sync_data());
  EXPECT_TRUE(file.size());
  EXPECT_EQ(seen, (std::vector<std::string>{"1openf", "2writef", "3syncf", "0readf"}));
  EXPECT_EQ(fs.operation_count(SimOperation::kWrite), 1u);
  EXPECT_EQ(fs.faults_hit(), 1u);
}

TEST(SimFileSystem, ASyncCoversOnlyWhatWasWrittenBeforeItBegan) {
  SimFileSystem fs;
  put_synced(fs, "f", "");
  File file = open_or_die(fs, "f", OpenMode::kReadWrite);
  std::atomic<bool> sync_began{false};
  std::atomic<bool> may_end{false};
  fs.set_hook([&](const SimEvent& event) -> std::optional<Errc> {
    if (event.kind == SimOperation::kSync) {
      sync_began = true;
      while (!may_end) std::this_thread::yield();
    }
    return std::nullopt;
  });
  ASSERT_TRUE(file.append("before"));
  std::thread syncer([&] { EXPECT_TRUE(file.sync_data()); });
  while (!sync_began) std::this_thread::yield();
  EXPECT_TRUE(file.append("during"));
  may_end = true;
  syncer.join();
  EXPECT_EQ(*fs.synced_contents("f"), "before");
}

TEST(SimFileSystem, ThreadsMayWorkSideBySide) {
  SimFileSystem fs;
  constexpr int kThreads = 4;
  constexpr int kRounds = 200;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&fs, t] {
      std::string path(1, static_cast<char>('a' + t));
      File file = open_or_die(fs, path, OpenMode::kCreate);
      for (int i = 0; i < kRounds; ++i) {
        EXPECT_TRUE(file.append("x"));
        if (i % 10 == 0) {
          EXPECT_TRUE(file.sync_data());
        }
        if (i % 50 == 0) {
          EXPECT_TRUE(fs.sync_directory("/"));
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(fs.used_bytes(), uint64_t{kThreads} * kRounds);
}

TEST(SimFileSystem, FilesOutliveTheFileSystem) {
  File file;
  {
    SimFileSystem fs;
    file = open_or_die(fs, "f", OpenMode::kCreate);
  }
  EXPECT_TRUE(file.append("x"));
}

}  // namespace
}  // namespace strata

// D9 for dumps and manifests: what --fix writes loads, and holds every key that is intact.

#include "tools/salvage.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "persistence/oplog_test_support.h"
#include "persistence/rdb_test_support.h"
#include "platform/sim_file_system.h"
#include "tools/check.h"
#include "tools/dump.h"

namespace strata {
namespace {

using namespace rdb_test;  // NOLINT
using log_test::append;
using log_test::open_log;
using log_test::read_file;
using log_test::recover;
using log_test::write_file;

const AofLocation kLocation{.directory = "/data"};
const std::string kDump = "/data/dump.rdb";

// Where each key's record begins and ends in a file.
std::map<std::string, std::pair<uint64_t, uint64_t>> places_of(Bytes bytes) {
  FileOf source(bytes);
  RdbReader reader(source.file, 0, bytes.size());
  std::map<std::string, std::pair<uint64_t, uint64_t>> places;
  for (RdbRecord record{};;) {
    const uint64_t begin = reader.offset();
    if (!reader.next(&record).value()) return places;
    places[std::to_string(record.db) + ":" + std::string(record.key)] = {begin, reader.offset()};
  }
}

std::string random_dump(uint64_t seed, size_t keys) {
  auto keyspace = make_keyspace();
  const RdbLimits limits;
  RandomFiller(seed, limits).fill(*keyspace, keys);
  SimFileSystem fs;
  EXPECT_TRUE(rdb_save(fs, "dump.rdb", *keyspace, {}));
  return bytes_of(fs, "dump.rdb");
}

// STRATA_DAMAGE_BYTES asks for a campaign (./dev crash).
uint64_t step_divisor() { return std::getenv("STRATA_DAMAGE_BYTES") != nullptr ? 2000 : 20; }

class Salvage : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(fs_.create_directory("/data")); }
  // After damage at `at`: everything before it is there as it was, and only the damaged record differs.
  void expect_intact_keys(const Contents& all,
                          const std::map<std::string, std::pair<uint64_t, uint64_t>>& places, uint64_t at) {
    const Loaded fixed = load_bytes(bytes_of(fs_, kDump));
    // Damage may have made another database of one, and both servers have 16.
    if (!fixed.status && fixed.status.error().code == Errc::kInvalidArgument) return;
    ASSERT_TRUE(fixed.status) << fixed.report.detail;
    const Contents contents = fixed.contents();
    for (const auto& [name, place] : places) {
      if (place.second > at) continue;
      ASSERT_TRUE(contents.contains(name)) << name << " ends before the damage at " << at;
      ASSERT_EQ(contents.at(name), all.at(name)) << name;
    }
  }

  SimFileSystem fs_{{.seed = 1, .trace = false}};
};

TEST_F(Salvage, KeepsEveryWholeKeyBeforeAnyFlippedBit) {
  const std::string whole = random_dump(7, 12);
  ASSERT_LT(whole.size(), 100'000u);
  const Contents all = load_bytes(whole).contents();
  const auto places = places_of(whole);
  Random random(1);
  // Behind the header: what says "REDIS" and the version has to be there.
  for (size_t bit = 8 * kRdbHeaderBytes; bit < 8 * whole.size();
       bit += 1 + random.below(whole.size() / step_divisor())) {
    SCOPED_TRACE(bit);
    std::string damaged = whole;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ 1 << bit % 8);
    write_file(fs_, kDump, damaged);
    ASSERT_EQ(check_rdb(fs_, kDump).exit_code(), CheckExit::kDamaged);
    ASSERT_EQ(bytes_of(fs_, kDump), damaged) << "a check changes nothing";
    const CheckReport fixed = check_rdb(fs_, kDump, true);
    const bool names_unknown_type = fixed.exit_code() == CheckExit::kDamaged;
    if (names_unknown_type) {
      ASSERT_EQ(bytes_of(fs_, kDump), damaged);
      continue;
    }
    ASSERT_EQ(fixed.exit_code(), CheckExit::kFixed) << fixed.text();
    ASSERT_EQ(bytes_of(fs_, kDump + ".damaged-1"), damaged);
    ASSERT_EQ(check_rdb(fs_, kDump).exit_code(), CheckExit::kFine);
    expect_intact_keys(all, places, bit / 8);
    ASSERT_TRUE(fs_.remove(kDump + ".damaged-1"));
  }
  EXPECT_EQ(fs_.list("/data")->size(), 1u) << "a temporary file stayed";
}

TEST_F(Salvage, KeepsEveryWholeKeyOfACutFile) {
  const std::string whole = random_dump(8, 9);
  const Contents all = load_bytes(whole).contents();
  const auto places = places_of(whole);
  for (size_t size = kRdbHeaderBytes; size < whole.size(); size += 1 + size / 12) {
    SCOPED_TRACE(size);
    write_file(fs_, kDump, Bytes(whole).substr(0, size));
    ASSERT_EQ(check_rdb(fs_, kDump, true).exit_code(), CheckExit::kFixed);
    expect_intact_keys(all, places, size);
    ASSERT_TRUE(fs_.remove(kDump + ".damaged-1"));
  }
  write_file(fs_, kDump, "REDI");
  EXPECT_EQ(check_rdb(fs_, kDump, true).exit_code(), CheckExit::kDamaged) << "nothing can be kept";
  EXPECT_EQ(bytes_of(fs_, kDump), "REDI");
}

// A value whose inside is damaged costs its own key only.
TEST_F(Salvage, GoesOnBehindAValueThatDoesNotDecode) {
  const std::string set_of_ints =
      str(std::string("\x02\0\0\0\x09\0\0\0", 8));  // an intset that is longer than it is
  write_file(fs_, kDump,
             sealed(header(9) + '\0' + str("a") + str("1") + '\x0b' + str("bad") + set_of_ints + '\0' +
                    str("b") + str("2")));
  const CheckReport fixed = check_rdb(fs_, kDump, true);
  ASSERT_EQ(fixed.exit_code(), CheckExit::kFixed) << fixed.text();
  EXPECT_NE(fixed.fixed.at(0).find("2 keys kept, 1 dropped"), std::string::npos) << fixed.fixed[0];
  EXPECT_NE(fixed.fixed.at(0).find("\"bad\""), std::string::npos);
  const Contents contents = load_bytes(bytes_of(fs_, kDump)).contents();
  EXPECT_EQ(contents.size(), 2u);
  EXPECT_EQ(contents.at("0:b").elements, Strings{"2"});
}

// What Strata has no type for is no damage, and is not dropped.
TEST_F(Salvage, LeavesWhatItDoesNotKnow) {
  const std::string with_functions = sealed(header(10) + '\xf5' + str("#!lua name=lib\n"));
  write_file(fs_, kDump, with_functions);
  EXPECT_EQ(check_rdb(fs_, kDump, true).exit_code(), CheckExit::kDamaged);
  EXPECT_EQ(bytes_of(fs_, kDump), with_functions);
}

// A disk that is full in the middle: the damaged file stays as it is, and nothing is left beside it.
TEST_F(Salvage, AFailureLeavesTheDamagedFile) {
  std::string damaged = random_dump(9, 20);
  damaged[damaged.size() - 3] ^= 1;
  write_file(fs_, kDump, damaged);
  fs_.set_capacity(fs_.used_bytes() + 10);
  EXPECT_EQ(check_rdb(fs_, kDump, true).exit_code(), CheckExit::kDamaged);
  EXPECT_EQ(bytes_of(fs_, kDump), damaged);
  EXPECT_EQ(fs_.list("/data")->size(), 1u);
}

// ---- Manifests -------------------------------------------------------------------------------------------

class ManifestFix : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(fs_.create_directory("/data"));
    for (int start = 0; start < 3; ++start) {
      auto log = open_log(fs_, kLocation, log_test::test_options(SyncPolicy::kAlways));
      append(*log, 0, {"SET", "k" + std::to_string(start), "v"});
      ASSERT_TRUE(log->stop());
    }
    lines_ = recover(fs_, kLocation).lines;
    text_ = read_file(fs_, kManifest);
  }
  void expect_whole() {
    EXPECT_EQ(check_aof(fs_, "/data", false).exit_code(), CheckExit::kFine);
    const log_test::Recovered recovered = recover(fs_, kLocation);
    ASSERT_TRUE(recovered.status);
    EXPECT_EQ(recovered.lines, lines_);
  }

  const std::string kManifest = kLocation.manifest_path();
  SimFileSystem fs_{{.seed = 1, .trace = false}};
  std::vector<std::string> lines_;
  std::string text_;
};

TEST_F(ManifestFix, CorrectsEveryFlippedBit) {
  for (size_t bit = 0; bit < 8 * text_.size(); ++bit) {
    SCOPED_TRACE(bit);
    std::string damaged = text_;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ 1 << bit % 8);
    write_file(fs_, kManifest, damaged);
    const bool is_comment = damaged[0] == '#' && !damaged.starts_with("#SM:");
    const CheckReport fixed = check_aof(fs_, "/data", true);
    if (is_comment) {  // to every reader a manifest of Redis: reported, and as it is
      EXPECT_EQ(fixed.exit_code(), CheckExit::kDamaged);
      continue;
    }
    ASSERT_EQ(fixed.exit_code(), CheckExit::kFixed) << fixed.text();
    ASSERT_EQ(read_file(fs_, kManifest), text_);
    ASSERT_TRUE(fs_.remove(kManifest + ".damaged-1"));
  }
  write_file(fs_, kManifest, text_);
  expect_whole();
}

TEST_F(ManifestFix, IsMadeAnewOfTheFiles) {
  for (const std::string& damaged : {std::string("nonsense\n"), text_.substr(0, 40), std::string()}) {
    write_file(fs_, kManifest, damaged);
    ASSERT_EQ(check_aof(fs_, "/data", false).exit_code(), CheckExit::kDamaged);
    ASSERT_EQ(check_aof(fs_, "/data", true).exit_code(), CheckExit::kFixed);
    expect_whole();
  }
  ASSERT_TRUE(fs_.remove(kManifest));
  ASSERT_EQ(check_aof(fs_, "/data", false).exit_code(), CheckExit::kDamaged);
  ASSERT_EQ(check_aof(fs_, "/data", true).exit_code(), CheckExit::kFixed);
  expect_whole();
}

TEST_F(ManifestFix, RefusesToGuess) {
  const auto expect_refused = [&] {
    write_file(fs_, kManifest, "nonsense\n");
    const CheckReport report = check_aof(fs_, "/data", true);
    EXPECT_EQ(report.exit_code(), CheckExit::kDamaged) << report.text();
    EXPECT_EQ(read_file(fs_, kManifest), "nonsense\n");
  };
  const std::string middle = kLocation.path_of(increment_name(kLocation, 2));
  const std::string kept = read_file(fs_, middle);
  ASSERT_TRUE(fs_.remove(middle));
  expect_refused();  // records are missing
  write_file(fs_, middle, kept);
  write_file(fs_, kLocation.path_of("appendonly.aof.1.base.rdb"), "REDIS0004\xff");
  write_file(fs_, kLocation.path_of("appendonly.aof.2.base.rdb"), "REDIS0004\xff");
  expect_refused();  // two bases
  ASSERT_TRUE(fs_.remove(kLocation.path_of("appendonly.aof.2.base.rdb")));
  EXPECT_EQ(check_aof(fs_, "/data", true).exit_code(), CheckExit::kFixed);
  EXPECT_EQ(load_manifest(fs_, kLocation)->base.seq, 1u);
}

// ---- Bases, and what a log holds
// -----------------------------------------------------------------------------

// A base of twenty keys, and increments on top.
class LogWithBase : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(fs_.create_directory("/data"));
    write_file(fs_, kDump, random_dump(11, 20));
    Result<AofReport> report = adopt_rdb_base(fs_, kLocation, kDump);
    ASSERT_TRUE(report);
    auto log = OpLog::open(fs_, kLocation, log_test::test_options(SyncPolicy::kAlways), *report);
    ASSERT_TRUE(log);
    append(**log, 0, {"SET", "new", "value"});
    append(**log, 2, {"RPUSH", "list", "a", "b", "c"});
    append(**log, 2, {"SET", "gone", "1"});
    append(**log, 2, {"DEL", "gone"});
    ASSERT_TRUE((*log)->stop());
    ASSERT_TRUE(fs_.remove(kDump));
  }
  Result<nlohmann::json> describe() {
    std::string detail;
    return describe_log(fs_, "/data", 5, {}, detail);
  }

  const std::string kBase = kLocation.path_of(rdb_base_name(kLocation, 1));
  SimFileSystem fs_{{.seed = 1, .trace = false}};
};

TEST_F(LogWithBase, IsDescribedWithItsIncrements) {
  const Result<nlohmann::json> dump = describe();
  ASSERT_TRUE(dump) << dump.error().what;
  EXPECT_EQ((*dump)["keys"], 22u);
  EXPECT_EQ((*dump)["records"], 4u);
  EXPECT_EQ((*dump)["databases"], 4u);
  EXPECT_EQ((*dump)["biggest"].size(), 5u);
  const Result<nlohmann::json> base = describe_dump(fs_, kBase, 5);
  ASSERT_TRUE(base);
  EXPECT_EQ((*base)["keys"], 20u);
  EXPECT_EQ((*dump)["types"]["list"]["keys"], (*base)["types"]["list"]["keys"].get<int>() + 1);
  EXPECT_EQ((*dump)["biggest"][0]["key"], (*base)["biggest"][0]["key"]);
  EXPECT_EQ(check_aof(fs_, "/data", false).exit_code(), CheckExit::kFine) << "describing changes nothing";
}

TEST_F(LogWithBase, ADamagedBaseIsSalvaged) {
  std::string text = bytes_of(fs_, kBase);
  text[text.size() - 2] ^= 4;  // the checksum
  write_file(fs_, kBase, text);
  EXPECT_FALSE(describe());
  ASSERT_EQ(check_aof(fs_, "/data", false).exit_code(), CheckExit::kDamaged);
  ASSERT_EQ(check_aof(fs_, "/data", true).exit_code(), CheckExit::kFixed);
  ASSERT_EQ(check_aof(fs_, "/data", false).exit_code(), CheckExit::kFine);
  EXPECT_EQ(bytes_of(fs_, kBase + ".damaged-1"), text);
  const Result<nlohmann::json> dump = describe();
  ASSERT_TRUE(dump);
  EXPECT_EQ((*dump)["keys"], 22u);
}

}  // namespace
}  // namespace strata

// D9: the offline check finds every flipped bit of a log, and --fix keeps every intact record.

#include "tools/check.h"

#include <gtest/gtest.h>

#include <map>

#include "persistence/oplog_test_support.h"
#include "platform/sim_file_system.h"
#include "tools/log_scan.h"

namespace strata {
namespace {

using namespace log_test;  // NOLINT

const AofLocation kLocation{.directory = "/data"};
constexpr int kRecords = 12;

// One record in each batch, over three increments; sealed, so that every byte is attested.
void write_log(FileSystem& fs) {
  ASSERT_TRUE(fs.create_directory("/data"));
  for (int start = 0; start < 2; ++start) {
    auto log = open_log(fs, kLocation, test_options(SyncPolicy::kAlways));
    for (int i = 0; i < kRecords / 2; ++i) {
      append(*log, 0, {"SET", "key" + std::to_string(start * kRecords / 2 + i), std::string(20 + i, 'v')});
      ASSERT_TRUE(log->step_write());
      ASSERT_TRUE(log->step_sync());
      if (start == 0 && i == 2) {
        ASSERT_TRUE(log->rotate());
      }
    }
    ASSERT_TRUE(log->stop());
  }
}

std::map<std::string, std::string> read_files(FileSystem& fs) {
  std::map<std::string, std::string> files;
  const std::vector<std::string> names = fs.list(kLocation.log_directory()).value();
  for (const std::string& name : names) files[name] = read_file(fs, kLocation.path_of(name));
  return files;
}

void restore(FileSystem& fs, const std::map<std::string, std::string>& files) {
  const std::vector<std::string> names = fs.list(kLocation.log_directory()).value();
  for (const std::string& name : names) ASSERT_TRUE(fs.remove(kLocation.path_of(name)));
  for (const auto& [name, contents] : files) write_file(fs, kLocation.path_of(name), contents);
}

// The bytes of a header that every header has.
bool is_form(uint64_t at) { return at < 4 || at == 20 || at == 31 || at == 40 || at == 57 || at == 58; }

// The lines that must survive when the byte is damaged: those of every batch that does not hold it, or only
// in the form of its header.
std::vector<std::string> survivors(const std::map<std::string, std::string>& files,
                                   const std::string& damaged, uint64_t offset) {
  std::vector<std::string> lines;
  int record = 0;
  for (const auto& [name, contents] : files) {
    if (!name.ends_with(".incr.aof")) continue;
    const LogScan scan = scan_log(contents, 0);
    for (const LogPiece& piece : scan.pieces) {
      if (piece.record_bytes == 0) continue;
      const bool hit = name == damaged && offset >= piece.offset && offset < piece.offset + piece.bytes &&
                       !is_form(offset - piece.offset);
      const std::string value(20 + record % (kRecords / 2), 'v');
      if (!hit) lines.push_back("0: SET key" + std::to_string(record) + " " + value);
      ++record;
    }
  }
  EXPECT_EQ(record, kRecords);
  return lines;
}

TEST(StrataCheck, FindsEveryFlippedBitAndKeepsEveryIntactRecord) {
  SimFileSystem fs({.seed = 1, .trace = false});
  write_log(fs);
  const std::map<std::string, std::string> files = read_files(fs);
  ASSERT_EQ(check_aof(fs, "/data", false).exit_code(), CheckExit::kFine);
  uint64_t flips = 0;
  for (const auto& [name, contents] : files) {
    if (!name.ends_with(".incr.aof")) continue;
    for (size_t bit = 0; bit < 8 * contents.size(); ++bit, ++flips) {
      std::string flipped = contents;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
      write_file(fs, kLocation.path_of(name), flipped);
      const std::string where = name + " bit " + std::to_string(bit);
      const CheckReport found = check_aof(fs, "/data", false);
      ASSERT_EQ(found.exit_code(), CheckExit::kDamaged) << where;
      ASSERT_EQ(read_file(fs, kLocation.path_of(name)), flipped) << where << ": a check changes nothing";
      const CheckReport fixed = check_aof(fs, "/data", true);
      ASSERT_EQ(fixed.exit_code(), CheckExit::kFixed) << where << "\n" << fixed.text();
      ASSERT_EQ(read_file(fs, kLocation.path_of(name) + ".damaged-1"), flipped) << where;
      ASSERT_EQ(check_aof(fs, "/data", false).exit_code(), CheckExit::kFine) << where;
      const Recovered recovered = recover(fs, kLocation);
      ASSERT_TRUE(recovered.status) << where;
      ASSERT_EQ(recovered.report.cut_bytes, 0u) << where;
      ASSERT_EQ(recovered.lines, survivors(files, name, bit / 8)) << where;
      restore(fs, files);
    }
  }
  EXPECT_GT(flips, 10'000u);
}

TEST(StrataCheck, FindsEveryFlippedBitOfTheManifest) {
  SimFileSystem fs({.seed = 1, .trace = false});
  write_log(fs);
  const std::string path = kLocation.manifest_path();
  const std::string contents = read_file(fs, path);
  for (size_t bit = 0; bit < 8 * contents.size(); ++bit) {
    std::string flipped = contents;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
    write_file(fs, path, flipped);
    EXPECT_EQ(check_aof(fs, "/data", false).exit_code(), CheckExit::kDamaged) << bit;
  }
}

TEST(StrataCheck, CutsWhatARealRedisLeftUnfinished) {
  SimFileSystem fs({.seed = 1, .trace = false});
  const std::string whole = resp({"SET", "a", "1"}) + resp({"SET", "b", "2"});
  for (size_t kept = 1; kept < whole.size(); ++kept) {
    write_file(fs, "/plain.aof", whole.substr(0, kept));
    const bool at_a_boundary = kept == whole.size() / 2;
    const CheckReport fixed = check_aof(fs, "/plain.aof", true);
    EXPECT_EQ(fixed.exit_code(), at_a_boundary ? CheckExit::kFine : CheckExit::kFixed) << kept;
    EXPECT_EQ(read_file(fs, "/plain.aof"), whole.substr(0, kept < whole.size() / 2 ? 0 : whole.size() / 2))
        << kept;
  }
}

TEST(StrataCheck, SaysWhatCannotBeRead) {
  SimFileSystem fs({.seed = 1, .trace = false});
  EXPECT_EQ(check_aof(fs, "/nothing", false).exit_code(), CheckExit::kCannotRead);
  EXPECT_EQ(check_rdb(fs, "/nothing").exit_code(), CheckExit::kCannotRead);
}

}  // namespace
}  // namespace strata

// Every single bit of a small log is flipped, one at a time. Allowed: the log is refused, or the damaged
// tail is cut and reported, or the very same commands come back. Never: other commands without a word.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>

#include "persistence/log_batch.h"
#include "persistence/oplog_test_support.h"
#include "platform/sim_file_system.h"

namespace strata {
namespace {

using namespace log_test;  // NOLINT

const AofLocation kLocation{.directory = "/data"};

// Two starts, a rotation, groups; about 4 kB in three increments.
void write_log(FileSystem& fs, bool seal) {
  for (int start = 0; start < 2; ++start) {
    auto log = open_log(fs, kLocation, test_options(SyncPolicy::kAlways));
    for (int i = 0; i < 8; ++i) {
      append(*log, static_cast<uint16_t>(i % 2),
             {"SET", "key" + std::to_string(i), std::string(20 + i, 'v')});
      RecordBuilder group;
      const std::array<Bytes, 2> args = {"INCR", "counter"};
      group.add(0, args);
      group.add(1, args);
      log->append_record(group);
      ASSERT_TRUE(log->step_write());
      if (i % 3 != 2) {
        ASSERT_TRUE(log->step_sync());
      }
      if (start == 0 && i == 4) {
        ASSERT_TRUE(log->rotate());
      }
    }
    if (start == 0 || seal) {
      ASSERT_TRUE(log->stop());
    } else {
      ASSERT_TRUE(log->step_sync());
    }
  }
}

struct Counts {
  uint64_t refused = 0;
  uint64_t cut = 0;
  uint64_t same = 0;
};

constexpr size_t kVerifyEvery = 7;  // verify() must agree with load(); a sample shows it

// In the files whose name ends with `suffix`.
Counts flip_every_bit(SimFileSystem& fs, std::string_view suffix) {
  const Recovered good = verify(fs, kLocation);
  EXPECT_TRUE(good.status);
  std::map<std::string, std::string> files;
  const std::vector<std::string> names = fs.list(kLocation.log_directory()).value();
  for (const std::string& name : names) files[name] = read_file(fs, kLocation.path_of(name));
  const std::vector<std::string> expected = recover(fs, kLocation).lines;
  Counts counts;
  for (const auto& [name, bytes] : files) {
    for (size_t bit = 0; name.ends_with(suffix) && bit < bytes.size() * 8; ++bit) {
      std::string flipped = bytes;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
      write_file(fs, kLocation.path_of(name), flipped);
      const Recovered checked = bit % kVerifyEvery == 0 ? verify(fs, kLocation) : Recovered{};
      const Recovered recovered = recover(fs, kLocation);
      const std::string where = name + " bit " + std::to_string(bit);
      if (bit % kVerifyEvery == 0) {
        EXPECT_EQ(checked.status.has_value(), recovered.status.has_value()) << where;
        EXPECT_EQ(checked.report.cut_bytes, recovered.report.cut_bytes) << where;
      }
      if (!recovered.status) {
        ++counts.refused;
        EXPECT_FALSE(recovered.report.failed_file.empty()) << where;
      } else if (recovered.report.cut_bytes > 0) {
        ++counts.cut;
        EXPECT_LE(recovered.lines.size(), expected.size()) << where;
        EXPECT_TRUE(std::equal(recovered.lines.begin(), recovered.lines.end(), expected.begin())) << where;
      } else {
        ++counts.same;
        EXPECT_EQ(recovered.lines, expected) << where;
      }
      write_file(fs, kLocation.path_of(name), bytes);
      if (recovered.report.cut_bytes > 0)  // files behind it may be gone, and the manifest with them
        for (const auto& [restored, contents] : files) write_file(fs, kLocation.path_of(restored), contents);
    }
  }
  return counts;
}

TEST(OpLogDamage, EverySingleBit) {
  SimFileSystem fs({.seed = 1, .trace = false});
  ASSERT_TRUE(fs.create_directory("/data"));
  write_log(fs, false);
  const Counts counts = flip_every_bit(fs, "");
  EXPECT_GT(counts.refused, counts.cut * 5);
  EXPECT_GT(counts.cut, 0u) << "the last batch: nothing attests its sync";
  std::printf("%llu flips refused, %llu cut, %llu without effect\n",
              static_cast<unsigned long long>(counts.refused), static_cast<unsigned long long>(counts.cut),
              static_cast<unsigned long long>(counts.same));
}

// After a clean stop the seal attests everything: only damage to the seal itself can be cut.
TEST(OpLogDamage, EverySingleBitOfASealedLog) {
  SimFileSystem fs({.seed = 1, .trace = false});
  ASSERT_TRUE(fs.create_directory("/data"));
  write_log(fs, true);
  const Counts counts = flip_every_bit(fs, "3.incr.aof");
  EXPECT_GT(counts.refused, 1000u);
  EXPECT_LE(counts.cut, kBatchHeaderBytes * 8);
}

}  // namespace
}  // namespace strata

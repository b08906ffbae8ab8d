// Every single bit of a small log is flipped, one at a time. Allowed: the log is refused, or the damaged
// tail is cut and reported, or the very same commands come back. Never: other commands without a word.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "persistence/log_batch.h"
#include "persistence/oplog_test_support.h"
#include "platform/clock.h"
#include "platform/sim_file_system.h"

namespace strata {
namespace {

using namespace log_test;  // NOLINT

const AofLocation kLocation{.directory = "/data"};

// STRATA_DAMAGE_BYTES=100000 makes the log of EverySingleBit about as large (./dev crash); else it has 4 kB.
int rounds_wanted() {
  constexpr int kBytesPerRound = 440;
  const char* text = std::getenv("STRATA_DAMAGE_BYTES");
  return text == nullptr ? 8 : std::max(8, std::atoi(text) / kBytesPerRound);
}

// Two starts, a rotation, groups; about 4 kB in three increments, for 8 rounds each.
void write_log(FileSystem& fs, bool seal, int rounds = 8) {
  ManualClock clock;
  OpLogOptions options = test_options(SyncPolicy::kAlways);
  options.names_times = true;
  options.clock = &clock;
  for (int start = 0; start < 2; ++start) {
    auto log = open_log(fs, kLocation, options);
    for (int i = 0; i < rounds; ++i) {
      append(*log, static_cast<uint16_t>(i % 2),
             {"SET", "key" + std::to_string(i), std::string(20 + i % 8, 'v')});
      RecordBuilder group;
      const std::array<Bytes, 2> args = {"INCR", "counter"};
      group.add(0, args);
      group.add(1, args);
      log->append_record(group);
      ASSERT_TRUE(log->step_write());
      clock.advance_us(600'000);
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

// One increment whose batches lie in filler, some of it behind the last.
void write_prefilled_log(FileSystem& fs, bool attest) {
  OpLogOptions options = test_options(SyncPolicy::kAlways);
  options.prefill = {
      .after_batches = 1, .ahead_bytes = 8 << 10, .chunk_bytes = 8 << 10, .piece_bytes = 8 << 10};
  auto log = open_log(fs, kLocation, options);
  for (int i = 0; i < 24; ++i) {
    append(*log, static_cast<uint16_t>(i % 2),
           {"SET", "key" + std::to_string(i), std::string(100 + i * 5, 'v')});
    ASSERT_TRUE(log->step_sync());
    if (i == 0) {
      ASSERT_TRUE(log->step_prefill());
    }
  }
  EXPECT_GT(log->stats().filler_bytes, 500u);
  if (!attest) return;
  append(*log, 0, {"SET", "attests", "the one before"});
  ASSERT_TRUE(log->step_write());
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
  write_log(fs, false, rounds_wanted());
  const Counts counts = flip_every_bit(fs, "");
  EXPECT_GT(counts.refused, counts.cut * 5);
  EXPECT_GT(counts.cut, 0u) << "the last batch: nothing attests its sync";
  std::printf("%llu flips refused, %llu cut, %llu without effect\n",
              static_cast<unsigned long long>(counts.refused), static_cast<unsigned long long>(counts.cut),
              static_cast<unsigned long long>(counts.same));
}

// Cut at every byte, each file alone: refused, or a prefix of what was there and said so; the last batch is
// the only thing that may go without a word, where the file ends exactly between batches.
TEST(OpLogDamage, EveryTruncation) {
  SimFileSystem fs({.seed = 1, .trace = false});
  ASSERT_TRUE(fs.create_directory("/data"));
  write_log(fs, false);
  const std::vector<std::string> expected = recover(fs, kLocation).lines;
  std::map<std::string, std::string> files;
  const std::vector<std::string> names = fs.list(kLocation.log_directory()).value();
  for (const std::string& name : names) files[name] = read_file(fs, kLocation.path_of(name));
  uint64_t refused = 0;
  uint64_t cut = 0;
  uint64_t silent = 0;
  for (const auto& [name, bytes] : files) {
    for (size_t size = 0; size < bytes.size(); ++size) {
      write_file(fs, kLocation.path_of(name), Bytes(bytes).substr(0, size));
      const Recovered recovered = recover(fs, kLocation);
      const std::string where = name + " cut to " + std::to_string(size);
      const bool is_last = name.ends_with(".3.incr.aof");
      if (!recovered.status) {
        ++refused;
      } else {
        EXPECT_LE(recovered.lines.size(), expected.size()) << where;
        EXPECT_TRUE(std::equal(recovered.lines.begin(), recovered.lines.end(), expected.begin())) << where;
        recovered.report.cut_bytes > 0 ? ++cut : ++silent;
        EXPECT_TRUE(is_last || recovered.lines == expected) << where << ": more than a seal is missing";
      }
      for (const auto& [restored, contents] : files) write_file(fs, kLocation.path_of(restored), contents);
    }
  }
  EXPECT_GT(refused, 1000u);
  EXPECT_GT(cut, 100u);
  EXPECT_LE(silent, 20u) << "ends between batches, which no file can tell from the end";
}

// Flips of filler are damage like others: refused where something behind it is attested, else cut and said.
TEST(OpLogDamage, EverySingleBitOfAPrefilledLog) {
  for (const bool attest : {false, true}) {
    SimFileSystem fs({.seed = 1, .trace = false});
    ASSERT_TRUE(fs.create_directory("/data"));
    write_prefilled_log(fs, attest);
    const Counts counts = flip_every_bit(fs, "1.incr.aof");
    EXPECT_GT(counts.refused, counts.cut * 2);
    EXPECT_GT(counts.cut, 500u) << "the filler behind the last batch";
    EXPECT_EQ(counts.same, 0u) << "no byte is without meaning";
  }
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

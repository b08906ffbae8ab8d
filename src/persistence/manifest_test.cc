#include "persistence/manifest.h"

#include <gtest/gtest.h>

#include "persistence/oplog_test_support.h"
#include "platform/sim_file_system.h"

namespace strata {
namespace {

Manifest example() {
  Manifest manifest;
  manifest.base = {"appendonly.aof.3.base.rdb", 3};
  manifest.history = {{"appendonly.aof.2.base.rdb", 2, 1764239400}, {"appendonly.aof.1.incr.aof", 1}};
  manifest.increments = {{"appendonly.aof.4.incr.aof", 4}, {"appendonly.aof.9.incr.aof", 9}};
  return manifest;
}

uint64_t error_line(Bytes text) {
  Result<Manifest> manifest = parse_manifest(text);
  if (manifest) return 0;
  EXPECT_EQ(manifest.error().code, Errc::kCorruption);
  return manifest.error().offset;
}

TEST(Manifest, ReadsWhatRedisWrites) {
  Result<Manifest> manifest = parse_manifest(
      "file appendonly.aof.1.base.rdb seq 1 type b\n"
      "file appendonly.aof.1.incr.aof seq 1 type i\n"
      "file appendonly.aof.2.incr.aof seq 2 type i\n");
  ASSERT_TRUE(manifest.has_value());
  EXPECT_EQ(manifest->base, (ManifestFile{"appendonly.aof.1.base.rdb", 1}));
  ASSERT_EQ(manifest->increments.size(), 2u);
  EXPECT_EQ(manifest->increments[1], (ManifestFile{"appendonly.aof.2.incr.aof", 2}));
  EXPECT_EQ(manifest->next_increment_seq(), 3u);
}

TEST(Manifest, ReadsBackWhatItWrites) {
  Manifest manifest = example();
  EXPECT_EQ(parse_manifest(format_manifest(manifest)).value(), manifest);
  manifest.base.name = "a \"quoted\" \\ name\t\x01\x7f";
  EXPECT_EQ(parse_manifest(format_manifest(manifest)).value(), manifest);
}

TEST(Manifest, QuotedNamesAndUnknownPairs) {
  Result<Manifest> manifest =
      parse_manifest("# a comment\nseq 7 color \"r\\x65d\" file 'a \\'b\\'' type i\n");
  ASSERT_TRUE(manifest.has_value());
  EXPECT_EQ(manifest->increments.at(0), (ManifestFile{"a 'b'", 7}));
}

TEST(Manifest, SaysWhichLineIsWrong) {
  const std::string good = "file a seq 1 type i\n";
  EXPECT_EQ(error_line(""), 1u);
  EXPECT_EQ(error_line("file a seq 1 type i"), 1u) << "no line end";
  EXPECT_EQ(error_line(good + "file b seq 1 type i\n"), 2u) << "not ascending";
  EXPECT_EQ(error_line(good + "file b seq 2 type x\n"), 2u);
  EXPECT_EQ(error_line(good + "file b seq 2 type\n"), 2u);
  EXPECT_EQ(error_line(good + "file b seq 2x type i\n"), 2u);
  EXPECT_EQ(error_line(good + "file b seq 99999999999999999999 type i\n"), 2u);
  EXPECT_EQ(error_line(good + "file b seq 0 type i\n"), 2u);
  EXPECT_EQ(error_line(good + "file ../b seq 2 type i\n"), 2u);
  EXPECT_EQ(error_line(good + "file \"b seq 2 type i\n"), 2u);
  EXPECT_EQ(error_line(good + "file \"b\"c seq 2 type i\n"), 2u);
  EXPECT_EQ(error_line(good + "file b seq 2 type i file c\n"), 2u) << "two in one line";
  EXPECT_EQ(error_line("file a seq 1 type b\nfile b seq 2 type b\n"), 2u);
  EXPECT_EQ(error_line("file " + std::string(2000, 'a') + " seq 1 type i\n"), 1u);
  EXPECT_EQ(error_line("\n"), 1u);
}

// Type "i" and type "h" (to be deleted) are one bit apart, so a manifest needs a checksum.
TEST(Manifest, NoBitFlipChangesWhatItSays) {
  const std::string text = format_manifest(example());
  for (size_t bit = 0; bit < text.size() * 8; ++bit) {
    std::string flipped = text;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    const Result<Manifest> manifest = parse_manifest(flipped);
    if (manifest) {
      EXPECT_EQ(*manifest, example()) << "bit " << bit;
    }
  }
}

TEST(Manifest, StoringIsOldOrNewAfterACrash) {
  const AofLocation location{.directory = "/data"};
  for (uint64_t seed = 0; seed < 100; ++seed) {
    SimFileSystem fs({.seed = seed});
    ASSERT_TRUE(fs.create_directory("/data"));
    ASSERT_TRUE(fs.create_directory(location.log_directory()));
    ASSERT_TRUE(fs.sync_directory("/"));
    ASSERT_TRUE(fs.sync_directory("/data"));
    Manifest before = example();
    Manifest after = before;
    after.increments.push_back({"appendonly.aof.10.incr.aof", 10});
    ASSERT_TRUE(store_manifest(fs, location, before));
    fs.cut_power_at(fs.operation_count() + 1 + seed % 6, CutWhen::kAfter);
    const bool stored = store_manifest(fs, location, after).has_value();
    fs.crash(seed);
    Result<Manifest> found = load_manifest(fs, location);
    ASSERT_TRUE(found.has_value()) << "seed " << seed;
    EXPECT_TRUE(*found == after || (!stored && *found == before)) << "seed " << seed;
  }
}

}  // namespace
}  // namespace strata

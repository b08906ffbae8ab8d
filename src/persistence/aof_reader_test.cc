#include "persistence/aof_reader.h"

#include <gtest/gtest.h>

#include "persistence/aof_reader_resp.h"
#include "persistence/log_batch.h"
#include "persistence/oplog_test_support.h"
#include "platform/sim_file_system.h"

namespace strata {
namespace {

using namespace log_test;  // NOLINT

const AofLocation kLocation{.directory = "/data"};

class AofReaderTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(fs_.create_directory("/data"));
    ASSERT_TRUE(fs_.create_directory(kLocation.log_directory()));
  }
  // A log as a real Redis leaves it: a manifest and one increment.
  void write_foreign(Bytes contents) {
    Manifest manifest;
    manifest.increments = {{increment_name(kLocation, 1), 1}};
    ASSERT_TRUE(store_manifest(fs_, kLocation, manifest));
    write_file(fs_, path(1), contents);
  }
  // One of ours: three batches, the second and third not yet known to be synced by any header.
  void write_ours() {
    auto log = open_log(fs_, kLocation, test_options());
    append(*log, 0, {"SET", "a", "1"});
    ASSERT_TRUE(log->step_sync());
    append(*log, 0, {"SET", "b", "2"});
    ASSERT_TRUE(log->step_write());
    append(*log, 0, {"SET", "c", "3"});
    ASSERT_TRUE(log->step_write());
  }
  std::string path(uint64_t seq) { return kLocation.path_of(increment_name(kLocation, seq)); }
  void append_to(const std::string& file, Bytes bytes) {
    write_file(fs_, file, read_file(fs_, file) + std::string(bytes));
  }

  SimFileSystem fs_{{.seed = 1}};
};

using Lines = std::vector<std::string>;

TEST_F(AofReaderTest, NoLogIsNoError) {
  const Recovered recovered = recover(fs_, kLocation);
  EXPECT_TRUE(recovered.status);
  EXPECT_FALSE(recovered.report.found);
}

TEST_F(AofReaderTest, IncrementsWithoutManifestAreNotIgnored) {
  write_file(fs_, path(1), resp({"SET", "a", std::string(100, '1')}));
  EXPECT_FALSE(recover(fs_, kLocation).status);
}

TEST_F(AofReaderTest, ReadsARealRedisFile) {
  write_foreign("#TS:1700000000\r\n" + resp({"SELECT", "3"}) + resp({"SET", "a", "1"}) + resp({"MULTI"}) +
                "#TS:1700000001\r\n" + resp({"INCR", "a"}) + resp({"select", "4"}) + resp({"INCR", "b"}) +
                resp({"EXEC"}) + resp({"DEL", "b"}) + "#TS:1700000002\r\n");
  const Recovered recovered = recover(fs_, kLocation);
  ASSERT_TRUE(recovered.status) << recovered.status.error().what;
  EXPECT_EQ(recovered.lines, (Lines{"3: SET a 1", "[", "3: INCR a", "4: INCR b", "]", "4: DEL b"}));
  EXPECT_EQ(recovered.report.foreign_record_count, 4u);
}

TEST_F(AofReaderTest, EveryFileBeginsInDatabaseZero) {
  Manifest manifest;
  manifest.increments = {{"one", 1}, {"two", 2}};
  ASSERT_TRUE(store_manifest(fs_, kLocation, manifest));
  write_file(fs_, kLocation.path_of("one"), resp({"SELECT", "3"}) + resp({"INCR", "a"}));
  write_file(fs_, kLocation.path_of("two"), resp({"INCR", "b"}));
  EXPECT_EQ(recover(fs_, kLocation).lines, (Lines{"3: INCR a", "0: INCR b"}));
}

TEST_F(AofReaderTest, CutsAForeignTailAtEveryLength) {
  const std::string whole = resp({"SET", "a", "1"});
  const std::string group = resp({"MULTI"}) + resp({"INCR", "a"}) + resp({"INCR", "b"}) + resp({"EXEC"});
  for (size_t kept = 1; kept < group.size(); ++kept) {
    write_foreign(whole + group.substr(0, kept));
    const Recovered checked = verify(fs_, kLocation);
    EXPECT_TRUE(checked.status);
    EXPECT_EQ(checked.report.cut_bytes, kept);
    const Recovered recovered = recover(fs_, kLocation);
    ASSERT_TRUE(recovered.status) << kept << " " << recovered.status.error().what;
    EXPECT_EQ(recovered.lines, (Lines{"0: SET a 1"}));
    EXPECT_EQ(recovered.report.cut_bytes, kept);
    EXPECT_EQ(recovered.report.cut_offset, whole.size());
    EXPECT_EQ(read_file(fs_, path(1)), whole);
  }
}

TEST_F(AofReaderTest, ForeignTailIsRefusedWhereRedisRefuses) {
  write_foreign(resp({"SET", "a", "1"}) + "*2\r\n$3\r\nDE");
  EXPECT_FALSE(recover(fs_, kLocation, {.load_truncated = false}).status);
  write_foreign(resp({"SET", "a", "1"}) + "garbage" + resp({"SET", "b", "1"}));
  const Recovered recovered = recover(fs_, kLocation);
  ASSERT_FALSE(recovered.status);
  EXPECT_EQ(recovered.status.error().code, Errc::kCorruption);
  EXPECT_EQ(recovered.status.error().offset, resp({"SET", "a", "1"}).size());
  EXPECT_EQ(recovered.report.failed_file, increment_name(kLocation, 1));
}

// A server crashed while it refused a log: its threads still ran commands from the buffer that was gone.
TEST_F(AofReaderTest, WhatStoodBeforeAFailureIsDrained) {
  write_foreign(resp({"SET", "a", "1"}) + resp({"SET", "b", "2"}) + "garbage\r\n");
  const Recovered recovered = recover(fs_, kLocation);
  EXPECT_FALSE(recovered.status);
  EXPECT_EQ(recovered.lines, (Lines{"0: SET a 1", "0: SET b 2"}));
}

TEST_F(AofReaderTest, HostileLengths) {
  for (const char* text : {"*0\r\n", "*-1\r\n", "*2147483648\r\n", "*1\r\n$-1\r\n",
                           "*1\r\n$99999999999999999999\r\n", "*1\r\n$1\r\nab\r\n", "*1\n$1\r\na\r\n",
                           "*+1\r\n$1\r\na\r\n", "*1 \r\n$1\r\na\r\n", "*1\r\n:1\r\n", "*\r\n", "PING\r\n"}) {
    write_foreign(text);
    EXPECT_FALSE(recover(fs_, kLocation).status) << text;
  }
  write_foreign("*2147483647\r\n$3\r\nSET\r\n");  // truncated, and no memory is taken for two billion
  EXPECT_TRUE(recover(fs_, kLocation).status);
  write_foreign("#" + std::string(5000, 'x') + "\r\n");
  EXPECT_FALSE(recover(fs_, kLocation).status);
  write_foreign(resp({"SELECT", "65536"}));
  EXPECT_FALSE(recover(fs_, kLocation).status);
  write_foreign(resp({"EXEC"}));
  EXPECT_FALSE(recover(fs_, kLocation).status);
}

TEST_F(AofReaderTest, LargerThanTheWindow) {
  const std::string large(kAofWindowBytes * 2 + 77, 'x');
  std::string text = resp({"MULTI"});
  for (int i = 0; i < 3; ++i) text += resp({"APPEND", "k", large});
  write_foreign(resp({"SET", "a", large}) + text + resp({"EXEC"}) + resp({"SET", "b", "2"}));
  uint64_t last = 0;
  uint64_t of = 0;
  const Recovered recovered = recover(fs_, kLocation, {.on_progress = [&](uint64_t bytes, uint64_t total) {
                                        EXPECT_LE(last, bytes);
                                        last = bytes;
                                        of = total;
                                      }});
  ASSERT_TRUE(recovered.status);
  ASSERT_EQ(recovered.lines.size(), 7u);
  EXPECT_EQ(recovered.lines[2], "0: APPEND k " + large);
  EXPECT_EQ(last, of);
  EXPECT_EQ(of, recovered.report.bytes_total);
}

TEST_F(AofReaderTest, RdbBaseAndPreamble) {
  Manifest manifest;
  manifest.base = {"base", 1};
  manifest.increments = {{"one", 1}};
  ASSERT_TRUE(store_manifest(fs_, kLocation, manifest));
  write_file(fs_, kLocation.path_of("base"), "REDIS0010 made up \xff" + resp({"SET", "a", "1"}));
  write_file(fs_, kLocation.path_of("one"), resp({"SET", "b", "2"}));
  EXPECT_EQ(recover(fs_, kLocation).lines, (Lines{"0: SET a 1", "0: SET b 2"}));
  ASSERT_TRUE(fs_.remove(kLocation.path_of("one")));
  const Recovered recovered = recover(fs_, kLocation);
  EXPECT_FALSE(recovered.status);
  EXPECT_EQ(recovered.report.failed_file, "one");
}

TEST_F(AofReaderTest, AnOldSingleFileBecomesTheBase) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    SimFileSystem fs({.seed = seed});
    ASSERT_TRUE(fs.create_directory("/data"));
    write_file(fs, kLocation.old_style_path(), resp({"SET", "a", "1"}));
    ASSERT_TRUE(fs.sync_directory("/data"));
    ASSERT_TRUE(fs.sync_directory("/"));
    EXPECT_EQ(verify(fs, kLocation).report.bytes_total, resp({"SET", "a", "1"}).size());
    fs.cut_power_at(fs.operation_count() + 1 + seed % 12, seed % 2 ? CutWhen::kAfter : CutWhen::kBefore);
    (void)recover(fs, kLocation);
    fs.crash(seed);
    const Recovered recovered = recover(fs, kLocation);
    ASSERT_TRUE(recovered.status) << seed << " " << recovered.status.error().what;
    EXPECT_EQ(recovered.lines, (Lines{"0: SET a 1"})) << seed;
    EXPECT_EQ(recovered.report.manifest.base.name, "appendonly.aof");
  }
}

TEST_F(AofReaderTest, WhatRedisAppendedToOursLoadsAndPositionsGoOn) {
  write_ours();
  const std::string foreign = "#TS:1\r\n" + resp({"SELECT", "0"}) + resp({"SET", "d", "4"});
  append_to(path(1), foreign);
  Recovered recovered = recover(fs_, kLocation);
  ASSERT_TRUE(recovered.status) << recovered.status.error().what;
  EXPECT_EQ(recovered.lines, (Lines{"0: SET a 1", "0: SET b 2", "0: SET c 3", "0: SET d 4"}));
  {
    auto log = open_log(fs_, kLocation, test_options());
    EXPECT_EQ(log->stats().position, recovered.report.end_position);
    append(*log, 0, {"SET", "e", "5"});
    ASSERT_TRUE(log->stop());
  }
  recovered = recover(fs_, kLocation);
  ASSERT_TRUE(recovered.status) << recovered.status.error().what;
  EXPECT_EQ(recovered.lines.size(), 5u);
}

TEST_F(AofReaderTest, DamageBelowSyncedToIsCorruption) {
  write_ours();
  std::string bytes = read_file(fs_, path(1));
  const size_t at = bytes.find("$1\r\na\r\n") + 4;
  bytes[at] = 'A';
  write_file(fs_, path(1), bytes);
  const Recovered recovered = recover(fs_, kLocation);
  ASSERT_FALSE(recovered.status);
  EXPECT_EQ(recovered.status.error().code, Errc::kCorruption);
  EXPECT_EQ(recovered.status.error().offset, kOpeningBytes);
  EXPECT_EQ(recovered.report.failed_file, increment_name(kLocation, 1));
  EXPECT_EQ(read_file(fs_, path(1)), bytes) << "a refused log is left as it is";
}

TEST_F(AofReaderTest, DamageAboveSyncedToIsCutEvenBeforeValidBatches) {
  write_ours();
  std::string bytes = read_file(fs_, path(1));
  bytes[bytes.find("$1\r\nb\r\n") + 4] = 'B';
  write_file(fs_, path(1), bytes);
  const Recovered recovered = recover(fs_, kLocation);
  ASSERT_TRUE(recovered.status) << recovered.status.error().what;
  EXPECT_EQ(recovered.lines, (Lines{"0: SET a 1"}));
  EXPECT_EQ(recovered.report.cut_bytes, bytes.size() - recovered.report.cut_offset);
  EXPECT_EQ(read_file(fs_, path(1)).size(), recovered.report.cut_offset);
  EXPECT_TRUE(recover(fs_, kLocation).status);
}

TEST_F(AofReaderTest, ASealedLogIsNeverCut) {
  write_ours();
  {
    auto log = open_log(fs_, kLocation, test_options());
    append(*log, 0, {"SET", "d", "4"});
    ASSERT_TRUE(log->stop());
  }
  std::string bytes = read_file(fs_, path(2));
  bytes[bytes.find("$1\r\nd\r\n") + 4] = 'D';
  write_file(fs_, path(2), bytes);
  EXPECT_FALSE(recover(fs_, kLocation).status);
}

// The next start's opening says that everything before it was durable.
TEST_F(AofReaderTest, DamageInAnEarlierFileIsCorruption) {
  write_ours();
  {
    auto log = open_log(fs_, kLocation, test_options());
    append(*log, 0, {"SET", "d", "4"});
  }
  std::string bytes = read_file(fs_, path(1));
  bytes.resize(bytes.size() - 1);
  write_file(fs_, path(1), bytes);
  EXPECT_FALSE(recover(fs_, kLocation).status);
}

// A client stores a value that looks like a header with a high synced-to, made from an old file's bytes.
// After a power cut it must not make the start refuse.
TEST_F(AofReaderTest, AForgedHeaderInAValueIsNotBelieved) {
  auto log = open_log(fs_, kLocation, test_options());
  append(*log, 0, {"SET", "a", "1"});
  ASSERT_TRUE(log->step_write());
  BatchHeader forged{.position = 200, .bytes = 0, .synced_to = 200};
  forged.checksum = batch_checksum_seed(0, forged);
  std::string text(kBatchHeaderBytes, ' ');
  format_batch_header(text.data(), forged);
  append(*log, 0, {"SET", "b", text + text});
  ASSERT_TRUE(log->step_write());
  log.reset();
  std::string bytes = read_file(fs_, path(1));
  bytes[kOpeningBytes + kBatchHeaderBytes + 5] ^= 1;  // the first batch, whose sync nobody has attested
  write_file(fs_, path(1), bytes);
  const Recovered recovered = recover(fs_, kLocation);
  ASSERT_TRUE(recovered.status) << recovered.status.error().what;
  EXPECT_EQ(recovered.report.cut_offset, kOpeningBytes);
}

TEST(AofResp, EveryPrefixIsIncomplete) {
  const std::string text = "#TS:1\r\n" + resp({"SET", "key", std::string(40, 'v')});
  AofCommand command;
  ASSERT_EQ(parse_aof_command(text, command), AofParse::kOk);
  EXPECT_EQ(command.bytes, text.size());
  EXPECT_EQ(command.record_bytes, text.size() - 7);
  for (size_t length = 1; length < text.size(); ++length) {
    const AofParse parsed = parse_aof_command(Bytes(text).substr(0, length), command);
    if (length == 7) continue;  // the annotation alone is whole
    EXPECT_EQ(parsed, AofParse::kIncomplete) << length;
    EXPECT_GT(command.bytes_wanted, length);
    EXPECT_LE(command.bytes_wanted, text.size());
  }
}

}  // namespace
}  // namespace strata

// The log's files between Strata and a real redis-server, both ways, several times over. Skipped where
// redis-server is not installed.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "persistence/oplog_test_support.h"
#include "platform/process.h"

namespace strata {
namespace {

using namespace log_test;  // NOLINT

constexpr auto kPollInterval = std::chrono::milliseconds(20);

std::string output_of(const std::string& command) {
  std::FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return "(cannot run)";
  std::string out;
  std::array<char, 4096> buffer;
  for (size_t got; (got = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
    out.append(buffer.data(), got);
  const int status = pclose(pipe);
  while (out.ends_with('\n')) out.pop_back();
  return status == 0 ? out : out + " (status " + std::to_string(status) + ")";
}

bool installed(const std::string& program) {
  return std::system(("command -v " + program + " >/dev/null").c_str()) == 0;
}

// A base that a real Redis wrote: an RDB and nothing behind it.
class WholeFileLoader final : public BaseLoader {
 public:
  Result<uint64_t> load_rdb(File& file, std::string_view, bool) override {
    ++loaded;
    return file.size();
  }
  int loaded = 0;
};

class OpLogInterchange : public testing::Test {
 protected:
  void SetUp() override {
    if (!installed("redis-server") || !installed("redis-cli") || !installed("redis-check-aof"))
      GTEST_SKIP() << "redis-server, redis-cli or redis-check-aof is not installed";
    directory_ = std::filesystem::temp_directory_path() / ("strata-oplog-" + std::to_string(process_id()));
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
    location_.directory = directory_.string();
  }
  void TearDown() override {
    if (running_) stop_redis();
    if (!directory_.empty()) std::filesystem::remove_all(directory_);
  }

  std::string cli(const std::string& words) {
    return output_of("redis-cli -s " + (directory_ / "s").string() + " " + words);
  }
  void start_redis() {
    const std::string said =
        output_of("redis-server --port 0 --unixsocket " + (directory_ / "s").string() + " --dir " +
                  directory_.string() +
                  " --appendonly yes --aof-timestamp-enabled yes --save '' --daemonize yes --logfile " +
                  (directory_ / "redis.log").string());
    ASSERT_EQ(said, "");
    for (int i = 0; i < 500 && cli("ping") != "PONG"; ++i) std::this_thread::sleep_for(kPollInterval);
    std::ifstream log(directory_ / "redis.log");
    ASSERT_EQ(cli("ping"), "PONG") << std::string(std::istreambuf_iterator<char>(log), {});
    running_ = true;
  }
  void stop_redis() {
    cli("shutdown nosave");
    for (int i = 0; i < 500 && std::filesystem::exists(directory_ / "s"); ++i)
      std::this_thread::sleep_for(kPollInterval);
    running_ = false;
  }
  void expect_check_aof_accepts() {
    const std::string said = output_of("redis-check-aof " + location_.manifest_path());
    EXPECT_NE(said.find("All AOF files and manifest are valid"), std::string::npos) << said;
  }
  Recovered recover_real() {
    AofReader reader(real_file_system(), location_);
    RecordingApplier applier;
    Recovered recovered;
    recovered.status = reader.load(applier, base_);
    recovered.report = reader.report();
    recovered.lines = std::move(applier.lines);
    EXPECT_TRUE(recovered.status) << recovered.status.error().what << " in " << recovered.report.failed_file;
    return recovered;
  }
  std::unique_ptr<OpLog> open_real() {
    return OpLog::open(real_file_system(), location_, test_options(), recover_real().report).value();
  }

  std::filesystem::path directory_;
  AofLocation location_;
  WholeFileLoader base_;
  bool running_ = false;
};

TEST_F(OpLogInterchange, BothWaysAndBack) {
  {
    auto log = open_real();
    log->start();
    append(*log, 0, {"SET", "a", "1"});
    log->commit_inline();
    append(*log, 3, {"SET", "large", std::string(200'000, 'x')});
    RecordBuilder group;
    const std::array<Bytes, 2> incr = {"INCR", "a"};
    group.add(3, incr);
    group.add(0, incr);
    log->append_record(group);
    append(*log, 0, {"RPUSH", "list", "x", "y\r\n#SB:", ""});
    ASSERT_TRUE(log->rotate());
    append(*log, 5, {"SET", "five", "5"});
    ASSERT_TRUE(log->stop());
  }
  expect_check_aof_accepts();
  start_redis();
  EXPECT_EQ(cli("get a"), "2");
  EXPECT_EQ(cli("-n 3 get a"), "1");
  EXPECT_EQ(cli("-n 3 strlen large"), "200000");
  EXPECT_EQ(cli("llen list"), "3");
  EXPECT_EQ(cli("-n 5 get five"), "5");
  EXPECT_EQ(cli("set from redis"), "OK");
  EXPECT_EQ(cli("eval \"redis.call('set','m',1) redis.call('incr','m') return 1\" 0"), "1");
  stop_redis();
  expect_check_aof_accepts();

  uint64_t position = 0;
  {
    const Recovered recovered = recover_real();
    EXPECT_EQ(recovered.report.cut_bytes, 0u);
    EXPECT_GT(recovered.report.foreign_record_count, 0u);
    const auto& lines = recovered.lines;
    ASSERT_GE(lines.size(), 5u);
    EXPECT_NE(std::find(lines.begin(), lines.end(), "0: set from redis"), lines.end());
    EXPECT_EQ(lines[lines.size() - 4], "[");
    EXPECT_EQ(lines[lines.size() - 2], "0: incr m");
    auto log = open_real();
    position = log->stats().position;
    EXPECT_EQ(position, recovered.report.end_position);
    append(*log, 0, {"INCR", "m"});
    ASSERT_TRUE(log->step_write());  // and no clean stop
  }
  expect_check_aof_accepts();
  start_redis();
  EXPECT_EQ(cli("get m"), "3");
  EXPECT_EQ(cli("bgrewriteaof"), "Background append only file rewriting started");
  for (int i = 0; i < 500 && cli("info persistence").find("aof_rewrite_in_progress:0") == std::string::npos;
       ++i)
    std::this_thread::sleep_for(kPollInterval);
  EXPECT_EQ(cli("incr m"), "4");
  stop_redis();

  const Recovered recovered = recover_real();
  EXPECT_GT(base_.loaded, 0);
  EXPECT_EQ(recovered.lines, std::vector<std::string>{"0: incr m"});
  {
    auto log = open_real();
    append(*log, 0, {"INCR", "m"});
    ASSERT_TRUE(log->stop());
  }
  start_redis();
  EXPECT_EQ(cli("get m"), "5");
}

TEST_F(OpLogInterchange, AnEmptyLogOfOursStartsARedis) {
  ASSERT_TRUE(open_real()->stop());
  expect_check_aof_accepts();
  start_redis();
  EXPECT_EQ(cli("dbsize"), "0");
}

}  // namespace
}  // namespace strata

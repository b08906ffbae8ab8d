// Dump files between Strata and a real redis-server, both ways. Skipped where redis-server is not installed.

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>

#include "persistence/rdb_test_support.h"
#include "platform/process.h"
#include "text/quote.h"

namespace strata {
namespace {

using namespace rdb_test;  // NOLINT

constexpr auto kPollInterval = std::chrono::milliseconds(20);
constexpr int64_t kFarFutureMs = 4'000'000'000'000;

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

Bytes type_in(const Held& held) { return Bytes(held.kind).substr(0, held.kind.find(' ')); }
uint16_t db_in(const std::string& name) { return static_cast<uint16_t>(std::stoi(name)); }
std::string key_in(const std::string& name) { return name.substr(name.find(':') + 1); }

// "field = value" and "member @ score" of Contents, apart.
std::pair<std::string, std::string> halves(const std::string& element, const std::string& between) {
  const size_t at = element.rfind(between);
  return {element.substr(0, at), element.substr(at + between.size())};
}

Strings words_of(const std::string& line) {
  std::istringstream stream(line);
  return {std::istream_iterator<std::string>(stream), {}};
}

// The elements as a client sees them: fields and values, members and scores one after the other; the IDs,
// fields and values of a stream's entries.
Strings flat(const Held& held) {
  const Bytes type = type_in(held);
  if (type == "stream") {
    Strings out;
    for (const std::string& line : held.elements) {
      const Strings words = words_of(line);
      if (words[0] == "XADD") out.insert(out.end(), words.begin() + 1, words.end());
    }
    return out;
  }
  if (type != "hash" && type != "zset") return held.elements;
  Strings out;
  for (const std::string& element : held.elements) {
    auto [first, second] = halves(element, type == "hash" ? " = " : " @ ");
    out.insert(out.end(), {first, second});
  }
  return out;
}

std::string resp(const Strings& words) {
  std::string out = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string& word : words) out += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  return out;
}

// Each command gets its key: behind the name, and behind that of a subcommand.
std::string stream_commands_for(const std::string& key, const Held& held) {
  std::string out;
  for (const std::string& line : held.elements) {
    Strings words = words_of(line);
    words.insert(words.begin() + (words[0] == "XGROUP" ? 2 : 1), key);
    out += resp(words);
  }
  return out;
}

// Commands that make these contents.
std::string commands_for(const Contents& contents) {
  std::string out;
  for (const auto& [name, held] : contents) {
    out += resp({"SELECT", std::to_string(db_in(name))});
    const Bytes type = type_in(held);
    if (type == "stream") out += stream_commands_for(key_in(name), held);
    Strings words = {type == "string" ? "SET"
                     : type == "list" ? "RPUSH"
                     : type == "set"  ? "SADD"
                     : type == "hash" ? "HSET"
                                      : "ZADD",
                     key_in(name)};
    Strings elements = flat(held);
    if (type == "zset") {
      for (size_t i = 0; i < elements.size(); i += 2) std::swap(elements[i], elements[i + 1]);
    }
    words.insert(words.end(), elements.begin(), elements.end());
    if (type != "stream") out += resp(words);
    if (held.deadline_ms != kNoDeadline)
      out += resp({"PEXPIREAT", key_in(name), std::to_string(held.deadline_ms)});
  }
  return out;
}

class RdbInterchange : public testing::TestWithParam<uint64_t> {
 protected:
  void SetUp() override {
    if (!installed("redis-server") || !installed("redis-cli")) {
      GTEST_SKIP() << "redis-server or redis-cli is not installed";
    }
    directory_ = std::filesystem::temp_directory_path() / ("strata-rdb-" + std::to_string(process_id()));
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
  }
  void TearDown() override {
    if (running_) stop_redis();
    if (!directory_.empty()) std::filesystem::remove_all(directory_);
  }

  std::string path(const std::string& name) const { return (directory_ / name).string(); }
  std::string cli(const std::string& words) { return output_of("redis-cli -s " + path("s") + " " + words); }
  void start_redis(const std::string& options) {
    const std::string said = output_of("redis-server --port 0 --unixsocket " + path("s") + " --dir " +
                                       directory_.string() + " --save '' --daemonize yes --logfile " +
                                       path("redis.log") + " --enable-debug-command yes " + options);
    ASSERT_EQ(said, "");
    for (int i = 0; i < 500 && cli("ping") != "PONG"; ++i) std::this_thread::sleep_for(kPollInterval);
    std::ifstream log(path("redis.log"));
    ASSERT_EQ(cli("ping"), "PONG") << std::string(std::istreambuf_iterator<char>(log), {});
    running_ = true;
  }
  void stop_redis() {
    cli("shutdown nosave");
    for (int i = 0; i < 500 && std::filesystem::exists(path("s")); ++i)
      std::this_thread::sleep_for(kPollInterval);
    running_ = false;
  }
  void write(const std::string& name, const std::string& text) {
    std::ofstream(path(name), std::ios::binary) << text;
  }
  Loaded load_dump(const RdbLoadOptions& options) {
    return load_bytes(read_whole_file(real_file_system(), path("dump.rdb"), 1 << 30).value(), options, 0, 4);
  }

  // Asks the server for everything that should be there.
  void expect_serves(const Contents& contents) {
    std::string script;
    for (const auto& [name, held] : contents) {
      const std::string key = quote(key_in(name));
      const Bytes type = type_in(held);
      script += "SELECT " + std::to_string(db_in(name)) + "\n";
      script += "PEXPIRETIME " + key + "\n";
      script += type == "string"   ? "GET " + key
                : type == "list"   ? "LRANGE " + key + " 0 -1"
                : type == "set"    ? "SMEMBERS " + key
                : type == "hash"   ? "HGETALL " + key
                : type == "stream" ? "XRANGE " + key + " - +"
                                   : "ZRANGE " + key + " 0 -1 WITHSCORES";
      script += "\nECHO \"--\"\n";
    }
    write("script", script);
    // On a slow machine redis-cli says how long an answer took.
    output_of("redis-cli -s " + path("s") + " --no-raw < " + path("script") + " | grep -v '^([0-9.]*s)$' > " +
              path("answers"));
    std::ifstream answers(path("answers"));
    for (const auto& [name, held] : contents) {
      std::string line;
      std::getline(answers, line);
      ASSERT_EQ(line, "OK") << name;
      std::getline(answers, line);
      EXPECT_EQ(line, "(integer) " + std::to_string(held.deadline_ms)) << name;
      Strings lines;
      while (std::getline(answers, line) && line != "\"--\"") lines.push_back(line.substr(line.find('"')));
      ASSERT_EQ(canonical(held, lines), quoted(held)) << name;
    }
  }

 private:
  static Strings quoted(const Held& held) {
    Strings out;
    for (const std::string& element : flat(held)) out.push_back(quote(element));
    return canonical(held, out);
  }
  // Hashes and sets in any order; pairs stay together.
  static Strings canonical(const Held& held, Strings lines) {
    const Bytes type = type_in(held);
    if (type == "hash") {
      Strings pairs;
      for (size_t i = 0; i + 1 < lines.size(); i += 2) pairs.push_back(lines[i] + " = " + lines[i + 1]);
      lines = std::move(pairs);
    }
    if (type == "hash" || type == "set") std::sort(lines.begin(), lines.end());
    return lines;
  }

  std::filesystem::path directory_;
  bool running_ = false;
};

TEST_P(RdbInterchange, FromRedis) {
  const std::string options[] = {
      "",
      "--list-max-listpack-size 4 --hash-max-listpack-entries 8 --zset-max-listpack-entries 8 "
      "--set-max-intset-entries 8",
      "--list-max-listpack-size -1 --list-compress-depth 1 --hash-max-listpack-value 10 "
      "--zset-max-listpack-value 10",
      "--rdbcompression no --rdbchecksum no --maxmemory-policy allkeys-lfu",
  };
  auto keyspace = make_keyspace();
  const RdbLimits limits;
  RandomFiller(GetParam(), limits, kFarFutureMs).fill(*keyspace, 250);
  const Contents contents = contents_of(*keyspace);
  start_redis(options[GetParam() % std::size(options)]);
  write("commands", commands_for(contents));
  const std::string said = cli("--pipe < " + path("commands"));
  ASSERT_NE(said.find("errors: 0"), std::string::npos) << said;
  ASSERT_EQ(cli("save"), "OK");
  RdbLoadOptions load;
  load.thread_count = 2;
  const Loaded loaded = load_dump(load);
  ASSERT_TRUE(loaded.status) << loaded.report.detail;
  EXPECT_EQ(difference(without_encodings(loaded.contents()), without_encodings(contents)), "");
  EXPECT_EQ(loaded.report.version, 10u);
  EXPECT_EQ(loaded.report.aux_value("redis-ver").substr(0, 2), "7.");
}

TEST_P(RdbInterchange, ToRedisAndBack) {
  auto keyspace = make_keyspace(2);
  const RdbLimits limits;
  RandomFiller(GetParam() + 1000, limits, kFarFutureMs).fill(*keyspace, 250);
  const Contents contents = contents_of(*keyspace);
  const RdbSaveOptions save{.writer = {.compression = GetParam() % 2 == 0, .checksum = GetParam() % 3 != 0},
                            .aux = {},
                            .progress = {}};
  ASSERT_TRUE(rdb_save(real_file_system(), path("dump.rdb"), *keyspace, save));
  start_redis("--sanitize-dump-payload yes");
  expect_serves(contents);
  ASSERT_EQ(cli("debug reload"), "OK");
  ASSERT_EQ(cli("save"), "OK");
  const Loaded loaded = load_dump({});
  ASSERT_TRUE(loaded.status) << loaded.report.detail;
  EXPECT_EQ(difference(without_encodings(loaded.contents()), without_encodings(contents)), "");
}

TEST_P(RdbInterchange, WhatWeDoNotHaveIsNamed) {
  start_redis("");
  ASSERT_EQ(cli("function load '#!lua name=lib\nredis.register_function(\"f\", function() end)'"), "lib");
  ASSERT_EQ(cli("save"), "OK");
  const Loaded loaded = load_dump({});
  ASSERT_FALSE(loaded.status);
  EXPECT_EQ(loaded.status.error().code, Errc::kUnsupported);
  EXPECT_EQ(loaded.report.detail, "function library \"#!lua name=lib\"");
}

INSTANTIATE_TEST_SUITE_P(Seeds, RdbInterchange, testing::Range<uint64_t>(0, 4));

}  // namespace
}  // namespace strata

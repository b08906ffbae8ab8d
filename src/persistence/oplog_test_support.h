// What the tests of the log share: an applier that writes down what it was given, a base loader that
// accepts a made-up RDB, and helpers that write and read back a log.

#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "persistence/aof_reader.h"
#include "persistence/oplog.h"
#include "platform/file_system.h"

namespace strata::log_test {

// Notes "db: ARG ARG" per command and "[" "]" around groups. Keeps views until drain(), as a parallel
// replay does, so that a view that dies too early is found by the address sanitizer.
class RecordingApplier final : public Applier {
 public:
  Status apply(uint16_t db, std::span<const Bytes> args) override {
    pending_.push_back({db, {args.begin(), args.end()}});
    return {};
  }
  Status begin_group() override {
    pending_.push_back({0, {"["}});
    return {};
  }
  Status end_group() override {
    pending_.push_back({0, {"]"}});
    return {};
  }
  Status drain() override {
    for (const auto& [db, args] : pending_) {
      if (args.size() == 1 && (args[0] == "[" || args[0] == "]")) {
        lines.emplace_back(args[0]);
        continue;
      }
      std::string& line = lines.emplace_back(std::to_string(db) + ":");
      for (Bytes arg : args) line.append(" ").append(arg);
    }
    pending_.clear();
    return {};
  }

  std::vector<std::string> lines;

 private:
  struct Pending {
    uint16_t db;
    std::vector<Bytes> args;
  };
  std::vector<Pending> pending_;
};

// "REDIS" + four digits + any bytes up to and including 0xff.
class FakeBaseLoader final : public BaseLoader {
 public:
  Result<uint64_t> load_rdb(File& file, std::string_view, bool) override {
    std::string bytes(4096, '\0');
    TRY_ASSIGN(const size_t got, file.read_at(0, bytes));
    bytes.resize(got);
    const size_t end = bytes.find('\xff');
    if (end == std::string::npos) return fail(Errc::kCorruption, "not even a made-up RDB");
    ++loaded;
    return uint64_t{end + 1};
  }

  int loaded = 0;
  std::vector<std::string> lines;  // none
};

struct Recovered {
  Status status;
  AofReport report;
  std::vector<std::string> lines;
};

// The lines of the base, if its loader reads any, and those behind it.
template <typename Loader = FakeBaseLoader>
Recovered recover(FileSystem& fs, const AofLocation& location, AofReadOptions options = {}) {
  AofReader reader(fs, location, std::move(options));
  RecordingApplier applier;
  Loader base;
  Recovered recovered;
  recovered.status = reader.load(applier, base);
  recovered.report = reader.report();
  recovered.lines = std::move(base.lines);
  recovered.lines.insert(recovered.lines.end(), applier.lines.begin(), applier.lines.end());
  return recovered;
}

inline Recovered verify(FileSystem& fs, const AofLocation& location) {
  AofReader reader(fs, location);
  FakeBaseLoader base;
  Recovered recovered;
  recovered.status = reader.verify(base);
  recovered.report = reader.report();
  return recovered;
}

inline OpLogOptions test_options(SyncPolicy policy = SyncPolicy::kEverySecond) {
  OpLogOptions options;
  options.policy = policy;
  options.ring.ring_bytes = 1 << 20;
  options.ring.margin_bytes = 128 << 10;
  options.salt = 0x5eed;
  return options;
}

// Recovers and opens; the log of `fs` goes on.
inline std::unique_ptr<OpLog> open_log(FileSystem& fs, const AofLocation& location,
                                       const OpLogOptions& options) {
  Recovered recovered = recover(fs, location);
  if (!recovered.status) {
    ADD_FAILURE() << recovered.status.error().what << " in " << recovered.report.failed_file;
    return nullptr;
  }
  Result<std::unique_ptr<OpLog>> log = OpLog::open(fs, location, options, recovered.report);
  if (!log) {
    ADD_FAILURE() << log.error().what;
    return nullptr;
  }
  return std::move(*log);
}

inline uint64_t append(OpLog& log, uint16_t db, std::vector<std::string> words) {
  const std::vector<Bytes> args(words.begin(), words.end());
  return log.append_command(db, args);
}

inline std::string resp(std::vector<std::string> words) {
  std::string out;
  const std::vector<Bytes> args(words.begin(), words.end());
  append_command_to(out, args);
  return out;
}

inline void write_file(FileSystem& fs, const std::string& path, Bytes contents) {
  Result<File> file = fs.open(path, OpenMode::kTruncate);
  ASSERT_TRUE(file.has_value());
  ASSERT_TRUE(file->write_at(0, contents).has_value());
  ASSERT_TRUE(file->sync_all().has_value());
}

inline std::string read_file(FileSystem& fs, const std::string& path) {
  return read_whole_file(fs, path, uint64_t{1} << 30).value_or("(missing)");
}

}  // namespace strata::log_test

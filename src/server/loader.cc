#include "server/loader.h"

#include <fmt/format.h>

#include "base/no_memory.h"
#include "persistence/rdb_load.h"
#include "persistence/rdb_snapshot.h"
#include "platform/clock.h"
#include "platform/file_system.h"
#include "server/log_lines.h"
#include "server/log_sink.h"
#include "server/replay.h"
#include "server/server.h"

namespace strata {
namespace {

constexpr double kSlowOpeningSeconds = 1;

RdbLoadOptions rdb_options(Server& server) {
  const DataOptions& data = server.options().data;
  RdbLoadOptions options;
  options.limits = {data.list, data.hash, data.set, data.zset};
  options.thread_count = server.worker_count();
  options.checksum = server.options().rdb_checksum;
  options.now_ms = system_clock().wall_us() / 1000;
  return options;
}

// Loads the RDB that a log begins with.
class LogBase final : public BaseLoader {
 public:
  LogBase(Server& server, std::string& detail) : server_(server), detail_(detail) {}
  Result<uint64_t> load_rdb(File& file, std::string_view path, bool verify_only) override {
    log_notice(fmt::format("Reading RDB base file {}...", path));
    RdbLoadOptions options = rdb_options(server_);
    options.progress = [this](const RdbProgress& at) {
      server_.loading().loaded_keys = at.keys_read;
      server_.loading().loaded_bytes = at.bytes_done;  // the base is the first file
      return !server_.stopping();
    };
    RdbLoadReport report;
    Status status = verify_only ? rdb_verify(file, 0, server_.keyspace().database_count(), options, &report)
                                : rdb_load(file, 0, server_.keyspace(), options, &report);
    detail_ = report.detail;
    if (!status) return std::unexpected(status.error());
    return report.end_offset;
  }

 private:
  Server& server_;
  std::string& detail_;
};

double seconds_since(int64_t began_us) {
  return static_cast<double>(system_clock().monotonic_us() - began_us) / 1e6;
}

}  // namespace

Status Loader::run() {
  Keyspace& keyspace = server_.keyspace();
  // Entering makes what is loaded here visible to those who enter afterwards.
  for (uint32_t s = 0; s < keyspace.shard_count(); ++s) {
    while (!keyspace.shard(s).ownership.try_enter_for_a_while()) {
    }
  }
  keyspace.enable_expiry(false);
  const Options& o = server_.options();
  // What a crash left in the middle of a save; the log removes its own.
  if (!read_only_) {
    if (Status removed = remove_snapshot_leftovers(real_file_system(), o.dump_file); !removed)
      log_warning(fmt::format("Temporary files could not be removed: {}", describe(removed.error())));
  }
  const Status status = without_throwing("no memory to load the data",
                                         [&] { return o.append_only ? load_log() : load_dump(o.dump_file); });
  keyspace.enable_expiry(true);
  for (uint32_t s = 0; s < keyspace.shard_count(); ++s) {
    keyspace.shard(s).ask_for_cleaning();
    static_cast<void>(
        keyspace.shard(s).ownership.leave());  // nobody can be waiting while clients get -LOADING
  }
  return status;
}

Status Loader::load_dump(const std::string& path) {
  auto info = real_file_system().info(path);
  if (!info && info.error().code == Errc::kNotFound) return {};
  failed_file_ = path;
  TRY(info);
  TRY_ASSIGN(File file, real_file_system().open(path, OpenMode::kRead));
  LoadingProgress& progress = server_.loading();
  progress.total_bytes = info->size;
  int64_t began_us = system_clock().monotonic_us();
  RdbLoadOptions options = rdb_options(server_);
  options.progress = [&](const RdbProgress& at) {
    progress.loaded_keys = at.keys_read;
    progress.loaded_bytes = at.bytes_done;
    return !server_.stopping();
  };
  RdbLoadReport report;
  Status status = rdb_load(file, 0, server_.keyspace(), options, &report);
  detail_ = report.detail;
  TRY(status);
  log_notice(fmt::format("Done loading RDB, keys loaded: {}, keys expired: 0.", report.key_count));
  log_notice(fmt::format("DB loaded from disk: {:.3f} seconds", seconds_since(began_us)));
  return {};
}

Status Loader::load_log() {
  const Options& o = server_.options();
  AofLocation location{".", o.append_directory, o.append_file};
  LoadingProgress& progress = server_.loading();
  AofReadOptions read_options;
  read_options.read_only = read_only_;
  read_options.load_truncated = o.aof_load_truncated;
  read_options.on_progress = [&](uint64_t read, uint64_t total) {
    progress.loaded_bytes = read;
    progress.total_bytes = total;
  };
  AofReader reader(real_file_system(), location, read_options);
  LogBase base(server_, detail_);
  int64_t began_us = system_clock().monotonic_us();
  AofReport report;
  {
    Replay replay(server_);
    Status status = reader.load(replay, base);
    if (status) status = replay.drain();
    if (!status) {
      failed_file_ = reader.report().failed_file;
      if (!replay.detail().empty()) detail_ = replay.detail();
      return status;
    }
    report = reader.report();
    if (report.found) {
      log_notice(fmt::format("DB loaded from append only file: {:.3f} seconds", seconds_since(began_us)));
    }
  }
  if (report.cut_bytes > 0) {
    log_warning(fmt::format(
        "The log ended in {} bytes that were not synced and not whole; {} {} at offset {}", report.cut_bytes,
        read_only_ ? "a start would cut" : "cut", report.cut_file, report.cut_offset));
  }
  if (!report.found) {
    // A log is wanted and there is none: a dump file becomes its base.
    if (auto info = real_file_system().info(o.dump_file)) {
      TRY(load_dump(o.dump_file));
      if (read_only_) return {};
      TRY_ASSIGN(report, adopt_rdb_base(real_file_system(), location, o.dump_file));
      log_notice(fmt::format("{} is now the base of the append only log", o.dump_file));
    }
  }
  if (read_only_) return {};
  failed_file_ = location.log_directory();
  began_us = system_clock().monotonic_us();
  auto log = OpLog::open(real_file_system(), location, log_options(server_), report);
  if (!log) return std::unexpected(log.error());
  // Syncs that wait behind others' on a busy disk are the one thing here that takes long.
  if (const double took_s = seconds_since(began_us); took_s >= kSlowOpeningSeconds)
    log_warning(fmt::format("Syncing the log and opening a new increment took {:.3f} seconds", took_s));
  server_.log_switch().open(std::move(*log));
  return {};
}

std::string Loader::explain(const Error& error) const {
  std::string text = failed_file_.empty() ? describe(error) : failed_file_ + ": " + describe(error);
  if (detail_.empty()) return text;
  // A reader's detail mostly tells the whole, in the same words.
  if (detail_.starts_with(error.what) && !failed_file_.empty()) return failed_file_ + ": " + detail_;
  return text + ": " + detail_;
}

}  // namespace strata

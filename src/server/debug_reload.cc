#include "server/debug_reload.h"

#include <chrono>
#include <new>
#include <thread>

#include "persistence/aof_reader.h"
#include "persistence/rdb_load.h"
#include "platform/clock.h"
#include "platform/file_system.h"
#include "server/empty_dump.h"
#include "server/log_lines.h"
#include "server/replay.h"
#include "server/server.h"

namespace strata {
namespace {

constexpr int64_t kSyncWaitUs = 10'000'000;
constexpr auto kSyncPoll = std::chrono::milliseconds(1);

RdbLoadOptions load_options(Server& server) {
  const DataOptions& data = server.options().data;
  RdbLoadOptions options;
  options.limits = {data.list, data.hash, data.set, data.zset};
  options.checksum = server.options().rdb_checksum;
  options.now_ms = system_clock().wall_us() / 1000;
  return options;
}

std::unexpected<std::string> failed(const char* what, const Error& error, const std::string& detail) {
  std::string text = std::string("ERR ") + what + ": " + describe(error);
  if (!detail.empty()) text.append(": ").append(detail);
  log_warning(text);
  return std::unexpected(text);
}

// Empties every database at once. All watched keys count as changed.
void flush_everything(Keyspace& keyspace) {
  for (uint32_t s = 0; s < keyspace.shard_count(); ++s) {
    Shard& shard = keyspace.shard(s);
    for (uint16_t db = 0; db < keyspace.database_count(); ++db) {
      shard.watches().for_each(
          db, [](Bytes, WatchMark& mark) { mark.touched.store(true, std::memory_order_release); });
      if (shard.peek(db)) shard.database(db).flush(true);
    }
    shard.ask_for_cleaning();
  }
}

// Nothing expires while it is loaded: what is past its deadline goes the usual way afterwards.
struct WithoutExpiry {
  explicit WithoutExpiry(Keyspace& k) : keyspace(k) { keyspace.enable_expiry(false); }
  ~WithoutExpiry() { keyspace.enable_expiry(true); }
  Keyspace& keyspace;
};

class BaseOfLog final : public BaseLoader {
 public:
  explicit BaseOfLog(Server& server) : server_(server) {}
  Result<uint64_t> load_rdb(File& file, std::string_view, bool verify_only) override {
    RdbLoadReport report;
    Status status =
        verify_only ? rdb_verify(file, 0, server_.keyspace().database_count(), load_options(server_), &report)
                    : rdb_load(file, 0, server_.keyspace(), load_options(server_), &report);
    if (!status) return std::unexpected(status.error());
    return report.end_offset;
  }

 private:
  Server& server_;
};

}  // namespace

namespace {

std::expected<void, std::string> reload_held(Server& server, const ReloadOptions& options) {
  const std::string& path = server.options().dump_file;
  server.empty_dump().wait();
  if (options.saves) {
    if (Status saved = server.save_held(); !saved) return failed("Saving the dump", saved.error(), {});
  }
  auto file = real_file_system().open(path, OpenMode::kRead);
  if (!file) return failed("Error trying to load the RDB dump", file.error(), path);
  RdbLoadReport report;
  Status status = rdb_verify(*file, 0, server.keyspace().database_count(), load_options(server), &report);
  if (!status) return failed("Error trying to load the RDB dump", status.error(), report.detail);
  WithoutExpiry guard(server.keyspace());
  if (options.flushes) flush_everything(server.keyspace());
  status = rdb_load(*file, 0, server.keyspace(), load_options(server), &report);
  if (!status) return failed("Error trying to load the RDB dump", status.error(), report.detail);
  log_warning("DB reloaded by DEBUG RELOAD");
  return {};
}

}  // namespace

std::expected<void, std::string> reload_dump(Server& server, const ReloadOptions& options) {
  try {
    return reload_held(server, options);
  } catch (const std::bad_alloc&) {
    return std::unexpected("ERR no memory to reload the DB");
  }
}

// Nobody appends while all shards are held, so the log on disk is whole once it is synced.
std::expected<void, std::string> reload_log(Server& server) {
  OpLog* log = server.log();
  if (!log || log->standing() != OpLog::Standing::kInForce)
    return std::unexpected("ERR DEBUG LOADAOF needs 'appendonly yes'");
  int64_t deadline_us = system_clock().monotonic_us() + kSyncWaitUs;
  log->commit_inline();
  log->request_sync(log->appended_sequence());
  while (log->durable_sequence() < log->appended_sequence()) {
    bool is_late = system_clock().monotonic_us() > deadline_us;
    if (log->failed() || is_late) return std::unexpected("ERR The log could not be synced");
    std::this_thread::sleep_for(kSyncPoll);
    log->commit_inline();
  }
  const Options& o = server.options();
  AofLocation location{".", o.append_directory, o.append_file};
  BaseOfLog base(server);
  AofReader check(real_file_system(), location);
  Status status = check.verify(base);
  if (!status)
    return failed("Error trying to load the AOF files", status.error(), check.report().failed_file);
  if (!check.report().found)
    return std::unexpected("ERR Error trying to load the AOF files: there are none in 'dir'");
  WithoutExpiry guard(server.keyspace());
  flush_everything(server.keyspace());
  AofReader reader(real_file_system(), location);
  Replay replay(server);
  status = reader.load(replay, base);
  if (status) status = replay.drain();
  if (!status) return failed("Error trying to load the AOF files", status.error(), replay.detail());
  log_warning("Append Only File loaded by DEBUG LOADAOF");
  return {};
}

}  // namespace strata

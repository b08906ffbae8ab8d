#include "tools/dump.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "commands/context.h"
#include "commands/registry.h"
#include "persistence/aof_reader.h"
#include "persistence/rdb_dump.h"
#include "persistence/rdb_load.h"
#include "persistence/rdb_reader.h"
#include "platform/clock.h"
#include "text/quote.h"
#include "tools/check.h"

namespace strata {
namespace {

const char* type_name(Type type) {
  switch (type) {
    case Type::kString:
      return "string";
    case Type::kList:
      return "list";
    case Type::kSet:
      return "set";
    case Type::kZset:
      return "zset";
    default:
      return "hash";
  }
}

const char* type_name(RdbType type) {
  switch (type) {
    case RdbType::kString:
      return "string";
    case RdbType::kList:
    case RdbType::kListZiplist:
    case RdbType::kListQuicklist:
    case RdbType::kListQuicklist2:
      return "list";
    case RdbType::kSet:
    case RdbType::kSetIntset:
    case RdbType::kSetListpack:
      return "set";
    case RdbType::kZset:
    case RdbType::kZset2:
    case RdbType::kZsetZiplist:
    case RdbType::kZsetListpack:
      return "zset";
    case RdbType::kStreamListpacks:
    case RdbType::kStreamListpacks2:
    case RdbType::kStreamListpacks3:
      return "stream";
    default:
      return "hash";
  }
}

struct Counts {
  uint64_t keys = 0;
  uint64_t bytes = 0;
};

struct Big {
  uint64_t bytes;
  std::string key;
  uint16_t db;
  const char* type;
};

bool is_bigger(const Big& a, const Big& b) { return a.bytes > b.bytes; }

// Counts keys, and keeps the biggest.
class Tally {
 public:
  explicit Tally(size_t biggest_count) : biggest_count_(biggest_count) {}

  void add(Bytes key, uint16_t db, const char* type, uint64_t bytes, bool has_deadline) {
    ++keys_;
    deadlines_ += has_deadline;
    databases_.insert(db);
    Counts& of_type = types_[type];
    ++of_type.keys;
    of_type.bytes += bytes;
    if (biggest_.size() == biggest_count_) {
      if (biggest_count_ == 0 || bytes <= biggest_.front().bytes) return;
      std::pop_heap(biggest_.begin(), biggest_.end(), is_bigger);
      biggest_.pop_back();
    }
    biggest_.push_back({bytes, quote(key), db, type});
    std::push_heap(biggest_.begin(), biggest_.end(), is_bigger);
  }

  nlohmann::json json(const std::string& path) {
    std::sort(biggest_.begin(), biggest_.end(), is_bigger);
    nlohmann::json out = {{"path", path}, {"databases", databases_.size()}, {"keys", keys_}};
    out["keys_with_expiry"] = deadlines_;
    out["types"] = nlohmann::json::object();
    for (const auto& [type, counts] : types_)
      out["types"][type] = {{"keys", counts.keys}, {"bytes", counts.bytes}};
    out["biggest"] = nlohmann::json::array();
    for (const Big& big : biggest_) {
      out["biggest"].push_back(
          {{"key", big.key}, {"database", big.db}, {"type", big.type}, {"bytes", big.bytes}});
    }
    return out;
  }

 private:
  const size_t biggest_count_;
  std::map<std::string, Counts> types_;
  std::set<uint16_t> databases_;
  std::vector<Big> biggest_;  // a heap, the smallest first
  uint64_t keys_ = 0;
  uint64_t deadlines_ = 0;
};

// A keyspace that a log is replayed into, in one thread.
class Replayed final : public Applier, public BaseLoader {
 public:
  explicit Replayed(std::string& detail) : detail_(detail) {
    keyspace_.enable_expiry(false);
    reply_.set_muted(true);
    context_.set_client(reply_, nullptr);
  }

  Status apply(uint16_t db, std::span<const Bytes> args) override {
    const RegisteredCommand* command = registry_.resolve(args);
    if (command == nullptr || command->command->run == nullptr || !command->arity_allows(args.size())) {
      detail_ = quote(args[0].substr(0, kRdbDetailKeyBytesMax));
      return fail(Errc::kUnsupported, "the log holds a command that is not known here");
    }
    if (db >= keyspace_.database_count()) return fail(Errc::kUnsupported, "database number out of range");
    context_.begin(*command->command, args, db, now_ms_, {});
    command->command->run(context_);
    return {};
  }
  Result<uint64_t> load_rdb(File& file, std::string_view, bool) override {
    RdbLoadReport report;
    const Status loaded = rdb_load(file, 0, keyspace_, {.now_ms = now_ms_}, &report);
    detail_ = report.detail;
    if (!loaded) return std::unexpected(loaded.error());
    return report.end_offset;
  }

  void count(Tally& tally) {
    for (uint16_t db = 0; db < keyspace_.database_count(); ++db) {
      uint64_t cursor = 0;
      do {
        cursor = keyspace_.shard(0).database(db).table().scan(cursor, [&](Entry* entry) {
          RdbDump dump(*entry, false);
          while (!dump.step(SIZE_MAX)) {
          }
          const uint64_t value_bytes = dump.bytes().size() - 1 - kRdbDumpFooterBytes;
          tally.add(entry->key(), db, type_name(entry->type()), entry->key().size() + value_bytes,
                    entry->has_deadline());
        });
      } while (cursor != 0);
    }
  }

 private:
  static constexpr uint16_t kDatabases = UINT16_MAX;

  std::string& detail_;
  const Registry registry_{data_command_groups()};
  const DataOptions options_;
  const int64_t now_ms_ = system_clock().wall_us() / 1000;
  Keyspace keyspace_{{.database_count = kDatabases}};
  KeyspaceCounters counters_;
  Context context_{{keyspace_, options_, counters_, nullptr}};
  Output output_;
  Reply reply_{output_};
};

}  // namespace

Result<nlohmann::json> describe_dump(FileSystem& fs, const std::string& path, size_t biggest_count,
                                     const ShowProgress& progress) {
  TRY_ASSIGN(File file, fs.open(path, OpenMode::kRead));
  TRY_ASSIGN(const uint64_t size, file.size());
  RdbReader reader(file, 0, size);
  Tally tally(biggest_count);
  for (RdbRecord record{};;) {
    TRY_ASSIGN(const bool more, reader.next(&record));
    if (!more) break;
    show(progress, "reading", reader.offset(), size);
    tally.add(record.key, record.db, type_name(record.type), record.key.size() + record.payload.size(),
              record.deadline_ms != kRdbNoDeadline);
  }
  return tally.json(path);
}

Result<nlohmann::json> describe_log(FileSystem& fs, const std::string& path, size_t biggest_count,
                                    const ShowProgress& progress, std::string& detail) {
  TRY_ASSIGN(const AofLocation location, find_log(fs, path));
  AofReadOptions options{.read_only = true};
  options.on_progress = [&](uint64_t done, uint64_t total) { show(progress, "replaying", done, total); };
  AofReader reader(fs, location, std::move(options));
  Replayed replayed(detail);
  const Status loaded = reader.load(replayed, replayed);
  if (!loaded) {
    detail = reader.report().failed_file + (detail.empty() ? "" : ": " + detail);
    return std::unexpected(loaded.error());
  }
  Tally tally(biggest_count);
  replayed.count(tally);
  nlohmann::json out = tally.json(path);
  out["records"] = reader.report().command_count;
  out["cut_bytes"] = reader.report().cut_bytes;
  return out;
}

std::string dump_text(const nlohmann::json& dump) {
  std::string out = fmt::format("{} keys in {} databases, {} with expiry\n", dump["keys"].get<uint64_t>(),
                                dump["databases"].get<uint64_t>(), dump["keys_with_expiry"].get<uint64_t>());
  if (dump.value("cut_bytes", uint64_t{0}) != 0)
    out += fmt::format("without the last {} bytes, which a start would cut\n",
                       dump["cut_bytes"].get<uint64_t>());
  for (const auto& [type, counts] : dump["types"].items()) {
    out += fmt::format("  {:8} {:>12} keys {:>16} bytes stored\n", type, counts["keys"].get<uint64_t>(),
                       counts["bytes"].get<uint64_t>());
  }
  out += "biggest:\n";
  for (const nlohmann::json& big : dump["biggest"]) {
    out += fmt::format("  {:>12} bytes  {:8} db{} {}\n", big["bytes"].get<uint64_t>(),
                       big["type"].get<std::string>(), big["database"].get<uint64_t>(),
                       big["key"].get<std::string>());
  }
  return out;
}

}  // namespace strata

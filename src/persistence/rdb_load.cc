#include "persistence/rdb_load.h"

#include <fmt/format.h>

#include "base/no_memory.h"
#include "keyspace/keyspace.h"
#include "keyspace/lazy_free.h"
#include "persistence/rdb_lanes.h"
#include "text/quote.h"

namespace strata {
namespace {

void describe_failure(const RdbReader& reader, const Error& error, RdbLoadReport* report) {
  if (!report->detail.empty()) return;
  report->detail =
      reader.detail().empty() ? fmt::format("{} at offset {}", error.what, error.offset) : reader.detail();
}

// What does the work: `take` gets every record, `chunk_done` is called before the bytes of a chunk are left
// behind.
template <typename Take, typename ChunkDone>
Status read_records(RdbReader& reader, uint64_t offset, uint64_t file_bytes, const RdbLoadOptions& options,
                    Take take, ChunkDone chunk_done) {
  const RdbChunk* current = nullptr;
  uint64_t keys_read = 0;
  for (;;) {
    RdbRecord record{};
    TRY_ASSIGN(const bool more, reader.next(&record));
    if (reader.chunk().get() != current || !more) {
      current = reader.chunk().get();
      TRY(chunk_done());
      const RdbProgress progress{reader.offset() - offset, file_bytes - offset, keys_read};
      if (options.progress && !options.progress(progress))
        return fail(Errc::kCancelled, "loading", reader.offset());
    }
    if (!more) return {};
    ++keys_read;
    TRY(take(record));
  }
}

void fill_report(const RdbReader& reader, const RdbCounts& counts, RdbLoadReport* report) {
  report->version = reader.version();
  report->end_offset = reader.offset();
  report->checksum_verified = reader.checksum_verified();
  report->aux = reader.aux();
  report->key_count = counts.keys;
  report->deadline_count = counts.deadlines;
  report->empty_count = counts.empty;
  report->type_counts = counts.types;
}

Type type_of(RdbType type) {
  switch (type) {
    case RdbType::kString:
      return Type::kString;
    case RdbType::kList:
    case RdbType::kListZiplist:
    case RdbType::kListQuicklist:
    case RdbType::kListQuicklist2:
      return Type::kList;
    case RdbType::kSet:
    case RdbType::kSetIntset:
    case RdbType::kSetListpack:
      return Type::kSet;
    case RdbType::kZset:
    case RdbType::kZset2:
    case RdbType::kZsetZiplist:
    case RdbType::kZsetListpack:
      return Type::kZset;
    case RdbType::kStreamListpacks:
    case RdbType::kStreamListpacks2:
    case RdbType::kStreamListpacks3:
      return Type::kStream;
    default:
      return Type::kHash;
  }
}

// The keys seen so far, and room to try values in.
class Verifier {
 public:
  Verifier(uint16_t database_count, const RdbLoadOptions& options)
      : options_(options), keys_({.database_count = database_count}) {}

  Status take(const RdbRecord& record) {
    Shard& shard = keys_.shard(0);
    auto checked = check(record, shard.data());
    if (!checked) return std::unexpected(checked.error());
    counts_.add_record(record, *checked);
    if (*checked == RdbLoaded::kEmpty) return {};
    Database& database = shard.database(record.db);
    const Key key = keys_.key(record.key);
    if (database.find(key) != nullptr) return fail(Errc::kExists, "RDB has duplicated key", record.offset);
    const auto noted = database.set_integer(key, 0, kNoDeadline);
    if (!noted) return std::unexpected(noted.error());
    return {};
  }
  const RdbCounts& counts() const { return counts_; }

 private:
  Result<RdbLoaded> check(const RdbRecord& record, const DataContext& context) {
    if (record.type == RdbType::kString) {
      TRY(rdb_decode_string(record, scratch_));
      return RdbLoaded::kLoaded;
    }
    TRY_ASSIGN(Value value, rdb_decode(record, context, options_.limits));
    const bool empty = rdb_is_empty(value);
    while (!destroy_some(value, context.heap, SIZE_MAX)) {
    }
    return empty ? RdbLoaded::kEmpty : RdbLoaded::kLoaded;
  }

  const RdbLoadOptions& options_;
  Keyspace keys_;
  RdbCounts counts_;
  std::string scratch_;
};

}  // namespace

void RdbCounts::add_record(const RdbRecord& record, RdbLoaded loaded) {
  if (loaded == RdbLoaded::kEmpty) {
    ++empty;
    return;
  }
  ++keys;
  deadlines += record.deadline_ms != kRdbNoDeadline;
  ++types[static_cast<size_t>(type_of(record.type))];
}

std::string rdb_describe(const Error& error, const RdbRecord& record) {
  return fmt::format("{} at key {}, offset {}", error.what,
                     quote(record.key.substr(0, kRdbDetailKeyBytesMax)), error.offset);
}

Bytes RdbLoadReport::aux_value(Bytes name) const {
  for (const auto& [field, value] : aux) {
    if (field == name) return value;
  }
  return {};
}

namespace {

Status load(File& file, uint64_t offset, Keyspace& keyspace, const RdbLoadOptions& options,
            RdbLoadReport* report) {
  TRY_ASSIGN(const uint64_t file_bytes, file.size());
  RdbReader reader(file, offset, file_bytes);
  reader.set_database_count(keyspace.database_count());
  reader.set_checksum(options.checksum);
  RdbLanes lanes(keyspace, options);
  const auto take = [&](const RdbRecord& record) -> Status {
    lanes.add(record, reader.chunk());
    return {};
  };
  Status loaded = read_records(reader, offset, file_bytes, options, take, [&] { return lanes.flush(); });
  const Status finished = lanes.finish();
  if (!finished) {
    loaded = finished;
    report->detail = lanes.detail();
  }
  fill_report(reader, lanes.counts(), report);
  if (!loaded) describe_failure(reader, loaded.error(), report);
  return loaded;
}

Status verify(File& file, uint64_t offset, uint16_t database_count, const RdbLoadOptions& options,
              RdbLoadReport* report) {
  TRY_ASSIGN(const uint64_t file_bytes, file.size());
  RdbReader reader(file, offset, file_bytes);
  reader.set_database_count(database_count);
  reader.set_checksum(options.checksum);
  Verifier verifier(database_count, options);
  const auto take = [&](const RdbRecord& record) -> Status {
    Status taken = verifier.take(record);
    if (!taken) report->detail = rdb_describe(taken.error(), record);
    return taken;
  };
  const Status verified = read_records(reader, offset, file_bytes, options, take, [] { return Status{}; });
  fill_report(reader, verifier.counts(), report);
  if (!verified) describe_failure(reader, verified.error(), report);
  return verified;
}

}  // namespace

Status rdb_load(File& file, uint64_t offset, Keyspace& keyspace, const RdbLoadOptions& options,
                RdbLoadReport* report) {
  *report = {};
  return without_throwing("no memory to load the RDB",
                          [&] { return load(file, offset, keyspace, options, report); });
}

Status rdb_verify(File& file, uint64_t offset, uint16_t database_count, const RdbLoadOptions& options,
                  RdbLoadReport* report) {
  *report = {};
  return without_throwing("no memory to verify the RDB",
                          [&] { return verify(file, offset, database_count, options, report); });
}

}  // namespace strata

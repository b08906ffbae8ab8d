#include "persistence/rdb_salvage.h"

#include <cstdio>

#include "keyspace/keyspace.h"
#include "persistence/rdb_lanes.h"
#include "persistence/rdb_load.h"
#include "persistence/rdb_output.h"

namespace strata {
namespace {

constexpr uint16_t kDatabases = UINT16_MAX;
constexpr uint64_t kCleanEvery = 256;  // values tried between two cleanings

// Tries a record as a load would.
class Trial {
 public:
  Status take(const RdbRecord& record) {
    Database& seen = seen_.shard(0).database(record.db);
    const Key key = seen_.key(record.key);
    if (seen.find(key) != nullptr) return fail(Errc::kExists, "RDB has duplicated key", record.offset);
    Shard& shard = values_.shard(0);
    const Key value_key = values_.key(record.key);
    RdbRecord alone = record;
    alone.db = 0;
    TRY(rdb_load_record(alone, value_key, shard, limits_, 0, scratch_));
    shard.database(0).erase(value_key);
    if (++tried_ % kCleanEvery == 0) clean();
    TRY(seen.set_integer(key, 0, kNoDeadline));
    return {};
  }

 private:
  void clean() {
    while (!values_.shard(0).clean(SIZE_MAX)) {
    }
  }

  Keyspace seen_{{.database_count = kDatabases}};
  Keyspace values_{{.database_count = 1}};
  const RdbLimits limits_;
  std::string scratch_;
  uint64_t tried_ = 0;
};

class Copy {
 public:
  explicit Copy(File& file) : out_(file, {.compression = false}) {}

  void begin(const RdbReader& reader) {
    if (has_begun_) return;
    has_begun_ = true;
    version_ = reader.version();
    char header[kRdbHeaderBytes + 1];
    std::snprintf(header, sizeof header, "REDIS%04u", version_ % 10000);
    out_.raw(Bytes(header, kRdbHeaderBytes));
    for (const auto& [name, value] : reader.aux()) {
      out_.opcode(RdbOpcode::kAux);
      out_.string(name);
      out_.string(value);
    }
  }

  Status add(const RdbRecord& record) {
    if (record.db != db_) {
      out_.opcode(RdbOpcode::kSelectDb);
      out_.length(record.db);
      db_ = record.db;
    }
    if (record.deadline_ms != kRdbNoDeadline) {
      out_.opcode(RdbOpcode::kExpireMs);
      out_.le64(static_cast<uint64_t>(record.deadline_ms));
    }
    if (record.idle_seconds != 0) {
      out_.opcode(RdbOpcode::kIdle);
      out_.length(record.idle_seconds);
    }
    if (record.frequency != 0) {
      out_.opcode(RdbOpcode::kFreq);
      out_.byte(record.frequency);
    }
    out_.type(record.type);
    out_.string(record.key);
    out_.raw(record.payload);
    return out_.status();
  }

  Status finish() {
    out_.opcode(RdbOpcode::kEof);
    if (version_ >= kRdbVersionWithChecksum) out_.le64(out_.checksum());
    TRY(out_.flush());
    return out_.file().sync_all();
  }

 private:
  RdbOutput out_;
  uint32_t version_ = kRdbVersionWritten;
  uint32_t db_ = UINT32_MAX;  // none yet
  bool has_begun_ = false;
};

// Damage that belongs to one key.
bool is_of_the_value(const Error& error) {
  return error.code == Errc::kCorruption || error.code == Errc::kExists || error.code == Errc::kTooLarge;
}

bool has_wrong_checksum(File& file, uint64_t end) {
  RdbReader reader(file, 0, end);
  for (RdbRecord record{};;) {
    const Result<bool> more = reader.next(&record);
    if (!more) return true;
    if (!*more) return false;
  }
}

}  // namespace

Status rdb_salvage(File& damaged, File& out, RdbSalvageReport* report,
                   const std::function<void(uint64_t done, uint64_t total)>& progress) {
  *report = {};
  TRY_ASSIGN(const uint64_t file_bytes, damaged.size());
  RdbReader reader(damaged, 0, file_bytes);
  reader.set_checksum(false);
  Trial trial;
  Copy copy(out);
  for (RdbRecord record{};;) {
    const Result<bool> more = reader.next(&record);
    if (!more && more.error().code != Errc::kCorruption) return std::unexpected(more.error());
    if (!more && reader.version() == 0) return std::unexpected(more.error());  // not even the header
    copy.begin(reader);
    report->end_offset = reader.offset();
    report->reached_end = more && !*more;
    if (!more || !*more) break;
    if (progress) progress(reader.offset(), file_bytes);
    const Status tried = trial.take(record);
    if (tried) {
      ++report->key_count;
      TRY(copy.add(record));
      continue;
    }
    if (!is_of_the_value(tried.error())) return tried;
    if (++report->dropped_count <= kRdbSalvageDetailsMax)
      report->dropped.push_back(rdb_describe(tried.error(), record));
  }
  report->checksum_was_wrong = report->reached_end && has_wrong_checksum(damaged, report->end_offset);
  return copy.finish();
}

}  // namespace strata

#include "persistence/rdb_save.h"

#include <algorithm>

#include "base/no_memory.h"
#include "keyspace/keyspace.h"
#include "persistence/rdb_snapshot.h"
#include "platform/file_system.h"

namespace strata {
namespace {

Status write_database(RdbWriter& writer, Keyspace& keyspace, uint16_t db, const RdbSaveOptions& options) {
  const uint64_t key_count = keyspace.key_count(db);
  if (key_count == 0) return {};
  TRY(writer.select(db, key_count, keyspace.deadline_count(db)));
  for (uint32_t i = 0; i < keyspace.shard_count(); ++i) {
    const Database* database = keyspace.shard(i).peek(db);
    if (database == nullptr) continue;
    Status added;
    uint64_t cursor = 0;
    do {
      cursor = database->table().scan(cursor, [&](Entry* entry) {
        added = writer.add(*entry);
        if (options.progress && writer.key_count() % kRdbSaveSliceKeys == 0)
          options.progress(writer.key_count());
      });
      TRY(added);
    } while (cursor != 0);
  }
  return {};
}

Status write_file(File& file, Keyspace& keyspace, const RdbSaveOptions& options, RdbSaveReport* report) {
  RdbWriterOptions writing = options.writer;
  writing.version = rdb_version_for(keyspace, writing.version);
  RdbWriter writer(file, writing);
  RdbAux aux = options.aux;
  if (aux.used_memory_bytes == 0) aux.used_memory_bytes = keyspace.used_bytes();
  TRY(writer.begin(aux));
  for (uint16_t db = 0; db < keyspace.database_count(); ++db)
    TRY(write_database(writer, keyspace, db, options));
  TRY(writer.finish());
  *report = {writer.key_count(), writer.bytes(), writing.version};
  return {};
}

Status write_empty_file(File& file, const RdbSaveOptions& options, RdbSaveReport* report) {
  RdbWriter writer(file, options.writer);
  TRY(writer.begin(options.aux));
  TRY(writer.finish());
  *report = {0, writer.bytes(), options.writer.version};
  return {};
}

template <typename Write>
Status save_to(FileSystem& fs, const std::string& temporary, std::string_view path, const Write& write) {
  TRY_ASSIGN(File file, fs.open(temporary, OpenMode::kTruncate));
  TRY(write(file));
  file.close();
  return fs.rename(temporary, path);
}

template <typename Write>
Result<RdbSaveReport> save(FileSystem& fs, std::string_view path, std::string_view kind, const Write& write) {
  const std::string directory = parent_directory(path);
  const std::string temporary = snapshot_temporary_path(path, kind);
  RdbSaveReport report;
  const Status saved = without_throwing("no memory to save", [&] {
    return save_to(fs, temporary, path, [&](File& file) { return write(file, &report); });
  });
  if (!saved) {
    static_cast<void>(fs.remove(temporary));  // it may not be there; the first error is the one that matters
    return std::unexpected(saved.error());
  }
  TRY(fs.sync_directory(directory));
  return report;
}

}  // namespace

uint32_t rdb_version_for(const Keyspace& keyspace, uint32_t version) {
  return keyspace.timed_hash_count() > 0 ? std::max(version, kRdbVersionWithFieldDeadlines) : version;
}

Result<RdbSaveReport> rdb_save(FileSystem& fs, std::string_view path, Keyspace& keyspace,
                               const RdbSaveOptions& options) {
  return without_throwing("no memory to save", [&] {
    return save(fs, path, "save", [&](File& file, RdbSaveReport* report) {
      return write_file(file, keyspace, options, report);
    });
  });
}

Result<RdbSaveReport> rdb_save_empty(FileSystem& fs, std::string_view path, const RdbSaveOptions& options) {
  return without_throwing("no memory to save", [&] {
    return save(fs, path, "flushed",
                [&](File& file, RdbSaveReport* report) { return write_empty_file(file, options, report); });
  });
}

}  // namespace strata

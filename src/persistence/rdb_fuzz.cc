// Hostile RDB files: the input is loaded without its checksum, so that the body is reached. What loads must
// verify, must be readable to its last element, and must survive being saved and loaded again.

#include <cstdlib>
#include <string>

#include "data/stream.h"
#include "keyspace/keyspace.h"
#include "persistence/rdb_load.h"
#include "persistence/rdb_save.h"
#include "platform/sim_file_system.h"

namespace strata {
namespace {

constexpr size_t kInputBytesMax = 1 << 16;

void require(bool condition) {
  if (!condition) std::abort();
}

// Small limits reach the large encodings with small inputs.
RdbLimits limits_for(uint8_t choice) {
  RdbLimits limits;
  if (choice & 1) {
    limits.list.listpack_size = 3;
    limits.hash = {2, 8};
    limits.set = {2, 2, 8};
    limits.zset = {2, 8};
  }
  return limits;
}

uint64_t element_bytes(const Element& element) {
  uint64_t sum = element.is_integer ? static_cast<uint64_t>(element.integer) : element.bytes.size();
  if (!element.is_integer) {
    for (char byte : element.bytes) sum += static_cast<uint8_t>(byte);
  }
  return sum;
}

// Touches every byte of the entry.
uint64_t read_all(const Entry& entry) {
  uint64_t sum = 0;
  const auto note = [&](const Element& element) { sum += element_bytes(element); };
  switch (entry.type()) {
    case Type::kString:
      note(entry.string());
      break;
    case Type::kList:
      list::for_each(entry.value(), {0, list::length(entry.value())}, note);
      break;
    case Type::kSet:
      set_visit(entry.value(), note);
      break;
    case Type::kHash:
      hash_visit(entry.value(),
                 [&](const Element& field, const Element& value) { note(field), note(value); });
      break;
    case Type::kStream: {
      const StreamValue& stream = StreamValue::of(entry.value());
      uint64_t entries = 0;
      for (StreamCursor at(stream, kStreamIdMin, kStreamIdMax); !at.done(); at.next(), ++entries)
        at.visit([&](const Element& field, const Element& value) { note(field), note(value); });
      require(entries == stream.length());
      for (const StreamGroup* group : stream.groups()) group->check();
      break;
    }
    default:
      zset_visit(entry.value(), 0, zset_size(entry.value()), true, [&](const Element& member, double score) {
        require(score == score);
        require(zset_score(entry.value(), member.is_integer ? std::to_string(member.integer) : member.bytes)
                    .has_value());
        note(member);
      });
  }
  return sum;
}

uint64_t read_all(Keyspace& keyspace) {
  uint64_t sum = 0;
  for (uint16_t db = 0; db < keyspace.database_count(); ++db) {
    for (uint32_t shard = 0; shard < keyspace.shard_count(); ++shard) {
      const Database* database = keyspace.shard(shard).peek(db);
      uint64_t cursor = 0;
      if (database == nullptr) continue;
      do {
        cursor = database->table().scan(cursor, [&](Entry* entry) { sum += read_all(*entry); });
      } while (cursor != 0);
    }
  }
  return sum;
}

File file_with(SimFileSystem& fs, Bytes bytes) {
  File file = fs.open("input.rdb", OpenMode::kCreate).value();
  require(file.append(bytes).has_value());
  return file;
}

void try_file(Bytes bytes, uint8_t choice) {
  SimFileSystem fs({.seed = 0, .capacity_bytes = UINT64_MAX, .trace = false});
  File file = file_with(fs, bytes);
  RdbLoadOptions options;
  options.limits = limits_for(choice);
  options.checksum = false;
  RdbLoadReport report;
  Keyspace keyspace(
      {.shard_count = 2, .thread_count = 1, .database_count = 16, .seed = {}, .random_seed = 1});
  const Status loaded = rdb_load(file, 0, keyspace, options, &report);
  RdbLoadReport verified_report;
  const Status verified = rdb_verify(file, 0, 16, options, &verified_report);
  require(loaded.has_value() == verified.has_value());
  if (!loaded) {
    require(!report.detail.empty());
    return;
  }
  require(report.key_count == verified_report.key_count && report.end_offset <= bytes.size());
  read_all(keyspace);

  require(rdb_save(fs, "dump.rdb", keyspace, {}).has_value());
  Keyspace again({.shard_count = 1, .thread_count = 1, .database_count = 16, .seed = {}, .random_seed = 1});
  File dump = fs.open("dump.rdb", OpenMode::kRead).value();
  RdbLoadReport second;
  require(rdb_load(dump, 0, again, {}, &second).has_value());
  require(second.key_count == report.key_count && second.type_counts == report.type_counts);
  read_all(again);
}

}  // namespace
}  // namespace strata

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0 || size > strata::kInputBytesMax) return 0;
  strata::try_file(strata::Bytes(reinterpret_cast<const char*>(data) + 1, size - 1), data[0]);
  return 0;
}

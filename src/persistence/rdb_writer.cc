#include "persistence/rdb_writer.h"

#include <cstdio>
#include <limits>

#include "data/hash.h"
#include "data/list.h"
#include "data/set.h"
#include "data/zset.h"
#include "platform/file_system.h"
#include "platform/process.h"
#include "text/numbers.h"

namespace strata {

static_assert(kRdbVersionWritten >= kRdbVersionWithChecksum && kRdbVersionWritten <= kRdbVersionRead);

void RdbWriter::aux_field(Bytes name, Bytes value) {
  out_.opcode(RdbOpcode::kAux);
  out_.string(name);
  out_.string(value);
}

Status RdbWriter::begin(const RdbAux& aux) {
  char header[kRdbHeaderBytes + 1];
  std::snprintf(header, sizeof header, "REDIS%04u", kRdbVersionWritten);
  out_.raw(Bytes(header, kRdbHeaderBytes));
  char number[kI64TextBytes];
  const auto text = [&](uint64_t value) { return Bytes(number, print_u64(value, number)); };
  aux_field("redis-ver", aux.redis_version);
  aux_field("redis-bits", text(static_cast<uint64_t>(pointer_bits())));
  aux_field("ctime", text(static_cast<uint64_t>(aux.created_seconds)));
  aux_field("used-mem", text(aux.used_memory_bytes));
  aux_field("aof-base", text(aux.aof_base ? 1 : 0));
  return out_.status();
}

Status RdbWriter::select(uint16_t db, uint64_t key_count, uint64_t deadline_count) {
  out_.opcode(RdbOpcode::kSelectDb);
  out_.length(db);
  out_.opcode(RdbOpcode::kResizeDb);
  out_.length(key_count);
  out_.length(deadline_count);
  return out_.status();
}

Status RdbWriter::add(const Entry& entry) {
  // A deadline that never comes stands for none (Database::clear_deadline).
  if (entry.has_deadline() && entry.deadline_ms() != std::numeric_limits<int64_t>::max()) {
    out_.opcode(RdbOpcode::kExpireMs);
    out_.le64(static_cast<uint64_t>(entry.deadline_ms()));
  }
  switch (entry.type()) {
    case Type::kString:
      out_.type(RdbType::kString);
      out_.string(entry.key());
      out_.element(entry.string());
      break;
    case Type::kList:
      write_list(entry);
      break;
    case Type::kSet:
      write_set(entry);
      break;
    case Type::kHash:
      write_hash(entry);
      break;
    case Type::kZset:
      write_zset(entry);
      break;
    default:
      out_.fail_with({Errc::kUnsupported, 0, "writing this type of value", 0});
  }
  ++key_count_;
  return out_.status();
}

void RdbWriter::write_list(const Entry& entry) {
  out_.type(RdbType::kListQuicklist2);
  out_.string(entry.key());
  list::NodeCursor cursor(entry.value());
  out_.length(cursor.nodes_left());
  for (; !cursor.done(); cursor.next()) {
    const list::Node& node = cursor.node();
    out_.length(static_cast<uint8_t>(node.is_plain ? RdbContainer::kPlain : RdbContainer::kPacked));
    out_.string(node.blob->view());
  }
}

// A set of listpack form is written member by member: version 10 knows none.
void RdbWriter::write_set(const Entry& entry) {
  const Value set = entry.value();
  if (set.encoding == Encoding::kIntset) {
    out_.type(RdbType::kSetIntset);
    out_.string(entry.key());
    out_.string(static_cast<const Blob*>(set.pointer)->view());
    return;
  }
  out_.type(RdbType::kSet);
  out_.string(entry.key());
  out_.length(set_size(set));
  set_visit(set, [&](const Element& member) { out_.element(member); });
}

void RdbWriter::write_hash(const Entry& entry) {
  const Value hash = entry.value();
  if (hash.encoding == Encoding::kListpack) {
    out_.type(RdbType::kHashListpack);
    out_.string(entry.key());
    out_.string(static_cast<const Blob*>(hash.pointer)->view());
    return;
  }
  out_.type(RdbType::kHash);
  out_.string(entry.key());
  out_.length(hash_size(hash));
  hash_visit(hash, [&](const Element& field, const Element& value) {
    out_.element(field);
    out_.element(value);
  });
}

// From the highest score down, as Redis does: whoever inserts at the front of a skip list is then fastest.
void RdbWriter::write_zset(const Entry& entry) {
  const Value zset = entry.value();
  if (zset.encoding == Encoding::kListpack) {
    out_.type(RdbType::kZsetListpack);
    out_.string(entry.key());
    out_.string(static_cast<const Blob*>(zset.pointer)->view());
    return;
  }
  out_.type(RdbType::kZset2);
  out_.string(entry.key());
  out_.length(zset_size(zset));
  zset_visit(zset, 0, zset_size(zset), true, [&](const Element& member, double score) {
    out_.element(member);
    out_.binary_double(score);
  });
}

Status RdbWriter::finish() {
  out_.opcode(RdbOpcode::kEof);
  out_.le64(out_.checksum());
  TRY(out_.flush());
  const Status synced = out_.file().sync_all();
  if (!synced) out_.fail_with(synced.error());
  return out_.status();
}

}  // namespace strata

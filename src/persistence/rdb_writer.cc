#include "persistence/rdb_writer.h"

#include <cstdio>

#include "persistence/rdb_encode.h"
#include "persistence/rdb_log_position.h"
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
  std::snprintf(header, sizeof header, "REDIS%04u", version_);
  out_.raw(Bytes(header, kRdbHeaderBytes));
  char number[kI64TextBytes];
  const auto text = [&](uint64_t value) { return Bytes(number, print_u64(value, number)); };
  aux_field("redis-ver", aux.redis_version);
  aux_field("redis-bits", text(static_cast<uint64_t>(pointer_bits())));
  aux_field("ctime", text(static_cast<uint64_t>(aux.created_seconds)));
  aux_field("used-mem", text(aux.used_memory_bytes));
  aux_field("aof-base", text(aux.aof_base ? 1 : 0));
  if (aux.log_position) {
    char digits[kRdbLogPositionBytes];
    format_log_position(digits, *aux.log_position);
    aux_field(kRdbLogPositionField, Bytes(digits, sizeof digits));
  }
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
  RdbEncoder<RdbOutput> encoder(out_, entry, version_);
  while (!encoder.step(SIZE_MAX)) {
  }
  ++key_count_;
  return out_.status();
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

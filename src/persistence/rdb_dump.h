// One value in the form of DUMP and RESTORE: an RDB value with a footer of its own.
//
//   type (1 byte)  value  [producers]  version (2 bytes, little-endian)  CRC-64 of everything before it (8
//   bytes, little-endian)
//
// `producers`, of a stream that knows some: rdb_producers.h.
//
//   RdbDump dump(entry, true);
//   while (!dump.step(256)) …            // dump.bytes() grows, and may be emptied in between
//
// Used inside the shard by DUMP and MIGRATE; the entry must not change until the last step. What is written
// is of kRdbVersionWritten, which redis-server 7.0 and later take, or of what the value needs; what is read
// may be of any version up to kRdbVersionRead. Payloads may be hostile: rdb_open_dump() checks the footer
// only, decoding validates the rest.

#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "persistence/rdb_decode.h"
#include "persistence/rdb_encode.h"
#include "persistence/rdb_lzf.h"

namespace strata {

inline constexpr size_t kRdbDumpFooterBytes = 10;
// Longer strings are not compressed, which would hold the shard for milliseconds.
inline constexpr size_t kRdbDumpCompressMax = 256 << 10;

// What RdbEncoder writes to.
class RdbDumpOutput {
 public:
  explicit RdbDumpOutput(bool compression) : compression_(compression) {}

  void opcode(RdbOpcode opcode) { bytes.push_back(static_cast<char>(opcode)); }
  void type(RdbType type) { bytes.push_back(static_cast<char>(type)); }
  void length(uint64_t value);
  void string(Bytes string, Blob* = nullptr);
  void element(const Element& element);
  void binary_double(double value);
  void le64(uint64_t value);
  void raw(Bytes raw) { bytes.append(raw); }

  std::string bytes;

 private:
  const bool compression_;
  RdbLzf lzf_;
};

class RdbDump {
 public:
  RdbDump(const Entry& entry, bool compression)
      : entry_(entry),
        out_(compression),
        version_(rdb_version_for(entry, kRdbVersionWritten)),
        encoder_(out_, entry, version_, RdbParts::kValue) {}
  RdbDump(const RdbDump&) = delete;
  RdbDump& operator=(const RdbDump&) = delete;

  // Encodes about `budget` elements, or nodes of a list. True when all is there, the footer too.
  bool step(size_t budget);
  // What was produced since clear(). After each step.
  Bytes bytes() const { return out_.bytes; }
  void clear() {
    out_.bytes.clear();
    checksummed_ = 0;
  }

 private:
  void producers();

  const Entry& entry_;
  RdbDumpOutput out_;
  const uint32_t version_;
  RdbEncoder<RdbDumpOutput> encoder_;
  uint64_t crc_ = 0;
  size_t checksummed_ = 0;  // of out_.bytes
};

// The record that the payload holds, without a key. kCorruption: wrong version or checksum; kUnsupported: no
// type that is known here. The record's payload is a view into the dump's.
[[nodiscard]] Result<RdbRecord> rdb_open_dump(Bytes dump);

}  // namespace strata

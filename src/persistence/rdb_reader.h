// Splits an RDB file into records, one for each key, without decoding values.
//
// The loader gives the records to the threads that own the keys' shards (rdb_load.h); rdb_decode.h makes
// values of them. The reader skims lengths to find where a value ends, checks the file's frame (versions,
// opcodes, the CRC-64 over everything) and refuses what Strata has no type for, by name and before it is
// loaded.
//
//   1. A record is handed out only if it lies whole in the file. Its key and payload are views into
//      chunk(); who keeps records beyond the next next() keeps the chunk.
//   2. The checksum is known to be right only when next() has said kEnd: records handed out before are not
//   yet
//      trusted by it, so decoding validates them on its own.
//
// One thread. Memory: a chunk of kRdbChunkBytes, or as much as the largest record takes; never more than
// twice what the file has. Cost: a few ns per element plus reading and checksumming. Failure: kCorruption
// with the offset; kUnsupported and detail() with the name of the thing; kIo; kOutOfMemory. Input may be
// hostile.

#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "persistence/rdb_format.h"
#include "persistence/rdb_input.h"
#include "platform/file_system.h"

namespace strata {

// File bytes that records point into.
struct RdbChunk {
  explicit RdbChunk(size_t wanted);  // bytes is null when there is no memory
  ~RdbChunk();
  RdbChunk(const RdbChunk&) = delete;
  RdbChunk& operator=(const RdbChunk&) = delete;

  std::deque<std::string> keys;  // those that are not stored as plain bytes; first, for making it may throw
  char* bytes;
  size_t capacity;
};

inline constexpr int64_t kRdbNoDeadline = -1;

struct RdbRecord {
  uint64_t offset;      // of the payload in the file, for errors
  int64_t deadline_ms;  // kRdbNoDeadline: none
  Bytes key;
  Bytes payload;  // the serialized value, without the type
  uint32_t idle_seconds;
  uint16_t db;
  RdbType type;
  uint8_t frequency;  // 0: not stored
  Bytes producers;    // of a stream (rdb_producers.h); mostly empty
};

using RdbAuxFields = std::vector<std::pair<std::string, std::string>>;

class RdbReader {
 public:
  RdbReader(File& file, uint64_t offset, uint64_t file_bytes)
      : file_(file), file_bytes_(file_bytes), chunk_offset_(offset) {}

  // Databases a file may use; more is an error, as in Redis.
  void set_database_count(uint32_t count) { database_count_ = count; }
  // "no" in rdbchecksum: the CRC-64 is neither computed nor compared.
  void set_checksum(bool enabled) { checksum_ = enabled; }

  // The next record, or false at the end, when the checksum has been verified.
  [[nodiscard]] Result<bool> next(RdbRecord* record);
  // Holds the bytes of the last record.
  const std::shared_ptr<RdbChunk>& chunk() const { return chunk_; }

  uint32_t version() const { return version_; }
  // Where the reader is; after the end, just behind the checksum.
  uint64_t offset() const { return chunk_offset_ + at_; }
  bool checksum_verified() const { return checksum_verified_; }
  const RdbAuxFields& aux() const { return aux_; }
  // Sum of the numbers of keys that the file has announced so far.
  uint64_t announced_keys() const { return announced_keys_; }
  // After a failure: what the message should say besides the error's text; may be empty.
  const std::string& detail() const { return detail_; }

 private:
  enum class Step : uint8_t { kRecord, kOpcode, kEnd };

  bool step(RdbInput& input, RdbRecord* record, Step* out);
  bool read_opcode(RdbInput& input, RdbOpcode opcode, Step* out);
  bool read_aux(RdbInput& input);
  bool read_record(RdbInput& input, RdbType type, RdbRecord* record);
  bool read_key(RdbInput& input, Bytes* key);
  bool unsupported(RdbInput& input, const char* what, RdbInput* key);
  Result<bool> finish();
  Status read_header();
  // Makes at least `needed` bytes from at_ on contiguous.
  Status fill(uint64_t needed);
  void take_checksum();
  Bytes rest() const { return chunk_ ? Bytes(chunk_->bytes + at_, end_ - at_) : Bytes(); }
  uint64_t beyond() const { return file_bytes_ - (chunk_offset_ + end_); }

  File& file_;
  const uint64_t file_bytes_;
  std::shared_ptr<RdbChunk> chunk_;
  uint64_t chunk_offset_;  // in the file, of the chunk's first byte
  size_t at_ = 0;          // in the chunk: what is consumed
  size_t end_ = 0;         // what is read
  size_t checksummed_to_ = 0;
  uint64_t crc_ = 0;
  uint32_t version_ = 0;
  uint32_t database_count_ = 65536;
  uint16_t db_ = 0;
  bool checksum_ = true;
  bool checksum_verified_ = false;
  bool ended_ = false;
  uint64_t announced_keys_ = 0;
  RdbAuxFields aux_;
  std::string producers_;  // what stood in front of the record that comes
  std::string detail_;
};

}  // namespace strata

// RDB records on their way from the shards to the thread that writes them.
//
// Inside the shard a record is only copied together: what costs time (compression, checksum, the file) comes
// later, on the snapshot's thread. Strings that could be compressed are therefore marked, not encoded, and
// large blobs are pinned, not copied. A buffer belongs to a shard until it is handed over, then to the
// thread.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "data/value.h"
#include "persistence/rdb_output.h"

namespace strata {

class SnapshotBuffer {
 public:
  explicit SnapshotBuffer(bool compression) : compression_(compression) {}
  ~SnapshotBuffer();
  SnapshotBuffer(const SnapshotBuffer&) = delete;
  SnapshotBuffer& operator=(const SnapshotBuffer&) = delete;

  // Gives everything to another buffer, which is empty, and goes on.
  void swap_contents(SnapshotBuffer& other);
  // Records that follow belong to this database.
  void select(uint16_t db);

  void opcode(RdbOpcode opcode) { bytes_.push_back(static_cast<char>(opcode)); }
  void type(RdbType type) { bytes_.push_back(static_cast<char>(type)); }
  void length(uint64_t value);
  void raw(Bytes bytes) { bytes_.append(bytes); }
  void string(Bytes string, Blob* blob = nullptr);
  void element(const Element& element);
  void binary_double(double value);
  void le64(uint64_t value);

  size_t size() const { return bytes_.size() + pinned_bytes_; }
  void write_to(RdbOutput& out) const;

  uint64_t key_count = 0;
  SnapshotBuffer* next = nullptr;  // in the queue
  // A value in slices comes in several buffers, between which no others may be written.
  bool is_part = false;
  bool is_last_part = false;

 private:
  struct Mark {
    size_t offset;      // in bytes_: the string's place, or where it begins
    const char* bytes;  // of the blob, or null: in bytes_
    size_t size;
    Blob* pinned;
  };

  const bool compression_;
  int32_t db_ = -1;
  std::string bytes_;
  std::vector<Mark> marks_;
  size_t pinned_bytes_ = 0;
};

}  // namespace strata

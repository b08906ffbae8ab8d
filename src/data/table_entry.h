// One member of a set, field of a hash or member of a sorted set: a single allocation behind a table's slot.
//
//   size      field
//   1         flags
//   1 or 4    key size (4 when kLongKey)
//   payload   set: nothing
//             sorted set: 8 bytes of score
//             hash, small value: its size, 1 byte (2 when kLongValue)
//             hash, value of kPinThresholdBytes or more: 8 bytes of Blob*, so that replies can pin it
//   …         key bytes
//   …         the small value's bytes
//
// So a member of 14 bytes takes 16. Nothing is aligned; the accessors copy words out. kHasDeadline is
// reserved for deadlines of fields, which will stand before the payload.
//
// Owned by a table, inside the shard. All functions that allocate return null when out of memory and then
// leave what they were given untouched.

#pragma once

#include <cstdint>
#include <cstring>

#include "base/bytes.h"
#include "data/blob.h"
#include "data/value.h"

namespace strata {

class TableEntry {
 public:
  TableEntry() = delete;

  [[nodiscard]] static TableEntry* create_member(Heap& heap, Bytes key);
  [[nodiscard]] static TableEntry* create_scored(Heap& heap, Bytes key, double score);
  [[nodiscard]] static TableEntry* create_field(Heap& heap, Bytes key, Bytes value);
  [[nodiscard]] static TableEntry* copy(Heap& heap, const TableEntry* entry);
  static void destroy(Heap& heap, TableEntry* entry);

  // The field with another value: the same entry where the value fits, otherwise a new one; the old
  // one is then gone.
  [[nodiscard]] static TableEntry* with_value(Heap& heap, TableEntry* entry, Bytes value);

  Bytes key() const { return {bytes() + key_offset(), key_size()}; }
  // Fields only.
  Element value() const;
  // Sorted-set members only.
  double score() const {
    double score;
    std::memcpy(&score, bytes() + payload_offset(), sizeof(score));
    return score;
  }
  void set_score(double score) { std::memcpy(bytes() + payload_offset(), &score, sizeof(score)); }

  // Usable bytes of the entry and of its blob.
  size_t memory() const;

 private:
  static constexpr uint8_t kLongKey = 1;
  static constexpr uint8_t kLongValue = 2;
  static constexpr uint8_t kSmallValue = 4;
  static constexpr uint8_t kBlobValue = 8;
  static constexpr uint8_t kScore = 16;
  static constexpr uint8_t kHasDeadline = 32;
  static constexpr size_t kMaxShort = UINT8_MAX;

  static TableEntry* allocate(Heap& heap, uint8_t flags, Bytes key, size_t value_bytes);
  static TableEntry* replace_in_place(Heap& heap, TableEntry* entry, Bytes value);
  static size_t payload_bytes(uint8_t flags) {
    if (flags & (kScore | kBlobValue)) return 8;
    if (flags & kSmallValue) return flags & kLongValue ? 2 : 1;
    return 0;
  }

  const char* bytes() const { return reinterpret_cast<const char*>(this); }
  char* bytes() { return reinterpret_cast<char*>(this); }
  size_t payload_offset() const { return flags_ & kLongKey ? 5 : 2; }
  size_t key_offset() const { return payload_offset() + payload_bytes(flags_); }
  size_t key_size() const {
    if (!(flags_ & kLongKey)) return static_cast<uint8_t>(bytes()[1]);
    uint32_t size;
    std::memcpy(&size, bytes() + 1, sizeof(size));
    return size;
  }
  size_t small_value_size() const {
    if (!(flags_ & kLongValue)) return static_cast<uint8_t>(bytes()[payload_offset()]);
    uint16_t size;
    std::memcpy(&size, bytes() + payload_offset(), sizeof(size));
    return size;
  }
  void set_small_value(Bytes value);
  Blob* blob() const {
    Blob* blob;
    std::memcpy(&blob, bytes() + payload_offset(), sizeof(blob));
    return blob;
  }
  void set_blob(Blob* blob) { std::memcpy(bytes() + payload_offset(), &blob, sizeof(blob)); }

  uint8_t flags_;
};
static_assert(sizeof(TableEntry) == 1);

}  // namespace strata

// One key with its value: a single allocation in the shard's heap.
//
//   offset  size  field
//      0      1   type (low 4 bits), encoding (high 4 bits)
//      1      1   flags
//      2      2   pointer, bits 32 to 47
//      4      3   access clock (LRU seconds)
//      7      1   snapshot epoch: saved by, or born after, the snapshot of that number (snapshot.h)
//      8      4   key size
//     12      4   value size of an inline string; else the pointer's bits 0 to 31
//     16     24   expiry link (deadline, chain), only with kHasDeadline
//      …      8   a string that is an integer: that
//      …      …   key
//      …      …   value of an inline string
//
// The pointer leads to the value, if that is neither an integer nor inline. It is in pieces because a small
// collection is two blocks, and 8 bytes less are then 3 to 5 % of it.
//
// Entries are touched only inside their shard. They move when their size class or their set of
// fields changes; whoever moves one (Database) rewrites its slot in the table and its expiry chain.

#pragma once

#include <cstdint>
#include <cstring>

#include "base/assert.h"
#include "base/bytes.h"
#include "data/blob.h"
#include "data/value.h"

namespace strata {

class Heap;

inline constexpr int64_t kNoDeadline = -1;
// A string up to this size sits behind its key; longer ones get a Blob, which can be pinned and grown.
inline constexpr size_t kInlineStringMax = 1024;
// OBJECT ENCODING says "embstr" up to here, as Redis does, however the bytes are stored.
inline constexpr size_t kEmbstrReportMax = 44;

struct ExpiryLink {
  int64_t deadline_ms;
  ExpiryLink* next;
  ExpiryLink** previous_next;  // the pointer that points here
};

struct Entry {
  enum Flag : uint8_t {
    kHasDeadline = 1,
    kReportsRaw = 2,  // a string changed in place: OBJECT ENCODING says "raw" even when short
  };

  uint8_t kind;
  uint8_t flags;
  uint16_t pointer_high;
  uint32_t access_clock : 24;
  uint32_t epoch : 8;
  uint32_t key_size;
  uint32_t value_size;

  Type type() const { return static_cast<Type>(kind & 15); }
  Encoding encoding() const { return static_cast<Encoding>(kind >> 4); }
  void set_kind(Type type, Encoding encoding) {
    kind = static_cast<uint8_t>(static_cast<uint8_t>(type) | static_cast<uint8_t>(encoding) << 4);
  }
  bool has_deadline() const { return flags & kHasDeadline; }
  bool is_inline() const { return encoding() == Encoding::kInline; }
  bool has_integer() const { return encoding() == Encoding::kInt; }

  char* body() { return reinterpret_cast<char*>(this + 1); }
  const char* body() const { return reinterpret_cast<const char*>(this + 1); }
  ExpiryLink& expiry_link() { return *reinterpret_cast<ExpiryLink*>(body()); }
  const ExpiryLink& expiry_link() const { return *reinterpret_cast<const ExpiryLink*>(body()); }
  static Entry* of(ExpiryLink* link) { return reinterpret_cast<Entry*>(link) - 1; }
  int64_t deadline_ms() const { return has_deadline() ? expiry_link().deadline_ms : kNoDeadline; }

  size_t word_offset() const { return has_deadline() ? sizeof(ExpiryLink) : 0; }
  size_t key_offset() const { return word_offset() + (has_integer() ? sizeof(uint64_t) : 0); }
  // The integer, or the pointer. The kind comes first: it says where the word is.
  uint64_t word() const {
    if (!has_integer()) return uint64_t{pointer_high} << 32 | value_size;
    uint64_t word;
    std::memcpy(&word, body() + word_offset(), sizeof word);
    return word;
  }
  void set_word(uint64_t word) {
    if (has_integer()) {
      std::memcpy(body() + word_offset(), &word, sizeof word);
      return;
    }
    STRATA_DASSERT(word >> 48 == 0);
    pointer_high = static_cast<uint16_t>(word >> 32);
    value_size = static_cast<uint32_t>(word);
  }
  Bytes key() const { return {body() + key_offset(), key_size}; }
  char* inline_bytes() { return body() + key_offset() + key_size; }
  const char* inline_bytes() const { return body() + key_offset() + key_size; }

  // Lists, hashes, sets, sorted sets: the functions of `data` take a Value; write it back with set_value().
  Value value() const { return {type(), encoding(), reinterpret_cast<void*>(word())}; }
  void set_value(const Value& value) {
    set_kind(value.type, value.encoding);
    set_word(reinterpret_cast<uint64_t>(value.pointer));
  }

  // A string's contents, whatever its encoding; the blob is set when it has one.
  Element string() const {
    switch (encoding()) {
      case Encoding::kInt:
        return Element::of(static_cast<int64_t>(word()));
      case Encoding::kInline:
        return Element::of(Bytes{inline_bytes(), value_size});
      default: {
        auto* blob = reinterpret_cast<Blob*>(word());
        return Element::of(blob->view(), blob);
      }
    }
  }

  // `value_size` is that of an inline string; no other has a size here.
  static size_t bytes_needed(size_t key_size, bool with_deadline, Encoding encoding, size_t value_size) {
    return sizeof(Entry) + (with_deadline ? sizeof(ExpiryLink) : 0) +
           (encoding == Encoding::kInt ? sizeof(uint64_t) : 0) + key_size +
           (encoding == Encoding::kInline ? value_size : 0);
  }
};
static_assert(sizeof(Entry) == 16);

// Bytes of heap that the entry and everything it owns take (MEMORY USAGE). `samples` bounds the elements
// looked at in large values, 0: all.
size_t memory_usage(const Entry& entry, size_t samples);

// What OBJECT ENCODING answers.
const char* encoding_name(const Entry& entry);

}  // namespace strata

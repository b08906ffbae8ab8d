// A node of a stream: entries with rising IDs in one packed node, laid out as in Redis's stream listpacks, so
// that nodes are taken from and given to RDB files (types 15, 19 and 21) as they are.
//
//   master   count, deleted, n, field 1 … field n, 0
//   entry    flags, ms - master's, sequence - master's,
//            value 1 … value n,                                     when flags has kSameFields
//            m, field 1, value 1 … field m, value m,                when it has not
//            number of elements of this entry, itself not counted   (walks backwards step over it)
//
// The master ID belongs to the index, not to the node, and is the ID of the entry the node was created for.
// Differences are modulo 2^64: a sequence may be smaller than the master's. Deleted entries stay, marked,
// until the node goes.
//
//   1. `count` entries are alive and `deleted` are marked; both kinds are walked.
//   2. Readers trust what they read: bytes from outside pass validate() first.
//   3. Out of memory, or a node that would get too large, is null or `false`, and the node is then untouched.
//
// An entry of one field whose name is the master's takes about 8 bytes and its value.

#pragma once

#include <cstdint>
#include <span>

#include "data/packed.h"
#include "data/stream_id.h"

namespace strata::stream_node {

inline constexpr int64_t kDeleted = 1;
inline constexpr int64_t kSameFields = 2;

// An element takes two bytes at least, so no node can hold an entry with more fields.
inline constexpr int64_t kMaxFields = packed::kMaxNodeBytes / 4;

// Bytes that a node needs for an entry besides its fields and values, at most: flags, two differences, two
// counts.
inline constexpr uint64_t kEntryOverheadBytes = 2 + 10 + 10 + 6 + 6;

struct Entry {
  StreamId id;
  packed::Position at;    // its flags
  packed::Position body;  // the first value (same fields) or the first field
  uint32_t field_count;
  bool deleted;
  bool same_fields;  // the names are the master's, from fields_begin() on
};

uint32_t alive_count(Bytes node);
uint32_t deleted_count(Bytes node);
packed::Position fields_begin(Bytes node);
// The first entry's position; packed::end() when there is none.
packed::Position begin(Bytes node);
// `at` must be an entry's position.
Entry entry_at(Bytes node, StreamId master, packed::Position at);
// Shows the entry's fields and values; returns the position of the entry behind it, or packed::end().
template <typename Visit>
packed::Position visit(Bytes node, const Entry& entry, Visit&& visit);
packed::Position next(Bytes node, const Entry& entry);
// The entry before `at`, which may be packed::end() but not begin().
packed::Position previous(Bytes node, packed::Position at);
// The ID of the last entry, deleted or not. There must be one.
StreamId last_id(Bytes node, StreamId master);
// The first entry, deleted or not, with an ID >= `id`; packed::end() when there is none.
packed::Position seek(Bytes node, StreamId master, StreamId id);

struct Summary {
  int64_t alive = 0;
  int64_t deleted = 0;
  StreamId last;        // of all entries
  StreamId last_alive;  // where alive > 0
};
// True when the node is as drawn above, its IDs rise strictly from `master` on and its counts are right.
bool validate(Bytes node, StreamId master, Summary* summary);

// A node without entries whose master has the fields of `pairs`: field, value, field, value …; with room for
// `capacity` bytes in all.
[[nodiscard]] Blob* create(Heap& heap, std::span<const Bytes> pairs, size_t capacity);
// `id` must be above every ID in the node.
[[nodiscard]] bool append(Heap& heap, Blob*& node, StreamId master, StreamId id,
                          std::span<const Bytes> pairs);
// Marks a living entry.
[[nodiscard]] bool mark_deleted(Heap& heap, Blob*& node, packed::Position at);

// ---- Details ---------------------------------------------------------------------------------------

template <typename Visit>
packed::Position visit(Bytes node, const Entry& entry, Visit&& visit) {
  const char* base = node.data();
  const char* name_at = base + fields_begin(node);
  const char* at = base + entry.body;
  for (uint32_t i = 0; i < entry.field_count; ++i) {
    const char*& name = entry.same_fields ? name_at : at;
    packed::Decoded field = packed::decode(name);
    name += field.bytes;
    packed::Decoded value = packed::decode(at);
    at += value.bytes;
    visit(field.element, value.element);
  }
  return static_cast<packed::Position>(at + packed::decode(at).bytes - base);
}

}  // namespace strata::stream_node

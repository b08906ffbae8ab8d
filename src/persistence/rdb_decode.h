// Makes a value of one record of an RDB file.
//
// The loader calls it on the thread that owns the key's shard; a verifying tool calls it with a heap of its
// own. Listpacks and integer sets are validated and taken over as they are, in one copy, where the limits
// allow; everything older is converted element by element.
//
//   1. Nothing in the payload is trusted: every nested ziplist, listpack, intset and zipmap is checked to its
//   last
//      byte, and a length is believed only as far as the payload reaches.
//   2. On failure nothing is left allocated and the keyspace is what it was.
//
// Failure: kCorruption with the offset in the file, kTooLarge, kOutOfMemory, kUnsupported.

#pragma once

#include <string>

#include "base/result.h"
#include "data/context.h"
#include "data/hash.h"
#include "data/list.h"
#include "data/set.h"
#include "data/value.h"
#include "data/zset.h"
#include "keyspace/key.h"
#include "persistence/rdb_reader.h"

namespace strata {

class Shard;

// What decides between small and large encodings: the options list-max-listpack-size, hash-max-listpack-*, ….
struct RdbLimits {
  list::Limits list;
  HashLimits hash;
  SetLimits set;
  ZsetLimits zset;
};

// What became of a record. Redis drops empty collections that old versions may have written; so do we.
enum class RdbLoaded : uint8_t { kLoaded, kEmpty };

// A list, set, hash, sorted set or stream; one without elements is freed by the caller like any other. The
// record must not be a string.
[[nodiscard]] Result<Value> rdb_decode(const RdbRecord& record, const DataContext& context,
                                       const RdbLimits& limits);
// A string's bytes, into `scratch` unless they lie in the payload as they are.
[[nodiscard]] Result<Bytes> rdb_decode_string(const RdbRecord& record, std::string& scratch);
// A collection without elements, which is not kept; a stream may be empty.
bool rdb_is_empty(const Value& value);

// Puts the record's value into the shard that owns the key; kExists when the key is there already. Inside the
// shard. `now_ms` turns idle times into access clocks. `scratch` saves allocations from one call to the next.
[[nodiscard]] Result<RdbLoaded> rdb_load_record(const RdbRecord& record, const Key& key, Shard& shard,
                                                const RdbLimits& limits, int64_t now_ms,
                                                std::string& scratch);

}  // namespace strata

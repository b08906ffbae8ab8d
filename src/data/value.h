// What an entry of the keyspace stores besides its key: a type, an encoding and one word.
//
// The functions of this layer work on a Value in place: they may change its encoding and pointer, and the
// caller writes the two back into its entry. Strings are the keyspace's own (they sit inline in the
// entry); lists, hashes, sets, sorted sets and streams are here.
//
// Encodings bear the names that OBJECT ENCODING reports.

#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace strata {

struct Blob;

enum class Type : uint8_t { kString, kList, kSet, kZset, kHash, kStream };
inline constexpr size_t kTypeCount = static_cast<size_t>(Type::kStream) + 1;

enum class Encoding : uint8_t {
  kInt,        // string: an int64 in the word                        "int"
  kInline,     // string: bytes behind the key in the entry           "embstr"
  kRaw,        // string: Blob*                                       "raw"
  kListpack,   // list, hash, set, zset: Blob* with one packed node   "listpack"
  kQuicklist,  // list: chunked packed nodes                          "quicklist"
  kIntset,     // set: Blob* with sorted integers                     "intset"
  kTable,      // hash, set: hash table                               "hashtable"
  kTree,       // zset: B+-tree and table                             "skiplist"
  kTimed,      // hash: fields with deadlines (hash_deadlines.h)      "listpackex" or "hashtable"
  kStream,     // StreamValue* (stream.h)                                  "stream"
};

struct Value {
  Type type;
  Encoding encoding;
  void* pointer;
};

// One element as it is read: bytes, or an integer that was stored as such. Valid until the value
// changes or the shard is left; to keep bytes beyond that, pin `blob`.
struct Element {
  Bytes bytes;  // meaningful when !is_integer
  int64_t integer = 0;
  bool is_integer = false;
  Blob* blob = nullptr;  // the blob that holds `bytes`; null when they are too small to be worth pinning

  static Element of(int64_t value) { return {{}, value, true, nullptr}; }
  static Element of(Bytes bytes, Blob* blob = nullptr) { return {bytes, 0, false, blob}; }
};

// Room for any int64 in decimal.
inline constexpr size_t kIntegerTextBytes = 21;
// The element's text: `bytes` itself, or the integer printed into `scratch`.
Bytes element_text(const Element& element, char (&scratch)[kIntegerTextBytes]);

}  // namespace strata

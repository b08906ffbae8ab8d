// The packed node: a run of small elements in one block, byte for byte Redis's listpack, so that nodes
// are taken from and given to RDB files as they are.
//
//   offset  size  field
//      0      4   total bytes, little-endian, header and terminator included
//      4      2   number of elements; 65535 says "count them"
//      6      …   elements: encoding and data, then the length of both, readable backwards
//     last    1   0xFF
//
//   first byte   element                              first byte   element
//   0xxxxxxx     integer 0…127                        11110001     int16 follows, little-endian
//   10xxxxxx     string up to 63 bytes                11110010     int24
//   110xxxxx +1  13-bit integer, two's complement     11110011     int32
//   1110xxxx +1  string up to 4095 bytes              11110100     int64
//   11110000 +4  string up to 2^32-1 bytes            11111111     terminator
//
// Lists, hashes, sets and sorted sets keep their small forms here, inside the shard. A node lives in a Blob
// whose size is the node's total bytes; readers take blob->view(). What is read is trusted: bytes from
// outside pass validate() first.
//
//   1. Strings that are canonical decimal int64 are stored as integers and read back as such. Adopted
//      nodes may break this, so comparisons go through Needle, which does not depend on it.
//   2. A Position is a byte offset. It stays valid until an element at or before it changes.
//   3. Changes write to a copy when the blob is pinned. Out of memory, or a node that would exceed
//      kMaxNodeBytes, is `false`, and the node is then untouched.
//   4. Elements given to a change must not lie inside the changed node itself.
//
// Reading an element costs a few ns; a change moves the bytes behind it. Format: the public listpack
// specification by Salvatore Sanfilippo.

#pragma once

#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "data/blob.h"
#include "data/value.h"

namespace strata::packed {

using Position = uint32_t;

inline constexpr uint32_t kHeaderBytes = 6;
inline constexpr uint32_t kEmptyBytes = kHeaderBytes + 1;
inline constexpr uint32_t kMaxNodeBytes = 1u << 30;
inline constexpr uint32_t kCountUnknown = 65535;
inline constexpr uint8_t kTerminator = 0xFF;

// ---- Reading ---------------------------------------------------------------------------------------

// True when every byte of `node` is as drawn above; false for anything else, however hostile.
bool validate(Bytes node);

uint32_t count(Bytes node);

inline Position begin(Bytes) { return kHeaderBytes; }
// The terminator's position: where appended elements go.
inline Position end(Bytes node) { return static_cast<Position>(node.size() - 1); }
inline bool empty(Bytes node) { return node.size() == kEmptyBytes; }

struct Decoded {
  Element element;  // its blob is null; who hands elements out sets it
  uint32_t bytes;   // encoding, data and backward length: the distance to the next element
};
Decoded decode_wide(const char* at);

// `at` must point to an element, not to the terminator.
inline Decoded decode(const char* at) {
  uint8_t tag = static_cast<uint8_t>(at[0]);
  if (tag < 0x80) return {Element::of(int64_t{tag}), 2};
  if (tag < 0xC0) {
    uint32_t length = tag & 0x3F;
    return {Element::of(Bytes(at + 1, length)), length + 2};
  }
  if (tag < 0xE0) {
    uint32_t bits = (tag & 0x1Fu) << 8 | static_cast<uint8_t>(at[1]);
    return {Element::of(static_cast<int64_t>(bits ^ 0x1000) - 0x1000), 3};
  }
  return decode_wide(at);
}

inline Element get(Bytes node, Position at) { return decode(node.data() + at).element; }
inline Position next(Bytes node, Position at) { return at + decode(node.data() + at).bytes; }
// The element before `at`, which may be end() but not begin().
Position prev(Bytes node, Position at);
// The element with that index, from the nearer end; negative counts from the back, -1 being the last. end()
// when out of range.
Position seek(Bytes node, int64_t index);

// Walks forward:
//   for (packed::Cursor cursor(node); !cursor.done(); cursor.next()) use(cursor.element());
// Nothing decoded is kept: where a cursor lives in memory, storing and reloading an Element costs more than
// decoding again, and where it lives in registers the compiler decodes once.
class Cursor {
 public:
  explicit Cursor(Bytes node) : Cursor(node, begin(node)) {}
  Cursor(Bytes node, Position at) : base_(node.data()), at_(base_ + at), end_(base_ + end(node)) {}

  bool done() const { return at_ == end_; }
  Element element() const { return decode(at_).element; }
  Position position() const { return static_cast<Position>(at_ - base_); }
  void next() { at_ += decode(at_).bytes; }

 private:
  const char* base_;
  const char* at_;
  const char* end_;
};

// What is searched for: prepared once, compared with many. Keeps a view of the text it was made from.
class Needle {
 public:
  explicit Needle(Bytes text);
  explicit Needle(const Element& element);
  Needle(const Needle&) = delete;
  Needle& operator=(const Needle&) = delete;

  bool equals(const Element& element) const {
    if (element.is_integer) return is_integer_ && element.integer == integer_;
    return element.bytes == text_;
  }
  Bytes text() const { return text_; }

 private:
  Bytes text_;
  int64_t integer_ = 0;
  bool is_integer_ = false;
  char scratch_[kIntegerTextBytes];
};

// The first of the elements at `from`, `from` + (skip + 1), `from` + 2 (skip + 1), … that equals; end() if
// none does. A hash's fields are searched from begin() with skip 1.
Position find(Bytes node, Position from, const Needle& needle, uint32_t skip);
uint32_t count_matches(Bytes node, const Needle& needle);

// The element as it is stored: text that is an integer becomes one.
Element stored_form(const Element& element);
// An element as nodes store it, measured: who asks whether it fits before putting it there does the work
// once. Keeps a view of the text it was made from.
class Encoded {
 public:
  explicit Encoded(const Element& element);
  // What it takes in a node; the node's own bytes are kEmptyBytes more.
  uint64_t bytes() const { return bytes_; }
  // Writes it; the end.
  char* store(char* at) const;

 private:
  Element stored_;  // text that is an integer has become one
  uint64_t bytes_;
};
// The node, grown by so many bytes of elements, is still one that changes accept.
inline bool fits(Bytes node, size_t added_bytes) { return node.size() + added_bytes <= kMaxNodeBytes; }

// ---- Changing --------------------------------------------------------------------------------------

// An empty node with room for so many bytes in all. Null when out of memory.
[[nodiscard]] Blob* create(Heap& heap, size_t capacity = kEmptyBytes);
// A node with these elements, of exactly their size.
[[nodiscard]] Blob* create_from(Heap& heap, std::span<const Element> elements);

// Replaces the `erased_count` elements in [first, last) by `inserted`; the first inserted one is then at
// `first`. Every other change is a case of this one.
[[nodiscard]] bool splice(Heap& heap, Blob*& node, Position first, Position last, uint32_t erased_count,
                          std::span<const Element> inserted);

// The new element is then at `before`, which may be end().
[[nodiscard]] bool insert(Heap& heap, Blob*& node, Position before, const Encoded& element);
[[nodiscard]] inline bool insert(Heap& heap, Blob*& node, Position before, const Element& element) {
  return insert(heap, node, before, Encoded(element));
}
[[nodiscard]] inline bool insert_all(Heap& heap, Blob*& node, Position before,
                                     std::span<const Element> elements) {
  return splice(heap, node, before, before, 0, elements);
}
[[nodiscard]] inline bool append(Heap& heap, Blob*& node, const Element& element) {
  return insert(heap, node, end(node->view()), element);
}
[[nodiscard]] inline bool append_all(Heap& heap, Blob*& node, std::span<const Element> elements) {
  return insert_all(heap, node, end(node->view()), elements);
}
[[nodiscard]] inline bool prepend(Heap& heap, Blob*& node, const Element& element) {
  return insert(heap, node, kHeaderBytes, element);
}
[[nodiscard]] inline bool replace(Heap& heap, Blob*& node, Position at, const Element& element) {
  return splice(heap, node, at, next(node->view(), at), 1, {&element, 1});
}
// Erases up to `elements` of them; the one behind is then at `at`. Never fails when the node is not pinned.
[[nodiscard]] bool erase(Heap& heap, Blob*& node, Position at, uint32_t elements = 1);
// Of the elements that equal, lets the first `kept` be and erases the following `erased`, which must be
// there.
[[nodiscard]] bool erase_matches(Heap& heap, Blob*& node, const Needle& needle, uint32_t kept,
                                 uint32_t erased);
// Appends all elements of another node.
[[nodiscard]] bool append_node(Heap& heap, Blob*& node, Bytes other);

// A new node with the `elements` elements in [first, last) of `node`. Null when out of memory.
[[nodiscard]] Blob* copy_range(Heap& heap, Bytes node, Position first, Position last, uint32_t elements);

}  // namespace strata::packed

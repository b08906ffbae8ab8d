#include "data/packed.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "base/assert.h"
#include "base/endian.h"
#include "text/numbers.h"

namespace strata::packed {

Element stored_form(const Element& element) {
  if (element.is_integer) return element;
  const std::optional<int64_t> integer = parse_i64_rare(element.bytes);
  return integer ? Element::of(*integer) : element;
}

namespace {

// ---- The backward length -------------------------------------------------------------------------------
// Seven bits per byte, most significant first; every byte but the first has its top bit set, so that it can
// be read from its end. The second and third limits are one less than seven-bit groups allow: that is the
// format, and readers compute a length's width from it.

uint32_t backward_bytes(uint64_t length) {
  if (length <= 127) return 1;
  if (length < 16383) return 2;
  if (length < 2097151) return 3;
  if (length < 268435455) return 4;
  return 5;
}

char* store_backward(char* at, uint64_t length) {
  uint32_t width = backward_bytes(length);
  for (uint32_t i = width; i-- > 0; length >>= 7) {
    at[i] = static_cast<char>((length & 0x7F) | (i == 0 ? 0 : 0x80));
  }
  return at + width;
}

// ---- Encoding one element ------------------------------------------------------------------------------

constexpr uint8_t kString32 = 0xF0;
constexpr uint8_t kInt16 = 0xF1;
constexpr uint8_t kInt24 = 0xF2;
constexpr uint8_t kInt32 = 0xF3;
constexpr uint8_t kInt64 = 0xF4;

constexpr bool in_bits(int64_t value, int bits) {
  return value >= -(int64_t{1} << (bits - 1)) && value < int64_t{1} << (bits - 1);
}

uint32_t integer_bytes(int64_t value) {
  if (value >= 0 && value <= 127) return 1;
  if (in_bits(value, 13)) return 2;
  if (in_bits(value, 16)) return 3;
  if (in_bits(value, 24)) return 4;
  return in_bits(value, 32) ? 5 : 9;
}

char* store_tagged(char* at, uint8_t tag, uint64_t value, uint32_t width) {
  *at++ = static_cast<char>(tag);
  for (uint32_t i = 0; i < width; i++) *at++ = static_cast<char>(value >> (8 * i));
  return at;
}

char* store_integer(char* at, int64_t value) {
  uint64_t bits = static_cast<uint64_t>(value);
  switch (integer_bytes(value)) {
    case 1:
      return store_tagged(at, static_cast<uint8_t>(bits), 0, 0);
    case 2:
      return store_tagged(at, static_cast<uint8_t>(0xC0 | (bits >> 8 & 0x1F)), bits, 1);
    case 3:
      return store_tagged(at, kInt16, bits, 2);
    case 4:
      return store_tagged(at, kInt24, bits, 3);
    case 5:
      return store_tagged(at, kInt32, bits, 4);
    default:
      return store_tagged(at, kInt64, bits, 8);
  }
}

uint64_t string_bytes(size_t size) { return size + (size < 64 ? 1 : size < 4096 ? 2 : 5); }

char* store_string(char* at, Bytes text) {
  size_t size = text.size();
  if (size < 64) {
    at = store_tagged(at, static_cast<uint8_t>(0x80 | size), 0, 0);
  } else if (size < 4096) {
    at = store_tagged(at, static_cast<uint8_t>(0xE0 | size >> 8), size, 1);
  } else {
    at = store_tagged(at, kString32, size, 4);
  }
  if (size > 0) std::memcpy(at, text.data(), size);
  return at + size;
}

// Several elements: measured, then written. Few are encoded only once.
class EncodedList {
 public:
  explicit EncodedList(std::span<const Element> elements) : elements_(elements) {
    for (size_t i = 0; i < elements.size(); ++i) {
      const Encoded encoded(elements[i]);
      bytes_ += encoded.bytes();
      if (i < kFew) new (few_ + i) Encoded(encoded);
    }
  }
  uint64_t bytes() const { return bytes_; }
  void store(char* at) const {
    const size_t few = std::min(kFew, elements_.size());
    for (size_t i = 0; i < few; ++i) at = few_[i].store(at);
    for (size_t i = few; i < elements_.size(); ++i) at = Encoded(elements_[i]).store(at);
  }

 private:
  static constexpr size_t kFew = 8;

  std::span<const Element> elements_;
  uint64_t bytes_ = 0;
  union {
    Encoded few_[kFew];
  };
};

// ---- The header ----------------------------------------------------------------------------------------

uint32_t count_field(Bytes node) { return load_le16(node.data() + 4); }

uint32_t walk_count(Bytes node) {
  uint32_t counted = 0;
  for (Position at = begin(node); at != end(node); at = next(node, at)) counted++;
  return counted;
}

// Makes size, header and terminator agree.
void finish(Blob* node, uint64_t size, uint64_t elements) {
  node->size = static_cast<uint32_t>(size);
  store_le32(node->bytes, node->size);
  store_le16(node->bytes + 4, static_cast<uint16_t>(std::min<uint64_t>(elements, kCountUnknown)));
  node->bytes[size - 1] = static_cast<char>(kTerminator);
}

// The same after a change of a node whose field said `old_field`.
void finish_changed(Blob* node, uint64_t size, uint32_t old_field, uint64_t erased, uint64_t inserted) {
  if (old_field != kCountUnknown) {
    finish(node, size, old_field - erased + inserted);
    return;
  }
  finish(node, size, kCountUnknown);
  // An element takes two bytes or more, so a node this small can be counted in the field again.
  if (size < 2 * kCountUnknown) finish(node, size, walk_count(node->view()));
}

// Gives back what erasing left over, where it is much. Failing to is harmless.
void shrink(Heap& heap, Blob*& node) {
  constexpr size_t kShrinkFromBytes = 128;  // below this the spare bytes are not worth the copy
  size_t capacity = node->capacity();
  if (capacity < kShrinkFromBytes || node->size >= capacity / 2) return;
  if (Blob* smaller = Blob::shrink(heap, node)) node = smaller;
}

// ---- Hostile bytes -------------------------------------------------------------------------------------

// Length of encoding and data of the element at the front of `rest`; 0 when it is no element or not all
// there.
uint64_t checked_length(Bytes rest) {
  uint8_t tag = static_cast<uint8_t>(rest[0]);
  uint64_t length = 0;
  if (tag < 0x80) {
    length = 1;
  } else if (tag < 0xC0) {
    length = 1 + (tag & 0x3F);
  } else if (tag < 0xE0) {
    length = 2;
  } else if (tag < 0xF0) {
    if (rest.size() < 2) return 0;
    length = 2 + ((tag & 0xFu) << 8 | static_cast<uint8_t>(rest[1]));
  } else if (tag == kString32) {
    if (rest.size() < 5) return 0;
    length = 5 + uint64_t{load_le32(rest.data() + 1)};
  } else if (tag <= kInt32) {
    length = 2u + (tag - kString32);
  } else if (tag == kInt64) {
    length = 9;
  }
  return length <= rest.size() ? length : 0;
}

}  // namespace

bool validate(Bytes node) {
  if (node.size() < kEmptyBytes || node.size() > kMaxNodeBytes) return false;
  if (load_le32(node.data()) != node.size()) return false;
  if (static_cast<uint8_t>(node.back()) != kTerminator) return false;
  uint32_t elements = 0;
  Bytes rest = node.substr(kHeaderBytes, node.size() - kEmptyBytes);
  while (!rest.empty()) {
    uint64_t length = checked_length(rest);
    if (length == 0) return false;
    char expected[5];
    size_t width = static_cast<size_t>(store_backward(expected, length) - expected);
    if (rest.substr(length, width) != Bytes(expected, width)) return false;
    rest.remove_prefix(length + width);
    elements++;
  }
  return count_field(node) == kCountUnknown || count_field(node) == elements;
}

uint32_t count(Bytes node) {
  uint32_t field = count_field(node);
  return field != kCountUnknown ? field : walk_count(node);
}

Decoded decode_wide(const char* at) {
  uint8_t tag = static_cast<uint8_t>(at[0]);
  if (tag < kString32) {
    uint32_t length = (tag & 0xFu) << 8 | static_cast<uint8_t>(at[1]);
    return {Element::of(Bytes(at + 2, length)), length + 2 + backward_bytes(length + 2)};
  }
  switch (tag) {
    case kString32: {
      uint32_t length = load_le32(at + 1);
      return {Element::of(Bytes(at + 5, length)), length + 5 + backward_bytes(uint64_t{length} + 5)};
    }
    case kInt16:
      return {Element::of(int64_t{static_cast<int16_t>(load_le16(at + 1))}), 4};
    case kInt24:
      return {Element::of(int64_t{static_cast<int8_t>(at[3])} * 65536 + load_le16(at + 1)), 5};
    case kInt32:
      return {Element::of(int64_t{static_cast<int32_t>(load_le32(at + 1))}), 6};
    default:
      STRATA_ASSERT(tag == kInt64, "a packed node was read that had not been validated");
      return {Element::of(static_cast<int64_t>(load_le64(at + 1))), 10};
  }
}

Position prev(Bytes node, Position at) {
  uint64_t length = 0;
  for (uint32_t shift = 0;; shift += 7) {
    uint8_t byte = static_cast<uint8_t>(node[--at]);
    length |= uint64_t{byte & 0x7Fu} << shift;
    if ((byte & 0x80) == 0) break;
  }
  return at - static_cast<Position>(length);
}

Position seek(Bytes node, int64_t index) {
  // The count is free unless the node is one of the rare ones with 65535 elements or more.
  int64_t elements = count(node);
  if (index < 0) index += elements;
  if (index < 0 || index >= elements) return end(node);
  if (index <= elements / 2) {
    Position at = begin(node);
    for (; index > 0; index--) at = next(node, at);
    return at;
  }
  Position at = end(node);
  for (; index < elements; index++) at = prev(node, at);
  return at;
}

Needle::Needle(Bytes text) : Needle(Element::of(text)) {}

Needle::Needle(const Element& element) : text_(element_text(element, scratch_)) {
  Element stored = stored_form(element);
  is_integer_ = stored.is_integer;
  integer_ = stored.integer;
}

Position find(Bytes node, Position from, const Needle& needle, uint32_t skip) {
  const char* base = node.data();
  const char* stop = base + end(node);
  uint32_t to_skip = 0;
  for (const char* at = base + from; at != stop;) {
    Decoded now = decode(at);
    if (to_skip == 0) {
      if (needle.equals(now.element)) return static_cast<Position>(at - base);
      to_skip = skip;
    } else {
      to_skip--;
    }
    at += now.bytes;
  }
  return end(node);
}

uint32_t count_matches(Bytes node, const Needle& needle) {
  uint32_t matches = 0;
  for (Cursor cursor(node); !cursor.done(); cursor.next()) matches += needle.equals(cursor.element());
  return matches;
}

Encoded::Encoded(const Element& element) : stored_(stored_form(element)) {
  uint64_t length = stored_.is_integer ? integer_bytes(stored_.integer) : string_bytes(stored_.bytes.size());
  bytes_ = length + backward_bytes(length);
}

char* Encoded::store(char* at) const {
  char* behind = stored_.is_integer ? store_integer(at, stored_.integer) : store_string(at, stored_.bytes);
  return store_backward(behind, static_cast<uint64_t>(behind - at));
}

Blob* create(Heap& heap, size_t capacity) {
  Blob* node = Blob::create(heap, std::max<size_t>(capacity, kEmptyBytes));
  if (node != nullptr) finish(node, kEmptyBytes, 0);
  return node;
}

Blob* create_from(Heap& heap, std::span<const Element> elements) {
  const EncodedList encoded(elements);
  uint64_t size = kEmptyBytes + encoded.bytes();
  if (size > kMaxNodeBytes) return nullptr;
  Blob* node = Blob::create(heap, size);
  if (node == nullptr) return nullptr;
  encoded.store(node->bytes + kHeaderBytes);
  finish(node, size, elements.size());
  return node;
}

bool splice(Heap& heap, Blob*& node, Position first, Position last, uint32_t erased_count,
            std::span<const Element> inserted) {
  uint64_t old_size = node->size;
  const EncodedList encoded(inserted);
  uint64_t added = encoded.bytes();
  uint64_t size = old_size - (last - first) + added;
  if (size > kMaxNodeBytes) return false;
  Blob* written = Blob::writable(heap, node, std::max(size, old_size));
  if (written == nullptr) return false;
  node = written;
  uint32_t old_count = count_field(node->view());
  if (first + added != last) std::memmove(node->bytes + first + added, node->bytes + last, old_size - last);
  encoded.store(node->bytes + first);
  finish_changed(node, size, old_count, erased_count, inserted.size());
  return true;
}

bool insert(Heap& heap, Blob*& node, Position before, const Encoded& element) {
  uint64_t old_size = node->size;
  uint64_t size = old_size + element.bytes();
  if (size > kMaxNodeBytes) return false;
  Blob* written = Blob::writable(heap, node, size);
  if (written == nullptr) return false;
  node = written;
  uint32_t old_count = count_field(node->view());
  char* at = node->bytes + before;
  if (before + 1 != old_size) std::memmove(at + element.bytes(), at, old_size - before);
  element.store(at);
  finish_changed(node, size, old_count, 0, 1);
  return true;
}

bool erase(Heap& heap, Blob*& node, Position at, uint32_t elements) {
  Bytes view = node->view();
  Position last = at;
  uint32_t erased = 0;
  for (; erased < elements && last != end(view); erased++) last = next(view, last);
  if (erased == 0) return true;
  if (!splice(heap, node, at, last, erased, {})) return false;
  shrink(heap, node);
  return true;
}

bool erase_matches(Heap& heap, Blob*& node, const Needle& needle, uint32_t kept, uint32_t erased) {
  if (erased == 0) return true;
  Blob* written = Blob::writable(heap, node, node->size);
  if (written == nullptr) return false;
  node = written;
  // One pass: what stays moves down over what went.
  char* to = node->bytes + kHeaderBytes;
  uint32_t matches = 0;
  for (Cursor cursor(node->view()); !cursor.done();) {
    const char* from = node->bytes + cursor.position();
    bool goes = needle.equals(cursor.element()) && matches++ >= kept && matches - kept <= erased;
    cursor.next();
    size_t bytes = static_cast<size_t>(node->bytes + cursor.position() - from);
    if (goes) continue;
    if (to != from) std::memmove(to, from, bytes);
    to += bytes;
  }
  finish_changed(node, static_cast<uint64_t>(to + 1 - node->bytes), count_field(node->view()), erased, 0);
  shrink(heap, node);
  return true;
}

bool append_node(Heap& heap, Blob*& node, Bytes other) {
  uint64_t old_size = node->size;
  uint64_t size = old_size + other.size() - kEmptyBytes;
  if (size > kMaxNodeBytes) return false;
  Blob* written = Blob::writable(heap, node, size);
  if (written == nullptr) return false;
  node = written;
  uint32_t elements = count(node->view()) + count(other);
  std::memcpy(node->bytes + old_size - 1, other.data() + kHeaderBytes, other.size() - kEmptyBytes);
  finish(node, size, elements);
  return true;
}

Blob* copy_range(Heap& heap, Bytes node, Position first, Position last, uint32_t elements) {
  Blob* copy = Blob::create(heap, kEmptyBytes + (last - first));
  if (copy == nullptr) return nullptr;
  std::memcpy(copy->bytes + kHeaderBytes, node.data() + first, last - first);
  finish(copy, kEmptyBytes + (last - first), elements);
  return copy;
}

}  // namespace strata::packed

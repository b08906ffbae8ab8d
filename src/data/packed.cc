#include "data/packed.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"

namespace strata::packed {
namespace {

// ---- Little-endian integers of any width ---------------------------------------------------------------

uint64_t load(const char* at, uint32_t width) {
  uint64_t value = 0;
  for (uint32_t i = 0; i < width; i++) value |= uint64_t{static_cast<uint8_t>(at[i])} << (8 * i);
  return value;
}

int64_t load_signed(const char* at, uint32_t width) {
  uint32_t unused_bits = 64 - 8 * width;
  return static_cast<int64_t>(load(at, width) << unused_bits) >> unused_bits;
}

char* store(char* at, uint64_t value, uint32_t width) {
  for (uint32_t i = 0; i < width; i++) at[i] = static_cast<char>(value >> (8 * i));
  return at + width;
}

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

char* store_integer(char* at, int64_t value) {
  switch (integer_bytes(value)) {
    case 1:
      return store(at, static_cast<uint64_t>(value), 1);
    case 2:
      at[0] = static_cast<char>(0xC0 | (value >> 8 & 0x1F));
      return store(at + 1, static_cast<uint64_t>(value), 1);
    case 3:
      return store(store(at, kInt16, 1), static_cast<uint64_t>(value), 2);
    case 4:
      return store(store(at, kInt24, 1), static_cast<uint64_t>(value), 3);
    case 5:
      return store(store(at, kInt32, 1), static_cast<uint64_t>(value), 4);
    default:
      return store(store(at, kInt64, 1), static_cast<uint64_t>(value), 8);
  }
}

uint64_t string_bytes(size_t size) { return size + (size < 64 ? 1 : size < 4096 ? 2 : 5); }

char* store_string(char* at, Bytes text) {
  size_t size = text.size();
  if (size < 64) {
    at = store(at, 0x80 | size, 1);
  } else if (size < 4096) {
    at = store(store(at, 0xE0 | size >> 8, 1), size, 1);
  } else {
    at = store(store(at, kString32, 1), size, 4);
  }
  if (size > 0) std::memcpy(at, text.data(), size);
  return at + size;
}

// As it is stored: text that is an integer becomes one.
Element stored_form(const Element& element) {
  int64_t value;
  if (!element.is_integer && parse_integer(element.bytes, &value)) return Element::of(value);
  return element;
}

uint64_t stored_bytes(const Element& stored) {
  uint64_t length = stored.is_integer ? integer_bytes(stored.integer) : string_bytes(stored.bytes.size());
  return length + backward_bytes(length);
}

uint64_t total_bytes(std::span<const Element> elements) {
  uint64_t total = 0;
  for (const Element& element : elements) total += stored_bytes(stored_form(element));
  return total;
}

char* store_element(char* at, const Element& element) {
  Element stored = stored_form(element);
  char* behind = stored.is_integer ? store_integer(at, stored.integer) : store_string(at, stored.bytes);
  return store_backward(behind, static_cast<uint64_t>(behind - at));
}

// ---- The header ----------------------------------------------------------------------------------------

uint32_t count_field(Bytes node) { return static_cast<uint32_t>(load(node.data() + 4, 2)); }

uint32_t walk_count(Bytes node) {
  uint32_t counted = 0;
  for (Position at = begin(node); at != end(node); at = next(node, at)) counted++;
  return counted;
}

// Makes size, header and terminator agree.
void finish(Blob* node, uint64_t size, uint64_t elements) {
  node->size = static_cast<uint32_t>(size);
  store(node->bytes, size, 4);
  store(node->bytes + 4, std::min<uint64_t>(elements, kCountUnknown), 2);
  node->bytes[size - 1] = static_cast<char>(kTerminator);
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
    length = 5 + load(rest.data() + 1, 4);
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
  if (load(node.data(), 4) != node.size()) return false;
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
      uint32_t length = static_cast<uint32_t>(load(at + 1, 4));
      return {Element::of(Bytes(at + 5, length)), length + 5 + backward_bytes(uint64_t{length} + 5)};
    }
    case kInt16:
      return {Element::of(load_signed(at + 1, 2)), 4};
    case kInt24:
      return {Element::of(load_signed(at + 1, 3)), 5};
    case kInt32:
      return {Element::of(load_signed(at + 1, 4)), 6};
    default:
      STRATA_ASSERT(tag == kInt64, "a packed node was read that had not been validated");
      return {Element::of(load_signed(at + 1, 8)), 10};
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

Needle::Needle(Bytes text) : text_(text), is_integer_(parse_integer(text, &integer_)) {}

Needle::Needle(const Element& element) : text_(element_text(element, scratch_)) {
  if (element.is_integer) {
    integer_ = element.integer;
    is_integer_ = true;
  } else {
    is_integer_ = parse_integer(text_, &integer_);
  }
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

bool parse_integer(Bytes text, int64_t* value) {
  constexpr size_t kMaxDigits = 19;
  bool negative = !text.empty() && text[0] == '-';
  Bytes digits = text.substr(negative ? 1 : 0);
  if (digits.empty() || digits.size() > kMaxDigits) return false;
  if (digits[0] == '0' && (negative || digits.size() > 1)) return false;
  uint64_t magnitude = 0;  // 19 digits stay below 2^64
  for (char digit : digits) {
    if (digit < '0' || digit > '9') return false;
    magnitude = magnitude * 10 + static_cast<uint64_t>(digit - '0');
  }
  uint64_t limit = uint64_t{INT64_MAX} + (negative ? 1 : 0);
  if (magnitude > limit) return false;
  *value = static_cast<int64_t>(negative ? 0 - magnitude : magnitude);
  return true;
}

uint32_t encoded_bytes(const Element& element) {
  uint64_t bytes = stored_bytes(stored_form(element));
  // Callers add this up and ask fits(); no element can be so large that the answer would change.
  return static_cast<uint32_t>(std::min<uint64_t>(bytes, UINT32_MAX));
}

Blob* create(Heap& heap, size_t capacity) {
  Blob* node = Blob::create(heap, std::max<size_t>(capacity, kEmptyBytes));
  if (node != nullptr) finish(node, kEmptyBytes, 0);
  return node;
}

Blob* create_from(Heap& heap, std::span<const Element> elements) {
  uint64_t size = kEmptyBytes + total_bytes(elements);
  if (size > kMaxNodeBytes) return nullptr;
  Blob* node = Blob::create(heap, size);
  if (node == nullptr) return nullptr;
  char* at = node->bytes + kHeaderBytes;
  for (const Element& element : elements) at = store_element(at, element);
  finish(node, size, elements.size());
  return node;
}

bool splice(Heap& heap, Blob*& node, Position first, Position last, uint32_t erased_count,
            std::span<const Element> inserted) {
  uint64_t old_size = node->size;
  uint64_t added = total_bytes(inserted);
  uint64_t size = old_size - (last - first) + added;
  if (size > kMaxNodeBytes) return false;
  Blob* written = Blob::writable(heap, node, std::max(size, old_size));
  if (written == nullptr) return false;
  node = written;
  uint32_t old_count = count_field(node->view());
  if (first + added != last) std::memmove(node->bytes + first + added, node->bytes + last, old_size - last);
  char* at = node->bytes + first;
  for (const Element& element : inserted) at = store_element(at, element);
  if (old_count != kCountUnknown) {
    finish(node, size, uint64_t{old_count} - erased_count + inserted.size());
    return true;
  }
  finish(node, size, kCountUnknown);
  // An element takes two bytes or more, so a node this small can be counted again in the field.
  if (size < 2 * kCountUnknown) finish(node, size, walk_count(node->view()));
  return true;
}

bool erase(Heap& heap, Blob*& node, Position at, uint32_t elements) {
  // Below this a block's spare bytes are not worth the copy.
  constexpr size_t kShrinkFromBytes = 128;
  Bytes view = node->view();
  Position last = at;
  uint32_t erased = 0;
  for (; erased < elements && last != end(view); erased++) last = next(view, last);
  if (erased == 0) return true;
  if (!splice(heap, node, at, last, erased, {})) return false;
  size_t capacity = node->capacity();
  if (capacity >= kShrinkFromBytes && node->size < capacity / 2) {
    if (Blob* smaller = Blob::shrink(heap, node)) node = smaller;
  }
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

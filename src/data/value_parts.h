// Small things that hashes, sets and sorted sets do alike, on their packed forms and when choosing at random.

#pragma once

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/hash.h"
#include "base/random.h"
#include "base/result.h"
#include "data/blob.h"
#include "data/context.h"
#include "data/packed.h"
#include "data/value.h"
#include "memory/heap.h"

namespace strata {

inline std::unexpected<Error> out_of_memory() { return fail(Errc::kOutOfMemory, "value"); }

inline Blob* blob_of(const Value& value) { return static_cast<Blob*>(value.pointer); }
inline Bytes packed_view(const Value& value) { return blob_of(value)->view(); }

// The element as it is handed out: with its blob where the bytes are worth pinning.
inline Element handed_out(Element element, Blob* blob) {
  if (!element.is_integer && element.bytes.size() >= kPinThresholdBytes) element.blob = blob;
  return element;
}

inline Blob* copy_blob(Heap& heap, const Blob* blob) {
  Blob* copy = Blob::create(heap, blob->size);
  if (copy == nullptr) return nullptr;
  std::memcpy(copy->bytes, blob->bytes, blob->size);
  copy->size = blob->size;
  return copy;
}

// After this the value's blob is not pinned, so that erasing from it cannot fail.
[[nodiscard]] inline bool make_writable(Heap& heap, Value& value) {
  Blob* blob = Blob::writable(heap, blob_of(value), blob_of(value)->size);
  if (blob == nullptr) return false;
  value.pointer = blob;
  return true;
}

// Remembers which numbers have been seen: open addressing in one block, at most half full.
class SeenNumbers {
 public:
  explicit SeenNumbers(Heap& heap) : heap_(heap) {}
  ~SeenNumbers() { heap_.free(slots_); }
  SeenNumbers(const SeenNumbers&) = delete;
  SeenNumbers& operator=(const SeenNumbers&) = delete;

  [[nodiscard]] bool reserve(uint64_t count) {
    if (count > (uint64_t{1} << 40)) return false;
    const uint64_t slots = std::bit_ceil(2 * count + 2);
    slots_ = static_cast<uint64_t*>(heap_.allocate(slots * sizeof(uint64_t)));
    if (slots_ == nullptr) return false;
    std::memset(slots_, 0, slots * sizeof(uint64_t));
    mask_ = slots - 1;
    return true;
  }
  // True when the number is new; 0 and 1 count as the same.
  bool add(uint64_t number) {
    number = std::max<uint64_t>(number, 1);
    for (uint64_t at = (number * 0x9E3779B97F4A7C15 >> 20) & mask_;; at = (at + 1) & mask_) {
      if (slots_[at] == number) return false;
      if (slots_[at] != 0) continue;
      slots_[at] = number;
      return true;
    }
  }

 private:
  Heap& heap_;
  uint64_t* slots_ = nullptr;
  uint64_t mask_ = 0;
};

// Positions of every `stride`-th element of a packed node, for who draws from it again and again. Long
// nodes are not indexed but searched.
class PackedIndex {
 public:
  PackedIndex(Bytes node, uint32_t stride)
      : node_(node), stride_(stride), count_(packed::count(node) / stride) {
    if (count_ > kIndexed) return;
    packed::Position* next = positions_;
    uint32_t skip = 0;
    for (packed::Cursor cursor(node); !cursor.done(); cursor.next(), skip = (skip + 1) % stride) {
      if (skip == 0 && next < positions_ + count_) *next++ = cursor.position();
    }
  }
  uint32_t count() const { return count_; }
  packed::Position at(uint32_t index) const {
    return count_ <= kIndexed ? positions_[index] : packed::seek(node_, int64_t{index} * stride_);
  }

 private:
  static constexpr uint32_t kIndexed = 512;

  Bytes node_;
  uint32_t stride_;
  uint32_t count_;
  packed::Position positions_[kIndexed];
};

// Whether every `stride`-th element, beginning with the first, is there only once. Elements with the same
// hash are compared.
inline Result<bool> packed_distinct(const DataContext& context, Bytes node, uint32_t stride) {
  SeenNumbers seen(context.heap);
  if (!seen.reserve(packed::count(node) / stride + 1)) return out_of_memory();
  uint32_t skip = 0;
  for (packed::Cursor cursor(node); !cursor.done(); cursor.next(), skip = (skip + 1) % stride) {
    if (skip != 0) continue;
    char scratch[kIntegerTextBytes];
    const Bytes text = element_text(cursor.element(), scratch);
    if (seen.add(hash_bytes(text, context.seed))) continue;
    const packed::Needle needle(text);
    if (packed::find(node, packed::begin(node), needle, stride - 1) < cursor.position()) return false;
  }
  return true;
}

}  // namespace strata

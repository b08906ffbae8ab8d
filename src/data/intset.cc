#include "data/intset.h"

#include <algorithm>
#include <cstring>

#include "base/endian.h"

namespace strata::intset {
namespace {

uint32_t width_of(Bytes set) { return load_le32(set.data()); }

int64_t element(Bytes set, uint32_t width, uint32_t index) {
  const char* at = set.data() + kHeaderBytes + size_t{index} * width;
  if (width == 2) return static_cast<int16_t>(load_le16(at));
  if (width == 4) return static_cast<int32_t>(load_le32(at));
  return static_cast<int64_t>(load_le64(at));
}

void store_element(Blob* set, uint32_t width, uint32_t index, int64_t value) {
  char* at = set->bytes + kHeaderBytes + size_t{index} * width;
  uint64_t bits = static_cast<uint64_t>(value);
  if (width == 2) store_le16(at, static_cast<uint16_t>(bits));
  if (width == 4) store_le32(at, static_cast<uint32_t>(bits));
  if (width == 8) store_le64(at, bits);
}

uint32_t width_for(int64_t value) {
  if (value >= INT16_MIN && value <= INT16_MAX) return 2;
  return value >= INT32_MIN && value <= INT32_MAX ? 4 : 8;
}

// Index of the first element not below `value`.
uint32_t lower_bound(Bytes set, int64_t value) {
  uint32_t width = width_of(set);
  uint32_t low = 0;
  uint32_t high = count(set);
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    if (element(set, width, middle) < value) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

void finish(Blob* set, uint32_t width, uint32_t elements) {
  store_le32(set->bytes, width);
  store_le32(set->bytes + 4, elements);
  set->size = kHeaderBytes + width * elements;
}

// Rewrites the elements from the narrow width to the wide one, in place, last first.
void widen(Blob* set, uint32_t narrow, uint32_t wide, uint32_t elements) {
  for (uint32_t i = elements; i-- > 0;) {
    store_element(set, wide, i, element(set->view(), narrow, i));
  }
}

}  // namespace

bool validate(Bytes set) {
  if (set.size() < kHeaderBytes) return false;
  uint32_t width = width_of(set);
  if (width != 2 && width != 4 && width != 8) return false;
  uint32_t elements = count(set);
  if (elements > kMaxElements || set.size() != kHeaderBytes + uint64_t{width} * elements) return false;
  for (uint32_t i = 1; i < elements; i++) {
    if (element(set, width, i - 1) >= element(set, width, i)) return false;
  }
  return true;
}

uint32_t count(Bytes set) { return load_le32(set.data() + 4); }

int64_t at(Bytes set, uint32_t index) { return element(set, width_of(set), index); }

bool contains(Bytes set, int64_t value) {
  if (width_for(value) > width_of(set)) return false;
  uint32_t index = lower_bound(set, value);
  return index < count(set) && at(set, index) == value;
}

int64_t random(Bytes set, uint64_t random_number) {
  return at(set, static_cast<uint32_t>(random_number % count(set)));
}

Blob* create(Heap& heap) {
  Blob* set = Blob::create(heap, kHeaderBytes);
  if (set != nullptr) finish(set, 2, 0);
  return set;
}

Change add(Heap& heap, Blob*& set, int64_t value) {
  uint32_t elements = count(set->view());
  uint32_t old_width = width_of(set->view());
  uint32_t width = std::max(old_width, width_for(value));
  uint32_t index = lower_bound(set->view(), value);
  if (index < elements && at(set->view(), index) == value) return Change::kNothing;
  if (elements >= kMaxElements) return Change::kOutOfMemory;
  Blob* written = Blob::writable(heap, set, kHeaderBytes + size_t{width} * (elements + 1));
  if (written == nullptr) return Change::kOutOfMemory;
  set = written;
  if (width != old_width) widen(set, old_width, width, elements);
  char* place = set->bytes + kHeaderBytes + size_t{index} * width;
  std::memmove(place + width, place, size_t{elements - index} * width);
  store_element(set, width, index, value);
  finish(set, width, elements + 1);
  return Change::kDone;
}

Change remove(Heap& heap, Blob*& set, int64_t value) {
  if (!contains(set->view(), value)) return Change::kNothing;
  Blob* written = Blob::writable(heap, set, set->size);
  if (written == nullptr) return Change::kOutOfMemory;
  set = written;
  uint32_t elements = count(set->view());
  uint32_t width = width_of(set->view());
  uint32_t index = lower_bound(set->view(), value);
  char* place = set->bytes + kHeaderBytes + size_t{index} * width;
  std::memmove(place, place + width, size_t{elements - index - 1} * width);
  finish(set, width, elements - 1);
  return Change::kDone;
}

}  // namespace strata::intset

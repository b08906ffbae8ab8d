#include "data/table_entry.h"

#include "base/assert.h"
#include "data/context.h"
#include "memory/heap.h"

namespace strata {
namespace {

static_assert(kPinThresholdBytes <= UINT16_MAX, "small values have a size of two bytes at most");

Blob* blob_of(Heap& heap, Bytes bytes) {
  if (bytes.size() > Blob::kMaxBytes) return nullptr;
  Blob* blob = Blob::create(heap, bytes.size());
  if (blob == nullptr) return nullptr;
  std::memcpy(blob->bytes, bytes.data(), bytes.size());
  blob->size = static_cast<uint32_t>(bytes.size());
  return blob;
}

}  // namespace

TableEntry* TableEntry::allocate(Heap& heap, uint8_t flags, Bytes key, size_t value_bytes) {
  if (key.size() > UINT32_MAX) return nullptr;
  const bool long_key = key.size() > kMaxShort;
  if (long_key) flags |= kLongKey;
  const size_t key_offset = (long_key ? 5 : 2) + payload_bytes(flags);
  auto* entry = static_cast<TableEntry*>(heap.allocate(key_offset + key.size() + value_bytes));
  if (entry == nullptr) return nullptr;
  entry->flags_ = flags;
  if (long_key) {
    const auto size = static_cast<uint32_t>(key.size());
    std::memcpy(entry->bytes() + 1, &size, sizeof(size));
  } else {
    entry->bytes()[1] = static_cast<char>(key.size());
  }
  if (!key.empty()) std::memcpy(entry->bytes() + key_offset, key.data(), key.size());
  return entry;
}

TableEntry* TableEntry::create_member(Heap& heap, Bytes key) { return allocate(heap, 0, key, 0); }

TableEntry* TableEntry::create_scored(Heap& heap, Bytes key, double score) {
  TableEntry* entry = allocate(heap, kScore, key, 0);
  if (entry != nullptr) entry->set_score(score);
  return entry;
}

TableEntry* TableEntry::create_field(Heap& heap, Bytes key, Bytes value) {
  if (value.size() < kPinThresholdBytes) {
    const uint8_t flags = value.size() > kMaxShort ? kSmallValue | kLongValue : kSmallValue;
    TableEntry* entry = allocate(heap, flags, key, value.size());
    if (entry != nullptr) entry->set_small_value(value);
    return entry;
  }
  Blob* blob = blob_of(heap, value);
  if (blob == nullptr) return nullptr;
  TableEntry* entry = allocate(heap, kBlobValue, key, 0);
  if (entry == nullptr) {
    Blob::destroy(heap, blob);
    return nullptr;
  }
  entry->set_blob(blob);
  return entry;
}

TableEntry* TableEntry::copy(Heap& heap, const TableEntry* entry) {
  if (entry->flags_ & kScore) return create_scored(heap, entry->key(), entry->score());
  if (entry->flags_ & (kSmallValue | kBlobValue)) {
    return create_field(heap, entry->key(), entry->value().bytes);
  }
  return create_member(heap, entry->key());
}

void TableEntry::destroy(Heap& heap, TableEntry* entry) {
  if (entry->flags_ & kBlobValue) Blob::destroy(heap, entry->blob());
  heap.free(entry);
}

void TableEntry::set_small_value(Bytes value) {
  if (flags_ & kLongValue) {
    const auto size = static_cast<uint16_t>(value.size());
    std::memcpy(bytes() + payload_offset(), &size, sizeof(size));
  } else {
    bytes()[payload_offset()] = static_cast<char>(value.size());
  }
  if (!value.empty()) std::memcpy(bytes() + key_offset() + key_size(), value.data(), value.size());
}

Element TableEntry::value() const {
  if (flags_ & kBlobValue) return Element::of(blob()->view(), blob());
  return Element::of(Bytes(bytes() + key_offset() + key_size(), small_value_size()));
}

// The entry if the value can take the place of the old one without wasting room, null otherwise.
TableEntry* TableEntry::replace_in_place(Heap& heap, TableEntry* entry, Bytes value) {
  if (entry->flags_ & kBlobValue) {
    if (value.size() < kPinThresholdBytes) return nullptr;
    Blob* blob = blob_of(heap, value);
    if (blob == nullptr) return nullptr;
    Blob::destroy(heap, entry->blob());
    entry->set_blob(blob);
    return entry;
  }
  if (value.size() >= kPinThresholdBytes) return nullptr;
  if ((value.size() > kMaxShort) != ((entry->flags_ & kLongValue) != 0)) return nullptr;
  const size_t bytes = entry->key_offset() + entry->key_size() + value.size();
  if (value.size() != entry->small_value_size()) {
    if (Heap::good_size(bytes) != Heap::usable_size(entry)) return nullptr;
  }
  entry->set_small_value(value);
  return entry;
}

TableEntry* TableEntry::with_value(Heap& heap, TableEntry* entry, Bytes value) {
  STRATA_DASSERT(entry->flags_ & (kSmallValue | kBlobValue));
  if (TableEntry* same = replace_in_place(heap, entry, value)) return same;
  TableEntry* fresh = create_field(heap, entry->key(), value);
  if (fresh == nullptr) return nullptr;
  destroy(heap, entry);
  return fresh;
}

size_t TableEntry::memory() const {
  return Heap::usable_size(this) + (flags_ & kBlobValue ? Heap::usable_size(blob()) : 0);
}

}  // namespace strata

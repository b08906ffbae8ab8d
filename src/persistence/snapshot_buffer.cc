#include "persistence/snapshot_buffer.h"

#include <bit>
#include <utility>

#include "base/endian.h"
#include "data/blob.h"
#include "data/context.h"

namespace strata {

SnapshotBuffer::~SnapshotBuffer() {
  for (const Mark& mark : marks_) {
    if (mark.pinned != nullptr) Blob::unpin(mark.pinned);
  }
}

void SnapshotBuffer::swap_contents(SnapshotBuffer& other) {
  std::swap(bytes_, other.bytes_);
  std::swap(marks_, other.marks_);
  std::swap(pinned_bytes_, other.pinned_bytes_);
  std::swap(key_count, other.key_count);
}

void SnapshotBuffer::select(uint16_t db) {
  if (db_ == db) return;
  db_ = db;
  opcode(RdbOpcode::kSelectDb);
  length(db);
}

void SnapshotBuffer::length(uint64_t value) {
  char out[kRdbLengthBytes];
  bytes_.append(out, rdb_put_length(out, value));
}

void SnapshotBuffer::string(Bytes string, Blob* blob) {
  if (const auto number = rdb_as_integer(string)) {
    char out[kRdbIntegerBytes];
    bytes_.append(out, rdb_put_integer(out, *number));
    return;
  }
  if (blob != nullptr && string.size() >= kPinThresholdBytes) {
    blob->pin();
    pinned_bytes_ += string.size();
    marks_.push_back({bytes_.size(), string.data(), string.size(), blob});
    return;
  }
  if (compression_ && string.size() > kRdbCompressMin) {
    marks_.push_back({bytes_.size(), nullptr, string.size(), nullptr});
  } else {
    length(string.size());
  }
  bytes_.append(string);
}

void SnapshotBuffer::element(const Element& element) {
  if (!element.is_integer) return string(element.bytes, element.blob);
  char out[kRdbIntegerBytes];
  bytes_.append(out, rdb_put_integer(out, element.integer));
}

void SnapshotBuffer::binary_double(double value) { le64(std::bit_cast<uint64_t>(value)); }

void SnapshotBuffer::le64(uint64_t value) {
  char out[8];
  store_le64(out, value);
  bytes_.append(out, sizeof out);
}

void SnapshotBuffer::write_to(RdbOutput& out) const {
  const Bytes all(bytes_);
  size_t done = 0;
  for (const Mark& mark : marks_) {
    out.raw(all.substr(done, mark.offset - done));
    const bool is_outside = mark.bytes != nullptr;
    out.string(is_outside ? Bytes(mark.bytes, mark.size) : all.substr(mark.offset, mark.size));
    done = mark.offset + (is_outside ? 0 : mark.size);
  }
  out.raw(all.substr(done));
}

}  // namespace strata

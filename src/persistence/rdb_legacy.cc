#include "persistence/rdb_legacy.h"

#include "base/endian.h"

namespace strata {
namespace {

constexpr size_t kZiplistHeaderBytes = 10;
constexpr uint32_t kZiplistCountUnknown = 65535;
constexpr uint8_t kWideLength = 0xFE;
constexpr uint8_t kEnd = 0xFF;

std::unexpected<Error> bad(const char* what, size_t offset) { return fail(Errc::kCorruption, what, offset); }

class ZiplistReader {
 public:
  explicit ZiplistReader(Bytes bytes) : bytes_(bytes), at_(kZiplistHeaderBytes) {}

  size_t at() const { return at_; }
  bool at_end() const { return byte_at(at_) == kEnd; }

  // An entry lies between at() and the last byte, which is the end mark.
  Status next(size_t previous_bytes, Element* out) {
    uint64_t backward = 0;
    if (!wide_length(&backward) || backward != previous_bytes)
      return bad("ziplist: wrong backward length", at_);
    if (!has(1)) return bad("ziplist: entry without an encoding", at_);
    const uint8_t encoding = byte_at(at_++);
    const bool read = encoding < 0xC0 ? string(encoding, out) : integer(encoding, out);
    if (!read) return bad("ziplist: malformed entry", at_);
    return {};
  }

 private:
  uint8_t byte_at(size_t at) const { return static_cast<uint8_t>(bytes_[at]); }
  bool has(uint64_t count) const { return count <= bytes_.size() - 1 - at_; }

  bool wide_length(uint64_t* out) {
    if (!has(1)) return false;
    *out = byte_at(at_++);
    if (*out < kWideLength) return true;
    if (*out == kEnd || !has(4)) return false;
    *out = load_le32(bytes_.data() + at_);
    at_ += 4;
    return true;
  }

  bool string(uint8_t encoding, Element* out) {
    uint64_t size = encoding & 0x3F;
    if (encoding >> 6 == 1) {
      if (!has(1)) return false;
      size = size << 8 | byte_at(at_++);
    } else if (encoding >> 6 == 2) {
      if (encoding != 0x80 || !has(4)) return false;
      size = load_be32(bytes_.data() + at_);
      at_ += 4;
    }
    if (!has(size)) return false;
    *out = Element::of(bytes_.substr(at_, size));
    at_ += size;
    return true;
  }

  bool integer(uint8_t encoding, Element* out) {
    int width = 0;
    switch (encoding) {
      case 0xC0:
        width = 2;
        break;
      case 0xD0:
        width = 4;
        break;
      case 0xE0:
        width = 8;
        break;
      case 0xF0:
        width = 3;
        break;
      case 0xFE:
        width = 1;
        break;
      default:
        if (encoding < 0xF1 || encoding > 0xFD) return false;
        *out = Element::of(int64_t{encoding} - 0xF1);
        return true;
    }
    if (!has(static_cast<uint64_t>(width))) return false;
    uint64_t value = 0;
    for (int i = width; i-- > 0;) value = value << 8 | byte_at(at_ + static_cast<size_t>(i));
    at_ += static_cast<size_t>(width);
    const int unused = 64 - 8 * width;
    *out = Element::of(static_cast<int64_t>(value << unused) >> unused);
    return true;
  }

  Bytes bytes_;
  size_t at_;
};

}  // namespace

Status visit_ziplist(Bytes ziplist, RdbElementVisitor visit) {
  if (ziplist.size() <= kZiplistHeaderBytes || load_le32(ziplist.data()) != ziplist.size()) {
    return bad("ziplist: wrong size", 0);
  }
  if (static_cast<uint8_t>(ziplist.back()) != kEnd) return bad("ziplist: no end", ziplist.size() - 1);
  const uint32_t tail = load_le32(ziplist.data() + 4);
  const uint32_t count = load_le16(ziplist.data() + 8);
  ZiplistReader reader(ziplist);
  size_t last = kZiplistHeaderBytes;
  size_t previous_bytes = 0;
  uint64_t seen = 0;
  for (; !reader.at_end(); ++seen) {
    last = reader.at();
    Element element;
    TRY(reader.next(previous_bytes, &element));
    previous_bytes = reader.at() - last;
    TRY(visit(element));
  }
  if (reader.at() != ziplist.size() - 1) return bad("ziplist: ends early", reader.at());
  if (last != tail) return bad("ziplist: wrong tail", 4);
  if (count != kZiplistCountUnknown && count != seen) return bad("ziplist: wrong count", 8);
  return {};
}

namespace {

constexpr uint32_t kZipmapCountUnknown = 254;

// The length at `at`, which moves behind it; false when it is none or more than what follows.
bool zipmap_length(Bytes zipmap, size_t& at, uint64_t* out) {
  if (at >= zipmap.size()) return false;
  *out = static_cast<uint8_t>(zipmap[at++]);
  if (*out == kEnd) return false;
  if (*out == kWideLength) {
    if (zipmap.size() - at < 4) return false;
    *out = load_le32(zipmap.data() + at);
    at += 4;
  }
  return *out <= zipmap.size() - at;
}

}  // namespace

Status visit_zipmap(Bytes zipmap, RdbElementVisitor visit) {
  if (zipmap.size() < 2) return bad("zipmap: too short", 0);
  const auto count = static_cast<uint8_t>(zipmap[0]);
  size_t at = 1;
  uint64_t seen = 0;
  for (; at < zipmap.size() && static_cast<uint8_t>(zipmap[at]) != kEnd; ++seen) {
    uint64_t size = 0;
    if (!zipmap_length(zipmap, at, &size)) return bad("zipmap: wrong key length", at);
    TRY(visit(Element::of(zipmap.substr(at, size))));
    at += size;
    if (!zipmap_length(zipmap, at, &size) || at == zipmap.size())
      return bad("zipmap: wrong value length", at);
    const size_t unused = static_cast<uint8_t>(zipmap[at++]);
    if (size + unused > zipmap.size() - at) return bad("zipmap: value reaches beyond the end", at);
    TRY(visit(Element::of(zipmap.substr(at, size))));
    at += size + unused;
  }
  if (at + 1 != zipmap.size()) return bad("zipmap: wrong end", at);
  if (count < kZipmapCountUnknown && count != seen) return bad("zipmap: wrong count", 0);
  return {};
}

}  // namespace strata

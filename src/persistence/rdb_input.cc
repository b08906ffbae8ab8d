#include "persistence/rdb_input.h"

#include <liblzf/lzf.h>

#include <bit>
#include <cmath>
#include <limits>
#include <new>

#include "base/endian.h"
#include "data/blob.h"
#include "persistence/rdb_stream.h"
#include "text/numbers.h"

namespace strata {
namespace {

constexpr uint8_t kLength32 = 0x80;
constexpr uint8_t kLength64 = 0x81;

// Text scores: these lengths stand for what has no digits.
constexpr uint8_t kScoreNan = 253;
constexpr uint8_t kScorePlusInfinity = 254;
constexpr uint8_t kScoreMinusInfinity = 255;

bool resize(std::string& text, size_t size) {
  try {
    text.resize(size);
  } catch (const std::bad_alloc&) {
    return false;
  }
  return true;
}

}  // namespace

Error RdbInput::error() const {
  if (state_ == State::kBad) return {code_, 0, what_, offset()};
  return {Errc::kCorruption, 0, "unexpected end", offset()};
}

bool RdbInput::bad(const char* what, Errc code) {
  state_ = State::kBad;
  what_ = what;
  code_ = code;
  return false;
}

bool RdbInput::short_by(uint64_t count) {
  if (count > left() + beyond_) return bad("unexpected end: a length reaches beyond the end");
  state_ = State::kShort;
  needed_ = consumed() + count;
  return false;
}

bool RdbInput::byte(uint8_t* out) {
  if (at_ == end_) return short_by(1);
  *out = static_cast<uint8_t>(*at_++);
  return true;
}

bool RdbInput::bytes(uint64_t count, Bytes* out) {
  if (count > left()) return short_by(count);
  *out = Bytes(at_, count);
  at_ += count;
  return true;
}

bool RdbInput::length_or_encoding(uint64_t* out, bool* is_encoding) {
  uint8_t first = 0;
  if (!byte(&first)) return false;
  *is_encoding = false;
  switch (first >> 6) {
    case 0:
      *out = first;
      return true;
    case 1: {
      uint8_t second = 0;
      if (!byte(&second)) return false;
      *out = static_cast<uint64_t>(first & 0x3F) << 8 | second;
      return true;
    }
    case 3:
      *is_encoding = true;
      *out = first & 0x3F;
      return true;
    default:
      break;
  }
  Bytes wide;
  if (first == kLength32) {
    if (!bytes(4, &wide)) return false;
    *out = load_be32(wide.data());
    return true;
  }
  if (first != kLength64) return bad("unknown length encoding");
  if (!bytes(8, &wide)) return false;
  *out = load_be64(wide.data());
  return true;
}

bool RdbInput::length(uint64_t* out) {
  bool is_encoding = false;
  if (!length_or_encoding(out, &is_encoding)) return false;
  return !is_encoding || bad("a string's encoding where a length belongs");
}

bool RdbInput::count(uint64_t* out) {
  if (!length(out)) return false;
  return *out <= left() + beyond_ || bad("more elements than bytes");
}

bool RdbInput::header(Header* out) {
  uint64_t value = 0;
  bool is_encoding = false;
  if (!length_or_encoding(&value, &is_encoding)) return false;
  if (!is_encoding) {
    if (value > kRdbStringBytesMax) return bad("string too long", Errc::kTooLarge);
    *out = {Header::Kind::kPlain, value, value};
    return true;
  }
  if (value > static_cast<uint8_t>(RdbStringEncoding::kLzf)) return bad("unknown string encoding");
  if (value == static_cast<uint8_t>(RdbStringEncoding::kLzf)) return lzf_header(out);
  *out = {Header::Kind::kInteger, uint64_t{1} << value, 0};
  return true;
}

bool RdbInput::lzf_header(Header* out) {
  out->kind = Header::Kind::kLzf;
  if (!length(&out->stored) || !length(&out->size)) return false;
  if (out->size > kRdbStringBytesMax || out->stored > kRdbStringBytesMax) {
    return bad("string too long", Errc::kTooLarge);
  }
  const bool possible = out->size > 0 && out->stored > 0 && out->size / kRdbLzfRatioMax <= out->stored;
  return possible || bad("LZF string of impossible length");
}

bool RdbInput::skip_string() {
  Header header{};
  return this->header(&header) && skip(header.stored);
}

int64_t RdbInput::integer(Bytes stored) const {
  switch (stored.size()) {
    case 1:
      return static_cast<int8_t>(stored[0]);
    case 2:
      return static_cast<int16_t>(load_le16(stored.data()));
    default:
      return static_cast<int32_t>(load_le32(stored.data()));
  }
}

bool RdbInput::decompress(const Header& header, char* out) {
  Bytes stored;
  if (!bytes(header.stored, &stored)) return false;
  const unsigned size = lzf_decompress(stored.data(), static_cast<unsigned>(stored.size()), out,
                                       static_cast<unsigned>(header.size));
  return size == header.size || bad("malformed LZF string");
}

bool RdbInput::element(Element* out, std::string& scratch) {
  Header header{};
  if (!this->header(&header)) return false;
  if (header.kind == Header::Kind::kLzf) {
    if (!resize(scratch, header.size)) return bad("string", Errc::kOutOfMemory);
    if (!decompress(header, scratch.data())) return false;
    *out = Element::of(Bytes(scratch));
    return true;
  }
  Bytes stored;
  if (!bytes(header.stored, &stored)) return false;
  *out = header.kind == Header::Kind::kInteger ? Element::of(integer(stored)) : Element::of(stored);
  return true;
}

bool RdbInput::string(Bytes* out, std::string& scratch) {
  Element read;
  if (!element(&read, scratch)) return false;
  if (read.is_integer) {
    char text[kIntegerTextBytes];
    scratch = element_text(read, text);
    *out = scratch;
  } else {
    *out = read.bytes;
  }
  return true;
}

Blob* RdbInput::blob(Heap& heap) {
  Header header{};
  if (!this->header(&header)) return nullptr;
  if (header.kind == Header::Kind::kInteger) return bad("an integer where a packed value belongs"), nullptr;
  // Checked before allocating: the stored bytes are there.
  if (header.stored > left()) return short_by(header.stored), nullptr;
  Blob* blob = Blob::create(heap, header.size);
  if (blob == nullptr) return bad("packed value", Errc::kOutOfMemory), nullptr;
  blob->size = static_cast<uint32_t>(header.size);
  if (header.kind == Header::Kind::kLzf) {
    if (decompress(header, blob->bytes)) return blob;
    Blob::destroy(heap, blob);
    return nullptr;
  }
  Bytes stored;
  bytes(header.stored, &stored);
  stored.copy(blob->bytes, stored.size());
  return blob;
}

bool RdbInput::skip_text_score() {
  uint8_t size = 0;
  return byte(&size) && (size >= kScoreNan || skip(size));
}

bool RdbInput::text_score(double* out) {
  uint8_t size = 0;
  if (!byte(&size)) return false;
  if (size == kScoreNan) return bad("a score that is not a number");
  if (size >= kScorePlusInfinity) {
    *out = std::numeric_limits<double>::infinity() * (size == kScoreMinusInfinity ? -1 : 1);
    return true;
  }
  Bytes text;
  if (!bytes(size, &text)) return false;
  const auto score = parse_double(text);
  if (!score) return bad("a score that is not a number");
  *out = *score;
  return true;
}

bool RdbInput::binary_score(double* out) {
  Bytes stored;
  if (!bytes(8, &stored)) return false;
  *out = std::bit_cast<double>(load_le64(stored.data()));
  return !std::isnan(*out) || bad("a score that is not a number");
}

namespace {

bool skim_strings(RdbInput& input, uint64_t per_element) {
  uint64_t count = 0;
  if (!input.count(&count)) return false;
  for (uint64_t i = 0; i < count; ++i) {
    for (uint64_t j = 0; j < per_element; ++j) {
      if (!input.skip_string()) return false;
    }
  }
  return true;
}

bool skim_zset(RdbInput& input, bool binary) {
  uint64_t count = 0;
  if (!input.count(&count)) return false;
  for (uint64_t i = 0; i < count; ++i) {
    if (!input.skip_string()) return false;
    if (!(binary ? input.skip(8) : input.skip_text_score())) return false;
  }
  return true;
}

bool skim_quicklist2(RdbInput& input) {
  uint64_t count = 0;
  if (!input.count(&count)) return false;
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t container = 0;
    if (!input.length(&container) || !input.skip_string()) return false;
  }
  return true;
}

bool skim_timed_hash(RdbInput& input) {
  Bytes first;
  uint64_t count = 0;
  if (!input.bytes(8, &first) || !input.count(&count)) return false;
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t deadline = 0;
    if (!input.length(&deadline) || !input.skip_string() || !input.skip_string()) return false;
  }
  return true;
}

}  // namespace

bool rdb_skim_value(RdbInput& input, RdbType type) {
  switch (type) {
    case RdbType::kList:
    case RdbType::kSet:
    case RdbType::kListQuicklist:
      return skim_strings(input, 1);
    case RdbType::kHash:
      return skim_strings(input, 2);
    case RdbType::kZset:
    case RdbType::kZset2:
      return skim_zset(input, type == RdbType::kZset2);
    case RdbType::kListQuicklist2:
      return skim_quicklist2(input);
    case RdbType::kHashMetadata:
      return skim_timed_hash(input);
    case RdbType::kHashListpackEx: {
      Bytes first;
      return input.bytes(8, &first) && input.skip_string();
    }
    case RdbType::kStreamListpacks:
    case RdbType::kStreamListpacks2:
    case RdbType::kStreamListpacks3:
      return rdb_skim_stream(input, type);
    default:
      return input.skip_string();
  }
}

bool rdb_is_known(RdbType type) {
  switch (type) {
    case RdbType::kString:
    case RdbType::kList:
    case RdbType::kSet:
    case RdbType::kZset:
    case RdbType::kHash:
    case RdbType::kZset2:
    case RdbType::kHashZipmap:
    case RdbType::kListZiplist:
    case RdbType::kSetIntset:
    case RdbType::kZsetZiplist:
    case RdbType::kHashZiplist:
    case RdbType::kListQuicklist:
    case RdbType::kHashListpack:
    case RdbType::kZsetListpack:
    case RdbType::kListQuicklist2:
    case RdbType::kSetListpack:
    case RdbType::kHashMetadata:
    case RdbType::kHashListpackEx:
    case RdbType::kStreamListpacks:
    case RdbType::kStreamListpacks2:
    case RdbType::kStreamListpacks3:
      return true;
    default:
      return false;
  }
}

const char* rdb_unsupported_name(RdbType type) {
  switch (type) {
    case RdbType::kModulePreGa:
    case RdbType::kModule2:
      return "module value";
    case RdbType::kHashMetadataPreGa:
    case RdbType::kHashListpackExPreGa:
      return "hash with expiring fields";
    case RdbType::kStreamListpacks4:
      return "stream of Redis 8.6";
    case RdbType::kStreamListpacks5:
      return "stream of Redis 8.8";
    default:
      return nullptr;
  }
}

}  // namespace strata

#include "persistence/log_batch.h"

#include <cstring>

#include "base/crc.h"

namespace strata {
namespace {

constexpr size_t kWide = 16;  // digits of a 64-bit number
constexpr size_t kBytesDigits = 10;
constexpr size_t kChecksumDigits = 8;
constexpr size_t kVersionDigits = 2;
constexpr size_t kOpeningCovered = 40;  // bytes of the opening under its checksum

static_assert(kOpeningMark.size() + kVersionDigits + 1 + kWide + 1 + kWide == kOpeningCovered);
static_assert(kOpeningCovered + 1 + kChecksumDigits + 2 == kOpeningBytes);
static_assert(kBatchMark.size() + kWide + 1 + kBytesDigits + 1 + kChecksumDigits + 1 + kWide + 2 ==
              kBatchHeaderBytes);

char* put_hex(char* out, uint64_t value, size_t digits) {
  for (size_t i = digits; i-- > 0; value >>= 4) out[i] = "0123456789abcdef"[value & 15];
  return out + digits;
}

char* put_text(char* out, Bytes text) {
  std::memcpy(out, text.data(), text.size());
  return out + text.size();
}

// Takes a fixed-width line apart; `ok` turns false at the first difference and stays so.
class LineReader {
 public:
  explicit LineReader(Bytes text) : text_(text) {}

  void expect(Bytes literal) {
    ok = ok && text_.substr(0, literal.size()) == literal;
    skip(literal.size());
  }
  uint64_t hex(size_t digits) {
    uint64_t value = 0;
    for (size_t i = 0; i < digits; ++i) {
      const char c = i < text_.size() ? text_[i] : '\0';
      const bool is_digit = c >= '0' && c <= '9';
      ok = ok && (is_digit || (c >= 'a' && c <= 'f'));
      value = value << 4 | static_cast<uint64_t>((is_digit ? c - '0' : c - 'a' + 10) & 15);
    }
    skip(digits);
    return value;
  }

  bool ok = true;

 private:
  void skip(size_t bytes) { text_.remove_prefix(bytes < text_.size() ? bytes : text_.size()); }

  Bytes text_;
};

}  // namespace

void format_opening(char (&out)[kOpeningBytes], const LogOpening& opening) {
  char* end = put_text(out, kOpeningMark);
  end = put_hex(end, opening.version, kVersionDigits);
  end = put_text(end, " ");
  end = put_hex(end, opening.position, kWide);
  end = put_text(end, " ");
  end = put_hex(end, opening.salt, kWide);
  const uint32_t checksum = crc32c(0, Bytes(out, kOpeningCovered));
  end = put_text(end, " ");
  end = put_hex(end, checksum, kChecksumDigits);
  put_text(end, "\r\n");
}

bool parse_opening(Bytes text, LogOpening& opening) {
  LineReader line(text);
  line.expect(kOpeningMark);
  opening.version = static_cast<unsigned>(line.hex(kVersionDigits));
  line.expect(" ");
  opening.position = line.hex(kWide);
  line.expect(" ");
  opening.salt = line.hex(kWide);
  line.expect(" ");
  const uint64_t checksum = line.hex(kChecksumDigits);
  line.expect("\r\n");
  return line.ok && checksum == crc32c(0, text.substr(0, kOpeningCovered));
}

void format_batch_header(char* out, const BatchHeader& header) {
  out = put_text(out, kBatchMark);
  out = put_hex(out, header.position, kWide);
  out = put_text(out, " ");
  out = put_hex(out, header.bytes, kBytesDigits);
  out = put_text(out, " ");
  out = put_hex(out, header.checksum, kChecksumDigits);
  out = put_text(out, " ");
  out = put_hex(out, header.synced_to, kWide);
  put_text(out, "\r\n");
}

bool parse_batch_header(Bytes text, BatchHeader& header) {
  LineReader line(text);
  line.expect(kBatchMark);
  header.position = line.hex(kWide);
  line.expect(" ");
  header.bytes = line.hex(kBytesDigits);
  line.expect(" ");
  header.checksum = static_cast<uint32_t>(line.hex(kChecksumDigits));
  line.expect(" ");
  header.synced_to = line.hex(kWide);
  line.expect("\r\n");
  return line.ok && header.synced_to <= header.position && header.position + header.bytes >= header.position;
}

uint32_t batch_checksum_seed(uint64_t salt, const BatchHeader& header) {
  char text[kWide + kWide + kBytesDigits + kWide];
  char* end = put_hex(text, salt, kWide);
  end = put_hex(end, header.position, kWide);
  end = put_hex(end, header.bytes, kBytesDigits);
  put_hex(end, header.synced_to, kWide);
  return crc32c(0, Bytes(text, sizeof(text)));
}

void format_filler(std::span<char> out, uint64_t offset) {
  std::memset(out.data(), '#', out.size());
  for (uint64_t at = kFillerLineBytes - 1 - offset % kFillerLineBytes; at < out.size();
       at += kFillerLineBytes)
    if (at != 0) out[at] = '\n';
}

bool fits_in_page(uint64_t offset, uint64_t bytes) {
  const uint64_t room = kPageBytes - offset % kPageBytes;
  return bytes <= room && bytes + 1 != room;
}

}  // namespace strata

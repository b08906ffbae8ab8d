#include "persistence/rdb_output.h"

#include <bit>
#include <cstring>
#include <new>

#include "base/crc.h"
#include "base/endian.h"
#include "platform/file_system.h"
#include "text/numbers.h"

namespace strata {
namespace {

constexpr size_t kIntegerTextMax = 11;  // "-2147483648"

}  // namespace

RdbOutput::RdbOutput(File& file, RdbWriterOptions options)
    : file_(file), options_(options), buffer_(new(std::nothrow) char[kRdbBufferBytes]) {
  if (!buffer_) fail_with({Errc::kOutOfMemory, 0, "RDB buffer", 0});
}

void RdbOutput::fail_with(const Error& error) {
  if (status_) status_ = std::unexpected(error);
}

Status RdbOutput::flush() {
  if (!status_ || used_ == 0) return status_;
  const Bytes pending(buffer_.get(), used_);
  if (options_.checksum) crc_ = crc64(crc_, pending);
  used_ = 0;
  const Status written = file_.append(pending);
  if (!written) fail_with(written.error());
  return status_;
}

uint64_t RdbOutput::checksum() const {
  return options_.checksum ? crc64(crc_, Bytes(buffer_.get(), used_)) : 0;
}

void RdbOutput::raw(Bytes bytes) {
  if (!status_) return;
  bytes_ += bytes.size();
  if (bytes.size() > kRdbBufferBytes - used_) {
    if (!flush()) return;
    if (bytes.size() >= kRdbBufferBytes) {
      if (options_.checksum) crc_ = crc64(crc_, bytes);
      const Status written = file_.append(bytes);
      if (!written) fail_with(written.error());
      return;
    }
  }
  std::memcpy(buffer_.get() + used_, bytes.data(), bytes.size());
  used_ += bytes.size();
}

size_t rdb_put_length(char* out, uint64_t value) {
  if (value < 1 << 6) {
    out[0] = static_cast<char>(value);
    return 1;
  }
  if (value < 1 << 14) {
    store_be16(out, static_cast<uint16_t>(value | 0x4000));
    return 2;
  }
  if (value <= UINT32_MAX) {
    out[0] = static_cast<char>(0x80);
    store_be32(out + 1, static_cast<uint32_t>(value));
    return 5;
  }
  out[0] = static_cast<char>(0x81);
  store_be64(out + 1, value);
  return 9;
}

size_t rdb_put_integer(char* out, int64_t value) {
  const auto encode = [&](RdbStringEncoding encoding, size_t width) {
    out[0] = static_cast<char>(kRdbEncoded | static_cast<uint8_t>(encoding));
    for (size_t i = 0; i < width; ++i) out[1 + i] = static_cast<char>(value >> (8 * i));
    return 1 + width;
  };
  if (value == static_cast<int8_t>(value)) return encode(RdbStringEncoding::kInt8, 1);
  if (value == static_cast<int16_t>(value)) return encode(RdbStringEncoding::kInt16, 2);
  if (value == static_cast<int32_t>(value)) return encode(RdbStringEncoding::kInt32, 4);
  char text[kIntegerTextBytes];
  const size_t size = print_i64(value, text);
  const size_t head = rdb_put_length(out, size);
  std::memcpy(out + head, text, size);
  return head + size;
}

std::optional<int64_t> rdb_as_integer(Bytes string) {
  if (string.size() > kIntegerTextMax) return std::nullopt;
  const auto number = parse_i64(string);
  if (!number || *number != static_cast<int32_t>(*number)) return std::nullopt;
  return number;
}

void RdbOutput::length(uint64_t value) {
  char out[kRdbLengthBytes];
  raw(Bytes(out, rdb_put_length(out, value)));
}

void RdbOutput::integer(int64_t value) {
  char out[kRdbIntegerBytes];
  raw(Bytes(out, rdb_put_integer(out, value)));
}

void RdbOutput::element(const Element& element) {
  if (element.is_integer) return integer(element.integer);
  string(element.bytes);
}

void RdbOutput::string(Bytes bytes, Blob*) {
  if (const auto number = rdb_as_integer(bytes)) return integer(*number);
  if (options_.compression && bytes.size() > kRdbCompressMin && compressed(bytes)) return;
  length(bytes.size());
  raw(bytes);
}

// Writes the string through LZF; false when that does not pay.
bool RdbOutput::compressed(Bytes bytes) {
  if (!status_) return false;
  const Bytes packed = lzf_.pack(bytes);
  if (packed.empty()) return false;
  byte(kRdbEncoded | static_cast<uint8_t>(RdbStringEncoding::kLzf));
  length(packed.size());
  length(bytes.size());
  raw(packed);
  return true;
}

void RdbOutput::binary_double(double value) { le64(std::bit_cast<uint64_t>(value)); }

void RdbOutput::le64(uint64_t value) {
  char out[8];
  store_le64(out, value);
  raw(Bytes(out, sizeof out));
}

}  // namespace strata

// The bytes of an RDB file on their way out: lengths, strings, a buffer and the running checksum.
//
// Belongs to one RdbWriter. Strings up to 11 bytes that are 32-bit integers are written as such, longer ones
// (above kRdbCompressMin) through LZF where that saves at least four bytes, as Redis does. Errors are
// kept: nothing is written any more, and status() answers the first.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "data/blob.h"
#include "data/value.h"
#include "persistence/rdb_format.h"
#include "persistence/rdb_lzf.h"

namespace strata {

class File;

inline constexpr size_t kRdbBufferBytes = 256 << 10;
inline constexpr size_t kRdbCompressMin = 20;  // only longer strings are compressed

struct RdbWriterOptions {
  bool compression = true;                // the option rdbcompression
  bool checksum = true;                   // the option rdbchecksum; without, the file ends in zeros
  uint32_t version = kRdbVersionWritten;  // the option rdb-version
};

// The smallest forms of a length and of an integer in place of a string; both return how many bytes of `out`
// they took. An integer of more than 32 bits is written as text.
inline constexpr size_t kRdbLengthBytes = 9;
size_t rdb_put_length(char* out, uint64_t value);
inline constexpr size_t kRdbIntegerBytes = kRdbLengthBytes + kIntegerTextBytes;
size_t rdb_put_integer(char* out, int64_t value);
// Strings that are such integers are written like them, as Redis does.
std::optional<int64_t> rdb_as_integer(Bytes string);

class RdbOutput {
 public:
  RdbOutput(File& file, RdbWriterOptions options);

  void byte(uint8_t value) { raw(Bytes(reinterpret_cast<const char*>(&value), 1)); }
  void opcode(RdbOpcode opcode) { byte(static_cast<uint8_t>(opcode)); }
  void type(RdbType type) { byte(static_cast<uint8_t>(type)); }
  void raw(Bytes bytes);
  void length(uint64_t value);
  void string(Bytes bytes, Blob* = nullptr);
  void integer(int64_t value);  // as a string
  void element(const Element& element);
  void binary_double(double value);
  void le64(uint64_t value);

  // Everything so far has gone to the file.
  Status flush();
  // The CRC-64 of everything so far; 0 when checksums are off.
  uint64_t checksum() const;
  const Status& status() const { return status_; }
  void fail_with(const Error& error);
  uint64_t bytes() const { return bytes_; }
  File& file() { return file_; }

 private:
  bool compressed(Bytes bytes);

  File& file_;
  const RdbWriterOptions options_;
  std::unique_ptr<char[]> buffer_;
  size_t used_ = 0;
  uint64_t bytes_ = 0;
  uint64_t crc_ = 0;
  Status status_;
  RdbLzf lzf_;
};

}  // namespace strata

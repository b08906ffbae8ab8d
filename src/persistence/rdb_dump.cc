#include "persistence/rdb_dump.h"

#include <bit>

#include "base/crc.h"
#include "base/endian.h"
#include "persistence/rdb_output.h"

namespace strata {

void RdbDumpOutput::length(uint64_t value) {
  char out[kRdbLengthBytes];
  bytes.append(out, rdb_put_length(out, value));
}

void RdbDumpOutput::string(Bytes string, Blob*) {
  if (const auto number = rdb_as_integer(string)) return element(Element::of(*number));
  if (compression_ && string.size() > kRdbCompressMin && string.size() <= kRdbDumpCompressMax) {
    const Bytes packed = lzf_.pack(string);
    if (!packed.empty()) {
      bytes.push_back(static_cast<char>(kRdbEncoded | static_cast<uint8_t>(RdbStringEncoding::kLzf)));
      length(packed.size());
      length(string.size());
      bytes.append(packed);
      return;
    }
  }
  length(string.size());
  bytes.append(string);
}

void RdbDumpOutput::element(const Element& element) {
  if (!element.is_integer) return string(element.bytes);
  char out[kRdbIntegerBytes];
  bytes.append(out, rdb_put_integer(out, element.integer));
}

void RdbDumpOutput::binary_double(double value) { le64(std::bit_cast<uint64_t>(value)); }

void RdbDumpOutput::le64(uint64_t value) {
  char out[8];
  store_le64(out, value);
  bytes.append(out, sizeof out);
}

void RdbDump::producers() {
  if (entry_.type() != Type::kStream) return;
  const StreamProducers& of_stream = StreamValue::of(entry_.value()).producers();
  if (!of_stream.in_use()) return;
  out_.opcode(RdbOpcode::kAux);
  out_.string(kRdbProducersField);
  out_.string(rdb_producers_text(of_stream));
}

bool RdbDump::step(size_t budget) {
  const bool is_done = encoder_.step(budget);
  if (is_done) {
    producers();
    char version[2];
    store_le16(version, static_cast<uint16_t>(version_));
    out_.bytes.append(version, sizeof version);
  }
  crc_ = crc64(crc_, Bytes(out_.bytes).substr(checksummed_));
  checksummed_ = out_.bytes.size();
  if (is_done) out_.le64(crc_);
  return is_done;
}

Result<RdbRecord> rdb_open_dump(Bytes dump) {
  if (dump.size() < kRdbDumpFooterBytes) return fail(Errc::kCorruption, "too short for a dump");
  const size_t end = dump.size() - kRdbDumpFooterBytes;
  if (load_le16(dump.data() + end) > kRdbVersionRead)
    return fail(Errc::kCorruption, "dump of a newer version");
  const size_t checksum_at = dump.size() - kRdbChecksumBytes;
  if (crc64(0, dump.substr(0, checksum_at)) != load_le64(dump.data() + checksum_at)) {
    return fail(Errc::kCorruption, "wrong checksum of a dump");
  }
  RdbRecord record{};
  record.deadline_ms = kRdbNoDeadline;
  if (end == 0) return fail(Errc::kUnsupported, "a dump without a value");
  record.type = static_cast<RdbType>(dump[0]);
  if (!rdb_is_known(record.type)) return fail(Errc::kUnsupported, "this type of value");
  record.payload = dump.substr(1, end - 1);
  return record;
}

}  // namespace strata

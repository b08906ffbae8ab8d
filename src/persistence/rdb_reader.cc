#include "persistence/rdb_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/crc.h"
#include "base/endian.h"
#include "persistence/rdb_producers.h"
#include "text/quote.h"

namespace strata {
namespace {

constexpr Bytes kMagic = "REDIS";

int version_of(Bytes digits) {
  int version = 0;
  for (char digit : digits) {
    if (digit < '0' || digit > '9') return -1;
    version = version * 10 + (digit - '0');
  }
  return version;
}

bool is_opcode(uint8_t byte) { return byte >= static_cast<uint8_t>(RdbOpcode::kSlotInfo); }

// A function library's text begins "#!lua name=mylib"; its first line says enough.
Bytes first_line(Bytes text) { return text.substr(0, std::min(text.find('\n'), kRdbDetailKeyBytesMax)); }

}  // namespace

RdbChunk::RdbChunk(size_t wanted) : bytes(static_cast<char*>(std::malloc(wanted))), capacity(wanted) {}
RdbChunk::~RdbChunk() { std::free(bytes); }

void RdbReader::take_checksum() {
  if (checksum_ && chunk_) {
    crc_ = crc64(crc_, Bytes(chunk_->bytes + checksummed_to_, at_ - checksummed_to_));
  }
  checksummed_to_ = at_;
}

Status RdbReader::fill(uint64_t needed) {
  const size_t kept = end_ - at_;
  if (needed > kept + beyond()) return fail(Errc::kCorruption, "unexpected end", file_bytes_);
  if (needed > kRdbRecordBytesMax) return fail(Errc::kTooLarge, "record", offset());
  take_checksum();
  // Doubling keeps skimming a large value again and again linear.
  const uint64_t wanted = std::max<uint64_t>({kRdbChunkBytes, needed, 2 * kept});
  const size_t capacity = std::min<uint64_t>(wanted, kept + beyond());
  auto chunk = std::make_shared<RdbChunk>(capacity);
  if (chunk->bytes == nullptr) return fail(Errc::kOutOfMemory, "reading", offset());
  if (kept > 0) std::memcpy(chunk->bytes, chunk_->bytes + at_, kept);
  chunk_offset_ += at_;
  at_ = checksummed_to_ = 0;
  end_ = kept;
  chunk_ = std::move(chunk);
  TRY_ASSIGN(const size_t read,
             file_.read_at(chunk_offset_ + kept, MutableBytes(chunk_->bytes + kept, capacity - kept)));
  end_ += read;
  if (end_ < needed) return fail(Errc::kCorruption, "unexpected end", chunk_offset_ + end_);
  if (beyond() > 0) file_.prefetch(chunk_offset_ + end_, std::min<uint64_t>(beyond(), kRdbChunkBytes));
  return {};
}

Status RdbReader::read_header() {
  if (chunk_offset_ > file_bytes_)
    return fail(Errc::kInvalidArgument, "offset beyond the file", chunk_offset_);
  if (beyond() < kRdbHeaderBytes) return fail(Errc::kCorruption, "too short for an RDB file", offset());
  TRY(fill(kRdbHeaderBytes));
  const Bytes head = rest().substr(0, kRdbHeaderBytes);
  const int version = version_of(head.substr(kMagic.size()));
  if (!head.starts_with(kMagic) || version < 1) return fail(Errc::kCorruption, "not an RDB file", offset());
  if (static_cast<uint32_t>(version) > kRdbVersionRead) {
    detail_ = fmt::format("RDB version {}; the newest that can be read is {}", version, kRdbVersionRead);
    return fail(Errc::kUnsupported, "RDB version", offset());
  }
  version_ = static_cast<uint32_t>(version);
  at_ += kRdbHeaderBytes;
  return {};
}

Result<bool> RdbReader::next(RdbRecord* record) {
  if (ended_) return false;
  if (version_ == 0) TRY(read_header());
  for (;;) {
    RdbInput input(rest(), offset(), beyond());
    Step now = Step::kOpcode;
    if (step(input, record, &now)) {
      at_ += input.consumed();
      if (now == Step::kRecord) return true;
      if (now == Step::kEnd) return finish();
    } else if (input.state() == RdbInput::State::kShort) {
      TRY(fill(input.needed()));
    } else {
      return std::unexpected(input.error());
    }
  }
}

// Everything up to and including one opcode, or one key with what stands in front of it. Nothing is
// remembered of a step that turns out to be short: it begins anew when more bytes are there.
bool RdbReader::step(RdbInput& input, RdbRecord* record, Step* out) {
  record->deadline_ms = kRdbNoDeadline;
  record->idle_seconds = 0;
  record->frequency = 0;
  for (;;) {
    uint8_t first = 0;
    if (!input.byte(&first)) return false;
    if (!is_opcode(first)) {
      *out = Step::kRecord;
      return read_record(input, static_cast<RdbType>(first), record);
    }
    Bytes stored;
    uint64_t idle = 0;
    switch (static_cast<RdbOpcode>(first)) {
      case RdbOpcode::kExpireSeconds:
        if (!input.bytes(4, &stored)) return false;
        record->deadline_ms = int64_t{static_cast<int32_t>(load_le32(stored.data()))} * 1000;
        break;
      case RdbOpcode::kExpireMs:
        if (!input.bytes(8, &stored)) return false;
        record->deadline_ms = static_cast<int64_t>(load_le64(stored.data()));
        break;
      case RdbOpcode::kFreq:
        if (!input.byte(&record->frequency)) return false;
        break;
      case RdbOpcode::kIdle:
        if (!input.length(&idle)) return false;
        record->idle_seconds = static_cast<uint32_t>(std::min<uint64_t>(idle, UINT32_MAX));
        break;
      default:
        return read_opcode(input, static_cast<RdbOpcode>(first), out);
    }
  }
}

bool RdbReader::read_opcode(RdbInput& input, RdbOpcode opcode, Step* out) {
  *out = Step::kOpcode;
  uint64_t a = 0;
  uint64_t b = 0;
  switch (opcode) {
    case RdbOpcode::kEof:
      *out = Step::kEnd;
      return true;
    case RdbOpcode::kSelectDb:
      if (!input.length(&a)) return false;
      if (a >= database_count_) {
        detail_ = fmt::format("database {}, of {} that are configured", a, database_count_);
        return input.bad("database number out of range", Errc::kInvalidArgument);
      }
      db_ = static_cast<uint16_t>(a);
      return true;
    case RdbOpcode::kResizeDb:
      if (!input.length(&a) || !input.length(&b)) return false;
      announced_keys_ += a;
      return true;
    case RdbOpcode::kSlotInfo:
      return input.length(&a) && input.length(&a) && input.length(&a);
    case RdbOpcode::kAux:
      return read_aux(input);
    default:
      return unsupported(input, opcode == RdbOpcode::kModuleAux ? "data of a module" : "function library",
                         nullptr);
  }
}

bool RdbReader::read_aux(RdbInput& input) {
  std::string name_scratch;
  std::string value_scratch;
  Bytes name;
  Bytes value;
  if (!input.string(&name, name_scratch) || !input.string(&value, value_scratch)) return false;
  if (name == kRdbProducersField) {
    producers_ = value;
  } else if (aux_.size() < kRdbAuxFieldsMax && name.size() <= kRdbAuxBytesMax &&
             value.size() <= kRdbAuxBytesMax) {
    aux_.emplace_back(name, value);
  }
  return true;
}

// `key`: where the key stands; null for a function library, whose text is next.
bool RdbReader::unsupported(RdbInput& input, const char* what, RdbInput* key) {
  std::string scratch;
  Bytes name;
  if (key != nullptr) {
    if (!key->string(&name, scratch)) return input.bad("key");
    detail_ = fmt::format("{} at key {}", what, quote(name.substr(0, kRdbDetailKeyBytesMax)));
  } else if (Bytes(what) == "function library" && input.string(&name, scratch)) {
    detail_ = fmt::format("{} {}", what, quote(first_line(name)));
  } else {
    if (input.state() == RdbInput::State::kShort) return false;
    detail_ = what;
  }
  return input.bad("this kind of data is not supported yet", Errc::kUnsupported);
}

bool RdbReader::read_record(RdbInput& input, RdbType type, RdbRecord* record) {
  RdbInput key = input;
  if (!rdb_is_known(type) && rdb_unsupported_name(type) == nullptr) return input.bad("unknown type of value");
  if (!input.skip_string()) return false;
  if (!rdb_is_known(type)) return unsupported(input, rdb_unsupported_name(type), &key);
  const size_t from = input.consumed();
  record->offset = input.offset();
  if (!rdb_skim_value(input, type)) return false;
  record->payload = rest().substr(from, input.consumed() - from);
  record->type = type;
  record->db = db_;
  record->producers = {};
  if (!producers_.empty()) record->producers = chunk_->keys.emplace_back(std::exchange(producers_, {}));
  if (read_key(key, &record->key)) return true;
  const Error error = key.error();
  return input.bad(error.what, error.code);
}

bool RdbReader::read_key(RdbInput& input, Bytes* key) {
  Element element;
  std::string scratch;
  if (!input.element(&element, scratch)) return false;
  if (element.is_integer) {
    char text[kIntegerTextBytes];
    *key = chunk_->keys.emplace_back(element_text(element, text));
  } else if (!scratch.empty()) {
    *key = chunk_->keys.emplace_back(std::move(scratch));
  } else {
    *key = element.bytes;
  }
  return true;
}

Result<bool> RdbReader::finish() {
  take_checksum();
  if (version_ >= kRdbVersionWithChecksum) {
    const uint64_t computed = crc_;
    if (rest().size() < kRdbChecksumBytes) TRY(fill(kRdbChecksumBytes));
    const uint64_t stored = load_le64(rest().data());
    if (checksum_ && stored != 0) {
      if (stored != computed) return fail(Errc::kCorruption, "wrong RDB checksum", offset());
      checksum_verified_ = true;
    }
    at_ += kRdbChecksumBytes;
  }
  ended_ = true;
  return false;
}

}  // namespace strata

#include "persistence/log_ring.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>

#include "base/assert.h"
#include "platform/thread.h"

namespace strata {
namespace {

constexpr size_t kHeaderBytes = 8;

// What a large record leaves in the ring.
struct LargePayload {
  const char* block;
  uint64_t bytes;
};

enum Kind : uint64_t { kInline = 1, kLarge = 2, kPoisoned = 3 };

uint64_t pack(Kind kind, uint64_t bytes, uint16_t first_db, uint16_t last_db) {
  return kind | bytes << 8 | uint64_t{first_db} << 32 | uint64_t{last_db} << 48;
}
constexpr size_t record_bytes(size_t payload_bytes) { return kHeaderBytes + (payload_bytes + 7) / 8 * 8; }

static_assert(kInlineRecordBytes < size_t{1} << 24, "the header keeps 24 bits of it");
static_assert(record_bytes(kInlineRecordBytes) <= kRingBytesMin / 2);

}  // namespace

Result<LogRing> LogRing::create(const LogRingOptions& options) {
  if (options.ring_bytes < kRingBytesMin || options.ring_bytes > kRingBytesMax)
    return fail(Errc::kInvalidArgument, "size of the log ring");
  LogRing ring;
  TRY_ASSIGN(ring.memory_, MirroredMemory::create(std::bit_ceil(options.ring_bytes)));
  const size_t margin = std::clamp(options.margin_bytes, kInlineRecordBytes, ring.memory_.size() / 2);
  ring.mask_ = ring.memory_.size() - 1;
  ring.credit_bytes_ = static_cast<int64_t>(ring.memory_.size() - margin);
  ring.large_bytes_max_ = options.large_bytes_max;
  STRATA_ASSERT(std::has_single_bit(ring.memory_.size()));
  return ring;
}

LogRing::LogRing(LogRing&& other) noexcept
    : memory_(std::move(other.memory_)),
      mask_(other.mask_),
      credit_bytes_(other.credit_bytes_),
      large_bytes_max_(other.large_bytes_max_),
      overflow_handler_(std::move(other.overflow_handler_)) {
  STRATA_ASSERT(other.reserved() == 0, "a ring in use does not move");
}

LogRing::~LogRing() {
  if (memory_.data() == nullptr) return;
  for (Record record; peek(record); take(record)) free_large(record);
}

std::atomic_ref<uint64_t> LogRing::header_at(uint64_t sequence) const {
  return std::atomic_ref<uint64_t>(*reinterpret_cast<uint64_t*>(at(sequence)));
}

uint64_t LogRing::reserve(size_t payload_bytes) {
  const uint64_t bytes = record_bytes(payload_bytes);
  const uint64_t begin = reserved_.fetch_add(bytes, std::memory_order_relaxed);
  // Acquire: the taker's zeroes are in place before anything is written over them. The records below
  // ours become complete without our help, so the handler always finds room in the end.
  while (begin + bytes - released_.load(std::memory_order_acquire) > memory_.size()) [[unlikely]] {
    overflow_count_.fetch_add(1, std::memory_order_relaxed);
    if (overflow_handler_) overflow_handler_();
    yield_thread();
  }
  return begin;
}

void LogRing::publish(uint64_t begin, uint64_t header) {
  header_at(begin).store(header, std::memory_order_release);
}

uint64_t LogRing::append(uint16_t first_db, uint16_t last_db, Bytes record) {
  STRATA_DASSERT(!record.empty());
  if (record.size() > kInlineRecordBytes) [[unlikely]] {
    char* block = allocate_large(record.size());
    if (block != nullptr) std::memcpy(block, record.data(), record.size());
    return append_large(first_db, last_db, block, record.size());
  }
  const uint64_t begin = reserve(record.size());
  std::memcpy(at(begin) + kHeaderBytes, record.data(), record.size());
  publish(begin, pack(kInline, record.size(), first_db, last_db));
  return begin + record_bytes(record.size());
}

uint64_t LogRing::append_command(uint16_t db, std::span<const Bytes> args) {
  const size_t bytes = command_bytes(args);
  if (bytes > kInlineRecordBytes) [[unlikely]] {
    char* block = allocate_large(bytes);
    if (block != nullptr) format_command(block, args);
    return append_large(db, db, block, bytes);
  }
  const uint64_t begin = reserve(bytes);
  format_command(at(begin) + kHeaderBytes, args);
  publish(begin, pack(kInline, bytes, db, db));
  return begin + record_bytes(bytes);
}

char* LogRing::allocate_large(size_t bytes) {
  char* block = static_cast<char*>(std::malloc(bytes));
  if (block != nullptr) large_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  return block;
}

uint64_t LogRing::append_large(uint16_t first_db, uint16_t last_db, const char* block, size_t bytes) {
  const LargePayload payload{block, bytes};
  const uint64_t begin = reserve(sizeof(payload));
  std::memcpy(at(begin) + kHeaderBytes, &payload, sizeof(payload));
  publish(begin, pack(block != nullptr ? kLarge : kPoisoned, sizeof(payload), first_db, last_db));
  return begin + record_bytes(sizeof(payload));
}

size_t LogRing::outstanding_bytes() const {
  const uint64_t released_to = released();
  const uint64_t reserved_to = reserved();
  return (reserved_to > released_to ? reserved_to - released_to : 0) +
         large_bytes_.load(std::memory_order_relaxed);
}

bool LogRing::peek(Record& record) const {
  const uint64_t header = header_at(taken_).load(std::memory_order_acquire);
  if (header == 0) return false;
  const size_t bytes = (header >> 8) & 0xffffff;
  const char* payload = at(taken_) + kHeaderBytes;
  record.first_db = static_cast<uint16_t>(header >> 32);
  record.last_db = static_cast<uint16_t>(header >> 48);
  record.end = taken_ + record_bytes(bytes);
  record.large = (header & 0xff) == kLarge;
  record.poisoned = (header & 0xff) == kPoisoned;
  record.payload = Bytes(payload, bytes);
  if (record.large) {
    LargePayload large;
    std::memcpy(&large, payload, sizeof(large));
    record.payload = Bytes(large.block, large.bytes);
  }
  return true;
}

void LogRing::free_large(const Record& record) {
  if (!record.large) return;
  large_bytes_.fetch_sub(record.payload.size(), std::memory_order_relaxed);
  std::free(const_cast<char*>(record.payload.data()));
}

void LogRing::release_to(uint64_t end) {
  const uint64_t begin = released_.load(std::memory_order_relaxed);
  STRATA_ASSERT(begin <= end && end <= taken_);
  std::memset(at(begin), 0, end - begin);
  released_.store(end, std::memory_order_release);
}

}  // namespace strata

// The ring between the shards and the log: where a write leaves its record while it is inside its shards.
//
// Threads inside shards append; one thread at a time (whoever holds OpLog's write lock) takes records out
// in order. Space is reserved with one atomic addition, so the order of reservations is the order of the
// whole database; the record is copied in and then marked complete by the release store of its header.
//
//   Record:  offset  size  field
//              0      8    header: 0 while incomplete, else kind | payload bytes | first and last database
//              8      n    payload: RESP, or for a large record a pointer to a block and its size
//            8+n      …    padding to a multiple of 8
//
//   1. Memory between the newest reservation and released() + capacity is zero: the taker zeroes what it
//      took before it releases it, so a header can only be non-zero when it is complete.
//   2. The taker stops at the lowest incomplete record; whoever completes that one commits again at the
//      end of its turn.
//   3. The memory is mapped twice in a row, so no record is split at the end.
//
// Sequence numbers count bytes of the ring from 0 and never wrap; append() returns the end of its record.
// Appending never waits: has_credit() is asked before a shard is entered, and leaves a margin for everyone
// who is already inside. If a caller overruns even that, append() has the ring emptied by the overflow
// handler on the spot, which costs a write(2) under the shard but loses nothing.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "base/bytes.h"
#include "base/result.h"
#include "persistence/log_record.h"
#include "platform/memory_map.h"

namespace strata {

constexpr size_t kInlineRecordBytes = 64 << 10;  // larger ones get a block of their own
constexpr size_t kRingBytesMin = 4 * kInlineRecordBytes;
constexpr size_t kRingBytesMax = size_t{1} << 30;

struct LogRingOptions {
  size_t ring_bytes = 8 << 20;        // rounded up to a power of two
  size_t margin_bytes = 2 << 20;      // kept free for threads that are already inside shards
  size_t large_bytes_max = 64 << 20;  // of large records not yet taken; beyond it there is no credit
};

class LogRing {
 public:
  static Result<LogRing> create(const LogRingOptions& options);
  LogRing() = default;
  LogRing(LogRing&& other) noexcept;  // before anybody appends
  LogRing& operator=(LogRing&&) = delete;
  ~LogRing();

  // May a write enter its shards? Two relaxed loads; any thread.
  bool has_credit() const {
    // Signed: the two loads may come from different moments, and released may look newer.
    const auto used = static_cast<int64_t>(reserved_.load(std::memory_order_relaxed) -
                                           released_.load(std::memory_order_relaxed));
    return used <= credit_bytes_ && large_bytes_.load(std::memory_order_relaxed) <= large_bytes_max_;
  }

  // Any thread, inside the shards that the record speaks of. `record` is RESP that leaves the reader in
  // database `last_db` when it was in `first_db` before; it is not empty.
  uint64_t append(uint16_t first_db, uint16_t last_db, Bytes record);
  uint64_t append_command(uint16_t db, std::span<const Bytes> args);

  uint64_t reserved() const { return reserved_.load(std::memory_order_relaxed); }
  uint64_t released() const { return released_.load(std::memory_order_acquire); }
  size_t outstanding_bytes() const;
  size_t capacity() const { return memory_.size(); }

  // What append() calls when there is no room at all; it must take and release. Set before anybody appends.
  void set_overflow_handler(std::function<void()> handler) { overflow_handler_ = std::move(handler); }
  uint64_t overflow_count() const { return overflow_count_.load(std::memory_order_relaxed); }

  // The taker's side; one thread at a time.
  struct Record {
    Bytes payload;
    uint16_t first_db;
    uint16_t last_db;
    uint64_t end;   // its sequence number
    bool large;     // payload is a block of its own
    bool poisoned;  // there was no memory for a large record: the log must fail here
  };
  // The record at the taker's position, if it is complete. `payload` lives until release_to(record.end),
  // that of a large record until free_large(), which every large record needs once.
  bool peek(Record& record) const;
  void take(const Record& record) { taken_ = record.end; }
  void free_large(const Record& record);
  uint64_t taken() const { return taken_; }
  // Gives the space up to `end` (<= taken()) back to appenders.
  void release_to(uint64_t end);

 private:
  char* at(uint64_t sequence) const { return memory_.data() + (sequence & mask_); }
  std::atomic_ref<uint64_t> header_at(uint64_t sequence) const;
  uint64_t reserve(size_t payload_bytes);
  void publish(uint64_t begin, uint64_t header);
  char* allocate_large(size_t bytes);
  uint64_t append_large(uint16_t first_db, uint16_t last_db, const char* block, size_t bytes);

  MirroredMemory memory_;
  uint64_t mask_ = 0;
  int64_t credit_bytes_ = 0;
  uint64_t large_bytes_max_ = 0;
  std::function<void()> overflow_handler_;
  // Appenders write the first line, the taker the second.
  alignas(64) std::atomic<uint64_t> reserved_{0};
  std::atomic<uint64_t> large_bytes_{0};
  std::atomic<uint64_t> overflow_count_{0};
  alignas(64) std::atomic<uint64_t> released_{0};
  uint64_t taken_ = 0;
};

}  // namespace strata

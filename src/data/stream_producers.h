// Which idempotent IDs the producers of a stream have used lately, and for which entries (XADD IDMP).
//
// A producer that sends the same (producer ID, idempotent ID) again gets the first entry's ID and adds
// nothing. An idempotent ID is remembered for idmp-duration seconds after its entry's time (the ms of the
// entry's ID), and while it is among the idmp-maxsize latest of its producer.
//
//   StreamProducers ── State ── StreamProducer, sorted by name ─┬─ by_entry   entry's ID → Remembered
//                                                               └─ by_hash    hash of the text → the same,
//                                                                             chained where hashes are equal
//
// Inside the shard; a stream without producers has a null pointer here. Out of memory is `false`, and nothing
// has changed. What is too old is forgotten with later calls of record(), of whatever producer.

#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/function_ref.h"
#include "data/stream_id.h"

namespace strata {

class Heap;

// XCFGSET's limits and defaults.
inline constexpr uint64_t kIdempotenceSecondsDefault = 100;
inline constexpr uint64_t kIdempotenceSecondsMax = 86'400;
inline constexpr uint64_t kIdempotenceEntriesDefault = 100;
inline constexpr uint64_t kIdempotenceEntriesMax = 10'000;

class StreamProducers {
 public:
  // True when there is something that a copy or a file must keep.
  bool in_use() const { return state_ != nullptr; }
  uint64_t duration_s() const;   // idmp-duration
  uint64_t entries_max() const;  // idmp-maxsize
  // XCFGSET: forgets everything.
  [[nodiscard]] bool configure(Heap& heap, uint64_t duration_s, uint64_t entries_max);

  // The entry that this idempotent ID was used for, if it is remembered at `now_ms`.
  std::optional<StreamId> find(Bytes producer, Bytes idempotent_id, int64_t now_ms) const;
  // find() said nothing: remembers it, and forgets what is too old or too many, and what this producer used
  // for the same entry before (XIDMPRECORD may name one again, and after XSETID an ID may come again).
  [[nodiscard]] bool record(Heap& heap, Bytes producer, Bytes idempotent_id, StreamId entry, int64_t now_ms);
  // A find() that led to a duplicate.
  void count_duplicate();

  uint64_t producer_count() const;   // pids-tracked
  uint64_t tracked_count() const;    // iids-tracked
  uint64_t added_count() const;      // iids-added
  uint64_t duplicate_count() const;  // iids-duplicates
  void set_counts(uint64_t added, uint64_t duplicates);

  // Everything remembered, producer by producer, oldest first.
  using Visitor = FunctionRef<void(Bytes producer, Bytes idempotent_id, StreamId entry)>;
  void visit(Visitor visit) const;

  [[nodiscard]] bool copy_from(Heap& heap, const StreamProducers& other);
  void clear(Heap& heap);
  size_t memory() const;

 private:
  struct State;
  State* state_ = nullptr;
};

}  // namespace strata

// What a connection still has to send: a chain of slices, most of them in chunks of the Output's
// own, some in memory that belongs to somebody else (large values, pinned until they are sent).
//
//   Output ──► slice ──► slice ──► reference ──► slice ◄── tail: reserve() and commit() write here
//              chunk 0   ·· chunk 1 ··························
//
// Slices and references are described by nodes that lie in the chunks themselves, between the
// bytes, so that appending a reference allocates nothing and the rest of its chunk stays in use.
//
// Who: one connection each; commands write through Reply, the loop gathers, sends and consumes.
// Threads: used by one thread at a time. It may be filled on one thread and spliced, consumed or
//   dropped on another; its chunks then end in that thread's cache.
// Invariants: 1. Bytes leave in the order in which they were appended. 2. A chunk is given back when
//   its last slice was consumed. 3. A reference's release runs exactly once, on whatever thread
//   consumes or drops it. 4. An Output with nothing to send holds no memory, so that an idle
//   connection costs none and a busy loop reuses the chunk it touched last.
// Lifetime: what gather() returns is valid until the next call that is not const.
// Cost: a reserve and commit that stay in the chunk are a compare and an add; a chunk comes from a
//   bounded thread-local stack.
// Failure: none. When the system has no memory for a chunk the process ends: the server's limits
//   (client-output-buffer-limit, maxmemory) act long before.

#pragma once

#include <cstdint>
#include <cstring>
#include <span>

#include "base/assert.h"
#include "base/bytes.h"

namespace strata {

class Output {
 public:
  static constexpr size_t kFirstChunkBytes = 4 * 1024;  // most replies of a turn fit
  static constexpr size_t kChunkBytes = 16 * 1024;      // the following ones
  static constexpr size_t kMaxReserve = 1024;           // bytes one reserve() may ask for
  static constexpr size_t kSpliceCopyBytes = 1024;      // below this, splice() copies

  using Release = void (*)(void* token);

  Output() = default;
  ~Output() { clear(); }
  Output(Output&& other) noexcept { take(other); }
  Output& operator=(Output&& other) noexcept;
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  // Room for `bytes` <= kMaxReserve contiguous bytes. Write there, then commit() what was written;
  // a reserve without commit leaves nothing behind.
  char* reserve(size_t bytes) {
    STRATA_DASSERT(bytes <= kMaxReserve);
    if (static_cast<size_t>(write_end_ - write_) < bytes) [[unlikely]]
      open_chunk();
    return write_;
  }
  void commit(size_t bytes) {
    STRATA_DASSERT(bytes <= static_cast<size_t>(write_end_ - write_));
    write_ += bytes;
  }

  // Copies.
  void append(Bytes bytes) {
    // Written so that an empty view, whose data may be null, takes the other branch.
    if (bytes.size() - 1 < static_cast<size_t>(write_end_ - write_)) [[likely]] {
      std::memcpy(write_, bytes.data(), bytes.size());
      write_ += bytes.size();
    } else {
      append_slow(bytes);
    }
  }

  // The bytes stay where they are until they are sent or dropped; then release(token) is called.
  // `release` may be null for bytes that live forever.
  void append_reference(Bytes bytes, void* token, Release release);

  // Moves everything of `other` behind what is here. Constant time.
  void splice(Output&& other);

  // A place for bytes that are known only after those that follow them (the count of an array).
  // Nothing behind an open hole is gathered. A hole is filled exactly once, before the Output is
  // spliced or moved, and dies with clear(); its bytes count as appended when it is filled.
  class Hole {
   public:
    static constexpr size_t kMaxBytes = 24;

   private:
    friend class Output;
    void* node_ = nullptr;
  };
  Hole open_hole();
  void fill_hole(Hole& hole, Bytes bytes);  // at most Hole::kMaxBytes

  // Bytes not yet consumed.
  size_t size() const { return appended_total() - consumed_total_; }
  bool empty() const { return size() == 0; }

  // Bytes ever appended (spliced ones too) and ever consumed or dropped. They only grow, so a
  // position of the one marks a place that the other will reach: the server keeps such marks for
  // replies that wait for the log.
  uint64_t appended_total() const {
    return appended_before_tail_ + static_cast<uint64_t>(write_ - tail_begin_);
  }
  uint64_t consumed_total() const { return consumed_total_; }

  // Memory held for this client: whole chunks and referenced bytes, sent in part or not.
  size_t allocated_bytes() const { return allocated_bytes_; }

  // Fills `out` with the next bytes to send, in order, never empty slices, together at most
  // `limit_bytes`. Returns how many slices were filled.
  size_t gather(std::span<Bytes> out, uint64_t limit_bytes = UINT64_MAX) const;

  // The first `bytes` were sent. bytes <= size().
  void consume(size_t bytes);

  // Drops everything. References are released; the totals stay monotonic.
  void clear();

 private:
  struct Node;
  struct Chunk;

  void open_chunk();
  void append_slow(Bytes bytes);
  void close_tail();
  Node* embed_node();
  void start_tail(Node* node);
  void drop_head();
  void take(Output& other);
  const char* end_of(const Node* node) const;

  // write_ … write_end_ is the free room of the tail slice's chunk; both null while there is none.
  char* write_ = nullptr;
  char* write_end_ = nullptr;
  char* tail_begin_ = nullptr;  // where the tail slice's bytes began
  uint64_t appended_before_tail_ = 0;
  uint64_t consumed_total_ = 0;
  Node* head_ = nullptr;
  Node* tail_ = nullptr;
  size_t allocated_bytes_ = 0;
  uint32_t open_holes_ = 0;
};

// Chunk memory of the whole process, in use and cached, without referenced bytes.
uint64_t output_memory_bytes();

// Gives the calling thread's cached chunks back to the system; idle loops may call it.
void release_output_cache();

}  // namespace strata

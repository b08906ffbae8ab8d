// The hash table of keys: 64-byte buckets of eight slots (16-bit tag | 48-bit Entry pointer).
//
// A look-up compares eight tags with one vector compare and touches two cache lines: the bucket and the
// entry. The table grows and shrinks by linear hashing (Litwin 1980), one bucket at a time, so no operation
// ever pays for a rehash of the whole and memory per key stays level:
//
//   buckets = 2^level + split        index = hash mod 2^(level+1), less 2^level where that is >= buckets
//
//   bucket:  [tag|entry] × 8         tag 0 = empty slot
//   a chain: [tag|entry] × 7 [0xFFFF|overflow bucket]
//
//   1. In a chain every bucket but the last is full, and the last is filled from the front.
//   2. Only prefetch() is called outside the shard. It reads the layout and the slots of primary
//      buckets as relaxed atomics and never an entry. What it may still be reading is handed to the
//      Graveyard, which frees it only after every thread has passed a turn.
//   3. Buckets lie in segments of 1,024; the first one starts small and doubles.
//
// Iteration is Redis's SCAN guarantee without state: a cursor is a position in the bit-reversed hash
// space, and a bucket covers one interval of it, whatever the table's size.

#pragma once

#include <atomic>
#include <cstdint>

#include "base/bytes.h"
#include "base/function_ref.h"
#include "base/hash.h"
#include "base/random.h"
#include "keyspace/entry.h"
#include "keyspace/key.h"

namespace strata {

class Graveyard;
class Heap;

class KeyTable {
 public:
  KeyTable(Heap& heap, const HashSeed& seed, Graveyard& graveyard)
      : heap_(&heap), seed_(&seed), graveyard_(&graveyard) {}
  ~KeyTable();
  KeyTable(const KeyTable&) = delete;
  KeyTable& operator=(const KeyTable&) = delete;

  // Outside the shard, in two steps over a whole pipeline: first every bucket, then every entry.
  void prefetch_bucket(uint64_t hash) const;
  void prefetch_entry(uint64_t hash) const;

  Entry* find(Bytes key, uint64_t hash) const;
  // The key must not be there. False when out of memory.
  [[nodiscard]] bool insert(Entry* entry, uint64_t hash);
  // Takes the entry out without freeing it; null when it is not there.
  Entry* remove(Bytes key, uint64_t hash);
  // An entry has moved in memory.
  void relocate(const Entry* from, Entry* to, uint64_t hash);

  size_t count() const { return count_.load(std::memory_order_relaxed); }
  size_t bucket_count() const;
  size_t memory_bytes() const { return memory_bytes_; }  // buckets and what leads to them, not the entries

  // Visits every entry of the bucket at the cursor and returns the next cursor; 0 at the end.
  uint64_t scan(uint64_t cursor, FunctionRef<void(Entry*)> visit) const;
  Entry* random(Random& random) const;

  // Hands over all entries and leaves an empty table at once. Used by FLUSH: the caller frees `taken` in
  // slices.
  struct Detached;
  Detached* detach();
  // Calls free_entry for up to `budget` entries; true when the whole is gone, `detached` with it.
  static bool drain(Detached* detached, size_t budget, FunctionRef<void(Entry*)> free_entry);

 private:
  static constexpr size_t kSlots = 8;
  static constexpr size_t kLinkSlot = kSlots - 1;
  static constexpr uint64_t kLinkTag = 0xFFFF;
  static constexpr uint64_t kPointerMask = (uint64_t{1} << kTagShift) - 1;
  static constexpr size_t kSegmentShift = 10;
  static constexpr size_t kSegmentBuckets = size_t{1} << kSegmentShift;
  // Entries per bucket above which the table grows, below which it shrinks. At 5 a third of the buckets not
  // yet split overflow, and a key costs 13 bytes of table; at 6 it would be 11 bytes and twice the overflow.
  static constexpr size_t kGrowLoad = 5;
  static constexpr size_t kShrinkLoad = 2;

  struct alignas(64) Bucket {
    uint64_t slots[kSlots];
  };
  struct Layout;

  static uint64_t tag_of(uint64_t hash);
  static size_t bucket_index(uint64_t hash, size_t bucket_count);
  static Bucket* bucket_at(const Layout* layout, size_t index);
  static Bucket* next_in_chain(const Bucket* bucket);
  uint64_t* find_slot(Bytes key, uint64_t hash, Bucket** bucket, Bucket** primary) const;
  bool place(Bucket* primary, uint64_t slot, Bucket** spare);
  template <typename Target>
  void redistribute(Bucket* from, Bucket* spare, Target&& target);
  bool spare_for_merge(const Bucket* from, const Bucket* to, Bucket** spare);
  void split_one();
  void merge_one();
  bool add_bucket_room();
  Bucket* allocate_buckets(size_t count);
  void free_spare(Bucket* spare);

  Heap* heap_;
  const HashSeed* seed_;
  Graveyard* graveyard_;
  std::atomic<Layout*> layout_{nullptr};
  std::atomic<size_t> count_{0};
  size_t memory_bytes_ = 0;
};

}  // namespace strata

// The hash table inside one large hash, set or sorted set: 64-byte buckets of eight slots.
//
//   bucket:  [tag|entry] × 8         a slot is a 16-bit tag and a 48-bit TableEntry*; tag 0 = empty
//   a chain: [tag|entry] × 7 [0xFFFF|overflow bucket]
//
// A look-up compares eight tags with one vector compare and touches two cache lines: the bucket and the
// entry. The table grows and shrinks by linear hashing (Litwin 1980), one bucket at a time, so that no
// operation pays for a rehash of the whole:
//
//   buckets = 2^level + split        index = hash mod 2^(level+1), less 2^level where that is >= buckets
//
// A bucket's depth is the number of low hash bits that all its entries share: level + 1 for those already
// split and their new halves, level for the rest. The tag holds the 15 hash bits from depth rounded down to a
// multiple of 8, so seven of eight splits find the deciding bit in the tag and never touch an entry.
//
//   1. In a chain every bucket but the last is full, and the last is filled from the front; an overflow
//      bucket holds at least two entries.
//   2. Buckets lie in segments of kSegmentBuckets; a table of one segment doubles and halves it.
//   3. chain_limit_ is at least the number of buckets of the longest chain.
//
// Owned by one value, inside the shard; entries belong to the table. Functions that allocate report out of
// memory as false or null and change nothing; shrinking that finds no memory is put off. Iteration is Redis's
// SCAN guarantee without state: a cursor is a position in the bit-reversed hash space, and a bucket covers
// one interval of it, whatever the table's size.

#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/function_ref.h"
#include "base/hash.h"
#include "base/random.h"
#include "base/simd.h"
#include "data/table_entry.h"

namespace strata {

class Heap;

class Table {
 public:
  using Visitor = FunctionRef<void(TableEntry*)>;

  // The seed must outlive the table. Null when out of memory.
  [[nodiscard]] static Table* create(Heap& heap, const HashSeed& seed);
  // With copies of all entries.
  [[nodiscard]] static Table* copy(Heap& heap, const Table& table);
  // Destroys about `budget` entries; true when the whole is gone, the table with it. Nothing else may be
  // called in between.
  [[nodiscard]] static bool destroy_some(Heap& heap, Table* table, size_t budget);
  static void destroy(Heap& heap, Table* table);

  uint64_t size() const { return size_; }
  uint64_t hash(Bytes key) const { return hash_bytes(key, *seed_); }

  TableEntry* find(Bytes key) const { return find(key, hash(key)); }
  TableEntry* find(Bytes key, uint64_t hash) const;
  // The key must not be there. False when out of memory.
  [[nodiscard]] bool insert(Heap& heap, TableEntry* entry, uint64_t hash);
  // Takes the entry out without destroying it; null when it is not there.
  TableEntry* remove(Heap& heap, Bytes key, uint64_t hash);
  // As TableEntry::with_value, for an entry of this table. Null when out of memory.
  [[nodiscard]] TableEntry* set_value(Heap& heap, TableEntry* entry, uint64_t hash, Bytes value);

  // For who has several to find: first all the buckets, then all the entries. Inside the shard.
  void prefetch_bucket(uint64_t hash) const;
  void prefetch_entry(uint64_t hash) const;

  // An entry as a walk meets it. Its place tells the lowest tag_bit + 15 bits of its hash.
  struct Walked {
    uint64_t slot;
    uint32_t bucket;
    uint32_t tag_bit;  // the lowest hash bit in the tag

    const TableEntry* entry() const { return entry_of(slot); }
  };
  // Appends at least `budget` entries from bucket `cursor` on, if there are so many, and moves the cursor;
  // true at the end. Touches none of them. The table must not change in between.
  bool walk_some(uint64_t& cursor, size_t budget, std::vector<Walked>& walked) const;
  // Keeps, in order and at the front, those entries of another table whose keys are in this one (`wanted`
  // true) or are not (false), and returns their number. The tables share a seed, so where tags of both are of
  // the same hash bits, which is so when neither is many times larger, nothing is hashed, and an entry whose
  // tag is not in this table is never touched.
  size_t filter(const Table& other, std::span<Walked> entries, bool wanted) const;

  // Visits at least `budget` entries from bucket `cursor` on, if there are so many, and moves the cursor;
  // true at the end. The table must not change in between.
  bool visit_some(uint64_t& cursor, size_t budget, Visitor visit) const;
  // Visits every entry of the bucket at the cursor and returns the next cursor; 0 at the end.
  uint64_t scan(uint64_t cursor, Visitor visit) const;
  // The same for several buckets: until `count` entries have been visited, or ten times as many buckets.
  uint64_t scan_some(uint64_t cursor, size_t count, Visitor visit) const;
  // Each entry with the same probability, by rejection; expected O(1). The table must not be empty.
  TableEntry* random(Random& random) const;

  // Usable bytes of the table and its entries; those estimated from the first `samples` if that is not 0.
  size_t memory(size_t samples) const;
  size_t bucket_count() const { return bucket_count_; }
  // Asserts every invariant; for tests.
  void check() const;

 private:
  static constexpr size_t kSlots = 8;
  static constexpr size_t kLinkSlot = kSlots - 1;
  static constexpr uint64_t kLinkTag = 0xFFFF;
  static constexpr unsigned kTagShift = 48;
  static constexpr uint64_t kPointerMask = (uint64_t{1} << kTagShift) - 1;
  static constexpr unsigned kTagRenewal = 8;
  static constexpr unsigned kSegmentShift = 7;
  static constexpr size_t kSegmentBuckets = size_t{1} << kSegmentShift;
  static constexpr size_t kMaxBuckets = size_t{1} << 31;
  // Entries per bucket above which the table grows, below which it shrinks. At 5 a member costs 13 bytes of
  // buckets and few of those not yet split overflow.
  static constexpr size_t kGrowLoad = 5;
  static constexpr size_t kShrinkLoad = 2;

  struct alignas(16) Bucket {
    uint64_t slots[kSlots];
  };
  class Spares;
  class ChainWriter;

  explicit Table(const HashSeed& seed) : seed_(&seed) {}

  // Where a key would be.
  struct Probe {
    const Bucket* bucket;
    uint16_t tag;

    void prefetch() const;
    // The first slot with the tag; 0 when there is none.
    uint64_t first_match() const;
  };

  // A small entry may lie in two cache lines.
  static void prefetch(const TableEntry* entry) {
    constexpr size_t kSmallEntryBytes = 32;
    prefetch_read(entry);
    prefetch_read(reinterpret_cast<const char*>(entry) + kSmallEntryBytes - 1);
  }

  static unsigned tag_bit_of(unsigned depth) { return depth & ~(kTagRenewal - 1); }
  static uint64_t tag_of(uint64_t hash, unsigned depth);
  static uint64_t make_slot(uint64_t tag, const void* pointer) {
    return tag << kTagShift | reinterpret_cast<uintptr_t>(pointer);
  }
  static TableEntry* entry_of(uint64_t slot) { return reinterpret_cast<TableEntry*>(slot & kPointerMask); }
  static Bucket* bucket_of(uint64_t slot) { return reinterpret_cast<Bucket*>(slot & kPointerMask); }
  // Null at the end.
  static Bucket* next_in_chain(const Bucket* bucket) {
    const uint64_t last = bucket->slots[kLinkSlot];
    return last >> kTagShift == kLinkTag ? bucket_of(last) : nullptr;
  }

  unsigned level() const { return static_cast<unsigned>(std::bit_width(bucket_count_)) - 1; }
  unsigned depth_of(size_t index) const;
  size_t index_of(uint64_t hash) const;
  Bucket* bucket_at(size_t index) const {
    if (segment_capacity_ == 0) return only_segment_ + index;
    return segments_[index >> kSegmentShift] + (index & (kSegmentBuckets - 1));
  }
  Probe probe(uint64_t hash) const;
  Probe probe(const Walked& walked) const;
  Bucket* add_bucket_room(Heap& heap);
  bool add_segment(Heap& heap);
  void drop_last_bucket(Heap& heap);
  uint64_t renewed(uint64_t slot, unsigned depth) const;
  uint64_t* find_slot(Bytes key, uint64_t hash, Bucket*& bucket, Bucket*& before) const;
  void close_hole(Heap& heap, uint64_t* hole, Bucket* bucket, Bucket* before);
  void split_one(Heap& heap);
  void merge_one(Heap& heap);
  // Calls visit(slot) for every entry's slot of a chain.
  template <typename Visit>
  static void visit_chain(const Bucket* bucket, Visit&& visit);

  const HashSeed* seed_;
  uint64_t size_ = 0;
  // The one segment when segment_capacity_ is 0, else an array of pointers to segments.
  union {
    Bucket* only_segment_ = nullptr;
    Bucket** segments_;
  };
  size_t bucket_count_ = 0;
  uint32_t segment_capacity_ = 0;  // of segments_
  uint32_t only_capacity_ = 0;     // buckets of only_segment_
  uint32_t chain_limit_ = 1;
};

// Bit 0 is a hash bit that no bucket index uses, so that keeping clear of the tags for "empty" and "link"
// changes no bit that a split looks at.
inline uint64_t Table::tag_of(uint64_t hash, unsigned depth) {
  const uint64_t tag = ((hash >> tag_bit_of(depth)) << 1 | hash >> 63) & 0xFFFF;
  if (tag == 0) return 1;
  return tag == kLinkTag ? kLinkTag - 1 : tag;
}

inline unsigned Table::depth_of(size_t index) const {
  STRATA_DASSERT(bucket_count_ > 0);
  const unsigned current = level();
  const size_t half = size_t{1} << current;
  return index < bucket_count_ - half || index >= half ? current + 1 : current;
}

inline size_t Table::index_of(uint64_t hash) const {
  STRATA_DASSERT(bucket_count_ > 0);
  const size_t half = size_t{1} << level();
  const size_t index = hash & (2 * half - 1);
  return index < bucket_count_ ? index : index - half;
}

inline Table::Probe Table::probe(uint64_t hash) const {
  const size_t index = index_of(hash);
  return {bucket_at(index), static_cast<uint16_t>(tag_of(hash, depth_of(index)))};
}

template <typename Visit>
void Table::visit_chain(const Bucket* bucket, Visit&& visit) {
  for (; bucket != nullptr; bucket = next_in_chain(bucket)) {
    for (size_t i = 0; i < kSlots && bucket->slots[i] != 0; ++i) {
      if (bucket->slots[i] >> kTagShift != kLinkTag) visit(bucket->slots[i]);
    }
  }
}

}  // namespace strata

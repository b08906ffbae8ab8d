#include "data/table.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "base/simd.h"
#include "memory/heap.h"

namespace strata {

// Overflow buckets on their way from one chain to another.
class Table::Spares {
 public:
  explicit Spares(Heap& heap) : heap_(heap) {}
  ~Spares() {
    while (first_ != nullptr) heap_.free(take());
  }
  Spares(const Spares&) = delete;
  Spares& operator=(const Spares&) = delete;

  void put(Bucket* bucket) {
    bucket->slots[0] = reinterpret_cast<uintptr_t>(first_);
    first_ = bucket;
  }
  // Empty. Null when there is none.
  Bucket* take() {
    Bucket* bucket = first_;
    if (bucket == nullptr) return nullptr;
    first_ = reinterpret_cast<Bucket*>(bucket->slots[0]);
    std::memset(bucket, 0, sizeof(Bucket));
    return bucket;
  }
  bool allocate(size_t count) {
    for (; count > 0; --count) {
      auto* bucket = static_cast<Bucket*>(heap_.allocate(sizeof(Bucket)));
      if (bucket == nullptr) return false;
      put(bucket);
    }
    return true;
  }

 private:
  Heap& heap_;
  Bucket* first_ = nullptr;
};

// Appends slots to the end of a chain.
class Table::ChainWriter {
 public:
  explicit ChainWriter(Bucket* primary) : bucket_(primary) {
    while (Bucket* next = next_in_chain(bucket_)) {
      bucket_ = next;
      ++length_;
    }
    const uint32_t empty = match_tags8(bucket_->slots, 0);
    used_ = empty == 0 ? kSlots : static_cast<size_t>(std::countr_zero(empty));
  }

  // False when the chain needs a further bucket and there is no spare one.
  bool append(uint64_t slot, Spares& spares) {
    if (used_ < kSlots) {
      bucket_->slots[used_++] = slot;
      return true;
    }
    Bucket* overflow = spares.take();
    if (overflow == nullptr) return false;
    overflow->slots[0] = bucket_->slots[kLinkSlot];
    overflow->slots[1] = slot;
    bucket_->slots[kLinkSlot] = make_slot(kLinkTag, overflow);
    bucket_ = overflow;
    used_ = 2;
    ++length_;
    return true;
  }
  bool full() const { return used_ == kSlots; }
  uint32_t length() const { return length_; }

 private:
  Bucket* bucket_;
  size_t used_ = 0;
  uint32_t length_ = 1;
};

Table* Table::create(Heap& heap, const HashSeed& seed) {
  void* memory = heap.allocate(sizeof(Table));
  if (memory == nullptr) return nullptr;
  auto* table = new (memory) Table(seed);
  table->only_segment_ = static_cast<Bucket*>(heap.allocate(sizeof(Bucket)));
  if (table->only_segment_ == nullptr) {
    heap.free(memory);
    return nullptr;
  }
  std::memset(table->only_segment_, 0, sizeof(Bucket));
  table->only_capacity_ = 1;
  table->bucket_count_ = 1;
  return table;
}

// The slot of the key, with its bucket and the one before it in the chain; null when it is not there.
uint64_t* Table::find_slot(Bytes key, uint64_t hash, Bucket*& bucket, Bucket*& before) const {
  const auto [first, tag] = probe(hash);
  before = nullptr;
  bucket = const_cast<Bucket*>(first);
  while (true) {
    for (uint32_t matches = match_tags8(bucket->slots, tag); matches != 0; matches &= matches - 1) {
      uint64_t* slot = &bucket->slots[std::countr_zero(matches)];
      if (entry_of(*slot)->key() == key) return slot;
    }
    Bucket* next = next_in_chain(bucket);
    if (next == nullptr) return nullptr;
    before = bucket;
    bucket = next;
  }
}

TableEntry* Table::find(Bytes key, uint64_t hash) const {
  Bucket* bucket;
  Bucket* before;
  const uint64_t* slot = find_slot(key, hash, bucket, before);
  return slot == nullptr ? nullptr : entry_of(*slot);
}

void Table::Probe::prefetch() const {
  const auto* first = reinterpret_cast<const char*>(bucket);
  prefetch_read(first);
  prefetch_read(first + sizeof(Bucket) - 1);  // a bucket may lie in two cache lines
}

uint64_t Table::Probe::first_match() const {
  for (const Bucket* at = bucket; at != nullptr; at = next_in_chain(at)) {
    const uint32_t matches = match_tags8(at->slots, tag);
    if (matches != 0) return at->slots[std::countr_zero(matches)];
  }
  return 0;
}

void Table::prefetch_bucket(uint64_t hash) const { probe(hash).prefetch(); }

void Table::prefetch_entry(uint64_t hash) const {
  const Probe at = probe(hash);
  for (uint32_t matches = match_tags8(at.bucket->slots, at.tag); matches != 0; matches &= matches - 1) {
    prefetch(entry_of(at.bucket->slots[std::countr_zero(matches)]));
  }
}

bool Table::insert(Heap& heap, TableEntry* entry, uint64_t hash) {
  const size_t index = index_of(hash);
  ChainWriter chain(bucket_at(index));
  Spares spares(heap);
  if (chain.full() && !spares.allocate(1)) return false;
  const bool appended = chain.append(make_slot(tag_of(hash, depth_of(index)), entry), spares);
  STRATA_ASSERT(appended);
  chain_limit_ = std::max(chain_limit_, chain.length());
  ++size_;
  if (size_ > kGrowLoad * bucket_count_) split_one(heap);
  return true;
}

TableEntry* Table::set_value(Heap& heap, TableEntry* entry, uint64_t hash, Bytes value) {
  Bucket* bucket;
  Bucket* before;
  uint64_t* slot = find_slot(entry->key(), hash, bucket, before);
  STRATA_ASSERT(slot != nullptr && entry_of(*slot) == entry);
  TableEntry* fresh = TableEntry::with_value(heap, entry, value);
  if (fresh != nullptr) *slot = make_slot(*slot >> kTagShift, fresh);
  return fresh;
}

TableEntry* Table::remove(Heap& heap, Bytes key, uint64_t hash) {
  Bucket* bucket;
  Bucket* before;
  uint64_t* slot = find_slot(key, hash, bucket, before);
  if (slot == nullptr) return nullptr;
  TableEntry* entry = entry_of(*slot);
  close_hole(heap, slot, bucket, before);
  --size_;
  if (bucket_count_ > 1 && size_ < kShrinkLoad * bucket_count_) merge_one(heap);
  return entry;
}

// Moves the chain's last slot into the hole; `bucket` is the hole's, `before` the one before that.
void Table::close_hole(Heap& heap, uint64_t* hole, Bucket* bucket, Bucket* before) {
  while (Bucket* next = next_in_chain(bucket)) {
    before = bucket;
    bucket = next;
  }
  size_t last = kSlots - 1;
  while (bucket->slots[last] == 0) --last;
  *hole = bucket->slots[last];
  bucket->slots[last] = 0;
  if (before != nullptr && last == 1) {
    before->slots[kLinkSlot] = bucket->slots[0];
    heap.free(bucket);
  }
}

// ---- Growing and shrinking -------------------------------------------------------------------------

// Room for bucket number bucket_count_, zeroed. Null when out of memory.
Table::Bucket* Table::add_bucket_room(Heap& heap) {
  if (bucket_count_ >= kMaxBuckets) return nullptr;
  if (segment_capacity_ == 0 && bucket_count_ < kSegmentBuckets) {
    if (bucket_count_ == only_capacity_) {
      const size_t capacity = 2 * size_t{only_capacity_};
      auto* larger = static_cast<Bucket*>(heap.reallocate(only_segment_, capacity * sizeof(Bucket)));
      if (larger == nullptr) return nullptr;
      only_segment_ = larger;
      only_capacity_ = static_cast<uint32_t>(capacity);
    }
  } else if (bucket_count_ % kSegmentBuckets == 0 && !add_segment(heap)) {
    return nullptr;
  }
  Bucket* bucket = bucket_at(bucket_count_);
  std::memset(bucket, 0, sizeof(Bucket));
  return bucket;
}

// A segment for bucket number bucket_count_, and a longer array of segments when it is full.
bool Table::add_segment(Heap& heap) {
  constexpr size_t kFirstCapacity = 4;
  const size_t count = bucket_count_ / kSegmentBuckets;
  auto* segment = static_cast<Bucket*>(heap.allocate(kSegmentBuckets * sizeof(Bucket)));
  if (segment == nullptr) return false;
  if (count >= segment_capacity_) {
    const size_t capacity = std::max(kFirstCapacity, 2 * count);
    void* old = segment_capacity_ == 0 ? nullptr : segments_;
    auto** longer = static_cast<Bucket**>(old == nullptr ? heap.allocate(capacity * sizeof(Bucket*))
                                                         : heap.reallocate(old, capacity * sizeof(Bucket*)));
    if (longer == nullptr) {
      heap.free(segment);
      return false;
    }
    if (old == nullptr) longer[0] = only_segment_;
    segments_ = longer;
    segment_capacity_ = static_cast<uint32_t>(capacity);
  }
  segments_[count] = segment;
  return true;
}

// Gives back the room of the last bucket, whose entries have moved, where a whole segment or half of the only
// one becomes free.
void Table::drop_last_bucket(Heap& heap) {
  --bucket_count_;
  if (segment_capacity_ == 0) {
    if (bucket_count_ > only_capacity_ / 4) return;
    const size_t capacity = only_capacity_ / 2;
    auto* smaller = static_cast<Bucket*>(heap.reallocate(only_segment_, capacity * sizeof(Bucket)));
    if (smaller == nullptr) return;
    only_segment_ = smaller;
    only_capacity_ = static_cast<uint32_t>(capacity);
    return;
  }
  if (bucket_count_ % kSegmentBuckets != 0) return;
  const size_t count = bucket_count_ / kSegmentBuckets;
  heap.free(segments_[count]);
  if (count == 1) {
    Bucket* only = segments_[0];
    heap.free(segments_);
    only_segment_ = only;
    only_capacity_ = kSegmentBuckets;
    segment_capacity_ = 0;
  } else if (count * 4 <= segment_capacity_) {
    const size_t capacity = segment_capacity_ / 2;
    auto** shorter = static_cast<Bucket**>(heap.reallocate(segments_, capacity * sizeof(Bucket*)));
    if (shorter == nullptr) return;
    segments_ = shorter;
    segment_capacity_ = static_cast<uint32_t>(capacity);
  }
}

// The slot with the tag that it has at this depth.
uint64_t Table::renewed(uint64_t slot, unsigned depth) const {
  TableEntry* entry = entry_of(slot);
  return make_slot(tag_of(hash(entry->key()), depth), entry);
}

// Divides the next bucket in turn. Without memory the table stays as it is, a little fuller. The two chains
// never need more overflow buckets than the one had: m buckets with up to 7m + 1 entries become chains that
// together fit 2 + (m - 1) buckets, and each overflow bucket is free once it has been read.
void Table::split_one(Heap& heap) {
  Bucket* high = add_bucket_room(heap);
  if (high == nullptr) return;
  const unsigned bit = level();
  Bucket* low = bucket_at(bucket_count_ - (size_t{1} << bit));
  ++bucket_count_;
  const unsigned depth = bit + 1;
  const bool renew = depth % kTagRenewal == 0;
  const unsigned tag_bit = kTagShift + 1 + bit % kTagRenewal;
  if (renew) {
    visit_chain(low, [](uint64_t slot) { prefetch_read(entry_of(slot)); });
  }

  Spares spares(heap);
  Bucket read = *low;
  std::memset(low, 0, sizeof(Bucket));
  ChainWriter low_chain(low);
  ChainWriter high_chain(high);
  while (true) {
    Bucket* next = next_in_chain(&read);
    for (size_t i = 0; i < (next == nullptr ? kSlots : kLinkSlot) && read.slots[i] != 0; ++i) {
      const uint64_t slot = read.slots[i];
      ChainWriter& chain = slot >> tag_bit & 1 ? high_chain : low_chain;
      const bool appended = chain.append(renew ? renewed(slot, depth) : slot, spares);
      STRATA_ASSERT(appended);
    }
    if (next == nullptr) break;
    read = *next;
    spares.put(next);
  }
}

// Appends the last bucket's chain to that of the bucket it was split from. Two spare buckets suffice, because
// appending 7 entries takes one more and frees one, and the first 8 may take two.
void Table::merge_one(Heap& heap) {
  const unsigned bit = static_cast<unsigned>(std::bit_width(bucket_count_ - 1)) - 1;
  Bucket* low = bucket_at(bucket_count_ - 1 - (size_t{1} << bit));
  Bucket read = *bucket_at(bucket_count_ - 1);
  const bool renew = (bit + 1) % kTagRenewal == 0;
  size_t entries = 0;
  visit_chain(low, [&](uint64_t) { ++entries; });
  visit_chain(&read, [&](uint64_t) { ++entries; });
  Spares spares(heap);
  if (entries > kSlots && !spares.allocate(2)) return;

  if (renew) {
    for (Bucket* bucket = low; bucket != nullptr; bucket = next_in_chain(bucket)) {
      const size_t slots = next_in_chain(bucket) == nullptr ? kSlots : kLinkSlot;
      for (size_t i = 0; i < slots && bucket->slots[i] != 0; ++i) {
        bucket->slots[i] = renewed(bucket->slots[i], bit);
      }
    }
  }
  ChainWriter chain(low);
  while (true) {
    Bucket* next = next_in_chain(&read);
    for (size_t i = 0; i < (next == nullptr ? kSlots : kLinkSlot) && read.slots[i] != 0; ++i) {
      const bool appended = chain.append(renew ? renewed(read.slots[i], bit) : read.slots[i], spares);
      STRATA_ASSERT(appended);
    }
    if (next == nullptr) break;
    read = *next;
    spares.put(next);
  }
  chain_limit_ = std::max(chain_limit_, chain.length());
  drop_last_bucket(heap);
}

}  // namespace strata

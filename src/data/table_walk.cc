// What goes through a whole table: visiting, scanning, choosing at random, copying, destroying, measuring.

#include <algorithm>

#include "base/assert.h"
#include "base/simd.h"
#include "data/table.h"
#include "memory/heap.h"

namespace strata {
namespace {

uint64_t reverse_bits(uint64_t bits) {
  bits = __builtin_bswap64(bits);
  bits = (bits & 0x0F0F0F0F0F0F0F0F) << 4 | (bits >> 4 & 0x0F0F0F0F0F0F0F0F);
  bits = (bits & 0x3333333333333333) << 2 | (bits >> 2 & 0x3333333333333333);
  return (bits & 0x5555555555555555) << 1 | (bits >> 1 & 0x5555555555555555);
}

}  // namespace

bool Table::visit_some(uint64_t& cursor, size_t budget, Visitor visit) const {
  size_t visited = 0;
  while (cursor < bucket_count_) {
    if (visited >= budget) return false;
    // The entries of the next bucket are fetched while those of this one are used.
    if (cursor + 1 < bucket_count_) {
      for (uint64_t slot : bucket_at(cursor + 1)->slots) prefetch_read(entry_of(slot));
    }
    visit_chain(bucket_at(cursor), [&](uint64_t slot) {
      visit(entry_of(slot));
      ++visited;
    });
    ++cursor;
  }
  return true;
}

bool Table::walk_some(uint64_t& cursor, size_t budget, std::vector<Walked>& walked) const {
  const size_t enough = walked.size() + budget;
  for (; cursor < bucket_count_; ++cursor) {
    if (walked.size() >= enough) return false;
    const auto bucket = static_cast<uint32_t>(cursor);
    const unsigned tag_bit = tag_bit_of(depth_of(cursor));
    visit_chain(bucket_at(cursor), [&](uint64_t slot) { walked.push_back({slot, bucket, tag_bit}); });
  }
  return true;
}

// The bits that the other table's index and tag tell suffice for an index at any depth with the same tag bit,
// and then the tags are equal bit for bit. A bucket that too few bits have led to has another depth.
Table::Probe Table::probe(const Walked& walked) const {
  const uint64_t below_tag = walked.bucket & ((uint64_t{1} << walked.tag_bit) - 1);
  const size_t index = index_of((walked.slot >> (kTagShift + 1)) << walked.tag_bit | below_tag);
  if (tag_bit_of(depth_of(index)) != walked.tag_bit) [[unlikely]]
    return probe(hash(walked.entry()->key()));
  return {bucket_at(index), static_cast<uint16_t>(walked.slot >> kTagShift)};
}

size_t Table::filter(const Table& other, std::span<Walked> entries, bool wanted) const {
  STRATA_ASSERT(seed_ == other.seed_);
  constexpr size_t kTogether = 16;  // as many look-ups as a core has misses under way, about
  Probe probes[kTogether];
  uint64_t matches[kTogether];
  const unsigned tag_bit = tag_bit_of(level());
  size_t kept = 0;
  for (size_t first = 0; first < entries.size(); first += kTogether) {
    const auto group = entries.subspan(first, std::min(kTogether, entries.size() - first));
    for (const Walked& walked : group) {
      if (walked.tag_bit != tag_bit) prefetch(walked.entry());
    }
    for (size_t i = 0; i < group.size(); ++i) {
      probes[i] = probe(group[i]);
      probes[i].prefetch();
    }
    for (size_t i = 0; i < group.size(); ++i) {
      matches[i] = probes[i].first_match();
      if (matches[i] == 0) continue;
      prefetch(entry_of(matches[i]));
      prefetch(group[i].entry());
    }
    for (size_t i = 0; i < group.size(); ++i) {
      bool is_there = matches[i] != 0;
      if (is_there) {
        const Bytes key = group[i].entry()->key();
        is_there = entry_of(matches[i])->key() == key || find(key) != nullptr;
      }
      if (is_there == wanted) entries[kept++] = group[i];
    }
  }
  return kept;
}

// A bucket of depth d holds the hashes that end in its d bits. Read backwards those are an interval of all
// hashes, so counting upwards in bit-reversed order, from the end of one bucket's interval to the next, meets
// every hash once even if buckets split and merge between calls.
uint64_t Table::scan(uint64_t cursor, Visitor visit) const {
  const size_t index = index_of(cursor);
  visit_chain(bucket_at(index), [&](uint64_t slot) { visit(entry_of(slot)); });
  const unsigned depth = depth_of(index);
  if (depth == 0) return 0;
  const uint64_t mask = (uint64_t{1} << depth) - 1;
  return reverse_bits(reverse_bits(cursor | ~mask) + 1);
}

uint64_t Table::scan_some(uint64_t cursor, size_t count, Visitor visit) const {
  constexpr size_t kBucketsForEntry = 10;
  size_t buckets = count > SIZE_MAX / kBucketsForEntry ? SIZE_MAX : count * kBucketsForEntry;
  size_t visited = 0;
  do {
    cursor = scan(cursor, [&](TableEntry* entry) {
      visit(entry);
      ++visited;
    });
  } while (cursor != 0 && visited < count && --buckets > 0);
  return cursor;
}

// Draws one of the positions that the longest possible chain would have in every bucket, until there is an
// entry.
TableEntry* Table::random(Random& random) const {
  STRATA_ASSERT(size_ > 0);
  const uint64_t positions = kLinkSlot * chain_limit_ + 1;
  while (true) {
    const uint64_t drawn = random.below(bucket_count_ * positions);
    const Bucket* bucket = bucket_at(drawn / positions);
    size_t position = drawn % positions;
    while (position >= kLinkSlot) {
      const Bucket* next = next_in_chain(bucket);
      if (next == nullptr) break;
      bucket = next;
      position -= kLinkSlot;
    }
    if (position < kSlots && bucket->slots[position] != 0) return entry_of(bucket->slots[position]);
  }
}

Table* Table::copy(Heap& heap, const Table& table) {
  Table* copy = create(heap, *table.seed_);
  if (copy == nullptr) return nullptr;
  bool complete = true;
  uint64_t cursor = 0;
  table.visit_some(cursor, SIZE_MAX, [&](TableEntry* entry) {
    if (!complete) return;
    TableEntry* twin = TableEntry::copy(heap, entry);
    complete = twin != nullptr;
    if (!complete || copy->insert(heap, twin, copy->hash(twin->key()))) return;
    TableEntry::destroy(heap, twin);
    complete = false;
  });
  if (complete) return copy;
  destroy(heap, copy);
  return nullptr;
}

bool Table::destroy_some(Heap& heap, Table* table, size_t budget) {
  size_t destroyed = 0;
  while (table->bucket_count_ > 0) {
    if (destroyed >= budget) return false;
    const size_t last = --table->bucket_count_;
    Bucket* primary = table->bucket_at(last);
    for (Bucket* bucket = primary; bucket != nullptr;) {
      Bucket* next = next_in_chain(bucket);
      for (size_t i = 0; i < (next == nullptr ? kSlots : kLinkSlot) && bucket->slots[i] != 0; ++i) {
        TableEntry::destroy(heap, entry_of(bucket->slots[i]));
        ++destroyed;
      }
      if (bucket != primary) heap.free(bucket);
      bucket = next;
    }
    if (last % kSegmentBuckets == 0) heap.free(primary);
  }
  if (table->segment_capacity_ != 0) heap.free(table->segments_);
  heap.free(table);
  return true;
}

void Table::destroy(Heap& heap, Table* table) {
  const bool gone = destroy_some(heap, table, SIZE_MAX);
  STRATA_ASSERT(gone);
}

void Table::check() const {
  uint64_t entries = 0;
  for (size_t index = 0; index < bucket_count_; ++index) {
    uint32_t length = 0;
    for (const Bucket* bucket = bucket_at(index); bucket != nullptr; bucket = next_in_chain(bucket)) {
      ++length;
      const uint32_t empty = match_tags8(bucket->slots, 0);
      STRATA_ASSERT((empty & (empty + (empty & -empty))) == 0 && (empty == 0 || empty >> kLinkSlot == 1));
      STRATA_ASSERT(length == 1 || bucket->slots[1] != 0);
    }
    STRATA_ASSERT(length <= chain_limit_);
    visit_chain(bucket_at(index), [&](uint64_t slot) {
      ++entries;
      const uint64_t key_hash = hash(entry_of(slot)->key());
      STRATA_ASSERT(index_of(key_hash) == index && tag_of(key_hash, depth_of(index)) == slot >> kTagShift);
    });
  }
  STRATA_ASSERT(entries == size_);
}

size_t Table::memory(size_t samples) const {
  size_t bytes = Heap::usable_size(this);
  const size_t wanted = samples == 0 ? SIZE_MAX : samples;
  size_t entries = 0;
  size_t entry_bytes = 0;
  uint64_t buckets = 0;
  visit_some(buckets, wanted, [&](TableEntry* entry) {
    ++entries;
    entry_bytes += entry->memory();
  });
  if (entries > 0) bytes += static_cast<size_t>(static_cast<double>(entry_bytes) / entries * size_);

  if (segment_capacity_ == 0) return bytes + Heap::usable_size(only_segment_);
  const size_t segments = (bucket_count_ + kSegmentBuckets - 1) / kSegmentBuckets;
  return bytes + Heap::usable_size(segments_) + segments * Heap::usable_size(segments_[0]);
}

}  // namespace strata

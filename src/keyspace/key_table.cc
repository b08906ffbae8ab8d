#include "keyspace/key_table.h"

#include <bit>
#include <cstring>

#include "base/assert.h"
#include "base/simd.h"
#include "keyspace/graveyard.h"
#include "memory/heap.h"

#if defined(__SANITIZE_THREAD__)
#define STRATA_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define STRATA_THREAD_SANITIZER 1
#endif
#endif
#ifndef STRATA_THREAD_SANITIZER
#define STRATA_THREAD_SANITIZER 0
#endif

namespace strata {

// What a reader outside the shard needs, behind one pointer: any bucket_count that was ever stored here
// belongs to these segments.
struct KeyTable::Layout {
  std::atomic<size_t> bucket_count;
  size_t first_capacity;    // buckets in the first segment
  size_t segment_capacity;  // length of `segments`
  std::atomic<Bucket*> segments[];
};

struct KeyTable::Detached {
  Heap* heap;
  Graveyard* graveyard;
  Layout* layout;
  size_t next_bucket;
};

namespace {

uint64_t reverse_bits(uint64_t v) {
  v = (v >> 1 & 0x5555555555555555) | (v & 0x5555555555555555) << 1;
  v = (v >> 2 & 0x3333333333333333) | (v & 0x3333333333333333) << 2;
  v = (v >> 4 & 0x0F0F0F0F0F0F0F0F) | (v & 0x0F0F0F0F0F0F0F0F) << 4;
  return __builtin_bswap64(v);
}

uint64_t load(const uint64_t& slot) {
  return std::atomic_ref<uint64_t>(const_cast<uint64_t&>(slot)).load(std::memory_order_relaxed);
}
void store(uint64_t& slot, uint64_t value) {
  std::atomic_ref<uint64_t>(slot).store(value, std::memory_order_relaxed);
}

// match_tags8 on slots that another thread may be writing: a stale or mixed answer only costs a useless
// prefetch. The thread sanitizer cannot know that vector loads of aligned words do not tear them, so it gets
// atomic ones.
uint32_t match_tags8_outside(const uint64_t* slots, uint16_t tag) {
#if STRATA_THREAD_SANITIZER
  uint32_t matches = 0;
  for (int i = 0; i < 8; ++i) matches |= static_cast<uint32_t>(load(slots[i]) >> kTagShift == tag) << i;
  return matches;
#else
  return match_tags8(slots, tag);
#endif
}

}  // namespace

uint64_t KeyTable::tag_of(uint64_t hash) {
  uint64_t tag = hash >> kTagShift;
  if (tag == 0) return 1;
  return tag == kLinkTag ? kLinkTag - 1 : tag;
}

size_t KeyTable::bucket_index(uint64_t hash, size_t bucket_count) {
  size_t wide = std::bit_ceil(bucket_count) - 1;  // mask of 2^(level+1), or of 2^level when split is 0
  size_t index = hash & wide;
  return index < bucket_count ? index : index & (wide >> 1);
}

KeyTable::Bucket* KeyTable::bucket_at(const Layout* layout, size_t index) {
  Bucket* segment = layout->segments[index >> kSegmentShift].load(std::memory_order_relaxed);
  return segment + (index & (kSegmentBuckets - 1));
}

KeyTable::Bucket* KeyTable::next_in_chain(const Bucket* bucket) {
  uint64_t last = bucket->slots[kLinkSlot];
  if (last >> kTagShift != kLinkTag) return nullptr;
  return reinterpret_cast<Bucket*>(last & kPointerMask);
}

void KeyTable::prefetch_bucket(uint64_t hash) const {
  const Layout* layout = layout_.load(std::memory_order_acquire);
  if (!layout) return;
  size_t index = bucket_index(hash, layout->bucket_count.load(std::memory_order_acquire));
  const Bucket* segment = layout->segments[index >> kSegmentShift].load(std::memory_order_acquire);
  if (segment) __builtin_prefetch(segment + (index & (kSegmentBuckets - 1)));
}

void KeyTable::prefetch_entry(uint64_t hash) const {
  const Layout* layout = layout_.load(std::memory_order_acquire);
  if (!layout) return;
  size_t index = bucket_index(hash, layout->bucket_count.load(std::memory_order_acquire));
  const Bucket* segment = layout->segments[index >> kSegmentShift].load(std::memory_order_acquire);
  if (!segment) return;
  const Bucket* bucket = segment + (index & (kSegmentBuckets - 1));
  uint64_t tag = tag_of(hash);
  for (uint32_t matches = match_tags8_outside(bucket->slots, static_cast<uint16_t>(tag)); matches;
       matches &= matches - 1) {
    const char* entry =
        reinterpret_cast<const char*>(load(bucket->slots[std::countr_zero(matches)]) & kPointerMask);
    __builtin_prefetch(entry);
    __builtin_prefetch(entry + 64);
  }
}

uint64_t* KeyTable::find_slot(Bytes key, uint64_t hash, Bucket** in_bucket, Bucket** primary) const {
  const Layout* layout = layout_.load(std::memory_order_relaxed);
  if (!layout) return nullptr;
  Bucket* bucket =
      bucket_at(layout, bucket_index(hash, layout->bucket_count.load(std::memory_order_relaxed)));
  if (primary) *primary = bucket;
  uint16_t tag = static_cast<uint16_t>(tag_of(hash));
  for (; bucket; bucket = next_in_chain(bucket)) {
    for (uint32_t matches = match_tags8(bucket->slots, tag); matches; matches &= matches - 1) {
      uint64_t& slot = bucket->slots[std::countr_zero(matches)];
      const auto* entry = reinterpret_cast<const Entry*>(slot & kPointerMask);
      if (entry->key() == key) {
        if (in_bucket) *in_bucket = bucket;
        return &slot;
      }
    }
  }
  return nullptr;
}

Entry* KeyTable::find(Bytes key, uint64_t hash) const {
  const uint64_t* slot = find_slot(key, hash, nullptr, nullptr);
  return slot ? reinterpret_cast<Entry*>(*slot & kPointerMask) : nullptr;
}

void KeyTable::relocate(const Entry* from, Entry* to, uint64_t hash) {
  const Layout* layout = layout_.load(std::memory_order_relaxed);
  Bucket* bucket =
      bucket_at(layout, bucket_index(hash, layout->bucket_count.load(std::memory_order_relaxed)));
  uint64_t tag = tag_of(hash) << kTagShift;
  for (; bucket; bucket = next_in_chain(bucket)) {
    for (uint64_t& slot : bucket->slots) {
      if (slot == (tag | reinterpret_cast<uint64_t>(from))) {
        store(slot, tag | reinterpret_cast<uint64_t>(to));
        return;
      }
    }
  }
  STRATA_ASSERT(false, "a moved entry was not in the table");
}

// Puts a slot's word into the chain of `primary`. Overflow buckets come from `spare` first, then from the
// heap; false when that is exhausted.
bool KeyTable::place(Bucket* primary, uint64_t slot, Bucket** spare) {
  Bucket* bucket = primary;
  while (Bucket* next = next_in_chain(bucket)) bucket = next;
  for (uint64_t& candidate : bucket->slots) {
    if (candidate == 0) {
      store(candidate, slot);
      return true;
    }
  }
  Bucket* overflow = *spare;
  if (overflow) {
    *spare = reinterpret_cast<Bucket*>(overflow->slots[0]);
  } else if (!(overflow = allocate_buckets(1))) {
    return false;
  }
  std::memset(overflow->slots, 0, sizeof overflow->slots);
  overflow->slots[0] = bucket->slots[kLinkSlot];
  overflow->slots[1] = slot;
  STRATA_DASSERT(reinterpret_cast<uint64_t>(overflow) <= kPointerMask);
  store(bucket->slots[kLinkSlot], kLinkTag << kTagShift | reinterpret_cast<uint64_t>(overflow));
  return true;
}

// Overflow buckets are read only inside the shard, so they are freed at once.
void KeyTable::free_spare(Bucket* spare) {
  while (spare) {
    Bucket* next = reinterpret_cast<Bucket*>(spare->slots[0]);
    memory_bytes_ -= sizeof(Bucket);
    heap_->free(spare);
    spare = next;
  }
}

KeyTable::Bucket* KeyTable::allocate_buckets(size_t count) {
  void* block = heap_->allocate(count * sizeof(Bucket));
  if (!block) return nullptr;
  STRATA_DASSERT(reinterpret_cast<uintptr_t>(block) % sizeof(Bucket) == 0);
  std::memset(block, 0, count * sizeof(Bucket));
  memory_bytes_ += count * sizeof(Bucket);
  return static_cast<Bucket*>(block);
}

size_t KeyTable::bucket_count() const {
  const Layout* layout = layout_.load(std::memory_order_relaxed);
  return layout ? layout->bucket_count.load(std::memory_order_relaxed) : 0;
}

bool KeyTable::insert(Entry* entry, uint64_t hash) {
  STRATA_DASSERT(reinterpret_cast<uint64_t>(entry) <= kPointerMask);
  if (!layout_.load(std::memory_order_relaxed) && !add_bucket_room()) return false;
  Layout* layout = layout_.load(std::memory_order_relaxed);
  Bucket* primary = bucket_at(layout, bucket_index(hash, bucket_count()));
  Bucket* spare = nullptr;
  if (!place(primary, tag_of(hash) << kTagShift | reinterpret_cast<uint64_t>(entry), &spare)) return false;
  size_t count = count_.load(std::memory_order_relaxed) + 1;
  count_.store(count, std::memory_order_relaxed);
  if (count > bucket_count() * kGrowLoad) split_one();
  return true;
}

Entry* KeyTable::remove(Bytes key, uint64_t hash) {
  Bucket* bucket = nullptr;
  Bucket* primary = nullptr;
  uint64_t* slot = find_slot(key, hash, &bucket, &primary);
  if (!slot) return nullptr;
  auto* entry = reinterpret_cast<Entry*>(*slot & kPointerMask);
  if (!next_in_chain(primary)) {
    store(*slot, 0);
  } else {
    // Rule 1: the chain's last entry fills the hole.
    Bucket* before_last = nullptr;
    Bucket* last = primary;
    while (Bucket* next = next_in_chain(last)) before_last = last, last = next;
    size_t used = kSlots;
    while (last->slots[used - 1] == 0) --used;
    store(*slot, last->slots[used - 1]);
    store(last->slots[used - 1], 0);
    if (used == 1) {
      store(before_last->slots[kLinkSlot], 0);
      last->slots[0] = 0;
      free_spare(last);
    }
  }
  size_t count = count_.load(std::memory_order_relaxed) - 1;
  count_.store(count, std::memory_order_relaxed);
  if (bucket_count() > 1 && count < bucket_count() * kShrinkLoad) merge_one();
  return entry;
}

// Empties the chain that starts at `from` and places every slot again in the bucket that target(slot) names.
// The overflow buckets of the old chain and `spare` must suffice for the new ones.
template <typename Target>
void KeyTable::redistribute(Bucket* from, Bucket* spare, Target&& target) {
  Bucket* source = from;
  while (source) {
    uint64_t slots[kSlots];
    std::memcpy(slots, source->slots, sizeof slots);
    Bucket* next = next_in_chain(source);
    if (next) slots[kLinkSlot] = 0;
    if (source == from) {
      for (uint64_t& slot : source->slots) store(slot, 0);
    } else {
      source->slots[0] = reinterpret_cast<uint64_t>(spare);
      spare = source;
    }
    for (uint64_t slot : slots) {
      if (!slot) continue;
      bool placed = place(target(slot), slot, &spare);
      STRATA_ASSERT(placed);
    }
    source = next;
  }
  free_spare(spare);
}

void KeyTable::split_one() {
  size_t count = bucket_count();
  if (!add_bucket_room()) return;  // out of memory: chains grow longer instead
  Layout* layout = layout_.load(std::memory_order_relaxed);
  size_t low = count & (std::bit_floor(count) - 1);
  Bucket* from = bucket_at(layout, low);
  Bucket* to = bucket_at(layout, count);
  for (uint64_t& slot : to->slots) store(slot, 0);
  for (const Bucket* bucket = from; bucket; bucket = next_in_chain(bucket)) {
    for (uint64_t slot : bucket->slots) {
      if (slot) __builtin_prefetch(reinterpret_cast<const void*>(slot & kPointerMask));
    }
  }
  // No spare bucket is needed: n entries in two chains never overflow into more of them than in one.
  uint64_t high_bit = std::bit_floor(count);
  redistribute(from, nullptr, [&](uint64_t slot) {
    const auto* entry = reinterpret_cast<const Entry*>(slot & kPointerMask);
    return hash_bytes(entry->key(), *seed_) & high_bit ? to : from;
  });
  layout->bucket_count.store(count + 1, std::memory_order_release);
}

// Overflow buckets for the entries of one chain behind another: each takes seven, because one slot becomes
// the link.
bool KeyTable::spare_for_merge(const Bucket* from, const Bucket* to, Bucket** spare) {
  auto entries = [](const Bucket* bucket) {
    size_t count = 0;
    for (; bucket; bucket = next_in_chain(bucket)) {
      for (uint64_t slot : bucket->slots) count += slot != 0 && slot >> kTagShift != kLinkTag;
    }
    return count;
  };
  const Bucket* last = to;
  while (const Bucket* next = next_in_chain(last)) last = next;
  size_t room = kSlots - entries(last);
  size_t coming = entries(from);
  for (; coming > room; room += kSlots - 1) {
    Bucket* bucket = allocate_buckets(1);
    if (!bucket) return free_spare(*spare), false;
    bucket->slots[0] = reinterpret_cast<uint64_t>(*spare);
    *spare = bucket;
  }
  return true;
}

void KeyTable::merge_one() {
  Layout* layout = layout_.load(std::memory_order_relaxed);
  size_t last = bucket_count() - 1;
  Bucket* from = bucket_at(layout, last);
  Bucket* to = bucket_at(layout, last & (std::bit_floor(last) - 1));
  Bucket* spare = nullptr;
  if (!spare_for_merge(from, to, &spare)) return;
  layout->bucket_count.store(last, std::memory_order_release);
  redistribute(from, spare, [to](uint64_t) { return to; });
  if ((last & (kSegmentBuckets - 1)) == 0 && last >= kSegmentBuckets) {
    graveyard_->bury(layout->segments[last >> kSegmentShift].exchange(nullptr, std::memory_order_relaxed));
    memory_bytes_ -= kSegmentBuckets * sizeof(Bucket);
  }
}

// Makes sure that the layout has room for one more bucket. The first call makes the table's first bucket.
bool KeyTable::add_bucket_room() {
  Layout* old = layout_.load(std::memory_order_relaxed);
  size_t count = bucket_count();
  if (old && count < kSegmentBuckets && count < old->first_capacity) return true;
  size_t segment = count >> kSegmentShift;
  if (old && count >= kSegmentBuckets && segment < old->segment_capacity) {
    if (old->segments[segment].load(std::memory_order_relaxed)) return true;
    Bucket* fresh = allocate_buckets(kSegmentBuckets);
    if (fresh) old->segments[segment].store(fresh, std::memory_order_release);
    return fresh != nullptr;
  }

  // A new layout: a larger first segment, or a longer list of segments.
  size_t first_capacity = old ? old->first_capacity : 0;
  bool grow_first = first_capacity < kSegmentBuckets;
  size_t segment_capacity = grow_first ? 1 : old->segment_capacity * 2;
  void* block = heap_->allocate(sizeof(Layout) + segment_capacity * sizeof(std::atomic<Bucket*>));
  if (!block) return false;
  auto* layout = new (block) Layout;
  layout->segment_capacity = segment_capacity;
  layout->first_capacity = grow_first ? std::max<size_t>(1, first_capacity * 2) : first_capacity;
  layout->bucket_count.store(std::max<size_t>(1, count), std::memory_order_relaxed);
  for (size_t i = 0; i < segment_capacity; ++i) {
    new (&layout->segments[i]) std::atomic<Bucket*>(!grow_first && i < old->segment_capacity
                                                        ? old->segments[i].load(std::memory_order_relaxed)
                                                        : nullptr);
  }
  Bucket* fresh = allocate_buckets(grow_first ? layout->first_capacity : kSegmentBuckets);
  if (!fresh) {
    heap_->free(block);
    return false;
  }
  Bucket* before = nullptr;
  if (grow_first) {
    if (old) {
      before = old->segments[0].load(std::memory_order_relaxed);
      std::memcpy(static_cast<void*>(fresh), before, count * sizeof(Bucket));
      memory_bytes_ -= first_capacity * sizeof(Bucket);
    }
    layout->segments[0].store(fresh, std::memory_order_relaxed);
  } else {
    layout->segments[segment].store(fresh, std::memory_order_relaxed);
  }
  layout_.store(layout, std::memory_order_release);
  memory_bytes_ += Heap::usable_size(layout);
  if (old) {
    memory_bytes_ -= Heap::usable_size(old);
    graveyard_->bury(old);
    if (before) graveyard_->bury(before);
  }
  return true;
}

uint64_t KeyTable::scan(uint64_t cursor, FunctionRef<void(Entry*)> visit) const {
  const Layout* layout = layout_.load(std::memory_order_relaxed);
  if (!layout) return 0;
  size_t count = bucket_count();
  size_t index = bucket_index(cursor, count);
  for (Bucket* bucket = bucket_at(layout, index); bucket;) {
    Bucket* next = next_in_chain(bucket);
    size_t slots = next ? kLinkSlot : kSlots;
    for (size_t i = 0; i < slots; ++i) {
      if (bucket->slots[i]) visit(reinterpret_cast<Entry*>(bucket->slots[i] & kPointerMask));
    }
    bucket = next;
  }
  // How many low bits of the hash this bucket stands for; the next interval follows in bit-reversed order.
  size_t narrow = std::bit_floor(count);
  bool is_split = (index & (narrow - 1)) + narrow < count;
  uint64_t mask = (is_split ? narrow * 2 : narrow) - 1;
  cursor |= ~mask;
  return reverse_bits(reverse_bits(cursor) + 1);
}

Entry* KeyTable::random(Random& random) const {
  const Layout* layout = layout_.load(std::memory_order_relaxed);
  if (count() == 0) return nullptr;
  // A random slot of a random bucket, taken again while it is empty: every entry of a primary bucket is
  // equally likely; a chain is given as many chances as it has buckets.
  for (;;) {
    Bucket* bucket = bucket_at(layout, random.below(bucket_count()));
    size_t chain = 1;
    for (Bucket* next = next_in_chain(bucket); next; next = next_in_chain(next)) ++chain;
    constexpr size_t kChainChances = 4;
    size_t pick = random.below(std::max(chain, kChainChances));
    if (pick >= chain) continue;
    while (pick--) bucket = next_in_chain(bucket);
    uint64_t slot = bucket->slots[random.below(kSlots)];
    if (slot && slot >> kTagShift != kLinkTag) return reinterpret_cast<Entry*>(slot & kPointerMask);
  }
}

KeyTable::Detached* KeyTable::detach() {
  Layout* layout = layout_.load(std::memory_order_relaxed);
  if (!layout) return nullptr;
  auto* detached = new Detached{heap_, graveyard_, layout, 0};
  layout_.store(nullptr, std::memory_order_release);
  count_.store(0, std::memory_order_relaxed);
  memory_bytes_ = 0;
  return detached;
}

bool KeyTable::drain(Detached* detached, size_t budget, FunctionRef<void(Entry*)> free_entry) {
  // What detach() filled in, which the analyzer does not follow.
  Layout* layout = detached->layout;  // NOLINT(clang-analyzer-core.uninitialized.Assign)
  size_t bucket_count = layout->bucket_count.load(std::memory_order_relaxed);
  size_t& i = detached->next_bucket;
  for (size_t freed = 0; i < bucket_count && freed < budget; ++i) {
    Bucket* primary = bucket_at(layout, i);
    for (Bucket* bucket = primary; bucket;) {
      Bucket* next = next_in_chain(bucket);
      size_t slots = next ? kLinkSlot : kSlots;
      for (size_t s = 0; s < slots; ++s) {
        if (!bucket->slots[s]) continue;
        free_entry(reinterpret_cast<Entry*>(bucket->slots[s] & kPointerMask));
        ++freed;
      }
      if (bucket != primary) detached->heap->free(bucket);
      bucket = next;
    }
  }
  if (i < bucket_count) return false;
  for (size_t s = 0; s < layout->segment_capacity; ++s) {
    if (Bucket* segment = layout->segments[s].load(std::memory_order_relaxed))
      detached->graveyard->bury(segment);
  }
  detached->graveyard->bury(layout);
  delete detached;
  return true;
}

KeyTable::~KeyTable() {
  Detached* detached = detach();
  if (detached) drain(detached, SIZE_MAX, [this](Entry* entry) { heap_->free(entry); });
}

}  // namespace strata

#include "data/stream_producers.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "base/assert.h"
#include "data/id_tree.h"
#include "data/named_list.h"
#include "memory/heap.h"

namespace strata {
namespace {

// One idempotent ID; its text lies behind.
struct Remembered {
  StreamId entry;
  Remembered* next_same;  // with the same hash
  uint32_t text_bytes;
  char text[];

  Bytes view() const { return {text, text_bytes}; }
};

// FNV-1a, unseeded: whoever makes hashes collide has his own XADDs walk a chain, of kIdempotenceEntriesMax at
// most.
StreamId hash_key(Bytes text) {
  uint64_t hash = 0xCBF29CE484222325;
  for (char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001B3;
  return {hash, 0};
}

struct Producer {
  IdTree by_entry;
  IdTree by_hash;
  uint32_t name_bytes;
  char text[];

  Bytes name() const { return {text, name_bytes}; }

  static Producer* create(Heap& heap, Bytes name) {
    void* block = heap.allocate(sizeof(Producer) + name.size());
    if (block == nullptr) return nullptr;
    auto* producer = new (block) Producer;
    producer->name_bytes = static_cast<uint32_t>(name.size());
    std::memcpy(producer->text, name.data(), name.size());
    return producer;
  }

  Remembered* find(Bytes unique) const {
    auto* at = static_cast<Remembered*>(by_hash.find(hash_key(unique)));
    while (at != nullptr && at->view() != unique) at = at->next_same;
    return at;
  }

  bool add(Heap& heap, Bytes unique, StreamId entry) {
    auto* fresh = static_cast<Remembered*>(heap.allocate(sizeof(Remembered) + unique.size()));
    if (fresh == nullptr) return false;
    fresh->entry = entry;
    fresh->next_same = nullptr;
    fresh->text_bytes = static_cast<uint32_t>(unique.size());
    std::memcpy(fresh->text, unique.data(), unique.size());
    IdTree::Position same = by_hash.at_or_after(hash_key(unique));
    bool is_shared = !same.done() && same.id() == hash_key(unique);
    if (!by_entry.insert(heap, entry, fresh)) {
      heap.free(fresh);
      return false;
    }
    if (is_shared) {
      fresh->next_same = static_cast<Remembered*>(same.value());
      same.set_value(fresh);
    } else if (!by_hash.insert(heap, hash_key(unique), fresh)) {
      by_entry.erase(heap, entry);
      heap.free(fresh);
      return false;
    }
    return true;
  }

  void forget(Heap& heap, Remembered* gone) {
    by_entry.erase(heap, gone->entry);
    IdTree::Position same = by_hash.at_or_after(hash_key(gone->view()));
    auto* at = static_cast<Remembered*>(same.value());
    if (at == gone && gone->next_same == nullptr) {
      by_hash.erase(heap, same.id());
    } else if (at == gone) {
      same.set_value(gone->next_same);
    } else {
      while (at->next_same != gone) at = at->next_same;
      at->next_same = gone->next_same;
    }
    heap.free(gone);
  }
  void forget_oldest(Heap& heap) { forget(heap, static_cast<Remembered*>(by_entry.first().value())); }

  void destroy(Heap& heap) {
    by_entry.drain_some(heap, SIZE_MAX, [&](StreamId, void* remembered) { heap.free(remembered); });
    by_hash.clear(heap);
    heap.free(this);
  }
};

bool is_too_old(StreamId entry, uint64_t duration_s, int64_t now_ms) {
  constexpr uint64_t kMsPerSecond = 1000;
  auto now = static_cast<uint64_t>(std::max<int64_t>(now_ms, 0));
  return now > entry.ms && now - entry.ms >= duration_s * kMsPerSecond;
}

}  // namespace

struct StreamProducers::State {
  uint64_t duration_s = kIdempotenceSecondsDefault;
  uint64_t entries_max = kIdempotenceEntriesDefault;
  uint64_t added = 0;
  uint64_t duplicates = 0;
  NamedList<Producer> producers;
  uint32_t clean_next = 0;  // the producer that is looked through with the next record()

  static bool ensure(Heap& heap, State*& state) {
    if (state != nullptr) return true;
    void* block = heap.allocate(sizeof(State));
    if (block == nullptr) return false;
    state = new (block) State;
    return true;
  }
  void forget(Heap& heap, Producer* producer, uint64_t kept_max, int64_t now_ms) {
    while (!producer->by_entry.empty() && (producer->by_entry.size() > kept_max ||
                                           is_too_old(producer->by_entry.first().id(), duration_s, now_ms)))
      producer->forget_oldest(heap);
  }
  // One other producer with each call: so those that went away do not stay for ever.
  void clean_one(Heap& heap, const Producer* spared, int64_t now_ms) {
    if (clean_next >= producers.size()) clean_next = 0;
    Producer* producer = producers.items()[clean_next];
    forget(heap, producer, entries_max, now_ms);
    if (producer == spared || !producer->by_entry.empty()) {
      ++clean_next;
      return;
    }
    producers.remove(producer);
    producer->destroy(heap);
  }
  void drop_all(Heap& heap) {
    while (Producer* producer = producers.take_last()) producer->destroy(heap);
    producers.clear(heap);
  }
};

uint64_t StreamProducers::duration_s() const {
  return state_ == nullptr ? kIdempotenceSecondsDefault : state_->duration_s;
}
uint64_t StreamProducers::entries_max() const {
  return state_ == nullptr ? kIdempotenceEntriesDefault : state_->entries_max;
}
uint64_t StreamProducers::producer_count() const { return state_ == nullptr ? 0 : state_->producers.size(); }
uint64_t StreamProducers::added_count() const { return state_ == nullptr ? 0 : state_->added; }
uint64_t StreamProducers::duplicate_count() const { return state_ == nullptr ? 0 : state_->duplicates; }

uint64_t StreamProducers::tracked_count() const {
  if (state_ == nullptr) return 0;
  uint64_t total = 0;
  for (const Producer* producer : state_->producers) total += producer->by_entry.size();
  return total;
}

bool StreamProducers::configure(Heap& heap, uint64_t duration_s, uint64_t entries_max) {
  if (!State::ensure(heap, state_)) return false;
  state_->drop_all(heap);
  state_->duration_s = duration_s;
  state_->entries_max = entries_max;
  return true;
}

void StreamProducers::count_duplicate() {
  STRATA_ASSERT(state_ != nullptr, "find() found something");
  ++state_->duplicates;
}

void StreamProducers::set_counts(uint64_t added, uint64_t duplicates) {
  STRATA_ASSERT(state_ != nullptr, "configure() comes first");
  state_->added = added;
  state_->duplicates = duplicates;
}

std::optional<StreamId> StreamProducers::find(Bytes producer, Bytes idempotent_id, int64_t now_ms) const {
  if (state_ == nullptr) return std::nullopt;
  const Producer* known = state_->producers.find(producer);
  if (known == nullptr) return std::nullopt;
  const Remembered* remembered = known->find(idempotent_id);
  if (remembered == nullptr || is_too_old(remembered->entry, state_->duration_s, now_ms)) return std::nullopt;
  return remembered->entry;
}

bool StreamProducers::record(Heap& heap, Bytes producer, Bytes idempotent_id, StreamId entry,
                             int64_t now_ms) {
  if (!State::ensure(heap, state_)) return false;
  Producer* known = state_->producers.find(producer);
  bool is_new = known == nullptr;
  if (is_new) {
    known = Producer::create(heap, producer);
    if (known == nullptr) return false;
    if (!state_->producers.insert(heap, known)) {
      known->destroy(heap);
      return false;
    }
  }
  // What is found again here is too old, or find() would have told.
  state_->forget(heap, known, state_->entries_max, now_ms);
  STRATA_DASSERT(known->find(idempotent_id) == nullptr);
  if (void* other = known->by_entry.find(entry)) known->forget(heap, static_cast<Remembered*>(other));
  if (!known->add(heap, idempotent_id, entry)) {
    if (is_new) {
      state_->producers.remove(known);
      known->destroy(heap);
    }
    return false;
  }
  state_->forget(heap, known, state_->entries_max, now_ms);
  ++state_->added;
  state_->clean_one(heap, known, now_ms);
  return true;
}

void StreamProducers::visit(Visitor visit) const {
  if (state_ == nullptr) return;
  for (const Producer* producer : state_->producers) {
    for (auto at = producer->by_entry.first(); !at.done(); at = IdTree::next(at))
      visit(producer->name(), static_cast<const Remembered*>(at.value())->view(), at.id());
  }
}

bool StreamProducers::copy_from(Heap& heap, const StreamProducers& other) {
  if (!other.in_use()) return true;
  if (!configure(heap, other.duration_s(), other.entries_max())) return false;
  bool is_copied = true;
  other.visit([&](Bytes producer, Bytes idempotent_id, StreamId entry) {
    constexpr int64_t kNothingIsTooOld = 0;
    is_copied = is_copied && record(heap, producer, idempotent_id, entry, kNothingIsTooOld);
  });
  if (is_copied) set_counts(other.added_count(), other.duplicate_count());
  return is_copied;
}

void StreamProducers::clear(Heap& heap) {
  if (state_ == nullptr) return;
  state_->drop_all(heap);
  heap.free(state_);
  state_ = nullptr;
}

size_t StreamProducers::memory() const {
  if (state_ == nullptr) return 0;
  size_t total = Heap::usable_size(state_) + state_->producers.memory();
  for (const Producer* producer : state_->producers) {
    total += Heap::usable_size(producer) + producer->by_entry.memory() + producer->by_hash.memory();
    for (auto at = producer->by_entry.first(); !at.done(); at = IdTree::next(at))
      total += Heap::usable_size(at.value());
  }
  return total;
}

}  // namespace strata

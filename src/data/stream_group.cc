#include "data/stream_group.h"

#include <cstring>
#include <new>

#include "base/assert.h"
#include "memory/heap.h"

namespace strata {
namespace {

// By time of delivery, also before 1970, which only files can hold.
StreamId time_key(int64_t delivery_ms, uint64_t order) {
  return {static_cast<uint64_t>(delivery_ms) ^ (uint64_t{1} << 63), order};
}
StreamId time_key(const StreamPending& pending) { return time_key(pending.delivery_ms, pending.order); }

StreamPending* pending_at(void* value) { return static_cast<StreamPending*>(value); }

}  // namespace

// ---- Life ----------------------------------------------------------------------------------------------

StreamGroup* StreamGroup::create(Heap& heap, Bytes name, StreamId last_id, int64_t entries_read) {
  void* block = heap.allocate(sizeof(StreamGroup) + name.size());
  if (block == nullptr) return nullptr;
  auto* group = new (block) StreamGroup;
  group->last_id = last_id;
  group->entries_read = entries_read;
  group->name_bytes_ = static_cast<uint32_t>(name.size());
  std::memcpy(group + 1, name.data(), name.size());
  return group;
}

Bytes StreamGroup::name() const { return {reinterpret_cast<const char*>(this + 1), name_bytes_}; }

bool StreamGroup::destroy_some(Heap& heap, StreamGroup* group, size_t budget) {
  constexpr size_t kItemsPerLeaf = 32;
  size_t leaves_max = budget / kItemsPerLeaf + 1;
  auto free_pending = [&](StreamId, void* pending) { heap.free(pending); };
  if (!group->pending_.drain_some(heap, leaves_max, free_pending)) return false;
  auto let_go = [](StreamId, void*) {};
  if (!group->by_time_.drain_some(heap, leaves_max, let_go)) return false;
  for (; !group->consumers_.empty(); --budget) {
    if (budget == 0) return false;
    StreamConsumer* consumer = group->consumers_.items().back();
    if (!consumer->pending.drain_some(heap, leaves_max, let_go)) return false;
    group->consumers_.take_last();
    heap.free(consumer);
  }
  group->consumers_.clear(heap);
  heap.free(group);
  return true;
}

size_t StreamGroup::memory() const {
  size_t total = Heap::usable_size(this) + pending_.memory() + by_time_.memory() + consumers_.memory() +
                 pending_.size() * Heap::good_size(sizeof(StreamPending));
  for (const StreamConsumer* consumer : consumers_)
    total += Heap::usable_size(consumer) + consumer->pending.memory();
  return total;
}

// ---- Consumers -----------------------------------------------------------------------------------------

StreamConsumer* StreamGroup::create_consumer(Heap& heap, Bytes name, int64_t now_ms) {
  STRATA_DASSERT(find_consumer(name) == nullptr);
  void* block = heap.allocate(sizeof(StreamConsumer) + name.size());
  if (block == nullptr) return nullptr;
  auto* consumer = new (block) StreamConsumer;
  consumer->seen_ms = now_ms;
  consumer->name_bytes = static_cast<uint32_t>(name.size());
  std::memcpy(consumer->text, name.data(), name.size());
  if (consumers_.insert(heap, consumer)) return consumer;
  heap.free(consumer);
  return nullptr;
}

bool StreamGroup::remove_consumer_some(Heap& heap, StreamConsumer* consumer, size_t budget) {
  constexpr size_t kItemsPerLeaf = 32;
  bool is_empty =
      consumer->pending.drain_some(heap, budget / kItemsPerLeaf + 1, [&](StreamId id, void* value) {
        StreamPending* pending = pending_at(value);
        pending_.erase(heap, id);
        by_time_.erase(heap, time_key(*pending));
        heap.free(pending);
      });
  if (!is_empty) return false;
  consumers_.remove(consumer);
  heap.free(consumer);
  return true;
}

// ---- Pending entries -----------------------------------------------------------------------------------

StreamPending* StreamGroup::find_pending(StreamId id) const { return pending_at(pending_.find(id)); }

bool StreamGroup::assign(Heap& heap, StreamId id, StreamConsumer* consumer, int64_t delivery_ms,
                         uint64_t deliveries) {
  // The newest is mostly the one that is made.
  IdTree::Position last = pending_.last();
  StreamPending* pending = last.done() || id > last.id() ? nullptr : find_pending(id);
  const StreamPending wanted{id, delivery_ms, deliveries, consumer, next_order_};
  bool is_done = pending == nullptr ? make_pending(heap, wanted) : change_pending(heap, pending, wanted);
  if (!is_done) return false;
  ++next_order_;
  return true;
}

bool StreamGroup::make_pending(Heap& heap, const StreamPending& wanted) {
  auto* pending = static_cast<StreamPending*>(heap.allocate(sizeof(StreamPending)));
  if (pending == nullptr) return false;
  *pending = wanted;
  if (pending_.insert(heap, wanted.id, pending)) {
    if (by_time_.insert(heap, time_key(wanted), pending)) {
      if (wanted.consumer == nullptr) ++unowned_count_;
      if (wanted.consumer == nullptr || wanted.consumer->pending.insert(heap, wanted.id, pending))
        return true;
      by_time_.erase(heap, time_key(wanted));
    }
    pending_.erase(heap, wanted.id);
  }
  heap.free(pending);
  return false;
}

// New places first, for they may fail; the old ones go when nothing can fail any more.
bool StreamGroup::change_pending(Heap& heap, StreamPending* pending, const StreamPending& wanted) {
  StreamConsumer* from = pending->consumer;
  StreamConsumer* to = wanted.consumer;
  if (to != from && to != nullptr && !to->pending.insert(heap, wanted.id, pending)) return false;
  if (!by_time_.insert(heap, time_key(wanted), pending)) {
    if (to != from && to != nullptr) to->pending.erase(heap, wanted.id);
    return false;
  }
  by_time_.erase(heap, time_key(*pending));
  if (to != from && from != nullptr) from->pending.erase(heap, wanted.id);
  unowned_count_ += static_cast<uint64_t>(to == nullptr) - static_cast<uint64_t>(from == nullptr);
  *pending = wanted;
  return true;
}

bool StreamGroup::give(Heap& heap, StreamPending* pending, StreamConsumer* consumer) {
  STRATA_DASSERT(pending->consumer == nullptr);
  if (!consumer->pending.insert(heap, pending->id, pending)) return false;
  pending->consumer = consumer;
  --unowned_count_;
  return true;
}

bool StreamGroup::remove_pending(Heap& heap, StreamId id) {
  StreamPending* pending = pending_at(pending_.erase(heap, id));
  if (pending == nullptr) return false;
  by_time_.erase(heap, time_key(*pending));
  if (pending->consumer != nullptr) {
    pending->consumer->pending.erase(heap, id);
  } else {
    --unowned_count_;
  }
  heap.free(pending);
  return true;
}

void StreamGroup::check() const {
  pending_.check();
  by_time_.check();
  STRATA_ASSERT(pending_.size() == by_time_.size());
  uint64_t owned = 0;
  for (const StreamConsumer* consumer : consumers_) {
    consumer->pending.check();
    owned += consumer->pending.size();
    for (auto at = consumer->pending.first(); !at.done(); at = IdTree::next(at)) {
      STRATA_ASSERT(find_pending(at.id()) == at.value());
      STRATA_ASSERT(pending_at(at.value())->consumer == consumer);
    }
  }
  STRATA_ASSERT(owned + unowned_count_ == pending_.size());
  for (auto at = by_time_.first(); !at.done(); at = IdTree::next(at)) {
    STRATA_ASSERT(time_key(*pending_at(at.value())) == at.id());
    STRATA_ASSERT(find_pending(pending_at(at.value())->id) == at.value());
  }
}

}  // namespace strata

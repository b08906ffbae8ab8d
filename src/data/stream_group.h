// A consumer group of a stream: what it was given last, and which entries are not acknowledged yet.
//
//   StreamGroup ─┬─ pending     by ID:     StreamPending, owned here
//                ├─ by time     by time of delivery, then in the order of delivery: the same ones
//                └─ consumers   StreamConsumer, sorted by name ── pending   by ID: those that are his
//
// Used by the stream commands and by the RDB reader and writer, inside the shard.
//
//   1. Every pending entry is in the group's two indexes and, unless nobody's (XNACK), in its consumer's.
//   2. Out of memory is `false` or null, and nothing has changed.
//   3. A pending entry lives until it is removed; cursors until the group's pending entries change.

#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "data/id_tree.h"
#include "data/named_list.h"
#include "data/stream_id.h"

namespace strata {

class Heap;
class StreamGroup;
struct StreamConsumer;

struct StreamPending {
  StreamId id;
  int64_t delivery_ms;       // when it was delivered last; 0 when nobody's
  uint64_t deliveries;       // how often
  StreamConsumer* consumer;  // null: given back by XNACK, nobody's
  uint64_t order;            // of delivery among those of the same millisecond; the group's business
};

struct StreamConsumer {
  int64_t seen_ms = 0;     // when it was last mentioned
  int64_t active_ms = -1;  // when it last got an entry; -1: never
  IdTree pending;          // StreamPending*, owned by the group

  Bytes name() const { return {text, name_bytes}; }

  uint32_t name_bytes;
  char text[];
};

inline constexpr int64_t kEntriesReadUnknown = -1;

// Pending entries in order; see StreamGroup for where to begin.
class StreamPendingCursor {
 public:
  explicit StreamPendingCursor(IdTree::Position position) : position_(position) {}

  bool done() const { return position_.done(); }
  const StreamPending& operator*() const { return *static_cast<const StreamPending*>(position_.value()); }
  const StreamPending* operator->() const { return &**this; }
  void next() { position_ = IdTree::next(position_); }

 private:
  IdTree::Position position_;
};

class StreamGroup {
 public:
  // StreamValue::create_group() and detach_group() are the ways to make and to remove one.
  [[nodiscard]] static StreamGroup* create(Heap& heap, Bytes name, StreamId last_id, int64_t entries_read);
  // Frees about `budget` pending entries; true when the whole is gone.
  static bool destroy_some(Heap& heap, StreamGroup* group, size_t budget);

  Bytes name() const;
  size_t memory() const;  // usable bytes of everything

  StreamId last_id;      // last-delivered-id
  int64_t entries_read;  // kEntriesReadUnknown: XINFO says null

  // ---- Consumers -------------------------------------------------------------------------------------
  const NamedList<StreamConsumer>& consumers() const { return consumers_; }
  StreamConsumer* find_consumer(Bytes name) const { return consumers_.find(name); }
  // The name must not be taken. seen_ms is `now_ms`. Null when out of memory.
  [[nodiscard]] StreamConsumer* create_consumer(Heap& heap, Bytes name, int64_t now_ms);
  // Removes about `budget` of its pending entries, then the consumer; true when it is gone.
  [[nodiscard]] bool remove_consumer_some(Heap& heap, StreamConsumer* consumer, size_t budget);

  // ---- Pending entries -------------------------------------------------------------------------------
  uint64_t pending_count() const { return pending_.size(); }
  uint64_t unowned_count() const { return unowned_count_; }  // nacked-count
  StreamPending* find_pending(StreamId id) const;
  // Makes the pending entry, or changes the one there is: its consumer (null: nobody), time and count of
  // deliveries. The one operation behind XREADGROUP, XCLAIM, XAUTOCLAIM and XNACK.
  [[nodiscard]] bool assign(Heap& heap, StreamId id, StreamConsumer* consumer, int64_t delivery_ms,
                            uint64_t deliveries);
  // Gives a pending entry of nobody's an owner, and leaves the rest as it is: for who reads files.
  [[nodiscard]] bool give(Heap& heap, StreamPending* pending, StreamConsumer* consumer);
  // XACK. True when it was there.
  bool remove_pending(Heap& heap, StreamId id);

  // In the order of IDs.
  StreamPendingCursor pending_from(StreamId id) const {
    return StreamPendingCursor(pending_.at_or_after(id));
  }
  static StreamPendingCursor pending_from(const StreamConsumer& consumer, StreamId id) {
    return StreamPendingCursor(consumer.pending.at_or_after(id));
  }
  // The last one by ID; done() when there is none.
  StreamPendingCursor pending_last() const { return StreamPendingCursor(pending_.last()); }
  // Longest idle first; those given back by XNACK before all others, in the order they were given back.
  StreamPendingCursor pending_by_time() const { return StreamPendingCursor(by_time_.first()); }

  // Asserts every invariant; for tests.
  void check() const;

 private:
  bool make_pending(Heap& heap, const StreamPending& wanted);
  bool change_pending(Heap& heap, StreamPending* pending, const StreamPending& wanted);

  IdTree pending_;
  IdTree by_time_;  // key: {delivery_ms, order}
  NamedList<StreamConsumer> consumers_;
  uint64_t unowned_count_ = 0;
  uint64_t next_order_ = 0;
  uint32_t name_bytes_ = 0;  // of the name, which lies behind the object
};

}  // namespace strata

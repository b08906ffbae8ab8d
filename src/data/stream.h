// Streams: entries of fields and values in the order of their IDs, and who has read them.
//
//   Value ── StreamValue ─┬─ nodes        IdTree: master ID → Blob* with entries (stream_node.h, Redis's
//   layout)
//                    ├─ groups       StreamGroup (stream_group.h), sorted by name: last delivered ID, pending
//                    │               entries, consumers
//                    └─ producers    idempotent IDs that XADD has seen (stream_producers.h); mostly none
//
// Used by the stream commands and by the RDB reader and writer, inside the shard. A stream has one encoding,
// so its Value never changes: handlers keep a StreamValue& for the length of a command.
//
//   1. Out of memory is an error or `false`, and the stream is then what it was before.
//   2. Elements, cursors, and references to pending entries live until the stream changes; groups and
//   consumers
//      until they are removed. Element::blob is set where bytes are worth pinning.
//   3. An empty stream is a valid one: its key stays. Nobody deletes it but DEL.
//   4. last_id() never falls below an ID that is there. IDs are never used twice.
//   5. Deleted entries stay in their node, marked, until all of it is deleted; nodes are never empty.
//
// Finding an ID costs O(log nodes) and a walk through one node; appending touches the last node only;
// trimming frees whole nodes.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "data/context.h"
#include "data/id_tree.h"
#include "data/named_list.h"
#include "data/stream_group.h"
#include "data/stream_id.h"
#include "data/stream_limits.h"
#include "data/stream_node.h"
#include "data/stream_producers.h"
#include "data/value.h"

namespace strata {

class Heap;

// What happens to a group's pending entry when its stream entry is deleted.
enum class StreamReferences : uint8_t {
  kKeep,   // KEEPREF: it stays, and refers to nothing
  kDrop,   // DELREF: it goes too, in every group
  kAcked,  // ACKED: entries that some group has not read or not acknowledged are not deleted
};

// One XTRIM or trimming XADD, resumable.
struct StreamTrim {
  bool is_by_id = false;        // MINID; else MAXLEN
  bool is_approximate = false;  // ~: whole nodes only
  uint64_t length_max = 0;      // MAXLEN: how many entries stay
  StreamId id_min;              // MINID: the lowest that stays
  uint64_t limit = 0;           // LIMIT: not more entries than that; 0: no bound
  StreamReferences references = StreamReferences::kKeep;
  // Where the IDs of removed entries go, unless references are kKeep; may be null.
  std::vector<StreamId>* removed_ids = nullptr;

  uint64_t removed = 0;
  bool done = false;
  StreamId resume_at;  // where trim_some() goes on: entries in front stay (kAcked only)
};

class StreamValue {
 public:
  // ---- Life ------------------------------------------------------------------------------------------
  [[nodiscard]] static StreamValue* create(Heap& heap);  // null when out of memory
  // The stream of a value of type kStream.
  static StreamValue& of(const Value& value) { return *static_cast<StreamValue*>(value.pointer); }
  Value value() { return {Type::kStream, Encoding::kStream, this}; }
  // What destroy_some() and StreamCopy (stream_copy.h) count: nodes and pending entries.
  uint64_t part_count() const;
  // Frees about `budget` nodes and pending entries; true when the whole is gone. Nothing else may be called
  // in between.
  static bool destroy_some(Heap& heap, StreamValue* stream, size_t budget);
  static void destroy(Heap& heap, StreamValue* stream);
  // ---- Facts -----------------------------------------------------------------------------------------
  uint64_t length() const { return length_; }
  StreamId last_id() const { return last_id_; }                // last-generated-id
  StreamId max_deleted_id() const { return max_deleted_id_; }  // max-deleted-entry-id
  uint64_t entries_added() const { return entries_added_; }
  StreamId first_id() const;  // recorded-first-entry-id: of the first entry; 0-0 when there is none
  uint64_t node_count() const { return nodes_.size(); }  // radix-tree-keys
  // radix-tree-nodes: how many nodes Redis's radix tree has for the same keys. O(nodes).
  uint64_t radix_node_count() const;
  // Usable bytes of everything; an estimate from `samples` nodes and pending entries when that is not 0.
  size_t memory(size_t samples = 0) const;

  // XSETID; and by RDB files. The caller has checked the order of IDs.
  void set_last_id(StreamId id);
  void set_entries_added(uint64_t count) { entries_added_ = count; }
  void set_max_deleted_id(StreamId id) { max_deleted_id_ = id; }

  // ---- Appending -------------------------------------------------------------------------------------
  // `*`: now, or just above last_id() where that is later. Nothing when last_id() is the highest there is.
  std::optional<StreamId> next_id(uint64_t now_ms) const;
  // `ms-*`: the first free ID of that millisecond. Nothing when it would not be above last_id().
  std::optional<StreamId> next_id_in(uint64_t ms) const;
  // field, value, field, value …, at least one of each. `id` must be above last_id(), which is then `id`, and
  // not 0-0. kTooLarge: no node can hold it.
  [[nodiscard]] Status append(Heap& heap, const StreamLimits& limits, StreamId id,
                              std::span<const Bytes> pairs);

  // ---- Deleting --------------------------------------------------------------------------------------
  bool contains(StreamId id) const;
  // True when it was there. Raises max_deleted_id(). Leaves groups alone.
  [[nodiscard]] Result<bool> erase(Heap& heap, StreamId id);
  // Works on whole nodes until `budget` entries were looked at or all is done (trim.done). The stream may
  // change between calls. On kOutOfMemory trim.removed entries are gone.
  [[nodiscard]] Status trim_some(Heap& heap, StreamTrim& trim, uint64_t budget);
  // Some group has yet to read or to acknowledge it: what ACKED spares. O(groups · log pending).
  bool is_referenced(StreamId id) const;
  // Takes it out of every group's pending entries; how many had it.
  uint64_t drop_references(Heap& heap, StreamId id);

  // ---- Groups ----------------------------------------------------------------------------------------
  const NamedList<StreamGroup>& groups() const { return groups_; }
  StreamGroup* find_group(Bytes name) const { return groups_.find(name); }
  // kExists when the name is taken.
  [[nodiscard]] Result<StreamGroup*> create_group(Heap& heap, Bytes name, StreamId last_id,
                                                  int64_t entries_read);
  // Takes the group out, as a stream of its own without entries that the caller discards like any other value
  // (its pending entries may be many).
  [[nodiscard]] Result<Value> detach_group(Heap& heap, StreamGroup* group);
  // XREADGROUP has delivered the entry `id`, the next one that the group had not seen: its last_id and
  // entries_read follow.
  void advance_group(StreamGroup& group, StreamId id) const;
  // How many entries are still to be delivered: XINFO's lag. Nothing where deletions make it unknown.
  // Below 0 where XGROUP was told a number of entries read above entries_added().
  std::optional<int64_t> lag(const StreamGroup& group) const;
  // How many entries were ever added up to and including `id` (entries_read of a group whose last ID it is).
  // Nothing where it cannot be told. XGROUP SETID and CREATE without ENTRIESREAD do not ask this: they store
  // kEntriesReadUnknown.
  std::optional<uint64_t> entries_up_to(StreamId id) const;

  // ---- Idempotent producers (XADD IDMP, XCFGSET, XIDMPRECORD) --------------------------------------------
  // Always there; without producers it owns nothing.
  StreamProducers& producers() { return producers_; }
  const StreamProducers& producers() const { return producers_; }

  // ---- Whole nodes: RDB files, copies ------------------------------------------------------------------
  const IdTree& nodes() const { return nodes_; }
  // Appends a validated node that is not empty and whose IDs are above all others (stream_node.h); owns it
  // from then on. False when out of memory. Neither last_id() nor entries_added() changes.
  [[nodiscard]] bool append_node(Heap& heap, StreamId master, Blob* node);

 private:
  bool takes(const StreamLimits& limits, const Blob* node, uint64_t added_bytes) const;
  Status append_to_new_node(Heap& heap, const StreamLimits& limits, StreamId id, std::span<const Bytes> pairs,
                            IdTree::Position tail);
  // The change of StreamTrim to one node: what was decided, and how it went.
  enum class TrimStep : uint8_t { kNext, kStop };
  Result<TrimStep> trim_node(Heap& heap, StreamTrim& trim, IdTree::Position place);
  Result<TrimStep> trim_entries(Heap& heap, StreamTrim& trim, IdTree::Position place, bool is_whole);
  bool tombstones_from(StreamId id) const;
  void look_at_tail();
  void free_node(Heap& heap, StreamId master, Blob* node);

  IdTree nodes_;
  uint64_t length_ = 0;
  StreamId last_id_;
  StreamId max_deleted_id_;
  uint64_t entries_added_ = 0;
  // The next entry goes to a new node: XSETID has set last_id() below a deleted entry of the last one.
  bool begins_node_ = false;
  NamedList<StreamGroup> groups_;
  StreamProducers producers_;
};

// Walks over the entries of [first, last], upwards or downwards.
//
//   for (StreamCursor cursor(stream, start, end); !cursor.done(); cursor.next()) {
//     reply(cursor.id());
//     cursor.visit([&](const Element& field, const Element& value) { … });   // field_count() of them
//   }
//
// To go on after the stream has changed, or in another slice: remember id() of the last entry that was dealt
// with and make a new cursor from next_id() of it (stream_id.h), which costs O(log nodes) and half a node.
class StreamCursor {
 public:
  enum class Order : uint8_t { kUp, kDown };

  StreamCursor(const StreamValue& stream, StreamId first, StreamId last, Order order = Order::kUp);

  bool done() const { return place_.done(); }
  StreamId id() const { return entry_.id; }
  uint32_t field_count() const { return entry_.field_count; }
  template <typename Visit>
  void visit(Visit&& visit) {
    behind_ = stream_node::visit(node(), entry_, [&](Element field, Element value) {
      if (field.bytes.size() >= kPinThresholdBytes) [[unlikely]]
        field.blob = blob();
      if (value.bytes.size() >= kPinThresholdBytes) [[unlikely]]
        value.blob = blob();
      visit(field, value);
    });
  }
  void next() { order_ == Order::kUp ? step_up() : step_down(); }

 private:
  Blob* blob() const { return static_cast<Blob*>(place_.value()); }
  Bytes node() const { return blob()->view(); }
  void step_up();
  void step_down();
  void settle_up(packed::Position at);
  void settle_down(packed::Position at);

  IdTree::Position place_;  // the node; past the end when done
  stream_node::Entry entry_{};
  packed::Position behind_ = 0;  // the entry behind, where visit() has found it
  Order order_;
  StreamId limit_;  // where the walk ends
};

}  // namespace strata

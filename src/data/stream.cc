#include "data/stream.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>

#include "base/assert.h"
#include "base/endian.h"

namespace strata {
namespace {

Blob* blob_of(IdTree::Position place) { return static_cast<Blob*>(place.value()); }

// Bytes of everything that XADD was given, as Redis counts them against stream-node-max-bytes.
uint64_t text_bytes(std::span<const Bytes> pairs) {
  uint64_t total = 0;
  for (Bytes text : pairs) total += text.size();
  return total;
}

// What an element takes besides its text, at most: encoding (5) and backward length (5).
constexpr uint64_t kElementOverheadBytes = 10;

}  // namespace

// ---- Life ----------------------------------------------------------------------------------------------

StreamValue* StreamValue::create(Heap& heap) {
  void* block = heap.allocate(sizeof(StreamValue));
  return block == nullptr ? nullptr : new (block) StreamValue;
}

uint64_t StreamValue::part_count() const {
  uint64_t parts = nodes_.size();
  for (const StreamGroup* group : groups_) parts += 1 + group->pending_count() + group->consumers().size();
  return parts;
}

bool StreamValue::destroy_some(Heap& heap, StreamValue* stream, size_t budget) {
  // A leaf of an index holds some thirty items.
  constexpr size_t kItemsPerLeaf = 32;
  size_t leaves_max = budget / kItemsPerLeaf + 1;
  bool is_empty = stream->nodes_.drain_some(
      heap, leaves_max, [&](StreamId, void* node) { Blob::destroy(heap, static_cast<Blob*>(node)); });
  if (!is_empty) return false;
  while (!stream->groups_.empty()) {
    StreamGroup* group = stream->groups_.items().back();
    if (!StreamGroup::destroy_some(heap, group, budget)) return false;
    stream->groups_.take_last();
    if (budget != SIZE_MAX && !stream->groups_.empty()) return false;
  }
  stream->groups_.clear(heap);
  stream->producers_.clear(heap);
  heap.free(stream);
  return true;
}

void StreamValue::destroy(Heap& heap, StreamValue* stream) {
  bool is_gone = destroy_some(heap, stream, SIZE_MAX);
  STRATA_ASSERT(is_gone);
}

// ---- Facts ---------------------------------------------------------------------------------------------

StreamId StreamValue::first_id() const {
  StreamCursor cursor(*this, kStreamIdMin, kStreamIdMax);
  return cursor.done() ? StreamId{} : cursor.id();
}

size_t StreamValue::memory(size_t samples) const {
  size_t total = Heap::usable_size(this) + nodes_.memory() + groups_.memory() + producers_.memory();
  size_t seen = 0, bytes = 0;
  for (IdTree::Position at = nodes_.first(); !at.done() && (samples == 0 || seen < samples);
       at = IdTree::next(at), ++seen)
    bytes += Heap::usable_size(blob_of(at));
  if (seen > 0) total += seen == nodes_.size() ? bytes : bytes / seen * nodes_.size();
  for (const StreamGroup* group : groups_) total += group->memory();
  return total;
}

// Redis keeps the nodes in a radix tree whose keys are the master IDs, big-endian. Such a tree has a node for
// each place where keys part, one for each unbranched stretch, and an empty one at the end of each key.
uint64_t StreamValue::radix_node_count() const {
  constexpr uint32_t kKeyBytes = 16;
  auto common_bytes = [](StreamId a, StreamId b) {
    auto equal_bytes = [](uint64_t x, uint64_t y) {
      return static_cast<uint32_t>(std::countl_zero(x ^ y)) / 8;
    };
    return a.ms != b.ms ? equal_bytes(a.ms, b.ms) : 8 + equal_bytes(a.sequence, b.sequence);
  };
  if (nodes_.empty()) return 1;
  uint64_t count = nodes_.size();  // ends of keys
  uint32_t partings[kKeyBytes];    // where keys part, on the way to the current one
  uint32_t parting_count = 0;
  uint32_t below;  // the depth of the node that the next parting upwards leads to
  auto close_deeper_than = [&](int64_t depth) {
    below = kKeyBytes;
    for (; parting_count > 0 && partings[parting_count - 1] > depth; --parting_count) {
      uint32_t parting = partings[parting_count - 1];
      count += 1 + (below > parting + 1);
      below = parting;
    }
  };
  IdTree::Position at = nodes_.first();
  for (StreamId previous = at.id(); !(at = IdTree::next(at)).done(); previous = at.id()) {
    uint32_t depth = common_bytes(previous, at.id());
    close_deeper_than(depth);
    count += below > depth + 1;
    if (parting_count == 0 || partings[parting_count - 1] < depth) partings[parting_count++] = depth;
  }
  close_deeper_than(-1);
  return count + (below > 0);  // and the stretch that all keys begin with
}

// ---- Appending -----------------------------------------------------------------------------------------

std::optional<StreamId> StreamValue::next_id(uint64_t now_ms) const {
  return now_ms > last_id_.ms ? StreamId{now_ms, 0} : strata::next_id(last_id_);
}

std::optional<StreamId> StreamValue::next_id_in(uint64_t ms) const {
  if (ms > last_id_.ms) return StreamId{ms, 0};
  if (ms < last_id_.ms || last_id_.sequence == UINT64_MAX) return std::nullopt;
  return StreamId{ms, last_id_.sequence + 1};
}

bool StreamValue::takes(const StreamLimits& limits, const Blob* node, uint64_t added_bytes) const {
  if (begins_node_) return false;
  uint64_t bytes_max = packed::kMaxNodeBytes;
  if (limits.node_max_bytes != 0) bytes_max = std::min<uint64_t>(bytes_max, limits.node_max_bytes);
  if (node->size + added_bytes >= bytes_max) return false;
  if (limits.node_max_entries == 0) return true;
  Bytes view = node->view();
  return uint64_t{stream_node::alive_count(view)} + stream_node::deleted_count(view) <
         limits.node_max_entries;
}

Status StreamValue::append(Heap& heap, const StreamLimits& limits, StreamId id,
                           std::span<const Bytes> pairs) {
  STRATA_DASSERT(id > last_id_);
  uint64_t added_bytes = text_bytes(pairs);
  IdTree::Position tail = nodes_.last();
  if (!tail.done() && takes(limits, blob_of(tail), added_bytes) &&
      packed::fits(blob_of(tail)->view(), added_bytes + pairs.size() * kElementOverheadBytes +
                                              stream_node::kEntryOverheadBytes)) [[likely]] {
    Blob* node = blob_of(tail);
    if (!stream_node::append(heap, node, tail.id(), id, pairs)) return fail(Errc::kOutOfMemory, "stream");
    tail.set_value(node);
  } else {
    TRY(append_to_new_node(heap, limits, id, pairs, tail));
  }
  ++length_;
  ++entries_added_;
  last_id_ = id;
  return {};
}

Status StreamValue::append_to_new_node(Heap& heap, const StreamLimits& limits, StreamId id,
                                       std::span<const Bytes> pairs, IdTree::Position tail) {
  // Names stand in the master, too.
  uint64_t needed_bytes = 2 * (text_bytes(pairs) + pairs.size() * kElementOverheadBytes) +
                          stream_node::kEntryOverheadBytes + packed::kEmptyBytes;
  if (needed_bytes > packed::kMaxNodeBytes) return fail(Errc::kTooLarge, "stream entry");
  // What one node has taken the next will take, so it need not grow step by step.
  uint64_t capacity = 0;
  if (!tail.done()) capacity = std::min<uint64_t>(blob_of(tail)->size, limits.node_max_bytes);
  Blob* node = stream_node::create(heap, pairs, capacity);
  if (node == nullptr) return fail(Errc::kOutOfMemory, "stream node");
  if (!stream_node::append(heap, node, id, id, pairs) || !nodes_.insert(heap, id, node)) {
    Blob::destroy(heap, node);
    return fail(Errc::kOutOfMemory, "stream node");
  }
  begins_node_ = false;
  IdTree::Position place = nodes_.last();
  if (IdTree::Position full = IdTree::previous(place); !full.done()) {
    // Nothing will be added to it. That it stays large when memory is short is harmless.
    if (Blob* smaller = blob_of(full)->pinned() ? nullptr : Blob::shrink(heap, blob_of(full)))
      full.set_value(smaller);
  }
  return {};
}

bool StreamValue::append_node(Heap& heap, StreamId master, Blob* node) {
  if (!nodes_.insert(heap, master, node)) return false;
  length_ += stream_node::alive_count(node->view());
  return true;
}

// ---- Deleting ------------------------------------------------------------------------------------------

bool StreamValue::contains(StreamId id) const { return !StreamCursor(*this, id, id).done(); }

void StreamValue::free_node(Heap& heap, StreamId master, Blob* node) {
  const bool was_tail = nodes_.last().id() == master;
  nodes_.erase(heap, master);
  Blob::destroy(heap, node);
  if (was_tail) look_at_tail();
}

void StreamValue::look_at_tail() {
  begins_node_ =
      !nodes_.empty() && stream_node::last_id(blob_of(nodes_.last())->view(), nodes_.last().id()) > last_id_;
}

void StreamValue::set_last_id(StreamId id) {
  last_id_ = id;
  look_at_tail();
}

Result<bool> StreamValue::erase(Heap& heap, StreamId id) {
  IdTree::Position place = nodes_.at_or_before(id);
  if (place.done()) return false;
  Blob* node = blob_of(place);
  packed::Position at = stream_node::seek(node->view(), place.id(), id);
  if (at == packed::end(node->view())) return false;
  stream_node::Entry entry = stream_node::entry_at(node->view(), place.id(), at);
  if (entry.id != id || entry.deleted) return false;
  if (stream_node::alive_count(node->view()) == 1) {
    free_node(heap, place.id(), node);
  } else {
    if (!stream_node::mark_deleted(heap, node, at)) return fail(Errc::kOutOfMemory, "stream node");
    place.set_value(node);
  }
  --length_;
  max_deleted_id_ = std::max(max_deleted_id_, id);
  return true;
}

// ---- Walking -------------------------------------------------------------------------------------------

StreamCursor::StreamCursor(const StreamValue& stream, StreamId first, StreamId last, Order order)
    : order_(order), limit_(order == Order::kUp ? last : first) {
  if (first > last) return;
  const IdTree& nodes = stream.nodes();
  if (order == Order::kUp) {
    place_ = nodes.at_or_before(first);
    if (place_.done()) place_ = nodes.first();
    if (!place_.done()) settle_up(stream_node::seek(node(), place_.id(), first));
    return;
  }
  place_ = nodes.at_or_before(last);
  if (place_.done()) return;
  auto behind = strata::next_id(last);
  bool is_rest = IdTree::next(place_).done();
  packed::Position end = packed::end(node());
  // At the end of the last node, mostly: then there is nothing to look for.
  const bool is_at_end = !behind || (is_rest && last >= stream.last_id());
  settle_down(is_at_end ? end : stream_node::seek(node(), place_.id(), *behind));
}

// To the first living entry from `at` on, in this node or a later one.
void StreamCursor::settle_up(packed::Position at) {
  behind_ = 0;
  for (;;) {
    Bytes view = node();
    for (const packed::Position end = packed::end(view); at != end; at = stream_node::next(view, entry_)) {
      entry_ = stream_node::entry_at(view, place_.id(), at);
      // Deleted ones have no say: XSETID may have let their IDs come again in later nodes.
      if (entry_.deleted) continue;
      if (entry_.id > limit_) place_ = {};
      return;
    }
    place_ = IdTree::next(place_);
    if (place_.done()) return;
    at = stream_node::begin(node());
  }
}

// To the last living entry in front of `at`, in this node or an earlier one.
void StreamCursor::settle_down(packed::Position at) {
  behind_ = 0;
  for (;;) {
    Bytes view = node();
    for (const packed::Position begin = stream_node::begin(view); at != begin;) {
      at = stream_node::previous(view, at);
      entry_ = stream_node::entry_at(view, place_.id(), at);
      if (entry_.deleted) continue;
      if (entry_.id < limit_) place_ = {};
      return;
    }
    place_ = IdTree::previous(place_);
    if (place_.done()) return;
    at = packed::end(node());
  }
}

void StreamCursor::step_up() { settle_up(behind_ != 0 ? behind_ : stream_node::next(node(), entry_)); }

void StreamCursor::step_down() { settle_down(entry_.at); }

}  // namespace strata

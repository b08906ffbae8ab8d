// Trimming streams, node by node from the front.

#include <algorithm>

#include "base/assert.h"
#include "data/stream.h"

namespace strata {
namespace {

Blob* blob_of(IdTree::Position place) { return static_cast<Blob*>(place.value()); }

}  // namespace

Status StreamValue::trim_some(Heap& heap, StreamTrim& trim, uint64_t budget) {
  for (uint64_t looked_at = 0; !trim.done && looked_at < budget;) {
    IdTree::Position place = nodes_.at_or_before(trim.resume_at);
    if (place.done() || (trim.resume_at != kStreamIdMin && place.id() < trim.resume_at))
      place = nodes_.at_or_after(trim.resume_at);
    if (place.done()) {
      trim.done = true;
      break;
    }
    looked_at += stream_node::alive_count(blob_of(place)->view());
    TRY_ASSIGN(TrimStep step, trim_node(heap, trim, place));
    trim.done = step == TrimStep::kStop;
  }
  return {};
}

Result<StreamValue::TrimStep> StreamValue::trim_node(Heap& heap, StreamTrim& trim, IdTree::Position place) {
  if (!trim.is_by_id && length_ <= trim.length_max) return TrimStep::kStop;
  Blob* node = blob_of(place);
  uint64_t alive = stream_node::alive_count(node->view());
  if (trim.limit != 0 && trim.removed + alive > trim.limit) return TrimStep::kStop;
  bool is_whole = trim.is_by_id ? stream_node::last_id(node->view(), place.id()) < trim.id_min
                                : length_ - alive >= trim.length_max;
  if (is_whole && trim.references == StreamReferences::kKeep) {
    free_node(heap, place.id(), node);
    length_ -= alive;
    trim.removed += alive;
    return TrimStep::kNext;
  }
  if (!is_whole && trim.is_approximate) return TrimStep::kStop;
  return trim_entries(heap, trim, place, is_whole);
}

// Entry by entry: where the end lies inside the node, or where groups have a say. Trimming does not raise
// max_deleted_id(): what is behind what went is whole.
Result<StreamValue::TrimStep> StreamValue::trim_entries(Heap& heap, StreamTrim& trim, IdTree::Position place,
                                                        bool is_whole) {
  const StreamId master = place.id();
  Blob* node = blob_of(place);
  StreamId last = master;
  bool is_over = false;
  // Marking may move what lies behind the counters, so places are counted from the node's end.
  for (uint32_t left = node->size - stream_node::begin(node->view()); left > 1;) {
    const packed::Position at = node->size - left;
    const stream_node::Entry entry = stream_node::entry_at(node->view(), master, at);
    is_over = trim.is_by_id ? entry.id >= trim.id_min : length_ <= trim.length_max;
    if (is_over) break;
    left = node->size - stream_node::next(node->view(), entry);
    last = entry.id;
    if (entry.deleted) continue;
    if (trim.references == StreamReferences::kAcked && is_referenced(entry.id)) continue;
    const bool is_marked = stream_node::mark_deleted(heap, node, at);
    place.set_value(node);
    if (!is_marked) return fail(Errc::kOutOfMemory, "stream node");
    --length_;
    ++trim.removed;
    if (trim.references == StreamReferences::kDrop) drop_references(heap, entry.id);
    if (trim.references != StreamReferences::kKeep && trim.removed_ids) trim.removed_ids->push_back(entry.id);
  }
  if (stream_node::alive_count(node->view()) == 0) free_node(heap, master, node);
  auto behind = strata::next_id(last);
  if (is_over || !is_whole || !behind) return TrimStep::kStop;
  trim.resume_at = *behind;
  return TrimStep::kNext;
}

}  // namespace strata

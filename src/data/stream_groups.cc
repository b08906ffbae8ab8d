// What a stream and its groups know about each other.

#include <algorithm>

#include "base/assert.h"
#include "data/stream.h"

namespace strata {

Result<StreamGroup*> StreamValue::create_group(Heap& heap, Bytes name, StreamId last_id,
                                               int64_t entries_read) {
  if (groups_.find(name) != nullptr) return fail(Errc::kExists, "consumer group");
  StreamGroup* group = StreamGroup::create(heap, name, last_id, entries_read);
  if (group == nullptr) return fail(Errc::kOutOfMemory, "consumer group");
  if (groups_.insert(heap, group)) return group;
  StreamGroup::destroy_some(heap, group, SIZE_MAX);
  return fail(Errc::kOutOfMemory, "consumer group");
}

Result<Value> StreamValue::detach_group(Heap& heap, StreamGroup* group) {
  StreamValue* rest = create(heap);
  if (rest == nullptr) return fail(Errc::kOutOfMemory, "consumer group");
  if (!rest->groups_.insert(heap, group)) {
    heap.free(rest);
    return fail(Errc::kOutOfMemory, "consumer group");
  }
  groups_.remove(group);
  return rest->value();
}

bool StreamValue::is_referenced(StreamId id) const {
  return std::any_of(groups_.begin(), groups_.end(), [id](const StreamGroup* group) {
    return group->last_id < id || group->find_pending(id) != nullptr;
  });
}

uint64_t StreamValue::drop_references(Heap& heap, StreamId id) {
  uint64_t dropped = 0;
  for (StreamGroup* group : groups_) dropped += group->remove_pending(heap, id);
  return dropped;
}

// ---- Counting what was read ----------------------------------------------------------------------------
// Entries are counted when they are added, not where they stand. So what lies behind an ID can be told only
// when nothing behind it was deleted, and what lies in front only at places whose number is known: the first
// entry (everything trimmed in front of it was added once) and the last.

// An entry from `id` on may have been deleted from between others.
bool StreamValue::tombstones_from(StreamId id) const {
  if (length_ == 0 || max_deleted_id_ == kStreamIdMin) return false;
  return id <= max_deleted_id_;
}

std::optional<uint64_t> StreamValue::entries_up_to(StreamId id) const {
  if (entries_added_ == 0) return 0;
  if (length_ == 0 && id <= last_id_) return entries_added_;
  if (id == last_id_) return entries_added_;
  if (id > last_id_) return std::nullopt;
  const StreamId first = first_id();
  if (max_deleted_id_ != kStreamIdMin && max_deleted_id_ >= first) return std::nullopt;
  if (id < first) return entries_added_ - length_;
  if (id == first) return entries_added_ - length_ + 1;
  return std::nullopt;
}

void StreamValue::advance_group(StreamGroup& group, StreamId id) const {
  if (group.entries_read != kEntriesReadUnknown && !tombstones_from(id)) {
    ++group.entries_read;
  } else if (entries_added_ != 0) {
    auto count = entries_up_to(id);
    group.entries_read = count ? static_cast<int64_t>(*count) : kEntriesReadUnknown;
  }
  group.last_id = id;
}

std::optional<int64_t> StreamValue::lag(const StreamGroup& group) const {
  if (entries_added_ == 0) return 0;
  if (group.entries_read != kEntriesReadUnknown && !tombstones_from(group.last_id))
    return static_cast<int64_t>(entries_added_) - group.entries_read;
  auto read = entries_up_to(group.last_id);
  if (!read) return std::nullopt;
  return static_cast<int64_t>(entries_added_ - *read);
}

}  // namespace strata

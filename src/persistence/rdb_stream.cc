#include "persistence/rdb_stream.h"

#include "base/endian.h"
#include "persistence/rdb_producers.h"

namespace strata {

void rdb_store_stream_id(char* out, StreamId id) {
  store_be64(out, id.ms);
  store_be64(out + 8, id.sequence);
}

bool rdb_is_stream(RdbType type) {
  return type == RdbType::kStreamListpacks || type == RdbType::kStreamListpacks2 ||
         type == RdbType::kStreamListpacks3;
}

// ---- Skimming ------------------------------------------------------------------------------------------

namespace {

bool skip_lengths(RdbInput& input, int count) {
  uint64_t ignored = 0;
  for (; count > 0; --count) {
    if (!input.length(&ignored)) return false;
  }
  return true;
}

bool skim_group(RdbInput& input, RdbType type) {
  const bool has_counters = type != RdbType::kStreamListpacks;
  uint64_t count = 0;
  if (!input.skip_string() || !skip_lengths(input, has_counters ? 3 : 2) || !input.count(&count))
    return false;
  for (; count > 0; --count) {
    if (!input.skip(kRdbStreamIdBytes + 8) || !skip_lengths(input, 1)) return false;
  }
  uint64_t consumers = 0;
  if (!input.count(&consumers)) return false;
  for (; consumers > 0; --consumers) {
    if (!input.skip_string() || !input.skip(type == RdbType::kStreamListpacks3 ? 16 : 8)) return false;
    if (!input.count(&count)) return false;
    if (count > UINT64_MAX / kRdbStreamIdBytes) return input.bad("number of pending entries");
    if (!input.skip(count * kRdbStreamIdBytes)) return false;
  }
  return true;
}

}  // namespace

bool rdb_skim_stream(RdbInput& input, RdbType type) {
  const bool has_counters = type != RdbType::kStreamListpacks;
  uint64_t count = 0;
  if (!input.count(&count)) return false;
  for (; count > 0; --count) {
    if (!input.skip_string() || !input.skip_string()) return false;
  }
  if (!skip_lengths(input, has_counters ? 8 : 3) || !input.count(&count)) return false;
  for (; count > 0; --count) {
    if (!skim_group(input, type)) return false;
  }
  return true;
}

// ---- Decoding ------------------------------------------------------------------------------------------

Result<uint64_t> RdbStreamDecoder::length() {
  uint64_t value = 0;
  if (!input_.length(&value)) return input_error();
  return value;
}

Result<uint64_t> RdbStreamDecoder::le64() {
  Bytes bytes;
  if (!input_.bytes(8, &bytes)) return input_error();
  return load_le64(bytes.data());
}

Result<StreamId> RdbStreamDecoder::id() {
  StreamId id;
  TRY_ASSIGN(id.ms, length());
  TRY_ASSIGN(id.sequence, length());
  return id;
}

Result<StreamId> RdbStreamDecoder::raw_id() {
  Bytes bytes;
  if (!input_.bytes(kRdbStreamIdBytes, &bytes)) return input_error();
  return StreamId{load_be64(bytes.data()), load_be64(bytes.data() + 8)};
}

Status RdbStreamDecoder::begin() {
  if (!input_.count(&left_)) return input_error();
  stream_ = StreamValue::create(heap_);
  if (stream_ == nullptr) return rdb_no_memory();
  draft_.hold(stream_->value());
  return {};
}

Result<bool> RdbStreamDecoder::step(size_t budget) {
  if (stream_ == nullptr) TRY(begin());
  for (; budget > 0 && stage_ != Stage::kDone; --budget) TRY(next());
  return stage_ == Stage::kDone;
}

Status RdbStreamDecoder::next() {
  switch (stage_) {
    case Stage::kNodes:
      return node();
    case Stage::kFacts:
      return facts();
    case Stage::kGroup:
      return group();
    case Stage::kPending:
      return pending();
    case Stage::kConsumer:
      return consumer();
    case Stage::kOwned:
      return owned();
    case Stage::kGroupEnd:
      return group_end();
    case Stage::kDone:
      break;
  }
  return {};
}

Status RdbStreamDecoder::node() {
  if (left_ == 0) {
    stage_ = Stage::kFacts;
    return {};
  }
  --left_;
  Bytes key;
  if (!input_.string(&key, scratch_)) return input_error();
  if (key.size() != kRdbStreamIdBytes) return rdb_corrupt("a stream node's ID");
  const StreamId master{load_be64(key.data()), load_be64(key.data() + 8)};
  if (stream_->node_count() > 0 && (master <= master_ || master <= last_alive_))
    return rdb_corrupt("stream nodes out of order");
  Blob* blob = input_.blob(heap_);
  if (blob == nullptr) return input_error();
  stream_node::Summary summary;
  const bool is_valid = stream_node::validate(blob->view(), master, &summary);
  const bool is_kept = is_valid && summary.alive > 0;
  if (is_kept && stream_->append_node(heap_, master, blob)) {
    master_ = master;
    last_alive_ = summary.last_alive;
    return {};
  }
  Blob::destroy(heap_, blob);
  if (!is_valid) return rdb_corrupt("malformed stream node");
  if (is_kept) return rdb_no_memory();
  return {};
}

Status RdbStreamDecoder::facts() {
  TRY_ASSIGN(const uint64_t entries, length());
  if (entries != stream_->length()) return rdb_corrupt("number of a stream's entries");
  TRY_ASSIGN(const StreamId last, id());
  if (last < last_alive_) return rdb_corrupt("a stream's last ID");
  stream_->set_last_id(last);
  stream_->set_entries_added(entries);
  if (has_counters()) {
    TRY(id());  // of the first entry, which the nodes tell
    TRY_ASSIGN(const StreamId max_deleted, id());
    TRY_ASSIGN(const uint64_t added, length());
    stream_->set_max_deleted_id(max_deleted);
    stream_->set_entries_added(added);
  }
  if (!input_.count(&groups_left_)) return input_error();
  stage_ = Stage::kGroup;
  return {};
}

Status RdbStreamDecoder::group() {
  if (groups_left_ == 0) {
    stage_ = Stage::kDone;
    return rdb_read_dumped_producers(heap_, input_.rest(), stream_->producers());
  }
  --groups_left_;
  Bytes name;
  if (!input_.string(&name, scratch_)) return input_error();
  if (stream_->find_group(name) != nullptr) return rdb_corrupt("a consumer group comes twice");
  std::string owned_name(name);
  TRY_ASSIGN(const StreamId last, id());
  int64_t entries_read = kEntriesReadUnknown;
  if (has_counters()) {
    TRY_ASSIGN(const uint64_t read, length());
    entries_read = static_cast<int64_t>(read);
    if (entries_read < kEntriesReadUnknown) return rdb_corrupt("entries that a group has read");
  }
  TRY_ASSIGN(group_, stream_->create_group(heap_, owned_name, last, entries_read));
  if (!input_.count(&left_)) return input_error();
  stage_ = Stage::kPending;
  return {};
}

Status RdbStreamDecoder::pending() {
  if (left_ == 0) {
    if (!input_.count(&consumers_left_)) return input_error();
    stage_ = Stage::kConsumer;
    return {};
  }
  --left_;
  TRY_ASSIGN(const StreamId entry, raw_id());
  TRY_ASSIGN(const uint64_t delivery_ms, le64());
  TRY_ASSIGN(const uint64_t deliveries, length());
  if (group_->find_pending(entry) != nullptr) return rdb_corrupt("a pending entry comes twice");
  if (!group_->assign(heap_, entry, nullptr, static_cast<int64_t>(delivery_ms), deliveries))
    return rdb_no_memory();
  return {};
}

Status RdbStreamDecoder::consumer() {
  if (consumers_left_ == 0) {
    stage_ = Stage::kGroupEnd;
    return {};
  }
  --consumers_left_;
  Bytes name;
  if (!input_.string(&name, scratch_)) return input_error();
  if (group_->find_consumer(name) != nullptr) return rdb_corrupt("a consumer comes twice");
  consumer_ = group_->create_consumer(heap_, name, 0);
  if (consumer_ == nullptr) return rdb_no_memory();
  TRY_ASSIGN(const uint64_t seen_ms, le64());
  consumer_->seen_ms = consumer_->active_ms = static_cast<int64_t>(seen_ms);
  if (type_ == RdbType::kStreamListpacks3) {
    TRY_ASSIGN(const uint64_t active_ms, le64());
    consumer_->active_ms = static_cast<int64_t>(active_ms);
  }
  if (!input_.count(&left_)) return input_error();
  stage_ = Stage::kOwned;
  return {};
}

Status RdbStreamDecoder::owned() {
  if (left_ == 0) {
    stage_ = Stage::kConsumer;
    return {};
  }
  --left_;
  TRY_ASSIGN(const StreamId entry, raw_id());
  StreamPending* pending = group_->find_pending(entry);
  if (pending == nullptr) return rdb_corrupt("a consumer's entry that is not pending");
  if (pending->consumer != nullptr) return rdb_corrupt("a pending entry of two consumers");
  if (!group_->give(heap_, pending, consumer_)) return rdb_no_memory();
  return {};
}

Status RdbStreamDecoder::group_end() {
  if (group_->unowned_count() > 0) return rdb_corrupt("a pending entry without a consumer");
  stage_ = Stage::kGroup;
  StreamConsumer* nobody = group_->find_consumer(kRdbUnownedConsumer);
  if (nobody == nullptr) return {};
  StreamId from = kStreamIdMin;
  for (;;) {
    StreamPendingCursor at = StreamGroup::pending_from(*nobody, from);
    if (at.done()) break;
    const StreamPending pending = *at;
    if (pending.delivery_ms == kRdbUnownedDeliveryMs &&
        !group_->assign(heap_, pending.id, nullptr, pending.delivery_ms, pending.deliveries))
      return rdb_no_memory();
    if (pending.id == kStreamIdMax) break;
    from = *next_id(pending.id);
  }
  const bool is_stand_in = nobody->pending.empty() && nobody->seen_ms == 0;
  if (is_stand_in) static_cast<void>(group_->remove_consumer_some(heap_, nobody, 1));
  return {};
}

}  // namespace strata

#include "data/stream_copy.h"

#include <cstring>
#include <utility>

namespace strata {
namespace {

Error out_of_memory() { return {Errc::kOutOfMemory, 0, "copy of a stream", 0}; }

}  // namespace

StreamCopy::~StreamCopy() {
  if (to_ != nullptr) StreamValue::destroy(heap_, to_);
}

StreamValue* StreamCopy::take() { return std::exchange(to_, nullptr); }

Result<bool> StreamCopy::step(size_t budget) {
  if (to_ == nullptr) TRY(begin());
  for (; budget > 0; --budget) {
    if (!node_.done()) {
      TRY(copy_node());
    } else if (group_ != nullptr && !pending_.done()) {
      TRY(copy_pending());
    } else if (group_index_ < from_.groups().size()) {
      TRY(begin_group());
    } else {
      return true;
    }
  }
  return false;
}

Status StreamCopy::begin() {
  to_ = StreamValue::create(heap_);
  if (to_ == nullptr) return std::unexpected(out_of_memory());
  to_->set_last_id(from_.last_id());
  to_->set_entries_added(from_.entries_added());
  to_->set_max_deleted_id(from_.max_deleted_id());
  if (!to_->producers().copy_from(heap_, from_.producers())) return std::unexpected(out_of_memory());
  node_ = from_.nodes().first();
  return {};
}

Status StreamCopy::copy_node() {
  Bytes bytes = static_cast<const Blob*>(node_.value())->view();
  Blob* copy = Blob::create(heap_, bytes.size());
  if (copy == nullptr) return std::unexpected(out_of_memory());
  std::memcpy(copy->bytes, bytes.data(), bytes.size());
  copy->size = static_cast<uint32_t>(bytes.size());
  if (!to_->append_node(heap_, node_.id(), copy)) {
    Blob::destroy(heap_, copy);
    return std::unexpected(out_of_memory());
  }
  node_ = IdTree::next(node_);
  return {};
}

Status StreamCopy::begin_group() {
  const StreamGroup& from = *from_.groups().items()[group_index_++];
  TRY_ASSIGN(group_, to_->create_group(heap_, from.name(), from.last_id, from.entries_read));
  for (const StreamConsumer* consumer : from.consumers()) {
    StreamConsumer* copy = group_->create_consumer(heap_, consumer->name(), consumer->seen_ms);
    if (copy == nullptr) return std::unexpected(out_of_memory());
    copy->active_ms = consumer->active_ms;
  }
  // By time, so that entries of the same millisecond keep their order.
  pending_ = from.pending_by_time();
  return {};
}

Status StreamCopy::copy_pending() {
  StreamConsumer* consumer = nullptr;
  if (pending_->consumer != nullptr) consumer = group_->find_consumer(pending_->consumer->name());
  if (!group_->assign(heap_, pending_->id, consumer, pending_->delivery_ms, pending_->deliveries))
    return std::unexpected(out_of_memory());
  pending_.next();
  return {};
}

}  // namespace strata

// Streams as an RDB value, in as many steps as one likes; a part of rdb_encode.h, which see.
//
// Nodes go out as they are. Pending entries stand twice: with their times in the group's list, and as bare
// IDs in their consumer's. Those that are nobody's get a consumer without a name there (rdb_stream.h).

#pragma once

#include <algorithm>

#include "data/stream.h"
#include "persistence/rdb_format.h"
#include "persistence/rdb_stream.h"

namespace strata {

inline RdbType rdb_stream_type(uint32_t version) {
  if (version >= kRdbVersionWithStreamActivity) return RdbType::kStreamListpacks3;
  return version >= kRdbVersionWithStreamCounters ? RdbType::kStreamListpacks2 : RdbType::kStreamListpacks;
}

template <typename Out>
class RdbStreamEncoder {
 public:
  RdbStreamEncoder(Out& out, const StreamValue& stream, RdbType type)
      : out_(out), stream_(stream), type_(type), node_(stream.nodes().first()) {
    out_.length(stream.node_count());
  }

  // True when the value is whole.
  bool step(size_t budget) {
    for (; budget > 0 && stage_ != Stage::kDone; --budget) next();
    return stage_ == Stage::kDone;
  }

 private:
  enum class Stage : uint8_t { kNodes, kGroup, kPending, kConsumer, kOwned, kUnowned, kDone };

  void next() {
    switch (stage_) {
      case Stage::kNodes:
        return node();
      case Stage::kGroup:
        return group();
      case Stage::kPending:
        return pending();
      case Stage::kConsumer:
        return consumer();
      case Stage::kOwned:
        return owned();
      case Stage::kUnowned:
        return unowned();
      case Stage::kDone:
        break;
    }
  }
  bool has_counters() const { return type_ != RdbType::kStreamListpacks; }
  void id(StreamId id) {
    out_.length(id.ms);
    out_.length(id.sequence);
  }
  void raw_id(StreamId id) {
    char bytes[kRdbStreamIdBytes];
    rdb_store_stream_id(bytes, id);
    out_.raw(Bytes(bytes, sizeof bytes));
  }

  void node() {
    if (node_.done()) return facts();
    char master[kRdbStreamIdBytes];
    rdb_store_stream_id(master, node_.id());
    out_.string(Bytes(master, sizeof master));
    auto* blob = static_cast<Blob*>(node_.value());
    out_.string(blob->view(), blob);
    node_ = IdTree::next(node_);
  }
  void facts() {
    out_.length(stream_.length());
    id(stream_.last_id());
    if (has_counters()) {
      id(stream_.first_id());
      id(stream_.max_deleted_id());
      out_.length(stream_.entries_added());
    }
    out_.length(stream_.groups().size());
    stage_ = Stage::kGroup;
  }
  void group() {
    if (group_index_ == stream_.groups().size()) {
      stage_ = Stage::kDone;
      return;
    }
    group_ = stream_.groups().items()[group_index_++];
    out_.string(group_->name());
    id(group_->last_id);
    if (has_counters()) out_.length(static_cast<uint64_t>(group_->entries_read));
    out_.length(group_->pending_count());
    pending_ = group_->pending_from(kStreamIdMin);
    stage_ = Stage::kPending;
  }
  void pending() {
    if (pending_.done()) return begin_consumers();
    raw_id(pending_->id);
    out_.le64(static_cast<uint64_t>(pending_->delivery_ms));
    out_.length(pending_->deliveries);
    pending_.next();
  }
  // The consumer without a name is the first one: there is one, or one stands in.
  void begin_consumers() {
    const bool stands_in =
        group_->unowned_count() > 0 && group_->find_consumer(kRdbUnownedConsumer) == nullptr;
    out_.length(group_->consumers().size() + stands_in);
    consumer_index_ = 0;
    stage_ = Stage::kConsumer;
    if (!stands_in) return;
    begin_consumer(kRdbUnownedConsumer, 0, 0, group_->unowned_count());
    begin_unowned();
  }
  void begin_consumer(Bytes name, int64_t seen_ms, int64_t active_ms, uint64_t pending_count) {
    out_.string(name);
    out_.le64(static_cast<uint64_t>(seen_ms));
    if (type_ == RdbType::kStreamListpacks3) out_.le64(static_cast<uint64_t>(active_ms));
    out_.length(pending_count);
  }
  void consumer() {
    if (consumer_index_ == group_->consumers().size()) {
      stage_ = Stage::kGroup;
      return;
    }
    const StreamConsumer* consumer = group_->consumers().items()[consumer_index_++];
    shares_ = consumer->name() == kRdbUnownedConsumer && group_->unowned_count() > 0;
    begin_consumer(consumer->name(), consumer->seen_ms, consumer->active_ms,
                   consumer->pending.size() + (shares_ ? group_->unowned_count() : 0));
    pending_ = StreamGroup::pending_from(*consumer, kStreamIdMin);
    stage_ = Stage::kOwned;
  }
  void owned() {
    if (pending_.done()) {
      stage_ = Stage::kConsumer;
      if (shares_) begin_unowned();
      return;
    }
    raw_id(pending_->id);
    pending_.next();
  }
  void begin_unowned() {
    pending_ = group_->pending_from(kStreamIdMin);
    stage_ = Stage::kUnowned;
  }
  void unowned() {
    if (pending_.done()) {
      stage_ = Stage::kConsumer;
      return;
    }
    if (pending_->consumer == nullptr) raw_id(pending_->id);
    pending_.next();
  }

  Out& out_;
  const StreamValue& stream_;
  const RdbType type_;
  Stage stage_ = Stage::kNodes;
  IdTree::Position node_;
  uint32_t group_index_ = 0;
  const StreamGroup* group_ = nullptr;
  uint32_t consumer_index_ = 0;
  bool shares_ = false;  // the consumer's list goes on with what is nobody's
  StreamPendingCursor pending_{IdTree::Position{}};
};

}  // namespace strata

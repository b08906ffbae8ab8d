// One entry as an RDB record, in as many steps as one likes.
//
//   RdbEncoder encoder(out, entry, version);
//   while (!encoder.step(256)) …          // elements, nodes of a list, at least one
//
// RdbParts::kValue leaves out the key and its deadline: DUMP's form (rdb_dump.h).
//
// The entry must not change until the last step. `Out` is RdbOutput, which writes to a file, or
// SnapshotBuffer, which gathers records for a thread that does: both have type(), opcode(), length(),
// raw(), string(), element(), binary_double(), le64(). Packed values go out as they are where the version
// knows them.

#pragma once

#include <algorithm>
#include <limits>
#include <optional>

#include "data/hash.h"
#include "data/hash_deadlines.h"
#include "data/list.h"
#include "data/set.h"
#include "data/zset.h"
#include "keyspace/entry.h"
#include "persistence/rdb_encode_stream.h"
#include "persistence/rdb_format.h"
#include "persistence/rdb_producers.h"

namespace strata {

enum class RdbParts : uint8_t { kRecord, kValue };

// The version that a value needs, where `version` is wanted.
inline uint32_t rdb_version_for(const Entry& entry, uint32_t version) {
  const bool is_timed = entry.encoding() == Encoding::kTimed;
  return is_timed ? std::max(version, kRdbVersionWithFieldDeadlines) : version;
}

template <typename Out>
class RdbEncoder {
 public:
  RdbEncoder(Out& out, const Entry& entry, uint32_t version, RdbParts parts = RdbParts::kRecord)
      : out_(out), entry_(entry), parts_(parts), has_listpacks_(version >= kRdbVersionWithListpack) {
    if (parts == RdbParts::kRecord && entry.type() == Type::kStream) producers();
    // A deadline that never comes stands for none (Database::clear_deadline).
    const bool has_deadline = parts == RdbParts::kRecord && entry.has_deadline();
    if (has_deadline && entry.deadline_ms() != std::numeric_limits<int64_t>::max()) {
      out.opcode(RdbOpcode::kExpireMs);
      out.le64(static_cast<uint64_t>(entry.deadline_ms()));
    }
    begin_value(version);
  }

  // True when the record is whole.
  bool step(size_t budget) {
    if (is_done_) return true;
    if (stream_) {
      is_done_ = stream_->step(budget);
    } else if (nodes_) {
      step_nodes(budget);
    } else if (elements_) {
      for (; budget > 0 && !elements_->done(); --budget, elements_->next())
        out_.element(elements_->element());
      is_done_ = elements_->done();
    } else if (members_) {
      for (; budget > 0 && !members_->done(); --budget, members_->prev()) {
        out_.element(members_->member());
        out_.binary_double(members_->score());
      }
      is_done_ = members_->done();
    } else if (entry_.type() == Type::kSet) {
      is_done_ = set_visit_some(entry_.value(), cursor_, budget, [&](const Element& m) { out_.element(m); });
    } else {
      is_done_ = hash_visit_some(entry_.value(), cursor_, budget, [&](const Element& f, const Element& v) {
        if (first_deadline_ms_ != INT64_MAX) field_deadline(f);
        out_.element(f);
        out_.element(v);
      });
    }
    return is_done_;
  }

 private:
  void producers() {
    const StreamProducers& of_stream = StreamValue::of(entry_.value()).producers();
    if (!of_stream.in_use()) return;
    out_.opcode(RdbOpcode::kAux);
    out_.string(kRdbProducersField);
    out_.string(rdb_producers_text(of_stream));
  }
  void begin_value(uint32_t version) {
    switch (entry_.type()) {
      case Type::kString:
        return begin_string();
      case Type::kList:
        return begin_list();
      case Type::kSet:
        return begin_set(version);
      case Type::kHash:
        return begin_hash();
      case Type::kZset:
        return begin_zset();
      case Type::kStream:
        return begin_stream(version);
    }
  }
  void begin(RdbType type) {
    out_.type(type);
    if (parts_ == RdbParts::kRecord) out_.string(entry_.key());
  }
  void whole(RdbType type) {
    begin(type);
    auto* blob = static_cast<Blob*>(entry_.value().pointer);
    out_.string(blob->view(), blob);
    is_done_ = true;
  }
  void begin_string() {
    begin(RdbType::kString);
    out_.element(entry_.string());
    is_done_ = true;
  }
  void begin_list() {
    if (!has_listpacks_) {
      begin(RdbType::kList);
      out_.length(list::length(entry_.value()));
      elements_.emplace(entry_.value(), 0);
      return;
    }
    begin(RdbType::kListQuicklist2);
    nodes_.emplace(entry_.value());
    out_.length(nodes_->nodes_left());
  }
  void step_nodes(size_t budget) {
    for (; budget > 0 && !nodes_->done(); --budget, nodes_->next()) {
      const list::Node& node = nodes_->node();
      out_.length(static_cast<uint8_t>(node.is_plain ? RdbContainer::kPlain : RdbContainer::kPacked));
      out_.string(node.blob->view(), node.blob);
    }
    is_done_ = nodes_->done();
  }
  // Before version 11 a set of listpack form is written member by member.
  void begin_set(uint32_t version) {
    const Value set = entry_.value();
    if (set.encoding == Encoding::kIntset) return whole(RdbType::kSetIntset);
    if (set.encoding == Encoding::kListpack && version >= kRdbVersionWithSetListpack)
      return whole(RdbType::kSetListpack);
    begin(RdbType::kSet);
    out_.length(set_size(set));
  }
  void begin_hash() {
    const Value hash = entry_.value();
    if (hash.encoding == Encoding::kListpack && has_listpacks_) return whole(RdbType::kHashListpack);
    first_deadline_ms_ = hash_first_deadline(hash);
    begin(first_deadline_ms_ == INT64_MAX ? RdbType::kHash : RdbType::kHashMetadata);
    if (first_deadline_ms_ != INT64_MAX) out_.le64(static_cast<uint64_t>(first_deadline_ms_));
    out_.length(hash_size(hash));
  }
  // Counted from the first one, which is 1; 0: none.
  void field_deadline(const Element& field) {
    char scratch[kIntegerTextBytes];
    const int64_t deadline_ms = hash_deadline(entry_.value(), element_text(field, scratch));
    const bool has_one = deadline_ms != kNoFieldDeadline;
    out_.length(has_one ? static_cast<uint64_t>(deadline_ms - first_deadline_ms_) + 1 : 0);
  }
  void begin_stream(uint32_t version) {
    const RdbType type = rdb_stream_type(version);
    begin(type);
    stream_.emplace(out_, StreamValue::of(entry_.value()), type);
  }
  // From the highest score down, as Redis does: whoever inserts at the front of a skip list is then fastest.
  void begin_zset() {
    const Value zset = entry_.value();
    if (zset.encoding == Encoding::kListpack && has_listpacks_) return whole(RdbType::kZsetListpack);
    begin(RdbType::kZset2);
    out_.length(zset_size(zset));
    members_.emplace(zset_at(zset, zset_size(zset) - 1));
  }

  Out& out_;
  const Entry& entry_;
  const RdbParts parts_;
  const bool has_listpacks_;
  bool is_done_ = false;
  uint64_t cursor_ = 0;
  int64_t first_deadline_ms_ = INT64_MAX;  // of a hash's fields
  std::optional<list::NodeCursor> nodes_;
  std::optional<list::Iterator> elements_;
  std::optional<ZsetCursor> members_;
  std::optional<RdbStreamEncoder<Out>> stream_;
};

}  // namespace strata

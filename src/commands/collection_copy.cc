#include "commands/collection_copy.h"

#include <algorithm>

#include "data/hash_deadlines.h"

namespace strata {
namespace {

// Elements in a node of a list of small ones; a budget of elements becomes one of nodes.
constexpr size_t kElementsPerNode = 512;
constexpr size_t kEntriesPerNode = 64;  // of a stream; a pending entry counts as much

}  // namespace

Value CollectionCopy::take() {
  if (stream_) {
    if (StreamValue* copy = stream_->take()) copy_ = copy->value();
    stream_.reset();
  }
  Value value = copy_.value_or(Value{Type::kString, Encoding::kInt, nullptr});
  copy_.reset();
  return value;
}

Result<bool> CollectionCopy::step(size_t budget) {
  switch (from_.type) {
    case Type::kList:
      return step_list(budget);
    case Type::kHash:
      return step_hash(budget);
    case Type::kSet:
      return step_set(budget);
    case Type::kZset:
      return step_zset(budget);
    case Type::kStream:
      return step_stream(budget);
    case Type::kString:
      break;
  }
  return fail(Errc::kUnsupported, "COPY of this type is not supported");
}

Result<bool> CollectionCopy::step_list(size_t budget) {
  if (!copy_) {
    Value list;
    if (!list::create(data_.heap, &list)) return fail(Errc::kOutOfMemory, "list");
    copy_ = list;
    nodes_.emplace(from_);
  }
  if (!list::copy_some(*nodes_, data_.heap, *copy_, std::max<size_t>(1, budget / kElementsPerNode))) {
    return fail(Errc::kOutOfMemory, "list");
  }
  if (!nodes_->done()) return false;
  list::settle_encoding(*copy_, data_.heap, options_.list);
  return true;
}

Result<bool> CollectionCopy::step_hash(size_t budget) {
  if (!copy_) {
    TRY_ASSIGN(copy_, hash_create(data_));
  }
  Status status;
  bool done = hash_visit_some(from_, cursor_, budget, [&](const Element& field, const Element& value) {
    if (!status) return;
    char field_text[kIntegerTextBytes];
    char value_text[kIntegerTextBytes];
    const Bytes name = element_text(field, field_text);
    auto set = hash_set(data_, options_.hash, *copy_, name, element_text(value, value_text));
    const int64_t deadline_ms = hash_deadline(from_, name);
    if (!set) {
      status = std::unexpected(set.error());
    } else if (deadline_ms != kNoFieldDeadline) {
      status = hash_set_deadline(data_, *copy_, name, deadline_ms);
    }
  });
  TRY(status);
  return done;
}

Result<bool> CollectionCopy::step_set(size_t budget) {
  Status status;
  bool done = set_visit_some(from_, cursor_, budget, [&](const Element& member) {
    if (!status) return;
    char text[kIntegerTextBytes];
    Bytes bytes = element_text(member, text);
    if (!copy_) {
      auto set = set_create(data_, options_.set, bytes);
      if (!set) {
        status = std::unexpected(set.error());
        return;
      }
      copy_ = *set;
    }
    auto added = set_add(data_, options_.set, *copy_, bytes);
    if (!added) status = std::unexpected(added.error());
  });
  TRY(status);
  return done;
}

Result<bool> CollectionCopy::step_stream(size_t budget) {
  if (!stream_) stream_.emplace(StreamValue::of(from_), data_.heap);
  return stream_->step(std::max<size_t>(1, budget / kEntriesPerNode));
}

Result<bool> CollectionCopy::step_zset(size_t budget) {
  if (!copy_) {
    TRY_ASSIGN(copy_, zset_create(data_, options_.zset, 0));
  }
  Status status;
  uint64_t end = std::min<uint64_t>(zset_size(from_), cursor_ + budget);
  zset_visit(from_, cursor_, end, false, [&](const Element& member, double score) {
    if (!status) return;
    char text[kIntegerTextBytes];
    auto added = zset_add(data_, options_.zset, *copy_, score, element_text(member, text));
    if (!added) status = std::unexpected(added.error());
  });
  TRY(status);
  cursor_ = end;
  return cursor_ == zset_size(from_);
}

}  // namespace strata

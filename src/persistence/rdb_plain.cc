#include "persistence/rdb_plain.h"

#include "base/endian.h"
#include "persistence/rdb_legacy.h"

namespace strata {

bool RdbPlainDecoder::handles(RdbType type) {
  switch (type) {
    case RdbType::kList:
    case RdbType::kSet:
    case RdbType::kHash:
    case RdbType::kHashMetadata:
    case RdbType::kZset:
    case RdbType::kZset2:
    case RdbType::kListQuicklist:
    case RdbType::kListQuicklist2:
      return true;
    default:
      return rdb_is_stream(type);
  }
}

Status RdbPlainDecoder::begin() {
  Bytes first;
  if (type_ == RdbType::kHashMetadata) {
    if (!input_.bytes(8, &first)) return input_error();
    first_deadline_ms_ = load_le64(first.data());
  }
  if (!input_.count(&left_)) return input_error();
  switch (type_) {
    case RdbType::kSet:
      builder_.emplace<RdbSetBuilder>(context_, limits_, left_);
      return {};
    case RdbType::kHash:
    case RdbType::kHashMetadata:
      return builder_.emplace<RdbHashBuilder>(context_, limits_).begin(left_);
    case RdbType::kZset:
    case RdbType::kZset2:
      builder_.emplace<RdbZsetBuilder>(context_, limits_, left_);
      return {};
    default:
      return builder_.emplace<RdbListBuilder>(context_, limits_).begin();
  }
}

Result<bool> RdbPlainDecoder::step(size_t budget) {
  if (rdb_is_stream(type_)) {
    auto* stream = std::get_if<RdbStreamDecoder>(&builder_);
    if (stream == nullptr) stream = &builder_.emplace<RdbStreamDecoder>(context_, type_, input_);
    return stream->step(budget);
  }
  if (std::holds_alternative<std::monostate>(builder_)) TRY(begin());
  const bool has_nodes = type_ == RdbType::kListQuicklist || type_ == RdbType::kListQuicklist2;
  if (has_nodes && budget != SIZE_MAX) budget = 1;
  for (; budget > 0 && left_ > 0; --budget, --left_) TRY(next());
  return left_ == 0;
}

Status RdbPlainDecoder::next() {
  if (auto* list = std::get_if<RdbListBuilder>(&builder_)) return next_node(*list);
  // Where fields have deadlines each begins with its own, counted from the first one, which is 1; 0: none.
  uint64_t deadline = 0;
  if (type_ == RdbType::kHashMetadata && !input_.length(&deadline)) return input_error();
  Element element;
  if (!input_.element(&element, scratch_)) return input_error();
  if (auto* set = std::get_if<RdbSetBuilder>(&builder_)) return set->add(element);
  if (auto* hash = std::get_if<RdbHashBuilder>(&builder_)) {
    Element value;
    if (!input_.element(&value, second_scratch_)) return input_error();
    TRY(hash->add(element, value));
    if (deadline == 0) return {};
    if (deadline > static_cast<uint64_t>(kFieldDeadlineMaxMs)) return rdb_corrupt("a field's deadline");
    return hash->add_deadline(element, first_deadline_ms_ + (deadline - 1));
  }
  double score = 0;
  const bool is_binary = type_ == RdbType::kZset2;
  if (!(is_binary ? input_.binary_score(&score) : input_.text_score(&score))) return input_error();
  return std::get<RdbZsetBuilder>(builder_).add(element, score);
}

Status RdbPlainDecoder::next_node(RdbListBuilder& builder) {
  if (type_ == RdbType::kListQuicklist) return ziplist_node(builder);
  if (type_ == RdbType::kListQuicklist2) {
    uint64_t container = 0;
    if (!input_.length(&container)) return input_error();
    if (container == static_cast<uint64_t>(RdbContainer::kPlain)) return plain_node(builder);
    if (container == static_cast<uint64_t>(RdbContainer::kPacked)) return packed_node(builder);
    return rdb_corrupt("unknown kind of list node");
  }
  Element element;
  if (!input_.element(&element, scratch_)) return input_error();
  return builder.add(element);
}

Status RdbPlainDecoder::ziplist_node(RdbListBuilder& builder) {
  Bytes ziplist;
  if (!input_.string(&ziplist, scratch_)) return input_error();
  auto add = [&](const Element& element) { return builder.add(element); };
  const Status visited = visit_ziplist(ziplist, add);
  // An offset inside packed bytes means nothing in the file, where they may be compressed.
  if (!visited) return fail(visited.error().code, visited.error().what);
  return {};
}

Status RdbPlainDecoder::plain_node(RdbListBuilder& builder) {
  Element element;
  if (!input_.element(&element, scratch_)) return input_error();
  return builder.add_plain(element);
}

Status RdbPlainDecoder::packed_node(RdbListBuilder& builder) {
  Blob* blob = input_.blob(context_.heap);
  if (blob == nullptr) return input_error();
  const bool valid = packed::validate(blob->view());
  if (valid && !packed::empty(blob->view())) return builder.add_node(blob);
  Blob::destroy(context_.heap, blob);
  if (!valid) return rdb_corrupt("malformed listpack");
  return {};  // an empty node; Redis passes over it too
}

Result<Value> RdbPlainDecoder::finish() {
  if (auto* list = std::get_if<RdbListBuilder>(&builder_)) return list->finish();
  if (auto* set = std::get_if<RdbSetBuilder>(&builder_)) return set->finish();
  if (auto* hash = std::get_if<RdbHashBuilder>(&builder_)) return hash->finish();
  if (auto* stream = std::get_if<RdbStreamDecoder>(&builder_)) return stream->finish();
  return std::get<RdbZsetBuilder>(builder_).finish();
}

Value RdbPlainDecoder::take() {
  if (auto* list = std::get_if<RdbListBuilder>(&builder_)) return list->take();
  if (auto* set = std::get_if<RdbSetBuilder>(&builder_)) return set->take();
  if (auto* hash = std::get_if<RdbHashBuilder>(&builder_)) return hash->take();
  if (auto* zset = std::get_if<RdbZsetBuilder>(&builder_)) return zset->take();
  if (auto* stream = std::get_if<RdbStreamDecoder>(&builder_)) return stream->take();
  return {Type::kString, Encoding::kInt, nullptr};
}

}  // namespace strata

// Builders of lists, sets, hashes and sorted sets from single elements, whatever these were stored in.
//
// Internal to the RDB decoder. Each takes the elements in the file's order and gives the value with finish();
// one that is dropped before frees what it has built. Failure: kOutOfMemory, or kCorruption for a member or
// field that comes twice.

#pragma once

#include <cstdint>
#include <utility>

#include "base/result.h"
#include "data/context.h"
#include "data/hash_deadlines.h"
#include "keyspace/lazy_free.h"
#include "persistence/rdb_decode.h"

namespace strata {

inline std::unexpected<Error> rdb_no_memory() { return fail(Errc::kOutOfMemory, "value"); }
inline std::unexpected<Error> rdb_corrupt(const char* what) { return fail(Errc::kCorruption, what); }

// A value being built: destroyed unless it is released.
class RdbDraft {
 public:
  explicit RdbDraft(Heap& heap) : heap_(heap) {}
  ~RdbDraft() {
    if (!held_) return;
    while (!destroy_some(value, heap_, SIZE_MAX)) {
    }
  }
  RdbDraft(const RdbDraft&) = delete;
  RdbDraft& operator=(const RdbDraft&) = delete;

  void hold(const Value& held) {
    value = held;
    held_ = true;
  }
  bool held() const { return held_; }
  Value release() {
    held_ = false;
    return value;
  }
  // For who frees in slices what was begun: type kString when nothing is held.
  Value take() { return held_ ? release() : Value{Type::kString, Encoding::kInt, nullptr}; }

  Value value{};

 private:
  Heap& heap_;
  bool held_ = false;
};

// Takes elements one by one, whatever they were stored in, and builds a value of one type.
class RdbListBuilder {
 public:
  RdbListBuilder(const DataContext& context, const RdbLimits& limits)
      : heap_(context.heap), limits_(limits.list), draft_(context.heap) {}

  Status begin() {
    Value value{};
    if (!list::create(heap_, &value)) return rdb_no_memory();
    draft_.hold(value);
    return {};
  }
  Status add(const Element& element) {
    if (!list::push(draft_.value, heap_, limits_, list::End::kBack, element)) return rdb_no_memory();
    return {};
  }
  // A node with this one element: large ones get a block of their own.
  Status add_plain(const Element& element) {
    if (element.is_integer || element.bytes.size() < list::kLargeElementBytes) return add(element);
    Blob* blob = Blob::create(heap_, element.bytes.size());
    if (blob == nullptr) return rdb_no_memory();
    element.bytes.copy(blob->bytes, element.bytes.size());
    blob->size = static_cast<uint32_t>(element.bytes.size());
    return append(blob, true);
  }
  // Takes a valid packed node over, whatever becomes of it.
  Status add_node(Blob* blob) {
    if (limits_.allow(blob->size, packed::count(blob->view()))) return append(blob, false);
    Status added;
    for (packed::Cursor cursor(blob->view()); added && !cursor.done(); cursor.next())
      added = add(cursor.element());
    Blob::destroy(heap_, blob);
    return added;
  }
  Value finish() {
    list::settle_encoding(draft_.value, heap_, limits_);
    return draft_.release();
  }
  Value take() { return draft_.take(); }

 private:
  Status append(Blob* blob, bool is_plain) {
    if (list::append_node(draft_.value, heap_, blob, is_plain)) return {};
    Blob::destroy(heap_, blob);
    return rdb_no_memory();
  }

  Heap& heap_;
  list::Limits limits_;
  RdbDraft draft_;
};

class RdbSetBuilder {
 public:
  RdbSetBuilder(const DataContext& context, const RdbLimits& limits, uint64_t count)
      : context_(context), limits_(limits.set), count_(count), draft_(context.heap) {}

  Status add(const Element& element) {
    char scratch[kIntegerTextBytes];
    const Bytes member = element_text(element, scratch);
    if (!draft_.held()) TRY(begin(member));
    TRY_ASSIGN(const bool is_new, set_add(context_, limits_, draft_.value, member));
    if (!is_new) return rdb_corrupt("a set with a member twice");
    return {};
  }
  Result<Value> finish() {
    if (!draft_.held()) TRY(begin({}));
    return draft_.release();
  }
  Value take() { return draft_.take(); }

 private:
  Status begin(Bytes first_member) {
    TRY_ASSIGN(const Value value, set_create(context_, limits_, first_member, count_));
    draft_.hold(value);
    return {};
  }

  const DataContext& context_;
  const SetLimits& limits_;
  const uint64_t count_;
  RdbDraft draft_;
};

class RdbHashBuilder {
 public:
  RdbHashBuilder(const DataContext& context, const RdbLimits& limits)
      : context_(context), limits_(limits.hash), draft_(context.heap) {}

  Status begin(uint64_t count) {
    TRY_ASSIGN(const Value value, hash_create(context_));
    draft_.hold(value);
    // A large one is a table from the start, instead of being searched and copied while it grows.
    if (count <= limits_.packed_entries) return {};
    return hash_prepare(context_, limits_, draft_.value, size_t{limits_.packed_value_bytes} + 1);
  }
  Status add(const Element& field, const Element& value) {
    char field_scratch[kIntegerTextBytes];
    char value_scratch[kIntegerTextBytes];
    TRY_ASSIGN(const bool is_new,
               hash_set(context_, limits_, draft_.value, element_text(field, field_scratch),
                        element_text(value, value_scratch)));
    if (!is_new) return rdb_corrupt("a hash with a field twice");
    return {};
  }
  // Of the field that was added last.
  Status add_deadline(const Element& field, uint64_t deadline_ms) {
    if (deadline_ms > static_cast<uint64_t>(kFieldDeadlineMaxMs)) return rdb_corrupt("a field's deadline");
    char scratch[kIntegerTextBytes];
    return hash_set_deadline(context_, draft_.value, element_text(field, scratch),
                             static_cast<int64_t>(deadline_ms));
  }
  Value finish() { return draft_.release(); }
  Value take() { return draft_.take(); }

 private:
  const DataContext& context_;
  const HashLimits& limits_;
  RdbDraft draft_;
};

class RdbZsetBuilder {
 public:
  RdbZsetBuilder(const DataContext& context, const RdbLimits& limits, uint64_t count)
      : context_(context), limits_(limits.zset), count_(count), draft_(context.heap) {}

  Status add(const Element& element, double score) {
    char scratch[kIntegerTextBytes];
    const Bytes member = element_text(element, scratch);
    if (!draft_.held()) TRY(begin(member.size()));
    TRY_ASSIGN(const ZaddResult added, zset_add(context_, limits_, draft_.value, score, member));
    if (added.change != ZaddChange::kAdded) return rdb_corrupt("a sorted set with a member twice");
    return {};
  }
  Result<Value> finish() {
    if (!draft_.held()) TRY(begin(0));
    return draft_.release();
  }
  Value take() { return draft_.take(); }

 private:
  Status begin(size_t first_member_bytes) {
    const size_t longest =
        count_ > limits_.packed_entries ? size_t{limits_.packed_value_bytes} + 1 : first_member_bytes;
    TRY_ASSIGN(const Value value, zset_create(context_, limits_, longest));
    draft_.hold(value);
    return {};
  }

  const DataContext& context_;
  const ZsetLimits& limits_;
  const uint64_t count_;
  RdbDraft draft_;
};

// Joins every two elements of a ziplist or zipmap. Both are views that outlive the visit.
template <typename Add>
class RdbPairing {
 public:
  explicit RdbPairing(Add add) : add_(std::move(add)) {}
  Status operator()(const Element& element) {
    has_first_ = !has_first_;
    if (!has_first_) return add_(first_, element);
    first_ = element;
    return {};
  }
  bool complete() const { return !has_first_; }

 private:
  Add add_;
  Element first_;
  bool has_first_ = false;
};

}  // namespace strata

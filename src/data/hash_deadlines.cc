#include "data/hash_deadlines.h"

#include <algorithm>

#include "base/assert.h"
#include "data/value_parts.h"
#include "data/zset.h"
#include "memory/heap.h"

namespace strata {
namespace {

constexpr ZsetLimits kDeadlineLimits;

TimedHash* timed(const Value& hash) {
  STRATA_DASSERT(hash_is_timed(hash));
  return static_cast<TimedHash*>(hash.pointer);
}

// Makes a plain hash a timed one, without deadlines yet.
Status wrap(const DataContext& context, Value& hash, size_t field_bytes) {
  auto* fresh = static_cast<TimedHash*>(context.heap.allocate(sizeof(TimedHash)));
  if (fresh == nullptr) return out_of_memory();
  Result<Value> deadlines = zset_create(context, kDeadlineLimits, field_bytes);
  if (!deadlines) {
    context.heap.free(fresh);
    return std::unexpected(deadlines.error());
  }
  *fresh = {hash, *deadlines};
  hash.encoding = Encoding::kTimed;
  hash.pointer = fresh;
  return {};
}

// After the last deadline.
void unwrap_if_plain(const DataContext& context, Value& hash) {
  TimedHash* old = timed(hash);
  if (zset_size(old->deadlines) > 0) return;
  zset_destroy(context.heap, old->deadlines);
  hash = old->plain;
  context.heap.free(old);
}

}  // namespace

int64_t hash_deadline(const Value& hash, Bytes field) {
  if (!hash_is_timed(hash)) return kNoFieldDeadline;
  const std::optional<double> deadline = zset_score(timed(hash)->deadlines, field);
  return deadline ? static_cast<int64_t>(*deadline) : kNoFieldDeadline;
}

int64_t hash_first_deadline(const Value& hash) {
  int64_t first = INT64_MAX;
  if (!hash_is_timed(hash)) return first;
  const auto take = [&](const Element&, double deadline) { first = static_cast<int64_t>(deadline); };
  zset_visit(timed(hash)->deadlines, 0, 1, false, take);
  return first;
}

uint64_t hash_deadline_count(const Value& hash) {
  return hash_is_timed(hash) ? zset_size(timed(hash)->deadlines) : 0;
}

Status hash_set_deadline(const DataContext& context, Value& hash, Bytes field, int64_t deadline_ms) {
  STRATA_ASSERT(deadline_ms >= 0 && deadline_ms <= kFieldDeadlineMaxMs);
  STRATA_DASSERT(hash_contains(hash, field));
  if (!hash_is_timed(hash)) TRY(wrap(context, hash, field.size()));
  Value& deadlines = timed(hash)->deadlines;
  const auto added = zset_add(context, kDeadlineLimits, deadlines, static_cast<double>(deadline_ms), field);
  if (added) return {};
  unwrap_if_plain(context, hash);
  return std::unexpected(added.error());
}

Result<bool> hash_clear_deadline(const DataContext& context, Value& hash, Bytes field) {
  if (!hash_is_timed(hash)) return false;
  TRY_ASSIGN(const bool had_one, zset_remove(context, timed(hash)->deadlines, field));
  if (had_one) unwrap_if_plain(context, hash);
  return had_one;
}

Result<uint64_t> hash_expire_some(const DataContext& context, Value& hash, int64_t now_ms, uint64_t budget,
                                  FunctionRef<void(Bytes field)> visit) {
  if (!hash_is_timed(hash)) return 0;
  TimedHash* both = timed(hash);
  const uint64_t due = zset_count_below_score(both->deadlines, static_cast<double>(now_ms), true);
  const uint64_t removed = std::min(due, budget);
  if (removed == 0) return 0;
  // First the fields: should memory end there, a field without a deadline's effect is still to be found.
  Status status;
  uint64_t gone = 0;
  zset_visit(both->deadlines, 0, removed, false, [&](const Element& field, double) {
    if (!status) return;
    char scratch[kIntegerTextBytes];
    const Bytes name = element_text(field, scratch);
    visit(name);
    const Result<bool> was_there = hash_remove(context, both->plain, name);
    if (!was_there) {
      status = std::unexpected(was_there.error());
    } else {
      STRATA_ASSERT(*was_there, "a deadline without a field");
      ++gone;
    }
  });
  TRY(zset_remove_ranks(context, both->deadlines, 0, gone, [](const Element&, double) {}));
  if (gone == 0) TRY(status);
  unwrap_if_plain(context, hash);
  return gone;
}

}  // namespace strata

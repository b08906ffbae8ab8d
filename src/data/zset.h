// Sorted sets: members ordered by (score, member bytes), in a packed node while small, then in a tree.
//
//   kListpack  Blob* of a packed node: member, score, member, score… in order
//   kTree      Zset*: a table from member to score (data/table.h), whose entries hold the members, and
//              an order-statistics B+-tree over them (data/bptree.h)
//
// Used by the handlers of commands and by the RDB reader and writer, inside the shard. Changes to a tree
// when it gets too many or too long members for its limits, and never back.
//
//   1. Out of memory is the error kOutOfMemory, and the sorted set is then what it was before.
//   2. Members handed out, and cursors, live until the sorted set changes or the shard is left.
//   3. A score is never NaN. The owner deletes the key when zset_size() is 0.
//   4. Members given to a change must not lie inside the same sorted set.
//
// In a tree: score O(1); add, remove, rank, and finding any position O(log n); a step of a cursor O(1).
// A range by score or by member is a range of ranks: zset_count_below…() give both ends.

#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/function_ref.h"
#include "base/result.h"
#include "data/context.h"
#include "data/value.h"

namespace strata {

class Random;

// zset-max-listpack-entries and zset-max-listpack-value.
struct ZsetLimits {
  uint32_t packed_entries = 128;
  uint32_t packed_value_bytes = 64;
};

// NX: only new members. XX: only existing ones. GT, LT: existing ones only if the score rises or falls. INCR:
// `score` is added to the old one.
struct ZaddFlags {
  bool if_absent = false;
  bool if_present = false;
  bool if_greater = false;
  bool if_less = false;
  bool increment = false;
};

enum class ZaddChange : uint8_t {
  kAdded,
  kUpdated,
  kSame,        // the score was the same already
  kSkipped,     // a flag forbade it
  kNotANumber,  // the increment would give NaN; nothing has changed
};

struct ZaddResult {
  ZaddChange change;
  double score = 0;  // the member's score now; meaningless if kNotANumber, or kSkipped without the member
};

using ZsetVisitor = FunctionRef<void(const Element& member, double score)>;

[[nodiscard]] Result<Value> zset_create(const DataContext& context, const ZsetLimits& limits,
                                        size_t first_member_bytes);
// A packed node of members and scores, as RDB files hold it. Takes the node over if it is a valid sorted
// set (pairs in order, numbers as scores, no member twice); kCorruption and left alone otherwise.
[[nodiscard]] Result<Value> zset_adopt(const DataContext& context, const ZsetLimits& limits, Blob* packed);
// A copy in the context's heap.
[[nodiscard]] Result<Value> zset_copy(const DataContext& context, const Value& zset);
// Frees up to about `budget` members; true when the whole is gone. Nothing else may be called in between.
bool zset_destroy_some(Heap& heap, Value& zset, size_t budget);
void zset_destroy(Heap& heap, Value& zset);

uint64_t zset_size(const Value& zset);
// Usable bytes of everything the sorted set has allocated; O(members) in a tree, or an estimate from the
// first `samples` members when that is not 0.
size_t zset_memory(const Value& zset, size_t samples = 0);

// `score` must not be NaN.
[[nodiscard]] Result<ZaddResult> zset_add(const DataContext& context, const ZsetLimits& limits, Value& zset,
                                          double score, Bytes member, ZaddFlags flags = {});
// True when the member was there.
[[nodiscard]] Result<bool> zset_remove(const DataContext& context, Value& zset, Bytes member);
// Removes the members of ranks [first, last); visits each before it goes.
[[nodiscard]] Status zset_remove_ranks(const DataContext& context, Value& zset, uint64_t first, uint64_t last,
                                       ZsetVisitor visit);
// Removes up to `count` members from the low or the high end, the outermost first; visits each before
// it goes.
[[nodiscard]] Status zset_pop(const DataContext& context, Value& zset, bool from_high_end, uint64_t count,
                              ZsetVisitor visit);

std::optional<double> zset_score(const Value& zset, Bytes member);
// Number of members before this one; ZREVRANK is size - 1 - rank.
std::optional<uint64_t> zset_rank(const Value& zset, Bytes member);
// Number of members with a score < `score`, or <= `score` when `inclusive`.
uint64_t zset_count_below_score(const Value& zset, double score, bool inclusive);
// Number of members < `member`, or <= it when `inclusive`. As with ZRANGEBYLEX, this only has a meaning
// when all scores are equal.
uint64_t zset_count_below_member(const Value& zset, Bytes member, bool inclusive);

// A member in order. Valid until the sorted set changes.
class ZsetCursor {
 public:
  bool done() const { return node_ == nullptr; }
  Element member() const;
  double score() const;
  void next();
  void prev();

 private:
  friend ZsetCursor zset_at(const Value& zset, uint64_t rank);
  const void* node_ = nullptr;  // the packed blob or the tree's leaf; null past either end
  uint32_t position_ = 0;       // byte offset of the member, or index in the leaf
  bool packed_ = false;
};
// The member with that rank; done() when there is none.
ZsetCursor zset_at(const Value& zset, uint64_t rank);

// The members of ranks [first, last), or the same backwards.
void zset_visit(const Value& zset, uint64_t first, uint64_t last, bool reverse, ZsetVisitor visit);
// ZSCAN: visits about `count` members and returns the next cursor, 0 at the end. Members that are there from
// the first call to the last are visited at least once, whatever changes in between. Any cursor is safe.
uint64_t zset_scan(const Value& zset, uint64_t cursor, size_t count, ZsetVisitor visit);

// One member, each with the same probability. The sorted set must not be empty.
void zset_random(const Value& zset, Random& random, ZsetVisitor visit);
// `count` times one member, repetitions allowed.
void zset_random_repeated(const Value& zset, Random& random, uint64_t count, ZsetVisitor visit);
// `count` different members, all if there are no more. Needs memory in proportion to the smaller of
// count and 1/3 of the members.
[[nodiscard]] Status zset_random_distinct(const DataContext& context, const Value& zset, Random& random,
                                          uint64_t count, ZsetVisitor visit);

}  // namespace strata

#include "data/zset.h"

#include <cmath>

#include "base/assert.h"
#include "base/simd.h"
#include "data/value_parts.h"
#include "data/zset_packed.h"
#include "data/zset_tree.h"

namespace strata {
namespace {

ZsetTree& tree_of(const Value& zset) { return *static_cast<ZsetTree*>(zset.pointer); }

bool is_packed(const Value& zset) {
  STRATA_DASSERT(zset.type == Type::kZset);
  return zset.encoding == Encoding::kListpack;
}

Status convert_to_tree(const DataContext& context, Value& zset) {
  ZsetTree* tree = ZsetTree::create(context);
  if (tree == nullptr) return out_of_memory();
  for (packed::Cursor cursor(packed_view(zset)); !cursor.done(); cursor.next()) {
    char scratch[kIntegerTextBytes];
    const Bytes member = element_text(cursor.element(), scratch);
    cursor.next();
    const double score = zset_packed::score_of(cursor.element());
    if (tree->insert(context.heap, score, member, tree->table->hash(member))) continue;
    const bool gone = ZsetTree::destroy_some(context.heap, tree, SIZE_MAX);
    STRATA_ASSERT(gone);
    return out_of_memory();
  }
  Blob::destroy(context.heap, blob_of(zset));
  zset.encoding = Encoding::kTree;
  zset.pointer = tree;
  return {};
}

// What is to be done with a member, once the flags have been weighed against what is there.
struct Decision {
  ZaddResult result;
  bool write = false;
};

Decision decide(std::optional<double> old, double score, ZaddFlags flags) {
  if (!old) {
    if (flags.if_present) return {{ZaddChange::kSkipped, 0}};
    return {{ZaddChange::kAdded, score}, true};
  }
  if (flags.if_absent) return {{ZaddChange::kSkipped, *old}};
  if (flags.increment) score += *old;
  if (std::isnan(score)) return {{ZaddChange::kNotANumber, *old}};
  if ((flags.if_greater && score <= *old) || (flags.if_less && score >= *old)) {
    return {{ZaddChange::kSkipped, *old}};
  }
  if (score == *old) return {{ZaddChange::kSame, *old}};
  return {{ZaddChange::kUpdated, score}, true};
}

Result<ZaddResult> add_to_tree(const DataContext& context, Value& zset, double score, Bytes member,
                               ZaddFlags flags) {
  ZsetTree& tree = tree_of(zset);
  const uint64_t hash = tree.table->hash(member);
  TableEntry* entry = tree.table->find(member, hash);
  std::optional<double> old;
  if (entry != nullptr) old = entry->score();
  const Decision decision = decide(old, score, flags);
  if (!decision.write) return decision.result;
  const bool done = entry == nullptr ? tree.insert(context.heap, decision.result.score, member, hash)
                                     : tree.update(context.heap, entry, decision.result.score);
  if (!done) return out_of_memory();
  return decision.result;
}

Result<ZaddResult> add_to_packed(const DataContext& context, const ZsetLimits& limits, Value& zset,
                                 double score, Bytes member, ZaddFlags flags) {
  Blob* node = blob_of(zset);
  const std::optional<zset_packed::Pair> pair = zset_packed::find(node->view(), member);
  std::optional<double> old;
  if (pair) old = pair->score;
  const Decision decision = decide(old, score, flags);
  if (!decision.write) return decision.result;
  if (!pair) {
    constexpr size_t kOverheadBytes = 64;  // of the member's encoding, and the score
    const bool stays = packed::count(node->view()) / 2 < limits.packed_entries &&
                       member.size() <= limits.packed_value_bytes &&
                       packed::fits(node->view(), member.size() + kOverheadBytes);
    if (!stays) {
      TRY(convert_to_tree(context, zset));
      return add_to_tree(context, zset, score, member, flags);
    }
  }
  const double new_score = decision.result.score;
  const bool done = pair ? zset_packed::update(context.heap, node, *pair, new_score, member)
                         : zset_packed::insert(context.heap, node,
                                               zset_packed::find_above(node->view(), new_score, member).at,
                                               new_score, member);
  if (!done) return out_of_memory();
  zset.pointer = node;
  return decision.result;
}

// Removes the packed members of ranks [first, last).
Status remove_packed_ranks(Heap& heap, Value& zset, uint64_t first, uint64_t last, bool reverse,
                           ZsetVisitor visit) {
  if (!make_writable(heap, zset)) return out_of_memory();
  zset_visit(zset, first, last, reverse, visit);
  Blob* node = blob_of(zset);
  const packed::Position at = packed::seek(node->view(), static_cast<int64_t>(2 * first));
  const bool erased = packed::erase(heap, node, at, static_cast<uint32_t>(2 * (last - first)));
  STRATA_ASSERT(erased);
  zset.pointer = node;
  return {};
}

// Fetches what taking out the item behind this one will touch in the table. Who pops one member soon pops the
// next, and its bucket lies anywhere: waiting for it was a quarter of a ZPOPMIN. The entry after that is
// fetched too, so that its member can be hashed then.
void foresee_removal(const ZsetTree& tree, BpTree::Position at, bool reverse) {
  auto step = [reverse](BpTree::Position from) { return reverse ? BpTree::prev(from) : BpTree::next(from); };
  constexpr size_t kMemberBytesMax = 256;  // of which hashing is cheaper than a cache miss
  const BpTree::Position next = step(at);
  if (next.leaf == nullptr) return;
  const Bytes member = BpTree::entry(next)->key();
  if (member.size() > kMemberBytesMax) return;
  tree.table->prefetch_bucket(tree.table->hash(member));
  const BpTree::Position after = step(next);
  if (after.leaf != nullptr) prefetch_read(BpTree::entry(after));
}

Status remove_ranks(const DataContext& context, Value& zset, uint64_t first, uint64_t last, bool reverse,
                    ZsetVisitor visit) {
  last = std::min(last, zset_size(zset));
  if (first >= last) return {};
  if (is_packed(zset)) return remove_packed_ranks(context.heap, zset, first, last, reverse, visit);
  ZsetTree& tree = tree_of(zset);
  for (uint64_t left = last - first; left > 0; --left) {
    const BpTree::Position at = tree.tree.at(reverse ? first + left - 1 : first);
    TableEntry* entry = BpTree::entry(at);
    foresee_removal(tree, at, reverse);
    visit(Element::of(entry->key()), entry->score());
    tree.erase(context.heap, entry, tree.table->hash(entry->key()));
  }
  return {};
}

}  // namespace

Result<Value> zset_create(const DataContext& context, const ZsetLimits& limits, size_t first_member_bytes) {
  Value zset{Type::kZset, Encoding::kListpack, nullptr};
  if (limits.packed_entries > 0 && first_member_bytes <= limits.packed_value_bytes) {
    zset.pointer = packed::create(context.heap);
  } else {
    zset.encoding = Encoding::kTree;
    zset.pointer = ZsetTree::create(context);
  }
  if (zset.pointer == nullptr) return out_of_memory();
  return zset;
}

Result<Value> zset_adopt(const DataContext& context, const ZsetLimits& limits, Blob* packed) {
  const Bytes node = packed->view();
  if (!packed::validate(node) || !zset_packed::validate(node)) {
    return fail(Errc::kCorruption, "malformed packed sorted set");
  }
  TRY_ASSIGN(const bool distinct, packed_distinct(context, node, 2));
  if (!distinct) return fail(Errc::kCorruption, "packed sorted set with a member twice");
  Value zset{Type::kZset, Encoding::kListpack, packed};
  if (packed::count(node) / 2 > limits.packed_entries) {
    TRY(convert_to_tree(context, zset));
  }
  return zset;
}

Result<Value> zset_copy(const DataContext& context, const Value& zset) {
  void* copy = is_packed(zset) ? static_cast<void*>(copy_blob(context.heap, blob_of(zset)))
                               : ZsetTree::copy(context, tree_of(zset));
  if (copy == nullptr) return out_of_memory();
  return Value{Type::kZset, zset.encoding, copy};
}

bool zset_destroy_some(Heap& heap, Value& zset, size_t budget) {
  if (!is_packed(zset)) return ZsetTree::destroy_some(heap, &tree_of(zset), budget);
  Blob::destroy(heap, blob_of(zset));
  return true;
}

void zset_destroy(Heap& heap, Value& zset) { zset_destroy_some(heap, zset, SIZE_MAX); }

uint64_t zset_size(const Value& zset) {
  return is_packed(zset) ? packed::count(packed_view(zset)) / 2 : tree_of(zset).tree.size();
}

size_t zset_memory(const Value& zset, size_t samples) {
  const size_t own = Heap::usable_size(zset.pointer);
  if (is_packed(zset)) return own;
  return own + tree_of(zset).table->memory(samples) + tree_of(zset).tree.memory();
}

Result<ZaddResult> zset_add(const DataContext& context, const ZsetLimits& limits, Value& zset, double score,
                            Bytes member, ZaddFlags flags) {
  STRATA_ASSERT(!std::isnan(score));
  if (is_packed(zset)) return add_to_packed(context, limits, zset, score, member, flags);
  return add_to_tree(context, zset, score, member, flags);
}

Result<bool> zset_remove(const DataContext& context, Value& zset, Bytes member) {
  if (!is_packed(zset)) {
    ZsetTree& tree = tree_of(zset);
    const uint64_t hash = tree.table->hash(member);
    TableEntry* entry = tree.table->find(member, hash);
    if (entry == nullptr) return false;
    tree.erase(context.heap, entry, hash);
    return true;
  }
  Blob* node = blob_of(zset);
  const std::optional<zset_packed::Pair> pair = zset_packed::find(node->view(), member);
  if (!pair) return false;
  if (!packed::erase(context.heap, node, pair->at, 2)) return out_of_memory();
  zset.pointer = node;
  return true;
}

Status zset_remove_ranks(const DataContext& context, Value& zset, uint64_t first, uint64_t last,
                         ZsetVisitor visit) {
  return remove_ranks(context, zset, first, last, false, visit);
}

Status zset_pop(const DataContext& context, Value& zset, bool from_high_end, uint64_t count,
                ZsetVisitor visit) {
  const uint64_t size = zset_size(zset);
  count = std::min(count, size);
  if (from_high_end) return remove_ranks(context, zset, size - count, size, true, visit);
  return remove_ranks(context, zset, 0, count, false, visit);
}

}  // namespace strata

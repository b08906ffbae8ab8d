// What reads a sorted set: scores, ranks, ranges, cursors, scanning, choosing members at random.

#include <algorithm>

#include "base/assert.h"
#include "base/simd.h"
#include "data/bptree_nodes.h"
#include "data/value_parts.h"
#include "data/zset_packed.h"
#include "data/zset_tree.h"

namespace strata {
namespace {

bool is_packed(const Value& zset) { return zset.encoding == Encoding::kListpack; }
const ZsetTree& tree_of(const Value& zset) { return *static_cast<const ZsetTree*>(zset.pointer); }

// `count` items of a leaf from `index` on, upwards or downwards. Entries lie anywhere, so the walk asks for
// them some steps before it needs them.
void visit_leaf(const BpTree::Leaf& leaf, int index, int count, int step, ZsetVisitor visit) {
  constexpr int kAhead = 8;
  for (int i = 0; i < std::min(kAhead, count); ++i) prefetch_read(leaf.entries[index + i * step]);
  for (int i = 0; i < count; ++i, index += step) {
    if (i + kAhead < count) prefetch_read(leaf.entries[index + kAhead * step]);
    visit(Element::of(leaf.entries[index]->key()), leaf.scores[index]);
  }
}

void visit_tree(const BpTree& tree, uint64_t first, uint64_t last, bool reverse, ZsetVisitor visit) {
  BpTree::Position at = tree.at(reverse ? last - 1 : first);
  for (uint64_t left = last - first; left > 0;) {
    const BpTree::Leaf& leaf = *at.leaf;
    const unsigned there = reverse ? at.index + 1 : leaf.count - at.index;
    const auto some = static_cast<unsigned>(std::min<uint64_t>(left, there));
    visit_leaf(leaf, static_cast<int>(at.index), static_cast<int>(some), reverse ? -1 : 1, visit);
    left -= some;
    if (left > 0) at = reverse ? BpTree::prev({&leaf, 0}) : BpTree::next({&leaf, leaf.count - 1u});
  }
}

void visit_packed(const Value& zset, uint64_t first, uint64_t last, ZsetVisitor visit) {
  Blob* blob = blob_of(zset);
  packed::Cursor cursor(blob->view(), packed::seek(blob->view(), static_cast<int64_t>(2 * first)));
  for (uint64_t left = last - first; left > 0; --left, cursor.next()) {
    const Element member = handed_out(cursor.element(), blob);
    cursor.next();
    visit(member, zset_packed::score_of(cursor.element()));
  }
}

void visit_packed_at(const Value& zset, packed::Position at, ZsetVisitor visit) {
  packed::Cursor cursor(packed_view(zset), at);
  const Element member = handed_out(cursor.element(), blob_of(zset));
  cursor.next();
  visit(member, zset_packed::score_of(cursor.element()));
}

void visit_position(BpTree::Position at, ZsetVisitor visit) {
  visit(Element::of(BpTree::entry(at)->key()), BpTree::score(at));
}

}  // namespace

std::optional<double> zset_score(const Value& zset, Bytes member) {
  if (!is_packed(zset)) {
    const TableEntry* entry = tree_of(zset).table->find(member);
    if (entry == nullptr) return std::nullopt;
    return entry->score();
  }
  const std::optional<zset_packed::Pair> pair = zset_packed::find(packed_view(zset), member);
  if (!pair) return std::nullopt;
  return pair->score;
}

std::optional<uint64_t> zset_rank(const Value& zset, Bytes member) {
  if (!is_packed(zset)) {
    const TableEntry* entry = tree_of(zset).table->find(member);
    if (entry == nullptr) return std::nullopt;
    return tree_of(zset).tree.rank(entry->score(), member);
  }
  const std::optional<zset_packed::Pair> pair = zset_packed::find(packed_view(zset), member);
  if (!pair) return std::nullopt;
  return pair->rank;
}

uint64_t zset_count_below_score(const Value& zset, double score, bool inclusive) {
  return is_packed(zset) ? zset_packed::count_below_score(packed_view(zset), score, inclusive)
                         : tree_of(zset).tree.count_below_score(score, inclusive);
}

uint64_t zset_count_below_member(const Value& zset, Bytes member, bool inclusive) {
  return is_packed(zset) ? zset_packed::count_below_member(packed_view(zset), member, inclusive)
                         : tree_of(zset).tree.count_below_member(member, inclusive);
}

ZsetCursor zset_at(const Value& zset, uint64_t rank) {
  ZsetCursor cursor;
  if (rank >= zset_size(zset)) return cursor;
  cursor.packed_ = is_packed(zset);
  if (cursor.packed_) {
    cursor.node_ = zset.pointer;
    cursor.position_ = packed::seek(packed_view(zset), static_cast<int64_t>(2 * rank));
  } else {
    const BpTree::Position at = tree_of(zset).tree.at(rank);
    cursor.node_ = at.leaf;
    cursor.position_ = at.index;
  }
  return cursor;
}

Element ZsetCursor::member() const {
  if (!packed_) {
    return Element::of(BpTree::entry({static_cast<const BpTree::Leaf*>(node_), position_})->key());
  }
  auto* blob = static_cast<Blob*>(const_cast<void*>(node_));
  return handed_out(packed::get(blob->view(), position_), blob);
}

double ZsetCursor::score() const {
  if (!packed_) return BpTree::score({static_cast<const BpTree::Leaf*>(node_), position_});
  const Bytes view = static_cast<const Blob*>(node_)->view();
  return zset_packed::score_of(packed::get(view, packed::next(view, position_)));
}

void ZsetCursor::next() {
  if (!packed_) {
    const BpTree::Position at = BpTree::next({static_cast<const BpTree::Leaf*>(node_), position_});
    node_ = at.leaf;
    position_ = at.index;
    return;
  }
  const Bytes view = static_cast<const Blob*>(node_)->view();
  position_ = packed::next(view, packed::next(view, position_));
  if (position_ == packed::end(view)) node_ = nullptr;
}

void ZsetCursor::prev() {
  if (!packed_) {
    const BpTree::Position at = BpTree::prev({static_cast<const BpTree::Leaf*>(node_), position_});
    node_ = at.leaf;
    position_ = at.index;
    return;
  }
  const Bytes view = static_cast<const Blob*>(node_)->view();
  if (position_ == packed::begin(view)) {
    node_ = nullptr;
  } else {
    position_ = packed::prev(view, packed::prev(view, position_));
  }
}

void zset_visit(const Value& zset, uint64_t first, uint64_t last, bool reverse, ZsetVisitor visit) {
  last = std::min(last, zset_size(zset));
  if (first >= last) return;
  if (!is_packed(zset)) return visit_tree(tree_of(zset).tree, first, last, reverse, visit);
  if (!reverse) return visit_packed(zset, first, last, visit);
  ZsetCursor cursor = zset_at(zset, last - 1);
  for (uint64_t left = last - first; left > 0; --left, cursor.prev()) visit(cursor.member(), cursor.score());
}

uint64_t zset_scan(const Value& zset, uint64_t cursor, size_t count, ZsetVisitor visit) {
  if (is_packed(zset)) {
    zset_visit(zset, 0, UINT64_MAX, false, visit);
    return 0;
  }
  return tree_of(zset).table->scan_some(
      cursor, count, [&](const TableEntry* entry) { visit(Element::of(entry->key()), entry->score()); });
}

void zset_random(const Value& zset, Random& random, ZsetVisitor visit) {
  zset_random_repeated(zset, random, 1, visit);
}

void zset_random_repeated(const Value& zset, Random& random, uint64_t count, ZsetVisitor visit) {
  const uint64_t size = zset_size(zset);
  STRATA_ASSERT(size > 0);
  if (!is_packed(zset)) {
    for (; count > 0; --count) visit_position(tree_of(zset).tree.at(random.below(size)), visit);
    return;
  }
  const PackedIndex index(packed_view(zset), 2);
  for (; count > 0; --count)
    visit_packed_at(zset, index.at(static_cast<uint32_t>(random.below(size))), visit);
}

Status zset_random_distinct(const DataContext& context, const Value& zset, Random& random, uint64_t count,
                            ZsetVisitor visit) {
  const uint64_t size = zset_size(zset);
  if (count >= size || is_packed(zset) || count > size / 3) {
    PassingSample sample(random, size, count);
    zset_visit(zset, 0, size, false, [&](const Element& member, double score) {
      if (sample.take()) visit(member, score);
    });
    return {};
  }
  SeenNumbers seen(context.heap);
  if (!seen.reserve(count)) return out_of_memory();
  while (count > 0) {
    const uint64_t rank = random.below(size);
    if (!seen.add(rank + 1)) continue;
    visit_position(tree_of(zset).tree.at(rank), visit);
    --count;
  }
  return {};
}

}  // namespace strata

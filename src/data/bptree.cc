// Searching, walking and destroying the tree; bptree_edit.cc changes it.

#include "data/bptree.h"

#include "base/assert.h"
#include "data/bptree_nodes.h"
#include "memory/heap.h"

namespace strata {

// ---- Searching -------------------------------------------------------------------------------------

// The index of the first item at `from` or behind it that does not come before the key. Written so that the
// compiler makes conditional moves of it: the outcome of a comparison cannot be predicted.
template <typename NodeType>
unsigned BpTree::count_before(const NodeType* node, unsigned from, const Key& key) {
  unsigned first = from;
  for (unsigned length = node->count - from; length > 0;) {
    const unsigned half = (length + 1) / 2;
    first += node->scores[first + half - 1] < key.score ? half : 0;
    length -= half;
  }
  if (key.ties == Key::Ties::kNone || first == node->count || node->scores[first] != key.score) return first;
  unsigned last = first;
  for (unsigned length = node->count - first; length > 0;) {
    const unsigned half = (length + 1) / 2;
    last += node->scores[last + half - 1] <= key.score ? half : 0;
    length -= half;
  }
  if (key.ties == Key::Ties::kAll) return last;
  while (first < last) {
    const unsigned middle = (first + last) / 2;
    if (key.after(node->entries[middle])) {
      first = middle + 1;
    } else {
      last = middle;
    }
  }
  return first;
}

BpTree::Path BpTree::descend(const Key& key) const {
  Path path;
  Node* node = root_;
  for (unsigned level = 0; level < height_; ++level) {
    auto* inner = static_cast<Inner*>(node);
    const unsigned index = count_before(inner, 1, key) - 1;
    path.steps[level] = {inner, index};
    node = inner->children[index];
  }
  path.leaf = static_cast<Leaf*>(node);
  path.index = count_before(path.leaf, 0, key);
  return path;
}

uint64_t BpTree::count_before(const Key& key) const {
  if (root_ == nullptr) return 0;
  uint64_t before = 0;
  const Node* node = root_;
  for (unsigned level = 0; level < height_; ++level) {
    const auto* inner = static_cast<const Inner*>(node);
    const unsigned index = count_before(inner, 1, key) - 1;
    for (unsigned i = 0; i < index; ++i) before += inner->counts[i];
    node = inner->children[index];
  }
  return before + count_before(static_cast<const Leaf*>(node), 0, key);
}

uint64_t BpTree::rank(double score, Bytes member) const {
  return count_before(Key{score, member, Key::Ties::kLess});
}

uint64_t BpTree::count_below_score(double score, bool inclusive) const {
  return count_before(Key{score, {}, inclusive ? Key::Ties::kAll : Key::Ties::kNone});
}

uint64_t BpTree::count_below_member(Bytes member, bool inclusive) const {
  if (root_ == nullptr) return 0;
  return count_before(Key{score(at(0)), member, inclusive ? Key::Ties::kLessOrSame : Key::Ties::kLess});
}

BpTree::Position BpTree::at(uint64_t rank) const {
  if (rank >= size_) return {};
  const Node* node = root_;
  for (unsigned level = 0; level < height_; ++level) {
    const auto* inner = static_cast<const Inner*>(node);
    unsigned index = 0;
    while (rank >= inner->counts[index]) rank -= inner->counts[index++];
    node = inner->children[index];
  }
  return {static_cast<const Leaf*>(node), static_cast<uint32_t>(rank)};
}

double BpTree::score(Position position) {
  STRATA_DASSERT(position.leaf != nullptr);
  return position.leaf->scores[position.index];
}
TableEntry* BpTree::entry(Position position) { return position.leaf->entries[position.index]; }

BpTree::Position BpTree::next(Position position) {
  if (position.index + 1 < position.leaf->count) return {position.leaf, position.index + 1};
  return {position.leaf->next, 0};
}

BpTree::Position BpTree::prev(Position position) {
  if (position.index > 0) return {position.leaf, position.index - 1};
  const Leaf* leaf = position.leaf->prev;
  return {leaf, leaf == nullptr ? 0 : leaf->count - 1u};
}

// ---- The whole -------------------------------------------------------------------------------------

bool BpTree::destroy_some(Heap& heap, size_t budget) {
  for (size_t freed = 0; root_ != nullptr; ++freed) {
    if (freed >= budget) return false;
    Inner* parent = nullptr;
    Node* node = root_;
    while (!node->is_leaf && node->count > 0) {
      parent = static_cast<Inner*>(node);
      node = parent->children[parent->count - 1];
    }
    free_node(heap, node);
    if (parent == nullptr) {
      root_ = nullptr;
    } else {
      --parent->count;
    }
  }
  size_ = 0;
  height_ = 0;
  return true;
}

size_t BpTree::memory() const {
  return leaves_ * Heap::good_size(sizeof(Leaf)) + inners_ * Heap::good_size(sizeof(Inner));
}

void BpTree::check() const {
  if (root_ == nullptr) {
    STRATA_ASSERT(size_ == 0 && height_ == 0 && leaves_ == 0 && inners_ == 0);
    return;
  }
  const Leaf* last = nullptr;
  check_below(root_, height_, &last);
  STRATA_ASSERT(last->next == nullptr);
  uint64_t items = 0;
  uint32_t leaves = 0;
  for (const Leaf* leaf = last; leaf != nullptr; leaf = leaf->prev) {
    items += leaf->count;
    ++leaves;
  }
  STRATA_ASSERT(items == size_ && leaves == leaves_);
}

void BpTree::check_below(const Node* node, unsigned height, const Leaf** previous) const {
  STRATA_ASSERT(node->count > 0 && node->is_leaf == (height == 0));
  if (!node->is_leaf) {
    const auto* inner = static_cast<const Inner*>(node);
    for (unsigned i = 0; i < inner->count; ++i) {
      Inner expected;
      set_child(&expected, 0, inner->children[i]);
      STRATA_ASSERT(inner->counts[i] == expected.counts[0]);
      STRATA_ASSERT(inner->scores[i] == expected.scores[0] && inner->entries[i] == expected.entries[0]);
      check_below(inner->children[i], height - 1, previous);
    }
    return;
  }
  const auto* leaf = static_cast<const Leaf*>(node);
  STRATA_ASSERT(leaf->prev == *previous && (*previous == nullptr || (*previous)->next == leaf));
  Position before = *previous == nullptr ? Position{} : Position{*previous, (*previous)->count - 1u};
  for (unsigned i = 0; i < leaf->count; ++i) {
    if (before.leaf != nullptr) {
      STRATA_ASSERT(score(before) < leaf->scores[i] ||
                    (score(before) == leaf->scores[i] && entry(before)->key() < leaf->entries[i]->key()));
    }
    before = {leaf, i};
  }
  *previous = leaf;
}

}  // namespace strata

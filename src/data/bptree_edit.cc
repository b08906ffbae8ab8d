// Inserting into the tree and erasing from it.

#include <cstring>

#include "base/assert.h"
#include "data/bptree_nodes.h"
#include "memory/heap.h"

namespace strata {

// ---- Inserting -------------------------------------------------------------------------------------

bool BpTree::insert(Heap& heap, double score, TableEntry* entry) {
  if (root_ == nullptr) return insert_first(heap, score, entry);
  Path path = descend(Key{score, entry->key(), Key::Ties::kLess});
  NodeReserve reserve(heap);
  if (!reserve_for(path, reserve)) return false;
  // In the outermost nodes a split at the very end leaves a full node behind: items often come in order.
  const bool leftmost = path.leaf->prev == nullptr && path.index == 0;
  const bool rightmost = path.leaf->next == nullptr && path.index == path.leaf->count;

  Node* right = nullptr;
  if (path.leaf->count < kLeafItems) {
    insert_into_leaf(path.leaf, path.index, score, entry);
  } else {
    right = insert_splitting(path, reserve.take_leaf(), score, entry);
  }
  Node* left = path.leaf;
  for (unsigned level = height_; level-- > 0;) {
    auto [inner, index] = path.steps[level];
    if (right == nullptr) {
      ++inner->counts[index];
      set_separator(inner, index);
    } else {
      set_child(inner, index, left);
      const unsigned split_at = leftmost ? 1 : rightmost ? kInnerChildren : kInnerChildren / 2;
      right = insert_child(inner, index + 1, right, split_at, reserve);
    }
    left = inner;
  }
  if (right != nullptr) {
    Inner* root = reserve.take_inner();
    ++inners_;
    root->count = 2;
    set_child(root, 0, left);
    set_child(root, 1, right);
    root_ = root;
    ++height_;
  }
  ++size_;
  return true;
}

bool BpTree::insert_first(Heap& heap, double score, TableEntry* entry) {
  NodeReserve reserve(heap);
  if (!reserve.add_leaf()) return false;
  Leaf* leaf = reserve.take_leaf();
  leaf->prev = nullptr;
  leaf->next = nullptr;
  insert_into_leaf(leaf, 0, score, entry);
  root_ = leaf;
  leaves_ = 1;
  size_ = 1;
  return true;
}

// A leaf and inner nodes for all that the insertion will split, and for a new root.
bool BpTree::reserve_for(const Path& path, NodeReserve& reserve) const {
  if (path.leaf->count < kLeafItems) return true;
  if (!reserve.add_leaf()) return false;
  for (unsigned level = height_; level-- > 0;) {
    if (path.steps[level].inner->count < kInnerChildren) return true;
    if (!reserve.add_inner()) return false;
  }
  STRATA_ASSERT(height_ + 1 < kMaxHeight);
  return reserve.add_inner();
}

void BpTree::insert_into_leaf(Leaf* leaf, unsigned index, double score, TableEntry* entry) {
  const size_t behind = leaf->count - index;
  std::memmove(&leaf->scores[index + 1], &leaf->scores[index], behind * sizeof(double));
  std::memmove(&leaf->entries[index + 1], &leaf->entries[index], behind * sizeof(TableEntry*));
  leaf->scores[index] = score;
  leaf->entries[index] = entry;
  ++leaf->count;
}

// Divides the full leaf of the path between it and the fresh one, and inserts.
BpTree::Leaf* BpTree::insert_splitting(Path& path, Leaf* fresh, double score, TableEntry* entry) {
  Leaf* leaf = path.leaf;
  unsigned split_at = kLeafItems / 2;
  if (leaf->next == nullptr && path.index == kLeafItems) split_at = kLeafItems;
  if (leaf->prev == nullptr && path.index == 0) split_at = 0;
  fresh->count = static_cast<uint16_t>(kLeafItems - split_at);
  leaf->count = static_cast<uint16_t>(split_at);
  std::memcpy(fresh->scores, &leaf->scores[split_at], fresh->count * sizeof(double));
  std::memcpy(fresh->entries, &leaf->entries[split_at], fresh->count * sizeof(TableEntry*));
  fresh->prev = leaf;
  fresh->next = leaf->next;
  if (fresh->next != nullptr) fresh->next->prev = fresh;
  leaf->next = fresh;
  ++leaves_;
  if (path.index > split_at || split_at == kLeafItems) {
    insert_into_leaf(fresh, path.index - split_at, score, entry);
  } else {
    insert_into_leaf(leaf, path.index, score, entry);
  }
  return fresh;
}

// The child's first item becomes its separator.
void BpTree::set_separator(Inner* inner, unsigned index) {
  if (const Node* child = inner->children[index]; child->is_leaf) {
    const auto* leaf = static_cast<const Leaf*>(child);
    inner->scores[index] = leaf->scores[0];
    inner->entries[index] = leaf->entries[0];
  } else {
    const auto* below = static_cast<const Inner*>(child);
    inner->scores[index] = below->scores[0];
    inner->entries[index] = below->entries[0];
  }
}

void BpTree::set_child(Inner* inner, unsigned index, Node* child) {
  inner->children[index] = child;
  set_separator(inner, index);
  if (child->is_leaf) {
    inner->counts[index] = child->count;
    return;
  }
  const auto* below = static_cast<const Inner*>(child);
  uint64_t items = 0;
  for (unsigned i = 0; i < below->count; ++i) items += below->counts[i];
  inner->counts[index] = items;
}

void BpTree::move_children(Inner* to, unsigned to_index, const Inner* from, unsigned from_index,
                           unsigned count) {
  std::memmove(&to->children[to_index], &from->children[from_index], count * sizeof(Node*));
  std::memmove(&to->counts[to_index], &from->counts[from_index], count * sizeof(uint64_t));
  std::memmove(&to->scores[to_index], &from->scores[from_index], count * sizeof(double));
  std::memmove(&to->entries[to_index], &from->entries[from_index], count * sizeof(TableEntry*));
}

// The node's new right neighbour when it was full, else null.
BpTree::Inner* BpTree::insert_child(Inner* inner, unsigned index, Node* child, unsigned split_at,
                                    NodeReserve& reserve) {
  Inner* fresh = nullptr;
  Inner* target = inner;
  if (inner->count == kInnerChildren) {
    fresh = reserve.take_inner();
    ++inners_;
    // The end of the node is no place to split when the child goes elsewhere.
    if (split_at == kInnerChildren && index != kInnerChildren) split_at = kInnerChildren / 2;
    if (split_at == 1 && index != 1) split_at = kInnerChildren / 2;
    fresh->count = static_cast<uint16_t>(kInnerChildren - split_at);
    move_children(fresh, 0, inner, split_at, fresh->count);
    inner->count = static_cast<uint16_t>(split_at);
    if (index > split_at || split_at == kInnerChildren || split_at == 1) {
      target = fresh;
      index -= split_at;
    }
  }
  move_children(target, index + 1, target, index, target->count - index);
  set_child(target, index, child);
  ++target->count;
  return fresh;
}

// ---- Erasing ---------------------------------------------------------------------------------------

void BpTree::erase(Heap& heap, double score, Bytes member) {
  STRATA_ASSERT(root_ != nullptr);
  const Path path = descend(Key{score, member, Key::Ties::kLessOrSame});
  STRATA_ASSERT(path.index > 0);
  Leaf* leaf = path.leaf;
  const unsigned index = path.index - 1;
  STRATA_DASSERT(leaf->entries[index]->key() == member);
  const size_t behind = leaf->count - path.index;
  std::memmove(&leaf->scores[index], &leaf->scores[index + 1], behind * sizeof(double));
  std::memmove(&leaf->entries[index], &leaf->entries[index + 1], behind * sizeof(TableEntry*));
  --leaf->count;
  --size_;
  for (unsigned level = height_; level-- > 0;) {
    auto [inner, at] = path.steps[level];
    --inner->counts[at];
    shrink_child(heap, inner, at);
  }
  while (height_ > 0 && root_->count == 1) {
    Node* only = static_cast<Inner*>(root_)->children[0];
    free_node(heap, root_);
    root_ = only;
    --height_;
  }
  if (size_ == 0) {
    free_node(heap, root_);
    root_ = nullptr;
  }
}

// Brings the parent up to date with a child that has lost an item or a child: takes it out when it is empty,
// merges it when it is small.
void BpTree::shrink_child(Heap& heap, Inner* parent, unsigned index) {
  Node* child = parent->children[index];
  if (child->count == 0) {
    free_node(heap, child);
    remove_child(parent, index);
    return;
  }
  set_separator(parent, index);
  const unsigned capacity = child->is_leaf ? kLeafItems : kInnerChildren;
  if (child->count >= capacity / 3) return;
  if (index + 1u < parent->count && merge_children(heap, parent, index)) return;
  if (index > 0) merge_children(heap, parent, index - 1);
}

bool BpTree::merge_children(Heap& heap, Inner* parent, unsigned left_index) {
  Node* left = parent->children[left_index];
  Node* right = parent->children[left_index + 1];
  const unsigned capacity = left->is_leaf ? kLeafItems : kInnerChildren;
  if (unsigned{left->count} + right->count > capacity * 3 / 4) return false;
  if (left->is_leaf) {
    auto* to = static_cast<Leaf*>(left);
    const auto* from = static_cast<const Leaf*>(right);
    std::memcpy(&to->scores[to->count], from->scores, from->count * sizeof(double));
    std::memcpy(&to->entries[to->count], from->entries, from->count * sizeof(TableEntry*));
  } else {
    move_children(static_cast<Inner*>(left), left->count, static_cast<const Inner*>(right), 0, right->count);
  }
  left->count = static_cast<uint16_t>(left->count + right->count);
  parent->counts[left_index] += parent->counts[left_index + 1];
  free_node(heap, right);
  remove_child(parent, left_index + 1);
  return true;
}

void BpTree::remove_child(Inner* inner, unsigned index) {
  move_children(inner, index, inner, index + 1, inner->count - index - 1);
  --inner->count;
}

void BpTree::free_node(Heap& heap, Node* node) {
  if (node->is_leaf) {
    auto* leaf = static_cast<Leaf*>(node);
    if (leaf->prev != nullptr) leaf->prev->next = leaf->next;
    if (leaf->next != nullptr) leaf->next->prev = leaf->prev;
    --leaves_;
  } else {
    --inners_;
  }
  heap.free(node);
}

// Most new scores are close to the old ones, and the item stays where it is.
bool BpTree::update(Heap& heap, double score, TableEntry* entry, double new_score) {
  STRATA_DASSERT(score != new_score);
  const Bytes member = entry->key();
  const Path path = descend(Key{score, member, Key::Ties::kLessOrSame});
  const unsigned index = path.index - 1;
  Leaf* leaf = path.leaf;
  STRATA_DASSERT(path.index > 0 && leaf->entries[index] == entry);
  if (index > 0 && path.index < leaf->count) {
    const bool after_previous =
        leaf->scores[index - 1] < new_score ||
        (leaf->scores[index - 1] == new_score && leaf->entries[index - 1]->key() < member);
    const bool before_next =
        new_score < leaf->scores[path.index] ||
        (new_score == leaf->scores[path.index] && member < leaf->entries[path.index]->key());
    if (after_previous && before_next) {
      leaf->scores[index] = new_score;
      return true;
    }
  }
  // The only step that may fail comes first. The two items differ in their scores, so each is found.
  if (!insert(heap, new_score, entry)) return false;
  erase(heap, score, member);
  return true;
}

}  // namespace strata

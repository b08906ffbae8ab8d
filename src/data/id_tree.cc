#include "data/id_tree.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/assert.h"
#include "memory/heap.h"

namespace strata {

struct IdTree::Inner : Node {
  Item items[kInnerChildren];
};

// From the root down to a leaf: which child was taken on each level; levels[0] is the root's.
struct IdTree::Path {
  struct Step {
    Inner* inner;
    uint32_t index;
  };
  Step levels[kMaxHeight];
  uint32_t height;
  Leaf* leaf;
};

// All the nodes that an insert may need, so that it can fail before it changes anything.
class IdTree::NodeReserve {
 public:
  explicit NodeReserve(Heap& heap) : heap_(heap) {}
  ~NodeReserve() {
    heap_.free(leaf_);
    while (inner_count_ > 0) heap_.free(inners_[--inner_count_]);
  }
  NodeReserve(const NodeReserve&) = delete;
  NodeReserve& operator=(const NodeReserve&) = delete;

  bool reserve(const Path& path) {
    leaf_ = create_leaf(heap_, kLeafItems);
    if (leaf_ == nullptr) return false;
    uint32_t level = path.height;
    while (level > 0 && path.levels[level - 1].inner->count == kInnerChildren) {
      if (!reserve_inner()) return false;
      --level;
    }
    return level > 0 || reserve_inner();  // a new root
  }
  Leaf* take_leaf() { return std::exchange(leaf_, nullptr); }
  Inner* take_inner() {
    STRATA_DASSERT(inner_count_ > 0);
    return inners_[--inner_count_];  // NOLINT(clang-analyzer-core.uninitialized.UndefReturn): reserve() was
                                     // first
  }

 private:
  bool reserve_inner() {
    auto* inner = static_cast<Inner*>(heap_.allocate(sizeof(Inner)));
    if (inner == nullptr) return false;
    inner->count = 0;
    inners_[inner_count_++] = inner;
    return true;
  }

  Heap& heap_;
  Leaf* leaf_ = nullptr;
  Inner* inners_[kMaxHeight + 1];
  uint32_t inner_count_ = 0;
};

IdTree::Leaf* IdTree::create_leaf(Heap& heap, uint32_t capacity) {
  auto* leaf = static_cast<Leaf*>(heap.allocate(sizeof(Leaf) + capacity * sizeof(Item)));
  if (leaf == nullptr) return nullptr;
  leaf->count = 0;
  leaf->capacity = capacity;
  leaf->prev = leaf->next = nullptr;
  return leaf;
}

// ---- Searching -----------------------------------------------------------------------------------------

// How many items have an ID <= `id`.
uint32_t IdTree::count_below(const Item* items, uint32_t count, StreamId id) {
  uint32_t low = 0;
  while (count > 0) {
    uint32_t half = (count + 1) / 2;
    if (items[low + half - 1].id <= id) {
      low += half;
      count -= half;
    } else {
      count = half - 1;
    }
  }
  return low;
}

IdTree::Path IdTree::descend(StreamId id) const {
  Path path;
  path.height = height_;
  Node* node = root_;
  for (uint32_t level = 0; level < height_; ++level) {
    auto* inner = static_cast<Inner*>(node);
    uint32_t below = count_below(inner->items, inner->count, id);
    uint32_t index = below == 0 ? 0 : below - 1;
    path.levels[level] = {inner, index};
    node = inner->items[index].child;
  }
  path.leaf = static_cast<Leaf*>(node);
  return path;
}

IdTree::Position IdTree::first() const {
  if (root_ == nullptr) return {};
  Node* node = root_;
  for (uint32_t level = 0; level < height_; ++level) node = static_cast<Inner*>(node)->items[0].child;
  return {static_cast<Leaf*>(node), 0};
}

IdTree::Position IdTree::at_or_before(StreamId id) const {
  if (root_ == nullptr) return {};
  Leaf* leaf = descend(id).leaf;
  uint32_t below = count_below(leaf->items, leaf->count, id);
  if (below > 0) return {leaf, below - 1};
  return previous({leaf, 0});
}

IdTree::Position IdTree::at_or_after(StreamId id) const {
  if (root_ == nullptr) return {};
  Leaf* leaf = descend(id).leaf;
  uint32_t below = count_below(leaf->items, leaf->count, id);
  if (below > 0 && leaf->items[below - 1].id == id) return {leaf, below - 1};
  if (below < leaf->count) return {leaf, below};
  return {leaf->next, 0};
}

void* IdTree::find(StreamId id) const {
  if (root_ == nullptr) return nullptr;
  Leaf* leaf = descend(id).leaf;
  uint32_t below = count_below(leaf->items, leaf->count, id);
  return below > 0 && leaf->items[below - 1].id == id ? leaf->items[below - 1].value : nullptr;
}

// ---- Inserting -----------------------------------------------------------------------------------------

void IdTree::insert_item(Node* node, Item* items, uint32_t index, const Item& item) {
  std::memmove(&items[index + 1], &items[index], (node->count - index) * sizeof(Item));
  items[index] = item;
  ++node->count;
}

void IdTree::remove_item(Node* node, Item* items, uint32_t index) {
  --node->count;
  std::memmove(&items[index], &items[index + 1], (node->count - index) * sizeof(Item));
}

bool IdTree::insert_first(Heap& heap, StreamId id, void* value) {
  last_ = create_leaf(heap, 1);
  if (last_ == nullptr) return false;
  last_->items[0] = {id, {value}};
  last_->count = 1;
  root_ = last_;
  leaves_ = 1;
  size_ = 1;
  return true;
}

bool IdTree::grow_only_leaf(Heap& heap) {
  uint32_t capacity = std::min(kLeafItems, last_->capacity * 2);
  void* grown = heap.reallocate(last_, sizeof(Leaf) + capacity * sizeof(Item));
  if (grown == nullptr) return false;
  last_ = static_cast<Leaf*>(grown);
  last_->capacity = capacity;
  root_ = last_;
  return true;
}

bool IdTree::insert(Heap& heap, StreamId id, void* value) {
  if (root_ == nullptr) return insert_first(heap, id, value);
  if (last_->count == last_->capacity && last_->capacity < kLeafItems && !grow_only_leaf(heap)) return false;
  const Item item{id, {value}};
  if (last_->count < last_->capacity && id > last_->items[last_->count - 1].id) [[likely]] {
    last_->items[last_->count++] = item;
    ++size_;
    return true;
  }
  Path path = descend(id);
  Leaf* leaf = path.leaf;
  uint32_t index = count_below(leaf->items, leaf->count, id);
  STRATA_DASSERT(index == 0 || leaf->items[index - 1].id != id);
  NodeReserve reserve(heap);
  if (leaf->count == leaf->capacity && !reserve.reserve(path)) return false;
  for (uint32_t level = 0; level < path.height; ++level) {
    Item& separator = path.levels[level].inner->items[path.levels[level].index];
    separator.id = std::min(separator.id, id);
  }
  ++size_;
  if (leaf->count < leaf->capacity) {
    insert_item(leaf, leaf->items, index, item);
    return true;
  }
  Leaf* fresh = split_leaf(leaf, index, reserve.take_leaf(), item);
  insert_child(path, fresh, fresh->items[0].id, reserve);
  return true;
}

// Moves the upper part of a full leaf to the fresh one behind it, and puts the item where it belongs.
IdTree::Leaf* IdTree::split_leaf(Leaf* leaf, uint32_t index, Leaf* fresh, const Item& item) {
  ++leaves_;
  // At the very end IDs keep rising: the leaf stays full.
  uint32_t split_at = leaf == last_ && index == leaf->count ? leaf->count : leaf->count / 2;
  fresh->count = leaf->count - split_at;
  std::memcpy(fresh->items, &leaf->items[split_at], fresh->count * sizeof(Item));
  leaf->count = split_at;
  fresh->prev = leaf;
  fresh->next = leaf->next;
  leaf->next = fresh;
  if (fresh->next != nullptr) fresh->next->prev = fresh;
  if (leaf == last_) last_ = fresh;
  if (index > split_at || fresh->count == 0) {
    insert_item(fresh, fresh->items, index - split_at, item);
  } else {
    insert_item(leaf, leaf->items, index, item);
  }
  return fresh;
}

// Puts `fresh` behind the child that the path took, splitting inner nodes upwards as far as they are full.
void IdTree::insert_child(Path& path, Node* fresh, StreamId lowest, NodeReserve& reserve) {
  Item item;
  item.id = lowest;
  item.child = fresh;
  bool is_last = true;  // of its level
  for (uint32_t level = 0; level < path.height; ++level)
    is_last = is_last && path.levels[level].index + 1 == path.levels[level].inner->count;
  for (uint32_t level = path.height; level-- > 0;) {
    Inner* inner = path.levels[level].inner;
    uint32_t index = path.levels[level].index + 1;
    if (inner->count < kInnerChildren) return insert_item(inner, inner->items, index, item);
    Inner* right = reserve.take_inner();
    ++inners_;
    uint32_t split_at = is_last ? inner->count : inner->count / 2;
    right->count = inner->count - split_at;
    std::memcpy(right->items, &inner->items[split_at], right->count * sizeof(Item));
    inner->count = split_at;
    if (index > split_at || right->count == 0) {
      insert_item(right, right->items, index - split_at, item);
    } else {
      insert_item(inner, inner->items, index, item);
    }
    item.id = right->items[0].id;
    item.child = right;
  }
  Inner* root = reserve.take_inner();
  ++inners_;
  root->count = 2;
  root->items[0].id = kStreamIdMin;
  root->items[0].child = root_;
  root->items[1] = item;
  root_ = root;
  ++height_;
  STRATA_ASSERT(height_ <= kMaxHeight);
}

// ---- Erasing -------------------------------------------------------------------------------------------

void* IdTree::erase(Heap& heap, StreamId id) {
  if (root_ == nullptr) return nullptr;
  Path path = descend(id);
  Leaf* leaf = path.leaf;
  uint32_t below = count_below(leaf->items, leaf->count, id);
  if (below == 0 || leaf->items[below - 1].id != id) return nullptr;
  void* value = leaf->items[below - 1].value;
  remove_item(leaf, leaf->items, below - 1);
  --size_;
  if (leaf->count == 0) {
    unlink(heap, leaf);
    remove_child(heap, path, path.height);
  } else if (leaf->count < kLeafItems / 3 && path.height > 0) {
    merge_leaf(heap, path);
  }
  return value;
}

void IdTree::unlink(Heap& heap, Leaf* leaf) {
  if (leaf->prev != nullptr) leaf->prev->next = leaf->next;
  if (leaf->next != nullptr) leaf->next->prev = leaf->prev;
  if (leaf == last_) last_ = leaf->prev;
  heap.free(leaf);
  --leaves_;
}

// The child that was taken on the level above `level` is gone.
void IdTree::remove_child(Heap& heap, Path& path, uint32_t level) {
  while (level > 0) {
    auto [inner, index] = path.levels[--level];
    remove_item(inner, inner->items, index);
    if (inner->count > 0) {
      if (inner->count < kInnerChildren / 3) merge_inner(heap, path, level);
      return;
    }
    heap.free(inner);
    --inners_;
  }
  root_ = nullptr;
  height_ = 0;
}

void IdTree::merge_leaf(Heap& heap, Path& path) {
  constexpr uint32_t kMergedMax = kLeafItems * 3 / 4;
  auto& step = path.levels[path.height - 1];
  for (uint32_t right_index : {step.index + 1, step.index}) {
    if (right_index == 0 || right_index == step.inner->count) continue;
    auto* left = static_cast<Leaf*>(step.inner->items[right_index - 1].child);
    auto* right = static_cast<Leaf*>(step.inner->items[right_index].child);
    if (left->count + right->count > kMergedMax) continue;
    std::memcpy(&left->items[left->count], right->items, right->count * sizeof(Item));
    left->count += right->count;
    unlink(heap, right);
    step.index = right_index;
    return remove_child(heap, path, path.height);
  }
}

// The inner node at `level` has become small: joins it with a neighbour, or drops it where it is a root with
// one child.
void IdTree::merge_inner(Heap& heap, Path& path, uint32_t level) {
  constexpr uint32_t kMergedMax = kInnerChildren * 3 / 4;
  if (level == 0) {
    while (height_ > 0 && root_->count == 1) {
      Node* child = static_cast<Inner*>(root_)->items[0].child;
      heap.free(root_);
      --inners_;
      root_ = child;
      --height_;
    }
    return;
  }
  auto& step = path.levels[level - 1];
  for (uint32_t right_index : {step.index + 1, step.index}) {
    if (right_index == 0 || right_index == step.inner->count) continue;
    auto* left = static_cast<Inner*>(step.inner->items[right_index - 1].child);
    auto* right = static_cast<Inner*>(step.inner->items[right_index].child);
    if (left->count + right->count > kMergedMax) continue;
    std::memcpy(&left->items[left->count], right->items, right->count * sizeof(Item));
    left->count += right->count;
    heap.free(right);
    --inners_;
    step.index = right_index;
    return remove_child(heap, path, level);
  }
}

bool IdTree::drain_some(Heap& heap, size_t leaves_max, Visitor visit) {
  for (; leaves_max > 0 && root_ != nullptr; --leaves_max) {
    Path path = descend(kStreamIdMin);
    Leaf* leaf = path.leaf;
    for (uint32_t i = 0; i < leaf->count; ++i) visit(leaf->items[i].id, leaf->items[i].value);
    size_ -= leaf->count;
    unlink(heap, leaf);
    remove_child(heap, path, path.height);
  }
  return root_ == nullptr;
}

void IdTree::clear(Heap& heap) {
  drain_some(heap, SIZE_MAX, [](StreamId, void*) {});
}

size_t IdTree::memory() const {
  if (root_ == nullptr) return 0;
  if (height_ == 0) return Heap::usable_size(last_);
  return leaves_ * Heap::good_size(sizeof(Leaf) + kLeafItems * sizeof(Item)) +
         inners_ * Heap::good_size(sizeof(Inner));
}

// ---- Invariants ----------------------------------------------------------------------------------------

// The number of inner nodes from `node` on down.
uint32_t IdTree::check_below(const Node* node, uint32_t level, StreamId low, const StreamId* high,
                             const Leaf** previous) const {
  STRATA_ASSERT(node->count > 0);
  if (level == height_) {
    auto* leaf = static_cast<const Leaf*>(node);
    STRATA_ASSERT(leaf->prev == *previous);
    STRATA_ASSERT(leaf->count <= leaf->capacity && (height_ == 0 || leaf->capacity == kLeafItems));
    if (*previous != nullptr) STRATA_ASSERT((*previous)->next == leaf);
    *previous = leaf;
    for (uint32_t i = 0; i < leaf->count; ++i) {
      STRATA_ASSERT(leaf->items[i].id >= low && (high == nullptr || leaf->items[i].id < *high));
      if (i > 0) STRATA_ASSERT(leaf->items[i].id > leaf->items[i - 1].id);
    }
    return 0;
  }
  auto* inner = static_cast<const Inner*>(node);
  STRATA_ASSERT(inner->count <= kInnerChildren);
  uint32_t inners = 1;
  for (uint32_t i = 0; i < inner->count; ++i) {
    STRATA_ASSERT(inner->items[i].id >= low);
    const StreamId* next = i + 1 < inner->count ? &inner->items[i + 1].id : high;
    inners += check_below(inner->items[i].child, level + 1, inner->items[i].id, next, previous);
  }
  return inners;
}

void IdTree::check() const {
  STRATA_ASSERT((root_ == nullptr) == (size_ == 0));
  if (root_ == nullptr) {
    STRATA_ASSERT(last_ == nullptr && height_ == 0 && leaves_ == 0 && inners_ == 0);
    return;
  }
  const Leaf* previous = nullptr;
  uint32_t inners = check_below(root_, 0, kStreamIdMin, nullptr, &previous);
  STRATA_ASSERT(previous == last_ && last_->next == nullptr && inners == inners_);
  uint64_t items = 0;
  uint32_t leaves = 0;
  for (const Leaf* leaf = first().leaf; leaf != nullptr; leaf = leaf->next, ++leaves) items += leaf->count;
  STRATA_ASSERT(items == size_ && leaves == leaves_);
}

}  // namespace strata

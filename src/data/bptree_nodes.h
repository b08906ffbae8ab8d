// The nodes of the B+-tree and the words of its algorithms. Internal to bptree.h.

#pragma once

#include "base/assert.h"
#include "data/bptree.h"
#include "memory/heap.h"

namespace strata {

struct BpTree::Node {
  uint16_t count;
  bool is_leaf;
};

struct BpTree::Leaf : Node {
  Leaf* prev;
  Leaf* next;
  double scores[kLeafItems];
  TableEntry* entries[kLeafItems];
};

struct BpTree::Inner : Node {
  Node* children[kInnerChildren];
  uint64_t counts[kInnerChildren];
  double scores[kInnerChildren];
  TableEntry* entries[kInnerChildren];
};

// The way from the root to an item, or to where one would be.
struct BpTree::Path {
  struct Step {
    Inner* inner;
    unsigned index;
  };
  Step steps[kMaxHeight];  // steps[0] is the root's
  Leaf* leaf;
  unsigned index;
};

// What items are compared with; `ties` says which of those with the same score come before it.
struct BpTree::Key {
  enum class Ties : uint8_t { kNone, kAll, kLess, kLessOrSame };

  double score;
  Bytes member;
  Ties ties;

  bool after(const TableEntry* tied) const {
    const int order = tied->key().compare(member);
    return ties == Ties::kLess ? order < 0 : order <= 0;
  }
};

// Nodes allocated before a change, so that the change cannot fail half-way.
class BpTree::NodeReserve {
 public:
  explicit NodeReserve(Heap& heap) : heap_(heap) {}
  ~NodeReserve() {
    heap_.free(leaf_);
    while (inners_ > 0) heap_.free(inner_[--inners_]);
  }
  NodeReserve(const NodeReserve&) = delete;
  NodeReserve& operator=(const NodeReserve&) = delete;

  bool add_leaf() {
    leaf_ = static_cast<Leaf*>(heap_.allocate(sizeof(Leaf)));
    return leaf_ != nullptr;
  }
  bool add_inner() {
    STRATA_ASSERT(inners_ <= kMaxHeight);
    inner_[inners_] = static_cast<Inner*>(heap_.allocate(sizeof(Inner)));
    return inner_[inners_] != nullptr && ++inners_ > 0;
  }
  Leaf* take_leaf() {
    Leaf* leaf = leaf_;
    leaf_ = nullptr;
    leaf->count = 0;
    leaf->is_leaf = true;
    return leaf;
  }
  Inner* take_inner() {
    STRATA_ASSERT(inners_ > 0);
    Inner* inner = inner_[--inners_];
    inner->count = 0;
    inner->is_leaf = false;
    return inner;
  }

 private:
  Heap& heap_;
  Leaf* leaf_ = nullptr;
  Inner* inner_[kMaxHeight + 1];
  unsigned inners_ = 0;
};

}  // namespace strata

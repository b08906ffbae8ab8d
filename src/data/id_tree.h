// A B+-tree from stream IDs to pointers: the index over a stream's nodes, and the lists of pending entries.
//
//   leaf    capacity, count, prev, next | {id, value} × up to 41                 up to 1 KiB
//   inner   count | {lowest id below, child} × up to 42                          1 KiB
//
// IDs mostly arrive in rising order and leave from the front: then leaves stay full, an insert touches the
// last leaf only, and an emptied leaf goes at once.
//
//   1. A separator is not above any ID below its child, and above every ID below the child in front.
//   2. No node is empty. A leaf or inner node that falls below a third is merged with a neighbour where both
//      together fill no more than three quarters; so there is no borrowing, and no thrashing.
//   3. insert() allocates all nodes it may need before it changes anything; false is out of memory, and the
//      tree is then untouched. Nothing else allocates.
//   4. While there is only one leaf, it grows by doubling: small indexes stay small.
//
// Belongs to its stream, inside the shard. It does not own what the values point to. A Position lives until
// the next insert or erase.

#pragma once

#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "base/function_ref.h"
#include "data/stream_id.h"

namespace strata {

class Heap;

class IdTree {
 private:
  struct Node {
    uint32_t count;
  };
  struct Item {
    StreamId id;
    union {
      void* value;  // in a leaf
      Node* child;  // in an inner node
    };
  };

 public:
  struct Leaf : Node {
    uint32_t capacity;
    Leaf* prev;
    Leaf* next;
    Item items[];
  };

  struct Position {
    Leaf* leaf = nullptr;  // null: past either end
    uint32_t index = 0;

    bool done() const { return leaf == nullptr; }
    // Not past either end:
    StreamId id() const { return item().id; }
    void* value() const { return item().value; }
    void set_value(void* value) const { item().value = value; }

   private:
    Item& item() const {
      STRATA_DASSERT(!done());
      return leaf->items[index];
    }
  };
  using Visitor = FunctionRef<void(StreamId id, void* value)>;

  uint64_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // The ID must not be there.
  [[nodiscard]] bool insert(Heap& heap, StreamId id, void* value);
  // The value that was there, or null.
  void* erase(Heap& heap, StreamId id);

  // Null when it is not there.
  void* find(StreamId id) const;
  Position first() const;
  Position last() const { return last_ == nullptr ? Position{} : Position{last_, last_->count - 1}; }
  Position at_or_after(StreamId id) const;
  Position at_or_before(StreamId id) const;
  static Position next(Position position) {
    STRATA_DASSERT(!position.done());
    if (position.index + 1 < position.leaf->count) return {position.leaf, position.index + 1};
    return {position.leaf->next, 0};
  }
  static Position previous(Position position) {
    STRATA_DASSERT(!position.done());
    if (position.index > 0) return {position.leaf, position.index - 1};
    Leaf* leaf = position.leaf->prev;
    return {leaf, leaf == nullptr ? 0 : leaf->count - 1};
  }

  // Takes out the items of up to `leaves_max` leaves, from the front, after showing each; true when the tree
  // is empty.
  bool drain_some(Heap& heap, size_t leaves_max, Visitor visit);
  // Frees nodes, not what the values point to.
  void clear(Heap& heap);
  // Usable bytes of all nodes.
  size_t memory() const;
  // Asserts every invariant; for tests.
  void check() const;

 private:
  struct Inner;
  struct Path;
  class NodeReserve;

  static constexpr uint32_t kLeafItems = 41;
  static constexpr uint32_t kInnerChildren = 42;
  // By invariant 2 two neighbours hold at least a third of a node between them, so 2^48 items need fewer than
  // fourteen levels.
  static constexpr uint32_t kMaxHeight = 16;

  static Leaf* create_leaf(Heap& heap, uint32_t capacity);
  static uint32_t count_below(const Item* items, uint32_t count, StreamId id);
  Path descend(StreamId id) const;
  bool insert_first(Heap& heap, StreamId id, void* value);
  bool grow_only_leaf(Heap& heap);
  static void insert_item(Node* node, Item* items, uint32_t index, const Item& item);
  static void remove_item(Node* node, Item* items, uint32_t index);
  Leaf* split_leaf(Leaf* leaf, uint32_t index, Leaf* fresh, const Item& item);
  void insert_child(Path& path, Node* fresh, StreamId lowest, NodeReserve& reserve);
  void unlink(Heap& heap, Leaf* leaf);
  void remove_child(Heap& heap, Path& path, uint32_t level);
  void merge_leaf(Heap& heap, Path& path);
  void merge_inner(Heap& heap, Path& path, uint32_t level);
  uint32_t check_below(const Node* node, uint32_t level, StreamId low, const StreamId* high,
                       const Leaf** previous) const;

  Node* root_ = nullptr;  // null when empty
  Leaf* last_ = nullptr;
  uint64_t size_ = 0;
  uint32_t height_ = 0;  // levels of inner nodes
  uint32_t leaves_ = 0;
  uint32_t inners_ = 0;
};

}  // namespace strata

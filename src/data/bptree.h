// An order-statistics B+-tree over the members of one sorted set: pairs (score, entry), ordered by score,
// then by the entry's key bytes.
//
// Members are stored once, in the entries of the set's table; a leaf holds scores and pointers side by side,
// so that comparing scores stays within the leaf, and only equal scores look at members. Inner nodes hold for
// each child the number of items below it, which gives ranks in O(log n), and its first item as separator.
//
//   leaf    prev, next | scores[62] | entries[62]                             1 KiB
//   inner   children[63] | counts[63] | scores[63] | entries[63]              2 KiB
//
//   1. A separator is exactly the first item below its child, so no separator outlives its entry.
//   2. No node is empty, except a root leaf. A node that falls below a third is merged with a neighbour where
//      both together fill no more than three quarters; so there is no borrowing, and no thrashing.
//   3. insert() allocates all nodes it may need before it changes anything; false is out of memory, and the
//      tree is then untouched. Nothing else allocates.
//   4. Items that arrive in ascending or descending order leave full leaves behind.
//
// Belongs to its sorted set, inside the shard. Entries' scores are never read here: the caller may change
// them before or after. A Position lives until the next change.

#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "data/table_entry.h"

namespace strata {

class Heap;

class BpTree {
 public:
  struct Leaf;

  struct Position {
    const Leaf* leaf = nullptr;  // null: past either end
    uint32_t index = 0;
  };

  uint64_t size() const { return size_; }
  // The item must not be there.
  [[nodiscard]] bool insert(Heap& heap, double score, TableEntry* entry);
  // The item must be there.
  void erase(Heap& heap, double score, Bytes member);
  // Gives an item that must be there another score. False when out of memory.
  [[nodiscard]] bool update(Heap& heap, double score, TableEntry* entry, double new_score);

  // Items before (score, member).
  uint64_t rank(double score, Bytes member) const;
  // Items with a score < `score`, or <= it.
  uint64_t count_below_score(double score, bool inclusive) const;
  // Items with a member < `member`, or <= it; has a meaning when all scores are equal.
  uint64_t count_below_member(Bytes member, bool inclusive) const;

  Position at(uint64_t rank) const;
  static double score(Position position);
  static TableEntry* entry(Position position);
  static Position next(Position position);
  static Position prev(Position position);

  // Frees about `budget` nodes; true when none is left. Nothing else may be called in between.
  [[nodiscard]] bool destroy_some(Heap& heap, size_t budget);
  // Usable bytes of all nodes.
  size_t memory() const;
  // Asserts every invariant; for tests.
  void check() const;

 private:
  struct Node;
  struct Inner;
  struct Path;
  struct Key;
  class NodeReserve;

  static constexpr unsigned kLeafItems = 62;
  static constexpr unsigned kInnerChildren = 63;
  // By invariant 2 two neighbours hold at least a third of a node between them, so 2^32 items need
  // fewer than ten levels.
  static constexpr unsigned kMaxHeight = 16;

  template <typename NodeType>
  static unsigned count_before(const NodeType* node, unsigned from, const Key& key);
  Path descend(const Key& key) const;
  uint64_t count_before(const Key& key) const;

  bool insert_first(Heap& heap, double score, TableEntry* entry);
  bool reserve_for(const Path& path, NodeReserve& reserve) const;
  Leaf* insert_splitting(Path& path, Leaf* fresh, double score, TableEntry* entry);
  static void insert_into_leaf(Leaf* leaf, unsigned index, double score, TableEntry* entry);
  Inner* insert_child(Inner* inner, unsigned index, Node* child, unsigned split_at, NodeReserve& reserve);
  static void set_separator(Inner* inner, unsigned index);
  static void set_child(Inner* inner, unsigned index, Node* child);
  static void move_children(Inner* to, unsigned to_index, const Inner* from, unsigned from_index,
                            unsigned count);
  static void remove_child(Inner* inner, unsigned index);

  void shrink_child(Heap& heap, Inner* parent, unsigned index);
  bool merge_children(Heap& heap, Inner* parent, unsigned left_index);
  void free_node(Heap& heap, Node* node);
  void check_below(const Node* node, unsigned height, const Leaf** previous) const;

  Node* root_ = nullptr;  // null when empty
  uint64_t size_ = 0;
  unsigned height_ = 0;  // levels of inner nodes
  uint32_t leaves_ = 0;
  uint32_t inners_ = 0;
};

}  // namespace strata

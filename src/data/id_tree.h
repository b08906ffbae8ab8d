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

#include "data/stream_id.h"

namespace strata {

class Heap;

class IdTree {
 public:
  struct Leaf;

  struct Position {
    Leaf* leaf = nullptr;  // null: past either end
    uint32_t index = 0;

    bool done() const { return leaf == nullptr; }
    StreamId id() const;
    void* value() const;
    void set_value(void* value) const;
  };

  uint64_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // The ID must not be there.
  [[nodiscard]] bool insert(Heap& heap, StreamId id, void* value);
  // The value that was there, or null.
  void* erase(Heap& heap, StreamId id);

  // Null when it is not there.
  void* find(StreamId id) const;
  Position first() const;
  Position last() const { return last_ == nullptr ? Position{} : last_position(); }
  Position at_or_after(StreamId id) const;
  Position at_or_before(StreamId id) const;
  static Position next(Position position);
  static Position previous(Position position);

  // Frees nodes, not what the values point to.
  void clear(Heap& heap);
  // Takes values out until `budget` leaves were freed, showing each; true when the tree is empty.
  template <typename Visit>
  bool drain_some(Heap& heap, size_t budget, Visit&& visit);
  // Usable bytes of all nodes.
  size_t memory() const;
  // Asserts every invariant; for tests.
  void check() const;

 private:
  struct Item;
  struct Inner;
  struct Path;
  class NodeReserve;
};

}  // namespace strata

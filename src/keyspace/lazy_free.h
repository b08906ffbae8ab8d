// What was deleted but is too large to free at once. One per shard, worked off in slices.

#pragma once

#include <cstddef>
#include <deque>

#include "data/value.h"
#include "keyspace/key_table.h"

namespace strata {

class Heap;

// Frees up to `budget` elements of a value that belongs to nobody; true when nothing is left of it.
bool destroy_some(Value& value, Heap& heap, size_t budget);
// How many elements a value holds, roughly: what freeing it would cost.
size_t element_count(const Value& value);

class LazyFree {
 public:
  explicit LazyFree(Heap& heap) : heap_(&heap) {}
  ~LazyFree();
  // Frees small values at once, keeps large ones for step().
  void discard(Value value);
  // An entry that is in no table and on no wheel any more, with its value.
  void free_entry(Entry* entry);
  void discard_table(KeyTable::Detached* table);
  // True when nothing is left.
  bool step(size_t budget);
  bool empty() const { return values_.empty() && tables_.empty(); }
  size_t pending_count() const { return values_.size() + tables_.size(); }

 private:
  static constexpr size_t kFreeAtOnceElements = 64;

  Heap* heap_;
  std::deque<Value> values_;
  std::deque<KeyTable::Detached*> tables_;
};

}  // namespace strata

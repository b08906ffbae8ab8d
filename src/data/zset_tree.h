// The large form of a sorted set: a table from member to score and a tree in order. Internal to zset.h.
//
// The table owns the entries, each with member and score; the tree points to them. An entry is in both or
// in neither, and its score is the one under which the tree has it.

#pragma once

#include "base/bytes.h"
#include "data/bptree.h"
#include "data/context.h"
#include "data/table.h"

namespace strata {

struct ZsetTree {
  Table* table;
  BpTree tree;

  [[nodiscard]] static ZsetTree* create(const DataContext& context);
  [[nodiscard]] static ZsetTree* copy(const DataContext& context, const ZsetTree& zset);
  [[nodiscard]] static bool destroy_some(Heap& heap, ZsetTree* zset, size_t budget);

  // False when out of memory; nothing has changed then. insert(): the member is not there, and `hash` is its.
  [[nodiscard]] bool insert(Heap& heap, double score, Bytes member, uint64_t hash);
  [[nodiscard]] bool update(Heap& heap, TableEntry* entry, double score);
  void erase(Heap& heap, TableEntry* entry, uint64_t hash);
};

}  // namespace strata

#include "data/zset_tree.h"

#include <new>

#include "base/assert.h"
#include "memory/heap.h"

namespace strata {

ZsetTree* ZsetTree::create(const DataContext& context) {
  void* memory = context.heap.allocate(sizeof(ZsetTree));
  if (memory == nullptr) return nullptr;
  Table* table = Table::create(context.heap, context.seed);
  if (table != nullptr) return new (memory) ZsetTree{table, {}};
  context.heap.free(memory);
  return nullptr;
}

// In order, so that the copy's leaves are full.
ZsetTree* ZsetTree::copy(const DataContext& context, const ZsetTree& zset) {
  ZsetTree* copy = create(context);
  if (copy == nullptr) return nullptr;
  for (BpTree::Position at = zset.tree.at(0); at.leaf != nullptr; at = BpTree::next(at)) {
    const Bytes member = BpTree::entry(at)->key();
    if (copy->insert(context.heap, BpTree::score(at), member, copy->table->hash(member))) continue;
    const bool gone = destroy_some(context.heap, copy, SIZE_MAX);
    STRATA_ASSERT(gone);
    return nullptr;
  }
  return copy;
}

bool ZsetTree::destroy_some(Heap& heap, ZsetTree* zset, size_t budget) {
  if (!zset->tree.destroy_some(heap, budget)) return false;
  if (!Table::destroy_some(heap, zset->table, budget)) return false;
  heap.free(zset);
  return true;
}

bool ZsetTree::insert(Heap& heap, double score, Bytes member, uint64_t hash) {
  TableEntry* entry = TableEntry::create_scored(heap, member, score);
  if (entry == nullptr) return false;
  if (table->insert(heap, entry, hash)) {
    if (tree.insert(heap, score, entry)) return true;
    table->remove(heap, member, hash);
  }
  TableEntry::destroy(heap, entry);
  return false;
}

bool ZsetTree::update(Heap& heap, TableEntry* entry, double score) {
  if (!tree.update(heap, entry->score(), entry, score)) return false;
  entry->set_score(score);
  return true;
}

void ZsetTree::erase(Heap& heap, TableEntry* entry, uint64_t hash) {
  tree.erase(heap, entry->score(), entry->key());
  table->remove(heap, entry->key(), hash);
  TableEntry::destroy(heap, entry);
}

}  // namespace strata

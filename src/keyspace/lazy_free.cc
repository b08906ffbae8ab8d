#include "keyspace/lazy_free.h"

#include "data/blob.h"
#include "data/hash.h"
#include "data/list.h"
#include "data/set.h"
#include "data/stream.h"
#include "data/zset.h"
#include "keyspace/entry.h"
#include "memory/heap.h"

namespace strata {

bool destroy_some(Value& value, Heap& heap, size_t budget) {
  switch (value.type) {
    case Type::kString:
      if (value.encoding == Encoding::kRaw) Blob::destroy(heap, static_cast<Blob*>(value.pointer));
      return true;
    case Type::kList:
      return list::destroy_some(value, heap, budget);
    case Type::kHash:
      return hash_destroy_some(heap, value, budget);
    case Type::kSet:
      return set_destroy_some(heap, value, budget);
    case Type::kZset:
      return zset_destroy_some(heap, value, budget);
    case Type::kStream:
      return StreamValue::destroy_some(heap, &StreamValue::of(value), budget);
  }
  return true;
}

size_t element_count(const Value& value) {
  switch (value.type) {
    case Type::kString:
      return 1;
    case Type::kList:
      return list::length(value);
    case Type::kHash:
      return hash_size(value);
    case Type::kSet:
      return set_size(value);
    case Type::kZset:
      return zset_size(value);
    case Type::kStream:
      return StreamValue::of(value).length() + StreamValue::of(value).part_count();
  }
  return 1;
}

LazyFree::~LazyFree() {
  while (!step(SIZE_MAX)) {
  }
}

void LazyFree::discard(Value value) {
  if (element_count(value) <= kFreeAtOnceElements && destroy_some(value, *heap_, SIZE_MAX)) return;
  values_.push_back(value);
}

void LazyFree::discard_table(KeyTable::Detached* table) { tables_.push_back(table); }

void LazyFree::free_entry(Entry* entry) {
  if (entry->type() != Type::kString) {
    discard(entry->value());
  } else if (entry->encoding() == Encoding::kRaw) {
    Blob::destroy(*heap_, reinterpret_cast<Blob*>(entry->word()));
  }
  heap_->free(entry);
}

bool LazyFree::step(size_t budget) {
  if (!values_.empty()) {
    if (destroy_some(values_.front(), *heap_, budget)) values_.pop_front();
  } else if (!tables_.empty()) {
    bool done = KeyTable::drain(tables_.front(), budget, [this](Entry* entry) { free_entry(entry); });
    if (done) tables_.pop_front();
  }
  return empty();
}

}  // namespace strata

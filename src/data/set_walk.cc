// What goes through a whole set: visiting, scanning, choosing and popping members at random.

#include "base/assert.h"
#include "data/intset.h"
#include "data/packed.h"
#include "data/set.h"
#include "data/table.h"
#include "data/value_parts.h"

namespace strata {
namespace {

Table* table_of(const Value& set) { return static_cast<Table*>(set.pointer); }

void visit_small(const Value& set, SetVisitor visit) {
  Blob* blob = blob_of(set);
  if (set.encoding == Encoding::kIntset) {
    const uint32_t count = intset::count(blob->view());
    for (uint32_t i = 0; i < count; ++i) visit(Element::of(intset::at(blob->view(), i)));
    return;
  }
  for (packed::Cursor cursor(blob->view()); !cursor.done(); cursor.next()) {
    visit(handed_out(cursor.element(), blob));
  }
}

// Visits a random member and removes it; nothing in the set is pinned.
void pop_one(Heap& heap, Value& set, Random& random, SetVisitor visit) {
  if (set.encoding == Encoding::kTable) {
    Table* table = table_of(set);
    TableEntry* entry = table->random(random);
    visit(Element::of(entry->key()));
    table->remove(heap, entry->key(), table->hash(entry->key()));
    TableEntry::destroy(heap, entry);
    return;
  }
  Blob* blob = blob_of(set);
  const Bytes view = blob->view();
  if (set.encoding == Encoding::kIntset) {
    const int64_t integer = intset::random(view, random.next());
    visit(Element::of(integer));
    const bool removed = intset::remove(heap, blob, integer) == intset::Change::kDone;
    STRATA_ASSERT(removed);
  } else {
    const packed::Position at = packed::seek(view, static_cast<int64_t>(random.below(packed::count(view))));
    visit(packed::get(view, at));
    const bool removed = packed::erase(heap, blob, at);
    STRATA_ASSERT(removed);
  }
  set.pointer = blob;
}

}  // namespace

void set_visit(const Value& set, SetVisitor visit) {
  uint64_t cursor = 0;
  set_visit_some(set, cursor, SIZE_MAX, visit);
}

bool set_visit_some(const Value& set, uint64_t& cursor, size_t budget, SetVisitor visit) {
  if (set.encoding != Encoding::kTable) {
    visit_small(set, visit);
    return true;
  }
  return table_of(set)->visit_some(cursor, budget,
                                   [&](const TableEntry* entry) { visit(Element::of(entry->key())); });
}

uint64_t set_scan(const Value& set, uint64_t cursor, size_t count, SetVisitor visit) {
  if (set.encoding != Encoding::kTable) {
    visit_small(set, visit);
    return 0;
  }
  return table_of(set)->scan_some(cursor, count,
                                  [&](const TableEntry* entry) { visit(Element::of(entry->key())); });
}

void set_random(const Value& set, Random& random, SetVisitor visit) {
  STRATA_ASSERT(set_size(set) > 0);
  if (set.encoding == Encoding::kTable) return visit(Element::of(table_of(set)->random(random)->key()));
  Blob* blob = blob_of(set);
  const Bytes view = blob->view();
  if (set.encoding == Encoding::kIntset) return visit(Element::of(intset::random(view, random.next())));
  const packed::Position at = packed::seek(view, static_cast<int64_t>(random.below(packed::count(view))));
  visit(handed_out(packed::get(view, at), blob));
}

void set_random_repeated(const Value& set, Random& random, uint64_t count, SetVisitor visit) {
  if (set.encoding != Encoding::kListpack) {
    for (; count > 0; --count) set_random(set, random, visit);
    return;
  }
  Blob* blob = blob_of(set);
  const PackedIndex index(blob->view(), 1);
  STRATA_ASSERT(index.count() > 0);
  for (; count > 0; --count) {
    const packed::Position at = index.at(static_cast<uint32_t>(random.below(index.count())));
    visit(handed_out(packed::get(blob->view(), at), blob));
  }
}

Status set_random_distinct(const DataContext& context, const Value& set, Random& random, uint64_t count,
                           SetVisitor visit) {
  const uint64_t size = set_size(set);
  if (count >= size || set.encoding != Encoding::kTable || count > size / 3) {
    PassingSample sample(random, size, count);
    set_visit(set, [&](const Element& member) {
      if (sample.take()) visit(member);
    });
    return {};
  }
  SeenNumbers seen(context.heap);
  if (!seen.reserve(count)) return out_of_memory();
  while (count > 0) {
    const TableEntry* entry = table_of(set)->random(random);
    if (!seen.add(reinterpret_cast<uintptr_t>(entry))) continue;
    visit(Element::of(entry->key()));
    --count;
  }
  return {};
}

Status set_pop(const DataContext& context, Value& set, Random& random, uint64_t count, SetVisitor visit) {
  if (set.encoding != Encoding::kTable && !make_writable(context.heap, set)) return out_of_memory();
  for (count = std::min(count, set_size(set)); count > 0; --count) pop_one(context.heap, set, random, visit);
  return {};
}

}  // namespace strata

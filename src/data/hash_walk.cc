// What goes through a whole hash: visiting, scanning, choosing fields at random.

#include "base/assert.h"
#include "data/hash.h"
#include "data/hash_deadlines.h"
#include "data/packed.h"
#include "data/table.h"
#include "data/value_parts.h"

namespace strata {
namespace {

bool is_packed(const Value& hash) { return hash.encoding == Encoding::kListpack; }
const Table& table_of(const Value& hash) { return *static_cast<const Table*>(hash.pointer); }

void visit_packed(const Value& hash, HashVisitor visit) {
  Blob* blob = blob_of(hash);
  for (packed::Cursor cursor(blob->view()); !cursor.done(); cursor.next()) {
    const Element field = handed_out(cursor.element(), blob);
    cursor.next();
    visit(field, handed_out(cursor.element(), blob));
  }
}

void visit_packed_at(const Value& hash, packed::Position at, HashVisitor visit) {
  Blob* blob = blob_of(hash);
  packed::Cursor cursor(blob->view(), at);
  const Element field = handed_out(cursor.element(), blob);
  cursor.next();
  visit(field, handed_out(cursor.element(), blob));
}

void visit_entry(const TableEntry* entry, HashVisitor visit) {
  visit(Element::of(entry->key()), entry->value());
}

}  // namespace

void hash_visit(const Value& hash, HashVisitor visit) {
  uint64_t cursor = 0;
  hash_visit_some(hash, cursor, SIZE_MAX, visit);
}

bool hash_visit_some(const Value& given, uint64_t& cursor, size_t budget, HashVisitor visit) {
  const Value& hash = plain_hash(given);
  if (is_packed(hash)) {
    visit_packed(hash, visit);
    return true;
  }
  return table_of(hash).visit_some(cursor, budget,
                                   [&](const TableEntry* entry) { visit_entry(entry, visit); });
}

uint64_t hash_scan(const Value& given, uint64_t cursor, size_t count, HashVisitor visit) {
  const Value& hash = plain_hash(given);
  if (is_packed(hash)) {
    visit_packed(hash, visit);
    return 0;
  }
  return table_of(hash).scan_some(cursor, count, [&](const TableEntry* entry) { visit_entry(entry, visit); });
}

void hash_random(const Value& given, Random& random, HashVisitor visit) {
  const Value& hash = plain_hash(given);
  if (!is_packed(hash)) return visit_entry(table_of(hash).random(random), visit);
  const Bytes node = packed_view(hash);
  STRATA_ASSERT(!packed::empty(node));
  visit_packed_at(hash, packed::seek(node, static_cast<int64_t>(2 * random.below(packed::count(node) / 2))),
                  visit);
}

void hash_random_repeated(const Value& given, Random& random, uint64_t count, HashVisitor visit) {
  const Value& hash = plain_hash(given);
  if (!is_packed(hash)) {
    for (; count > 0; --count) visit_entry(table_of(hash).random(random), visit);
    return;
  }
  const PackedIndex index(packed_view(hash), 2);
  STRATA_ASSERT(index.count() > 0);
  for (; count > 0; --count) {
    visit_packed_at(hash, index.at(static_cast<uint32_t>(random.below(index.count()))), visit);
  }
}

Status hash_random_distinct(const DataContext& context, const Value& given, Random& random, uint64_t count,
                            HashVisitor visit) {
  const Value& hash = plain_hash(given);
  const uint64_t size = hash_size(hash);
  if (count >= size || is_packed(hash) || count > size / 3) {
    PassingSample sample(random, size, count);
    hash_visit(hash, [&](const Element& field, const Element& value) {
      if (sample.take()) visit(field, value);
    });
    return {};
  }
  SeenNumbers seen(context.heap);
  if (!seen.reserve(count)) return out_of_memory();
  while (count > 0) {
    const TableEntry* entry = table_of(hash).random(random);
    if (!seen.add(reinterpret_cast<uintptr_t>(entry))) continue;
    visit_entry(entry, visit);
    --count;
  }
  return {};
}

}  // namespace strata

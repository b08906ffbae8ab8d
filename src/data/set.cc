#include "data/set.h"

#include <algorithm>

#include "base/assert.h"
#include "data/intset.h"
#include "data/packed.h"
#include "data/table.h"
#include "data/value_parts.h"
#include "memory/heap.h"
#include "text/numbers.h"

namespace strata {
namespace {

Table* table_of(const Value& set) { return static_cast<Table*>(set.pointer); }

bool insert_member(Heap& heap, Table* table, Bytes member, uint64_t hash) {
  TableEntry* entry = TableEntry::create_member(heap, member);
  if (entry == nullptr) return false;
  if (table->insert(heap, entry, hash)) return true;
  TableEntry::destroy(heap, entry);
  return false;
}

Status convert_to_table(const DataContext& context, Value& set) {
  Table* table = Table::create(context.heap, context.seed);
  if (table == nullptr) return out_of_memory();
  bool complete = true;
  set_visit(set, [&](const Element& element) {
    char scratch[kIntegerTextBytes];
    const Bytes member = element_text(element, scratch);
    complete = complete && insert_member(context.heap, table, member, table->hash(member));
  });
  if (!complete) {
    Table::destroy(context.heap, table);
    return out_of_memory();
  }
  Blob::destroy(context.heap, blob_of(set));
  set.encoding = Encoding::kTable;
  set.pointer = table;
  return {};
}

Status convert_to_packed(const DataContext& context, Value& set, size_t room) {
  const Bytes integers = packed_view(set);
  Blob* node = packed::create(context.heap, packed::kEmptyBytes + intset::count(integers) * 4 + room);
  if (node == nullptr) return out_of_memory();
  for (uint32_t i = 0; i < intset::count(integers); ++i) {
    if (packed::append(context.heap, node, Element::of(intset::at(integers, i)))) continue;
    Blob::destroy(context.heap, node);
    return out_of_memory();
  }
  Blob::destroy(context.heap, blob_of(set));
  set.encoding = Encoding::kListpack;
  set.pointer = node;
  return {};
}

size_t text_bytes(int64_t integer) {
  char text[kI64TextBytes];
  return print_i64(integer, text);
}

// Whether an integer set and a member that is no integer may become a packed node.
bool may_become_packed(const SetLimits& limits, Bytes integers, Bytes member) {
  const uint32_t count = intset::count(integers);
  if (count >= limits.packed_entries || member.size() > limits.packed_value_bytes) return false;
  if (count == 0) return true;
  const size_t longest =
      std::max(text_bytes(intset::at(integers, 0)), text_bytes(intset::at(integers, count - 1)));
  return longest <= limits.packed_value_bytes;
}

Result<bool> changed(Value& set, Blob* blob, intset::Change change) {
  if (change == intset::Change::kOutOfMemory) return out_of_memory();
  set.pointer = blob;
  return change == intset::Change::kDone;
}

Result<bool> add_to_table(const DataContext& context, Value& set, Bytes member) {
  Table* table = table_of(set);
  const uint64_t hash = table->hash(member);
  if (table->find(member, hash) != nullptr) return false;
  if (!insert_member(context.heap, table, member, hash)) return out_of_memory();
  return true;
}

Result<bool> add_to_packed(const DataContext& context, const SetLimits& limits, Value& set, Bytes member) {
  Blob* node = blob_of(set);
  const packed::Needle needle(member);
  const Bytes view = node->view();
  if (packed::find(view, packed::begin(view), needle, 0) != packed::end(view)) return false;
  constexpr size_t kOverheadBytes = 10;  // of the widest encoding
  if (packed::count(view) >= limits.packed_entries || member.size() > limits.packed_value_bytes ||
      !packed::fits(view, member.size() + kOverheadBytes)) {
    TRY(convert_to_table(context, set));
    return add_to_table(context, set, member);
  }
  if (!packed::append(context.heap, node, Element::of(member))) return out_of_memory();
  set.pointer = node;
  return true;
}

Result<bool> add_to_intset(const DataContext& context, const SetLimits& limits, Value& set, Bytes member) {
  const Bytes integers = packed_view(set);
  if (const std::optional<int64_t> integer = parse_i64(member)) {
    if (intset::count(integers) >= limits.intset_entries && !intset::contains(integers, *integer)) {
      TRY(convert_to_table(context, set));
      return add_to_table(context, set, member);
    }
    Blob* blob = blob_of(set);
    const intset::Change change = intset::add(context.heap, blob, *integer);
    return changed(set, blob, change);
  }
  if (may_become_packed(limits, integers, member)) {
    TRY(convert_to_packed(context, set, member.size()));
    return add_to_packed(context, limits, set, member);
  }
  TRY(convert_to_table(context, set));
  return add_to_table(context, set, member);
}

Result<Value> adopted(const DataContext& context, Value set, bool exceeds) {
  if (exceeds) {
    TRY(convert_to_table(context, set));
  }
  return set;
}

}  // namespace

Result<Value> set_create(const DataContext& context, const SetLimits& limits, Bytes first_member,
                         uint64_t size_hint) {
  Value set{Type::kSet, Encoding::kTable, nullptr};
  if (size_hint <= limits.intset_entries && parse_i64(first_member)) {
    set.encoding = Encoding::kIntset;
    set.pointer = intset::create(context.heap);
  } else if (size_hint <= limits.packed_entries && first_member.size() <= limits.packed_value_bytes) {
    set.encoding = Encoding::kListpack;
    set.pointer = packed::create(context.heap);
  } else {
    set.pointer = Table::create(context.heap, context.seed);
  }
  if (set.pointer == nullptr) return out_of_memory();
  return set;
}

Result<Value> set_adopt_packed(const DataContext& context, const SetLimits& limits, Blob* packed) {
  const Bytes node = packed->view();
  if (!packed::validate(node)) return fail(Errc::kCorruption, "malformed packed set");
  TRY_ASSIGN(const bool distinct, packed_distinct(context, node, 1));
  if (!distinct) return fail(Errc::kCorruption, "packed set with a member twice");
  const bool exceeds = packed::count(node) > limits.packed_entries;
  return adopted(context, {Type::kSet, Encoding::kListpack, packed}, exceeds);
}

Result<Value> set_adopt_intset(const DataContext& context, const SetLimits& limits, Blob* intset) {
  if (!intset::validate(intset->view())) return fail(Errc::kCorruption, "malformed integer set");
  const bool exceeds = intset::count(intset->view()) > limits.intset_entries;
  return adopted(context, {Type::kSet, Encoding::kIntset, intset}, exceeds);
}

Result<Value> set_copy(const DataContext& context, const Value& set) {
  void* copy = set.encoding == Encoding::kTable
                   ? static_cast<void*>(Table::copy(context.heap, *table_of(set)))
                   : copy_blob(context.heap, blob_of(set));
  if (copy == nullptr) return out_of_memory();
  return Value{Type::kSet, set.encoding, copy};
}

bool set_destroy_some(Heap& heap, Value& set, size_t budget) {
  if (set.encoding == Encoding::kTable) return Table::destroy_some(heap, table_of(set), budget);
  Blob::destroy(heap, blob_of(set));
  return true;
}

void set_destroy(Heap& heap, Value& set) { set_destroy_some(heap, set, SIZE_MAX); }

uint64_t set_size(const Value& set) {
  STRATA_DASSERT(set.type == Type::kSet);
  if (set.encoding == Encoding::kTable) return table_of(set)->size();
  if (set.encoding == Encoding::kIntset) return intset::count(packed_view(set));
  return packed::count(packed_view(set));
}

size_t set_memory(const Value& set, size_t samples) {
  return set.encoding == Encoding::kTable ? table_of(set)->memory(samples) : Heap::usable_size(set.pointer);
}

bool set_contains(const Value& set, Bytes member) {
  if (set.encoding == Encoding::kTable) return table_of(set)->find(member) != nullptr;
  const Bytes view = packed_view(set);
  if (set.encoding == Encoding::kIntset) {
    const std::optional<int64_t> integer = parse_i64(member);
    return integer && intset::contains(view, *integer);
  }
  return packed::find(view, packed::begin(view), packed::Needle(member), 0) != packed::end(view);
}

bool set_contains(const Value& set, const Element& member) {
  if (member.is_integer && set.encoding == Encoding::kIntset) {
    return intset::contains(packed_view(set), member.integer);
  }
  char scratch[kIntegerTextBytes];
  return set_contains(set, element_text(member, scratch));
}

namespace {

// As many look-ups as a core has misses under way, about.
constexpr size_t kTogether = 16;

size_t filter_by_table(const Table& table, std::span<Element> members, bool wanted) {
  char scratch[kTogether][kIntegerTextBytes];
  Bytes texts[kTogether];
  uint64_t hashes[kTogether];
  size_t kept = 0;
  for (size_t first = 0; first < members.size(); first += kTogether) {
    const size_t count = std::min(kTogether, members.size() - first);
    for (size_t i = 0; i < count; ++i) {
      texts[i] = element_text(members[first + i], scratch[i]);
      hashes[i] = table.hash(texts[i]);
      table.prefetch_bucket(hashes[i]);
    }
    for (size_t i = 0; i < count; ++i) table.prefetch_entry(hashes[i]);
    for (size_t i = 0; i < count; ++i) {
      if ((table.find(texts[i], hashes[i]) != nullptr) == wanted) members[kept++] = members[first + i];
    }
  }
  return kept;
}

}  // namespace

size_t set_filter(const Value& set, std::span<Element> members, bool wanted) {
  if (set.encoding == Encoding::kTable) return filter_by_table(*table_of(set), members, wanted);
  size_t kept = 0;
  for (const Element& member : members) {
    if (set_contains(set, member) == wanted) members[kept++] = member;
  }
  return kept;
}

Result<bool> set_add(const DataContext& context, const SetLimits& limits, Value& set, Bytes member) {
  if (set.encoding == Encoding::kTable) return add_to_table(context, set, member);
  if (set.encoding == Encoding::kIntset) return add_to_intset(context, limits, set, member);
  return add_to_packed(context, limits, set, member);
}

Result<bool> set_remove(const DataContext& context, Value& set, Bytes member) {
  Heap& heap = context.heap;
  if (set.encoding == Encoding::kTable) {
    Table* table = table_of(set);
    TableEntry* entry = table->remove(heap, member, table->hash(member));
    if (entry == nullptr) return false;
    TableEntry::destroy(heap, entry);
    return true;
  }
  Blob* blob = blob_of(set);
  if (set.encoding == Encoding::kIntset) {
    const std::optional<int64_t> integer = parse_i64(member);
    if (!integer) return false;
    const intset::Change change = intset::remove(heap, blob, *integer);
    return changed(set, blob, change);
  }
  const packed::Position at =
      packed::find(blob->view(), packed::begin(blob->view()), packed::Needle(member), 0);
  if (at == packed::end(blob->view())) return false;
  if (!packed::erase(heap, blob, at)) return out_of_memory();
  set.pointer = blob;
  return true;
}

}  // namespace strata

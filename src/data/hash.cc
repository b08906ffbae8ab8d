#include "data/hash.h"

#include "base/assert.h"
#include "data/hash_deadlines.h"
#include "data/packed.h"
#include "data/table.h"
#include "data/value_parts.h"
#include "data/zset.h"
#include "memory/heap.h"
#include "text/numbers.h"

namespace strata {
namespace {

Table* table_of(const Value& hash) { return static_cast<Table*>(hash.pointer); }

bool is_packed(const Value& hash) {
  STRATA_DASSERT(hash.type == Type::kHash);
  return hash.encoding == Encoding::kListpack;
}

// The position of a packed field, or the node's end.
packed::Position find_field(Bytes node, Bytes field) {
  return packed::find(node, packed::begin(node), packed::Needle(field), 1);
}

bool insert_field(Heap& heap, Table* table, Bytes field, Bytes value, uint64_t hash) {
  TableEntry* entry = TableEntry::create_field(heap, field, value);
  if (entry == nullptr) return false;
  if (table->insert(heap, entry, hash)) return true;
  TableEntry::destroy(heap, entry);
  return false;
}

Status convert_to_table(const DataContext& context, Value& hash) {
  Table* table = Table::create(context.heap, context.seed);
  if (table == nullptr) return out_of_memory();
  for (packed::Cursor cursor(packed_view(hash)); !cursor.done(); cursor.next()) {
    char field_text[kIntegerTextBytes];
    char value_text[kIntegerTextBytes];
    const Bytes field = element_text(cursor.element(), field_text);
    cursor.next();
    const Bytes value = element_text(cursor.element(), value_text);
    if (!insert_field(context.heap, table, field, value, table->hash(field))) {
      Table::destroy(context.heap, table);
      return out_of_memory();
    }
  }
  Blob::destroy(context.heap, blob_of(hash));
  hash.encoding = Encoding::kTable;
  hash.pointer = table;
  return {};
}

// Appends, or changes the value at `at`, in a packed hash that may stay one.
Result<bool> set_packed(Heap& heap, Value& hash, packed::Position at, Bytes field, Bytes value) {
  Blob* node = blob_of(hash);
  const bool created = at == packed::end(node->view());
  const Element pair[] = {Element::of(field), Element::of(value)};
  const bool done = created ? packed::append_all(heap, node, pair)
                            : packed::replace(heap, node, packed::next(node->view(), at), pair[1]);
  if (!done) return out_of_memory();
  hash.pointer = node;
  return created;
}

enum class Existing : uint8_t { kReplace, kKeep };

Result<bool> set_in_table(Heap& heap, Value& hash, Bytes field, Bytes value, Existing existing) {
  Table* table = table_of(hash);
  const uint64_t key_hash = table->hash(field);
  TableEntry* entry = table->find(field, key_hash);
  if (entry == nullptr) {
    if (!insert_field(heap, table, field, value, key_hash)) return out_of_memory();
    return true;
  }
  if (existing == Existing::kReplace && table->set_value(heap, entry, key_hash, value) == nullptr) {
    return out_of_memory();
  }
  return false;
}

Result<bool> set_field(const DataContext& context, const HashLimits& limits, Value& given, Bytes field,
                       Bytes value, Existing existing) {
  Value& hash = plain_hash(given);
  if (is_packed(hash)) {
    const Bytes node = packed_view(hash);
    const packed::Position at = find_field(node, field);
    const bool is_new = at == packed::end(node);
    if (!is_new && existing == Existing::kKeep) return false;
    // Room for both in the widest encoding; a node near its limit has long been too long to stay.
    constexpr size_t kOverheadBytes = 20;
    const bool stays = std::max(field.size(), value.size()) <= limits.packed_value_bytes &&
                       packed::count(node) / 2 + is_new <= limits.packed_entries &&
                       packed::fits(node, field.size() + value.size() + kOverheadBytes);
    if (stays) return set_packed(context.heap, hash, at, field, value);
    TRY(convert_to_table(context, hash));
  }
  return set_in_table(context.heap, hash, field, value, existing);
}

}  // namespace

Result<Value> hash_create(const DataContext& context) {
  Blob* node = packed::create(context.heap);
  if (node == nullptr) return out_of_memory();
  return Value{Type::kHash, Encoding::kListpack, node};
}

Result<Value> hash_adopt(const DataContext& context, const HashLimits& limits, Blob* packed) {
  const Bytes node = packed->view();
  if (!packed::validate(node) || packed::count(node) % 2 != 0) {
    return fail(Errc::kCorruption, "malformed packed hash");
  }
  TRY_ASSIGN(const bool distinct, packed_distinct(context, node, 2));
  if (!distinct) return fail(Errc::kCorruption, "packed hash with a field twice");
  Value hash{Type::kHash, Encoding::kListpack, packed};
  if (packed::count(node) / 2 > limits.packed_entries) {
    TRY(convert_to_table(context, hash));
  }
  return hash;
}

namespace {

Result<Value> copy_timed(const DataContext& context, const TimedHash& from) {
  auto* fresh = static_cast<TimedHash*>(context.heap.allocate(sizeof(TimedHash)));
  if (fresh == nullptr) return out_of_memory();
  Result<Value> plain = hash_copy(context, from.plain);
  Result<Value> deadlines = plain ? zset_copy(context, from.deadlines) : plain;
  if (!deadlines) {
    if (plain) hash_destroy(context.heap, *plain);
    context.heap.free(fresh);
    return deadlines;
  }
  *fresh = {*plain, *deadlines};
  return Value{Type::kHash, Encoding::kTimed, fresh};
}

}  // namespace

Result<Value> hash_copy(const DataContext& context, const Value& hash) {
  if (hash_is_timed(hash)) return copy_timed(context, *static_cast<const TimedHash*>(hash.pointer));
  void* copy = is_packed(hash) ? static_cast<void*>(copy_blob(context.heap, blob_of(hash)))
                               : Table::copy(context.heap, *table_of(hash));
  if (copy == nullptr) return out_of_memory();
  return Value{Type::kHash, hash.encoding, copy};
}

// First the deadlines.
bool hash_destroy_some(Heap& heap, Value& hash, size_t budget) {
  if (hash_is_timed(hash)) {
    auto* both = static_cast<TimedHash*>(hash.pointer);
    if (both->deadlines.pointer != nullptr) {
      if (!zset_destroy_some(heap, both->deadlines, budget)) return false;
      both->deadlines.pointer = nullptr;
    }
    if (!hash_destroy_some(heap, both->plain, budget)) return false;
    heap.free(both);
    return true;
  }
  if (!is_packed(hash)) return Table::destroy_some(heap, table_of(hash), budget);
  Blob::destroy(heap, blob_of(hash));
  return true;
}

void hash_destroy(Heap& heap, Value& hash) { hash_destroy_some(heap, hash, SIZE_MAX); }

uint64_t hash_size(const Value& given) {
  const Value& hash = plain_hash(given);
  return is_packed(hash) ? packed::count(packed_view(hash)) / 2 : table_of(hash)->size();
}

size_t hash_memory(const Value& hash, size_t samples) {
  if (hash_is_timed(hash)) {
    const auto* both = static_cast<const TimedHash*>(hash.pointer);
    return Heap::usable_size(both) + hash_memory(both->plain, samples) +
           zset_memory(both->deadlines, samples);
  }
  return is_packed(hash) ? Heap::usable_size(hash.pointer) : table_of(hash)->memory(samples);
}

std::optional<Element> hash_get(const Value& given, Bytes field) {
  const Value& hash = plain_hash(given);
  if (!is_packed(hash)) {
    const TableEntry* entry = table_of(hash)->find(field);
    if (entry == nullptr) return std::nullopt;
    return entry->value();
  }
  const Bytes node = packed_view(hash);
  const packed::Position at = find_field(node, field);
  if (at == packed::end(node)) return std::nullopt;
  return handed_out(packed::get(node, packed::next(node, at)), blob_of(hash));
}

Status hash_prepare(const DataContext& context, const HashLimits& limits, Value& given,
                    size_t longest_element_bytes) {
  Value& hash = plain_hash(given);
  if (!is_packed(hash) || longest_element_bytes <= limits.packed_value_bytes) return {};
  return convert_to_table(context, hash);
}

Result<bool> hash_set(const DataContext& context, const HashLimits& limits, Value& hash, Bytes field,
                      Bytes value) {
  return set_field(context, limits, hash, field, value, Existing::kReplace);
}

Result<bool> hash_set_if_absent(const DataContext& context, const HashLimits& limits, Value& hash,
                                Bytes field, Bytes value) {
  return set_field(context, limits, hash, field, value, Existing::kKeep);
}

Result<bool> hash_remove(const DataContext& context, Value& hash, Bytes field) {
  if (hash_is_timed(hash)) {
    TRY_ASSIGN(const bool was_there, hash_remove(context, plain_hash(hash), field));
    if (was_there) TRY(hash_clear_deadline(context, hash, field));
    return was_there;
  }
  Heap& heap = context.heap;
  if (!is_packed(hash)) {
    Table* table = table_of(hash);
    TableEntry* entry = table->remove(heap, field, table->hash(field));
    if (entry == nullptr) return false;
    TableEntry::destroy(heap, entry);
    return true;
  }
  Blob* node = blob_of(hash);
  const packed::Position at = find_field(node->view(), field);
  if (at == packed::end(node->view())) return false;
  if (!packed::erase(heap, node, at, 2)) return out_of_memory();
  hash.pointer = node;
  return true;
}

Result<int64_t> hash_increment(const DataContext& context, const HashLimits& limits, Value& hash, Bytes field,
                               int64_t by) {
  int64_t number = 0;
  if (const std::optional<Element> old = hash_get(hash, field)) {
    const std::optional<int64_t> parsed = old->is_integer ? old->integer : parse_i64(old->bytes);
    if (!parsed) return fail(Errc::kInvalidArgument, "hash value is not an integer");
    number = *parsed;
  }
  if (__builtin_add_overflow(number, by, &number)) {
    return fail(Errc::kTooLarge, "increment or decrement would overflow");
  }
  char text[kI64TextBytes];
  TRY(hash_set(context, limits, hash, field, Bytes(text, print_i64(number, text))));
  return number;
}

}  // namespace strata

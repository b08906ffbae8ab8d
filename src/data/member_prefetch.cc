#include "data/member_prefetch.h"

#include "data/table.h"
#include "data/zset_tree.h"

namespace strata {

MemberPlace member_place(const Value& value, Bytes member) {
  const Table* table = nullptr;
  const bool is_hash_or_set = value.type == Type::kHash || value.type == Type::kSet;
  if (is_hash_or_set && value.encoding == Encoding::kTable) {
    table = static_cast<const Table*>(value.pointer);
  } else if (value.type == Type::kZset && value.encoding == Encoding::kTree) {
    table = static_cast<const ZsetTree*>(value.pointer)->table;
  }
  if (table == nullptr) return {};
  return {table, table->hash(member)};
}

void prefetch_bucket(const MemberPlace& place) {
  if (place.table != nullptr) place.table->prefetch_bucket(place.hash);
}

void prefetch_entry(const MemberPlace& place) {
  if (place.table != nullptr) place.table->prefetch_entry(place.hash);
}

}  // namespace strata

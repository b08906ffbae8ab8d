// Packed values as RDB files and RESTORE bring them: refused or sound. The first byte chooses the kind; the
// rest is the node. What is adopted must bear every operation.

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "base/assert.h"
#include "base/hash.h"
#include "data/hash.h"
#include "data/set.h"
#include "data/value_parts.h"
#include "data/zset.h"

namespace strata {
namespace {

struct Fuzzed {
  Heap heap;
  HashSeed seed = HashSeed::fixed(1);
  DataContext context{heap, seed};
  Random random{1};
};

void use_hash(Fuzzed& at, Value hash) {
  std::vector<std::string> fields;
  hash_visit(hash, [&](const Element& field, const Element&) {
    char scratch[kIntegerTextBytes];
    fields.emplace_back(element_text(field, scratch));
  });
  STRATA_ASSERT(fields.size() == hash_size(hash));
  for (const std::string& field : fields) {
    STRATA_ASSERT(hash_get(hash, field));
    (void)hash_increment(at.context, {}, hash, field, 1);
    STRATA_ASSERT(!*hash_set(at.context, {}, hash, field, "new"));
  }
  for (const std::string& field : fields) STRATA_ASSERT(*hash_remove(at.context, hash, field));
  STRATA_ASSERT(hash_size(hash) == 0);
  hash_destroy(at.heap, hash);
}

void use_set(Fuzzed& at, Value set) {
  uint64_t left = set_size(set);
  STRATA_ASSERT(*set_add(at.context, {}, set, "a member that no input holds, one hopes") == true);
  ++left;
  STRATA_ASSERT(set_pop(at.context, set, at.random, left / 2, [&](const Element&) { --left; }));
  set_visit(set, [&](const Element& member) { STRATA_ASSERT(set_contains(set, member)); });
  STRATA_ASSERT(set_size(set) == left);
  set_destroy(at.heap, set);
}

void use_zset(Fuzzed& at, Value zset) {
  uint64_t rank = 0;
  std::vector<std::string> members;
  zset_visit(zset, 0, UINT64_MAX, false, [&](const Element& member, double score) {
    char scratch[kIntegerTextBytes];
    members.emplace_back(element_text(member, scratch));
    STRATA_ASSERT(zset_rank(zset, members.back()) == rank++);
    STRATA_ASSERT(zset_score(zset, members.back()) == score);
  });
  STRATA_ASSERT(rank == zset_size(zset));
  for (const std::string& member : members) {
    STRATA_ASSERT(zset_add(at.context, {}, zset, static_cast<double>(at.random.below(9)) / 2, member));
  }
  STRATA_ASSERT(zset_size(zset) == rank);
  STRATA_ASSERT(zset_pop(at.context, zset, true, rank / 2, [](const Element&, double) {}));
  zset_destroy(at.heap, zset);
}

void adopt(Fuzzed& at, uint8_t kind, Bytes node) {
  Blob* blob = Blob::create(at.heap, node.size());
  std::memcpy(blob->bytes, node.data(), node.size());
  blob->size = static_cast<uint32_t>(node.size());
  // Half of the inputs exceed their limits at once.
  const uint32_t entries = kind & 4 ? 2 : 128;
  Result<Value> value = out_of_memory();
  switch (kind & 3) {
    case 0:
      value = hash_adopt(at.context, {.packed_entries = entries}, blob);
      break;
    case 1:
      value = set_adopt_packed(at.context, {.packed_entries = entries}, blob);
      break;
    case 2:
      value = set_adopt_intset(at.context, {.intset_entries = entries}, blob);
      break;
    default:
      value = zset_adopt(at.context, {.packed_entries = entries}, blob);
      break;
  }
  if (!value) return Blob::destroy(at.heap, blob);
  if (value->type == Type::kHash) return use_hash(at, *value);
  if (value->type == Type::kSet) return use_set(at, *value);
  use_zset(at, *value);
}

}  // namespace
}  // namespace strata

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  strata::Fuzzed at;
  strata::adopt(at, data[0], {reinterpret_cast<const char*>(data) + 1, size - 1});
  STRATA_ASSERT(at.heap.used() == 0);
  return 0;
}

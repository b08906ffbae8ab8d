#include "server/debug_digest.h"

#include <openssl/sha.h>

#include <string>

#include "base/endian.h"
#include "data/hash.h"
#include "data/hash_deadlines.h"
#include "data/list.h"
#include "data/set.h"
#include "data/stream.h"
#include "data/zset.h"
#include "keyspace/keyspace.h"
#include "text/numbers.h"

namespace strata {
namespace {

static_assert(SHA_DIGEST_LENGTH == 20);

struct Number {
  char bytes[4];
  explicit Number(uint32_t value) {
    for (int i = 0; i < 4; ++i) bytes[i] = static_cast<char>(value >> (24 - 8 * i));
  }
  operator Bytes() const { return {bytes, sizeof bytes}; }
};

// How signatures number the types.
uint32_t type_number(Type type) {
  switch (type) {
    case Type::kString:
      return 0;
    case Type::kList:
      return 1;
    case Type::kSet:
      return 2;
    case Type::kZset:
      return 3;
    case Type::kHash:
      return 4;
    case Type::kStream:
      return 6;
  }
  return 0;
}

}  // namespace

void Digest::add(Bytes bytes) {
  unsigned char hash[SHA_DIGEST_LENGTH];
  SHA1(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), hash);
  for (size_t i = 0; i < value_.size(); ++i) value_[i] ^= hash[i];
}

void Digest::mix(Bytes bytes) {
  add(bytes);
  unsigned char hash[SHA_DIGEST_LENGTH];
  SHA1(value_.data(), value_.size(), hash);
  std::copy(hash, hash + sizeof hash, value_.begin());
}

std::string Digest::hex() const {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (unsigned char byte : value_) text.append({kDigits[byte >> 4], kDigits[byte & 15]});
  return text;
}

void Digest::take(const Entry& entry) {
  mix(Number(type_number(entry.type())));
  char scratch[kIntegerTextBytes];
  Value value = entry.value();
  switch (entry.type()) {
    case Type::kString:
      mix(element_text(entry.string(), scratch));
      break;
    case Type::kList:
      for (list::Iterator at(value, 0); !at.done(); at.next()) mix(element_text(at.element(), scratch));
      break;
    case Type::kSet:
      set_visit(value, [&](const Element& member) { add(element_text(member, scratch)); });
      break;
    case Type::kHash:
      hash_visit(value, [&](const Element& field, const Element& content) {
        Digest pair;
        pair.mix(element_text(field, scratch));
        pair.mix(element_text(content, scratch));
        // As a key's deadline is told: that there is one, not when.
        if (hash_deadline(value, element_text(field, scratch)) != kNoFieldDeadline) pair.add("!!hexpire!!");
        add(pair);
      });
      break;
    case Type::kZset:
      zset_visit(value, 0, zset_size(value), false, [&](const Element& member, double score) {
        Digest pair;
        char number[kDoubleTextBytes];
        pair.mix(element_text(member, scratch));
        pair.mix(Bytes(number, print_double(score, number)));
        add(pair);
      });
      break;
    case Type::kStream:
      for (StreamCursor at(StreamValue::of(value), kStreamIdMin, kStreamIdMax); !at.done(); at.next()) {
        mix(std::to_string(at.id().ms) + "." + std::to_string(at.id().sequence));
        at.visit([&](const Element& field, const Element& content) {
          mix(element_text(field, scratch));
          mix(element_text(content, scratch));
        });
      }
      break;
  }
  if (entry.has_deadline()) add("!!expire!!");
}

Digest digest_of(Keyspace& keyspace) {
  Digest whole;
  for (uint16_t db = 0; db < keyspace.database_count(); ++db) {
    if (keyspace.key_count(db) == 0) continue;
    whole.mix(Number(db));
    for (uint32_t s = 0; s < keyspace.shard_count(); ++s) {
      const Database* database = keyspace.shard(s).peek(db);
      if (!database || database->count() == 0) continue;
      uint64_t cursor = 0;
      do {
        cursor = database->table().scan(cursor, [&](Entry* entry) {
          Digest one;
          one.mix(entry->key());
          one.take(*entry);
          whole.add(one);
        });
      } while (cursor != 0);
    }
  }
  return whole;
}

}  // namespace strata

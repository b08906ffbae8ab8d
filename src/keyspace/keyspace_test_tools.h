// What the tests of this layer share.

#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "base/hash.h"
#include "data/value_test_tools.h"
#include "keyspace/effects.h"
#include "keyspace/entry.h"
#include "memory/heap.h"

namespace strata::testing_tools {

// An integer entry as Database makes it, in no table yet. Null when out of memory.
inline Entry* make_entry(Heap& heap, Bytes key, uint64_t word = 0) {
  auto* entry = static_cast<Entry*>(heap.allocate(Entry::bytes_needed(key.size(), false, Encoding::kInt, 0)));
  if (!entry) return nullptr;
  *entry = Entry{};
  entry->key_size = static_cast<uint32_t>(key.size());
  entry->set_kind(Type::kString, Encoding::kInt);
  entry->set_word(word);
  std::memcpy(entry->body() + entry->key_offset(), key.data(), key.size());
  return entry;
}

// Keys whose hashes end in the same `bits` bits, so that they share a bucket while there are at most 2^bits
// of them. Found by trying, whatever the seed.
inline std::vector<std::string> colliding_keys(const HashSeed& seed, size_t count, int bits,
                                               uint64_t ending) {
  const uint64_t mask = (uint64_t{1} << bits) - 1;
  std::vector<std::string> keys;
  for (uint64_t i = 0; keys.size() < count; ++i) {
    std::string key = "collide:" + std::to_string(i);
    if ((hash_bytes(key, seed) & mask) == (ending & mask)) keys.push_back(std::move(key));
  }
  return keys;
}

// Keeps what is appended, one line a command: "3: DEL key".
class RecordingSink final : public EffectSink {
 public:
  uint64_t append(uint16_t db, Bytes commands, size_t count) override {
    lines.push_back(std::to_string(db) + ": " + std::string(commands));
    return sequence += count;
  }
  uint64_t append_command(uint16_t db, std::span<const Bytes> args) override {
    std::string line = std::to_string(db) + ":";
    for (Bytes arg : args) line.append(" ").append(arg);
    lines.push_back(std::move(line));
    return ++sequence;
  }

  std::vector<std::string> lines;
  uint64_t sequence = 0;
};

}  // namespace strata::testing_tools

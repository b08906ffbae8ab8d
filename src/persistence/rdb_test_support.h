// What the tests of RDB files share: files made by hand, the contents of a keyspace as comparable text, and
// random keyspaces.

#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/crc.h"
#include "base/endian.h"
#include "base/random.h"
#include "data/stream.h"
#include "keyspace/keyspace.h"
#include "persistence/rdb_load.h"
#include "persistence/rdb_save.h"
#include "platform/sim_file_system.h"
#include "text/numbers.h"

namespace strata::rdb_test {

using Strings = std::vector<std::string>;

// "string embstr -1" and the elements; sets and hashes sorted. Of streams: the commands that make them,
// without the key.
struct Held {
  std::string kind;
  int64_t deadline_ms;
  Strings elements;
  bool operator==(const Held&) const = default;
};
using Contents = std::map<std::string, Held>;  // by "db:key"

inline std::string text_of(const Element& element) {
  char scratch[kIntegerTextBytes];
  return std::string(element_text(element, scratch));
}

inline std::string score_text(double score) {
  char out[kDoubleTextBytes];
  return std::string(out, print_double(score, out));
}

inline std::string text_of(StreamId id) { return std::to_string(id.ms) + "-" + std::to_string(id.sequence); }

inline void note_pending(const std::string& group, const StreamConsumer& consumer, Strings& out) {
  for (auto at = StreamGroup::pending_from(consumer, kStreamIdMin); !at.done(); at.next()) {
    out.push_back("XCLAIM " + group + " " + std::string(consumer.name()) + " 0 " + text_of(at->id) +
                  " TIME " + std::to_string(at->delivery_ms) + " RETRYCOUNT " +
                  std::to_string(at->deliveries) + " FORCE JUSTID");
  }
}

inline Strings stream_commands(const StreamValue& stream) {
  Strings out;
  for (StreamCursor at(stream, kStreamIdMin, kStreamIdMax); !at.done(); at.next()) {
    std::string line = "XADD " + text_of(at.id());
    at.visit([&](const Element& field, const Element& value) {
      line += " " + text_of(field) + " " + text_of(value);
    });
    out.push_back(line);
  }
  out.push_back("XSETID " + text_of(stream.last_id()) + " ENTRIESADDED " +
                std::to_string(stream.entries_added()) + " MAXDELETEDID " + text_of(stream.max_deleted_id()));
  for (const StreamGroup* group : stream.groups()) {
    const std::string name(group->name());
    out.push_back("XGROUP CREATE " + name + " " + text_of(group->last_id) + " ENTRIESREAD " +
                  std::to_string(group->entries_read));
    for (const StreamConsumer* consumer : group->consumers()) {
      out.push_back("XGROUP CREATECONSUMER " + name + " " + std::string(consumer->name()));
      note_pending(name, *consumer, out);
    }
    for (auto at = group->pending_from(kStreamIdMin); !at.done(); at.next()) {
      if (at->consumer == nullptr) out.push_back("XNACK " + name + " " + text_of(at->id));
    }
  }
  return out;
}

inline Strings elements_of(const Entry& entry) {
  Strings out;
  const auto note = [&](const Element& element) { out.push_back(text_of(element)); };
  switch (entry.type()) {
    case Type::kString:
      note(entry.string());
      break;
    case Type::kList:
      list::for_each(entry.value(), {0, list::length(entry.value())}, note);
      break;
    case Type::kSet:
      set_visit(entry.value(), note);
      std::sort(out.begin(), out.end());
      break;
    case Type::kHash:
      hash_visit(entry.value(), [&](const Element& field, const Element& value) {
        out.push_back(text_of(field) + " = " + text_of(value));
      });
      std::sort(out.begin(), out.end());
      break;
    case Type::kStream:
      return stream_commands(StreamValue::of(entry.value()));
    default:
      zset_visit(entry.value(), 0, zset_size(entry.value()), false, [&](const Element& member, double score) {
        out.push_back(text_of(member) + " @ " + score_text(score));
      });
  }
  return out;
}

inline Contents contents_of(Keyspace& keyspace) {
  static constexpr const char* kTypeNames[] = {"string", "list", "set", "zset", "hash", "stream"};
  Contents contents;
  for (uint16_t db = 0; db < keyspace.database_count(); ++db) {
    for (uint32_t shard = 0; shard < keyspace.shard_count(); ++shard) {
      const Database* database = keyspace.shard(shard).peek(db);
      if (database == nullptr) continue;
      uint64_t cursor = 0;
      do {
        cursor = database->table().scan(cursor, [&](Entry* entry) {
          const std::string kind =
              std::string(kTypeNames[static_cast<size_t>(entry->type())]) + " " + encoding_name(*entry);
          const auto [at, is_new] = contents.emplace(std::to_string(db) + ":" + std::string(entry->key()),
                                                     Held{kind, entry->deadline_ms(), elements_of(*entry)});
          EXPECT_TRUE(is_new) << at->first;
        });
      } while (cursor != 0);
    }
  }
  return contents;
}

// The first key in which the two differ, in words; empty when they are the same.
inline std::string difference(const Contents& is, const Contents& should_be) {
  const auto describe = [](const Held& held) {
    std::string text = held.kind + ", deadline " + std::to_string(held.deadline_ms) + ", " +
                       std::to_string(held.elements.size()) + " elements:";
    for (size_t i = 0; i < std::min<size_t>(held.elements.size(), 10); ++i) {
      text += " [" + held.elements[i].substr(0, 60) + "]";
    }
    return text;
  };
  for (const auto& [key, held] : should_be) {
    const auto found = is.find(key);
    if (found == is.end()) return "missing: " + key;
    if (found->second != held)
      return key + " is " + describe(found->second) + "\nshould be " + describe(held);
  }
  for (const auto& [key, held] : is) {
    if (!should_be.contains(key)) return "unexpected: " + key;
  }
  return "";
}

inline std::unique_ptr<Keyspace> make_keyspace(uint32_t shards = 1, uint32_t threads = 1) {
  return std::make_unique<Keyspace>(
      Keyspace::Options{.shard_count = shards, .thread_count = threads, .seed = {}, .random_seed = 1});
}

inline Database& database_for(Keyspace& keyspace, uint16_t db, const Key& key) {
  return keyspace.shard(key.shard).database(db);
}

// ---- Files made by hand --------------------------------------------------------------------------------

inline std::string le(uint64_t value, size_t bytes) {
  std::string out;
  for (size_t i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
  return out;
}
inline std::string length(uint64_t value) {
  if (value < 64) return std::string(1, static_cast<char>(value));
  if (value < 16384) return {static_cast<char>(value >> 8 | 0x40), static_cast<char>(value)};
  std::string out(5, '\x80');
  store_be32(out.data() + 1, static_cast<uint32_t>(value));
  return out;
}
inline std::string str(Bytes bytes) { return length(bytes.size()) + std::string(bytes); }

inline std::string header(uint32_t version) {
  char out[10];
  std::snprintf(out, sizeof out, "REDIS%04u", version);
  return out;
}
// The end mark and a right checksum.
inline std::string sealed(std::string body) {
  body.push_back('\xFF');
  return body + le(crc64(0, body), 8);
}
inline std::string one_key(RdbType type, const std::string& value, uint32_t version = 9) {
  return sealed(header(version) + std::string(1, static_cast<char>(type)) + str("k") + value);
}

// An open file with these bytes; the file system lives as long as the object.
class FileOf {
 public:
  explicit FileOf(Bytes bytes) {
    file = fs_.open("dump.rdb", OpenMode::kCreate).value();
    EXPECT_TRUE(file.append(bytes));
  }
  File file;

 private:
  SimFileSystem fs_;
};

struct Loaded {
  Status status;
  RdbLoadReport report;
  std::unique_ptr<Keyspace> keyspace;

  Contents contents() const { return contents_of(*keyspace); }
};

inline Loaded load_bytes(Bytes bytes, const RdbLoadOptions& options = {}, uint64_t offset = 0,
                         uint32_t shards = 1) {
  FileOf source(bytes);
  Loaded loaded{{}, {}, make_keyspace(shards, options.thread_count)};
  loaded.status = rdb_load(source.file, offset, *loaded.keyspace, options, &loaded.report);
  return loaded;
}
inline Status verify_bytes(Bytes bytes, const RdbLoadOptions& options = {}) {
  FileOf source(bytes);
  RdbLoadReport report;
  return rdb_verify(source.file, 0, 16, options, &report);
}

// ---- Random keyspaces ----------------------------------------------------------------------------------

inline std::string random_text(Random& random) {
  switch (random.below(8)) {
    case 0:
      return std::to_string(static_cast<int64_t>(random.next()) >> random.below(64));
    case 1:
      return std::string(random.below(200), static_cast<char>('a' + random.below(3)));
    case 2: {
      std::string out(random.below(random.one_in(20) ? 20'000 : 100), '\0');
      for (char& byte : out) byte = static_cast<char>(random.next());
      return out;
    }
    case 3:
      return "0" + std::to_string(random.below(100));
    default:
      return "m" + std::to_string(random.below(100'000));
  }
}

class RandomFiller {
 public:
  RandomFiller(uint64_t seed, const RdbLimits& limits, int64_t deadline_ms_min = 0)
      : random_(seed), limits_(limits), deadline_ms_min_(deadline_ms_min) {}

  void fill(Keyspace& keyspace, size_t keys) {
    for (size_t i = 0; i < keys; ++i) {
      const std::string name = "key:" + random_text(random_) + std::to_string(i);
      const auto db = static_cast<uint16_t>(random_.below(3) * 7);
      const Key key = keyspace.key(name);
      Shard& shard = keyspace.shard(key.shard);
      const int64_t deadline = random_.one_in(3)
                                   ? deadline_ms_min_ + static_cast<int64_t>(random_.below(1ull << 42))
                                   : kNoDeadline;
      const auto put = [&](const Value& value) { EXPECT_TRUE(shard.database(db).put(key, value, deadline)); };
      const uint64_t size = 1 + random_.below(random_.one_in(4) ? 600 : 20);
      switch (random_.below(7)) {
        case 0:
          put(random_list(shard, size));
          break;
        case 1:
          put(random_set(shard, size));
          break;
        case 2:
          put(random_hash(shard, size));
          break;
        case 3:
          put(random_zset(shard, size));
          break;
        case 4:
          put(random_stream(shard.heap(), size));
          break;
        default:
          EXPECT_TRUE(shard.database(db).set_string(key, random_text(random_), deadline));
      }
    }
  }

 private:
  Value random_list(Shard& shard, uint64_t size) {
    Value value{};
    EXPECT_TRUE(list::create(shard.heap(), &value));
    for (; size > 0; --size) {
      const std::string text = random_text(random_);
      const Bytes elements[] = {text};
      EXPECT_TRUE(list::push(value, shard.heap(), limits_.list, list::End::kBack, elements));
    }
    return value;
  }
  Value random_set(Shard& shard, uint64_t size) {
    const bool integers = random_.one_in(2);
    const auto member = [&] {
      return integers ? std::to_string(random_.below(1u << random_.below(31))) : random_text(random_);
    };
    Value value = set_create(shard.data(), limits_.set, member()).value();
    for (; size > 0; --size) EXPECT_TRUE(set_add(shard.data(), limits_.set, value, member()));
    return value;
  }
  Value random_hash(Shard& shard, uint64_t size) {
    Value value = hash_create(shard.data()).value();
    for (; size > 0; --size) {
      EXPECT_TRUE(hash_set(shard.data(), limits_.hash, value, random_text(random_), random_text(random_)));
    }
    return value;
  }
  Value random_zset(Shard& shard, uint64_t size) {
    static constexpr double kOdd[] = {
        1.0 / 3, -1e300, 1e-300, HUGE_VAL, -HUGE_VAL, 9007199254740993.0, -0.5, 4503599627370497.0};
    Value value = zset_create(shard.data(), limits_.zset, 1).value();
    for (; size > 0; --size) {
      const double score = random_.one_in(2) ? kOdd[random_.below(std::size(kOdd))]
                                             : static_cast<double>(random_.below(1000)) - 500;
      EXPECT_TRUE(zset_add(shard.data(), limits_.zset, value, score, random_text(random_)));
    }
    return value;
  }

  // Words without spaces, and entries that are all there where they are pending: so that commands can make
  // it.
  Value random_stream(Heap& heap, uint64_t size) {
    StreamValue* stream = StreamValue::create(heap);
    std::vector<StreamId> ids;
    StreamId id{random_.below(1ull << 41), 1 + random_.below(5)};
    for (; size > 0; --size) {
      const std::string value = "v" + std::to_string(random_.next() >> random_.below(64));
      const Bytes pairs[] = {random_.one_in(9) ? "other" : "field", value, "7", "12345"};
      EXPECT_TRUE(stream->append(heap, {}, id, pairs));
      ids.push_back(id);
      id =
          random_.one_in(2) ? StreamId{id.ms, id.sequence + 1} : StreamId{id.ms + random_.below(1000) + 1, 0};
    }
    for (uint64_t deleted = random_.below(ids.size()); random_.one_in(2) && deleted > 0; --deleted) {
      const size_t at = random_.below(ids.size());
      EXPECT_TRUE(stream->erase(heap, ids[at]));
      ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(at));
    }
    for (uint64_t group = random_.below(3); group > 0; --group) random_group(heap, *stream, group, ids);
    return stream->value();
  }
  void random_group(Heap& heap, StreamValue& stream, uint64_t number, const std::vector<StreamId>& ids) {
    const int64_t read = random_.one_in(2) ? kEntriesReadUnknown : static_cast<int64_t>(ids.size() / 2);
    StreamGroup* group =
        stream.create_group(heap, "group" + std::to_string(number), ids[ids.size() / 2], read).value();
    for (uint64_t consumers = random_.below(4); consumers > 0; --consumers) {
      StreamConsumer* consumer = group->create_consumer(heap, "c" + std::to_string(consumers), 1 << 20);
      for (StreamId id : ids) {
        if (!random_.one_in(3)) continue;
        const auto delivery_ms = static_cast<int64_t>(random_.below(1ull << 40));
        EXPECT_TRUE(group->assign(heap, id, consumer, delivery_ms, 1 + random_.below(5)));
      }
    }
  }

  Random random_;
  const RdbLimits& limits_;
  const int64_t deadline_ms_min_;
};

// Encodings may differ where limits differ, and where a value was large once: it is small again when loaded.
inline Contents without_encodings(Contents contents) {
  for (auto& [key, held] : contents) held.kind = held.kind.substr(0, held.kind.find(' '));
  return contents;
}

inline std::string bytes_of(FileSystem& fs, std::string_view path) {
  return read_whole_file(fs, path, 1 << 30).value();
}

}  // namespace strata::rdb_test

// Damaged files: every truncation and every flipped bit of a file with all encodings in it.

#include <gtest/gtest.h>

#include <cstdlib>

#include "data/value_test_tools.h"
#include "keyspace/lazy_free.h"
#include "persistence/rdb_test_support.h"

namespace strata {
namespace {

using namespace rdb_test;  // NOLINT

// STRATA_DAMAGE_BYTES=100000 adds random keys until the file is about as large (./dev crash).
size_t bytes_wanted() {
  const char* text = std::getenv("STRATA_DAMAGE_BYTES");  // NOLINT(concurrency-mt-unsafe): nobody sets it
  return text == nullptr ? 0 : std::strtoull(text, nullptr, 10);
}

// Reads from a string of the test's, which may change between reads.
class StringFile final : public FileImplementation {
 public:
  explicit StringFile(const std::string& bytes) : bytes_(bytes) {}
  Result<size_t> read_at(uint64_t offset, MutableBytes out) override {
    const Bytes rest = Bytes(bytes_).substr(std::min<uint64_t>(offset, bytes_.size()), out.size());
    std::copy(rest.begin(), rest.end(), out.begin());
    return rest.size();
  }
  Status write_at(uint64_t, Bytes) override { return fail(Errc::kUnsupported, "read only"); }
  Status append(Bytes) override { return fail(Errc::kUnsupported, "read only"); }
  Status sync_data() override { return {}; }
  Status sync_all() override { return {}; }
  Status truncate(uint64_t) override { return fail(Errc::kUnsupported, "read only"); }
  Result<uint64_t> size() override { return uint64_t{bytes_.size()}; }
  void prefetch(uint64_t, uint64_t) override {}

 private:
  const std::string& bytes_;
};

Status verify_file(File& file) {
  RdbLoadReport report;
  return rdb_verify(file, 0, 16, {}, &report);
}
Status load_file(File& file) {
  RdbLoadReport report;
  auto keyspace = make_keyspace();
  return rdb_load(file, 0, *keyspace, {}, &report);
}

constexpr size_t kShortRunBytes = 4000;

// With a deleted entry, a group, and an entry of each of its two consumers.
Value small_stream(Heap& heap) {
  StreamValue* stream = StreamValue::create(heap);
  const Bytes pairs[] = {"field", "value"};
  for (uint64_t i = 1; i <= 4; ++i) EXPECT_TRUE(stream->append(heap, {}, {i, 7}, pairs));
  EXPECT_TRUE(stream->erase(heap, {3, 7}));
  StreamGroup* group = stream->create_group(heap, "group", {2, 7}, 2).value();
  for (uint64_t i : {1, 2}) {
    StreamConsumer* consumer = group->create_consumer(heap, "c" + std::to_string(i), 1000);
    EXPECT_TRUE(group->assign(heap, {i, 7}, consumer, 1000, i));
  }
  return stream->value();
}

// A small file with every kind of value that we write.
std::string small_file(bool checksum, size_t bytes_at_least = 0) {
  auto keyspace = make_keyspace();
  RdbLimits limits;
  limits.list.listpack_size = 8;
  limits.hash.packed_entries = limits.zset.packed_entries = limits.set.packed_entries = 5;
  const DataContext context = keyspace->shard(0).data();
  const auto put = [&](Bytes name, const Value& value, int64_t deadline) {
    const Key key = keyspace->key(name);
    EXPECT_TRUE(database_for(*keyspace, 0, key).put(key, value, deadline));
  };
  for (int size : {3, 12}) {
    const std::string suffix = std::to_string(size);
    Value list_value{};
    EXPECT_TRUE(list::create(context.heap, &list_value));
    Value hash = hash_create(context).value();
    Value zset = zset_create(context, limits.zset, 1).value();
    Value numbers = set_create(context, limits.set, "1").value();
    Value words = set_create(context, limits.set, "w").value();
    for (int i = 0; i < size; ++i) {
      const std::string word = "w" + std::to_string(i);
      EXPECT_TRUE(
          list::push(list_value, context.heap, limits.list, list::End::kBack, Element::of(Bytes(word))));
      EXPECT_TRUE(hash_set(context, limits.hash, hash, word, std::to_string(i * 1000)));
      EXPECT_TRUE(zset_add(context, limits.zset, zset, i / 4.0, word));
      EXPECT_TRUE(set_add(context, limits.set, numbers, std::to_string(i)));
      EXPECT_TRUE(set_add(context, limits.set, words, word));
    }
    put("l" + suffix, list_value, kNoDeadline);
    put("h" + suffix, hash, 4'000'000'000'000);
    put("z" + suffix, zset, kNoDeadline);
    put("n" + suffix, numbers, kNoDeadline);
    put("w" + suffix, words, kNoDeadline);
  }
  put("stream", small_stream(keyspace->shard(0).heap()), kNoDeadline);
  const Key key = keyspace->key("compressed");
  EXPECT_TRUE(database_for(*keyspace, 0, key).set_string(key, std::string(100, 'c'), kNoDeadline));
  RdbSaveOptions options;
  options.writer.checksum = checksum;
  RandomFiller filler(5, limits);
  for (;;) {
    SimFileSystem fs;
    EXPECT_TRUE(rdb_save(fs, "dump.rdb", *keyspace, options));
    std::string bytes = bytes_of(fs, "dump.rdb");
    if (bytes.size() >= bytes_at_least) return bytes;
    // Single random values may be large, which a short run cannot afford: it tries every bit.
    if (bytes_at_least > kShortRunBytes) {
      filler.fill(*keyspace, 5);
    } else {
      const std::string name = "pad" + std::to_string(bytes.size());
      const Key pad = keyspace->key(name);
      EXPECT_TRUE(database_for(*keyspace, 0, pad).set_string(pad, pad.name, kNoDeadline));
    }
  }
}

TEST(RdbDamage, EveryTruncationIsRefused) {
  const std::string bytes = small_file(true, std::max<size_t>(2000, bytes_wanted()));
  ASSERT_TRUE(load_bytes(bytes).status);
  std::string cut = bytes;
  File file(std::make_unique<StringFile>(cut));
  for (; !cut.empty(); cut.pop_back()) {
    ASSERT_EQ(verify_file(file).has_value(), cut.size() == bytes.size()) << cut.size();
  }
  for (size_t size = 0; size < bytes.size(); size += 1 + bytes.size() / 2000) {
    const Loaded loaded = load_bytes(Bytes(bytes).substr(0, size));
    ASSERT_FALSE(loaded.status) << size;
    EXPECT_EQ(loaded.status.error().code, Errc::kCorruption) << size;
    EXPECT_LE(loaded.status.error().offset, size);
    EXPECT_FALSE(loaded.report.detail.empty());
  }
}

TEST(RdbDamage, EveryFlippedBitIsRefused) {
  std::string bytes = small_file(true, std::max<size_t>(2000, bytes_wanted()));
  File file(std::make_unique<StringFile>(bytes));
  ASSERT_TRUE(verify_file(file));
  uint64_t refused = 0;
  for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
    refused += !verify_file(file);
    // Loading must agree with verifying; a sample shows it.
    if (bit % 7 == 0) {
      EXPECT_FALSE(load_file(file)) << bit;
    }
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
  }
  EXPECT_EQ(refused, 8 * bytes.size());
  std::printf("%llu flips refused, of %zu bytes\n", static_cast<unsigned long long>(refused), bytes.size());
}

// Without a checksum a flipped bit may make another valid file; whatever is loaded can be read and saved.
TEST(RdbDamage, WithoutAChecksumNothingCrashes) {
  std::string bytes = small_file(false);
  int loaded_count = 0;
  for (size_t bit = 8 * kRdbHeaderBytes; bit < 8 * bytes.size(); ++bit) {
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
    const Loaded loaded = load_bytes(bytes);
    if (loaded.status) {
      ++loaded_count;
      SimFileSystem fs({.seed = 0, .capacity_bytes = UINT64_MAX, .trace = false});
      ASSERT_TRUE(rdb_save(fs, "dump.rdb", *loaded.keyspace, {}));
      const Loaded again = load_bytes(bytes_of(fs, "dump.rdb"));
      ASSERT_TRUE(again.status) << bit << ": " << again.report.detail;
      ASSERT_EQ(difference(without_encodings(again.contents()), without_encodings(loaded.contents())), "")
          << bit;
    }
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
  }
  EXPECT_GT(loaded_count, 0);
}

// Calls use(record) for every collection of the small file.
template <typename Use>
void for_each_collection(Use&& use) {
  const std::string bytes = small_file(true);
  FileOf source(bytes);
  RdbReader reader(source.file, 0, bytes.size());
  RdbRecord record{};
  int seen = 0;
  while (reader.next(&record).value()) {
    if (record.type == RdbType::kString) continue;
    ++seen;
    use(record);
  }
  EXPECT_EQ(seen, 11);
}

void destroy(Result<Value> value, Heap& heap) {
  while (value && !destroy_some(*value, heap, SIZE_MAX)) {
  }
}

TEST(RdbDamage, ADecodingThatFailsLeavesNothingAllocated) {
  Heap heap;
  const HashSeed seed{};
  for_each_collection([&](RdbRecord record) {
    std::string payload(record.payload);
    record.payload = payload;
    for (size_t bit = 0; bit < 8 * payload.size(); ++bit) {
      payload[bit / 8] = static_cast<char>(payload[bit / 8] ^ 1 << bit % 8);
      destroy(rdb_decode(record, {heap, seed}, {}), heap);
      ASSERT_EQ(heap.used(), 0u) << "type " << static_cast<int>(record.type) << " bit " << bit;
      payload[bit / 8] = static_cast<char>(payload[bit / 8] ^ 1 << bit % 8);
    }
  });
}

TEST(RdbDamage, OutOfMemoryIsAnErrorThatLeavesNothingAllocated) {
  const HashSeed seed{};
  Random random(3);
  int failed = 0;
  for_each_collection([&](const RdbRecord& record) {
    for (int allowed = 0; allowed < 200; allowed += 10) {
      Heap heap;
      testing_tools::Starvation starvation(heap);
      for (int i = 0; i < allowed; ++i) starvation.allow_one(random);
      const size_t used = heap.used();
      Result<Value> value = rdb_decode(record, {heap, seed}, {});
      if (!value) {
        EXPECT_EQ(value.error().code, Errc::kOutOfMemory);
        ++failed;
      }
      destroy(std::move(value), heap);
      ASSERT_EQ(heap.used(), used) << "type " << static_cast<int>(record.type) << " allowed " << allowed;
    }
  });
  EXPECT_GT(failed, 10);
}

}  // namespace
}  // namespace strata

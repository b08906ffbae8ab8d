// What rdb_save() writes, rdb_load() reads: by seed, with several shards and threads, and with other limits.

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "persistence/rdb_producers.h"
#include "persistence/rdb_test_support.h"

namespace strata {
namespace {

using namespace rdb_test;  // NOLINT

RdbLimits random_limits(Random& random) {
  RdbLimits limits;
  if (random.one_in(2)) return limits;
  limits.list.listpack_size = static_cast<int32_t>(random.below(16)) - 5;
  limits.hash = {static_cast<uint32_t>(random.below(20)), static_cast<uint32_t>(random.below(100))};
  limits.zset = {static_cast<uint32_t>(random.below(20)), static_cast<uint32_t>(random.below(100))};
  limits.set = {static_cast<uint32_t>(random.below(20)), static_cast<uint32_t>(random.below(20)),
                static_cast<uint32_t>(random.below(100))};
  return limits;
}

class RdbRoundTrip : public testing::TestWithParam<uint64_t> {};

TEST_P(RdbRoundTrip, Everything) {
  const uint64_t seed = GetParam();
  SCOPED_TRACE(seed);
  Random random(seed);
  const RdbLimits limits = random_limits(random);
  auto keyspace = make_keyspace(1u << random.below(5));
  RandomFiller(random.next(), limits).fill(*keyspace, 300);
  const Contents expected = contents_of(*keyspace);

  SimFileSystem fs;
  const RdbSaveOptions save{
      .writer = {.compression = random.one_in(2), .checksum = !random.one_in(4)}, .aux = {}, .progress = {}};
  const auto saved = rdb_save(fs, "dump.rdb", *keyspace, save);
  ASSERT_TRUE(saved);
  EXPECT_EQ(saved->key_count, 300u);
  const std::string bytes = bytes_of(fs, "dump.rdb");
  EXPECT_EQ(saved->file_bytes, bytes.size());
  EXPECT_EQ(fs.list(".").value(), Strings{"dump.rdb"});

  RdbLoadOptions options;
  options.limits = limits;
  const Loaded first = load_bytes(bytes, options);
  ASSERT_TRUE(first.status) << first.report.detail;
  const Contents once = first.contents();
  EXPECT_EQ(difference(without_encodings(once), without_encodings(expected)), "");
  ASSERT_TRUE(rdb_save(fs, "again.rdb", *first.keyspace, save));
  EXPECT_EQ(difference(load_bytes(bytes_of(fs, "again.rdb"), options).contents(), once), "");
  for (unsigned threads : {1u, 2u, 4u}) {
    options.thread_count = threads;
    Loaded loaded = load_bytes("junk" + bytes + "behind", options, 4, 1u << random.below(6));
    ASSERT_TRUE(loaded.status) << loaded.report.detail;
    EXPECT_EQ(difference(loaded.contents(), once), "");
    EXPECT_EQ(loaded.report.end_offset, bytes.size() + 4);
    EXPECT_EQ(loaded.report.key_count, 300u);
    EXPECT_EQ(loaded.report.version, 10u);
    EXPECT_EQ(loaded.report.checksum_verified, save.writer.checksum);
  }
  options.limits = random_limits(random);
  Loaded other = load_bytes(bytes, options);
  ASSERT_TRUE(other.status) << other.report.detail;
  EXPECT_EQ(difference(without_encodings(other.contents()), without_encodings(expected)), "");
  EXPECT_TRUE(verify_bytes(bytes));
}

INSTANTIATE_TEST_SUITE_P(Seeds, RdbRoundTrip, testing::Range<uint64_t>(1, 13));

// Times and what is nobody's, which commands cannot make.
class RdbStream : public testing::TestWithParam<uint32_t> {
 protected:
  StreamValue& only_stream(Keyspace& keyspace) {
    const Key key = keyspace.key("s");
    return StreamValue::of(database_for(keyspace, 0, key).find(key)->value());
  }
  // A stream named "s" in a keyspace of one shard.
  std::unique_ptr<Keyspace> make(const std::function<void(Heap&, StreamValue&)>& fill) {
    auto keyspace = make_keyspace();
    const Key key = keyspace->key("s");
    Heap& heap = keyspace->shard(0).heap();
    StreamValue* stream = StreamValue::create(heap);
    fill(heap, *stream);
    EXPECT_TRUE(database_for(*keyspace, 0, key).put(key, stream->value(), kNoDeadline));
    return keyspace;
  }
  Loaded travel(Keyspace& keyspace) {
    SimFileSystem fs;
    const RdbSaveOptions save{.writer = {.version = GetParam()}, .aux = {}, .progress = {}};
    EXPECT_TRUE(rdb_save(fs, "dump.rdb", keyspace, save));
    Loaded loaded = load_bytes(bytes_of(fs, "dump.rdb"));
    EXPECT_TRUE(loaded.status) << loaded.report.detail;
    return loaded;
  }
};

TEST_P(RdbStream, TimesAndOwners) {
  for (bool has_nameless : {false, true}) {
    auto keyspace = make([&](Heap& heap, StreamValue& stream) {
      const Bytes pairs[] = {"f", "v"};
      for (uint64_t i = 1; i <= 300; ++i) ASSERT_TRUE(stream.append(heap, {}, {i, 0}, pairs));
      ASSERT_TRUE(stream.erase(heap, {7, 0}));
      StreamGroup* group = stream.create_group(heap, "g", {200, 0}, 199).value();
      StreamConsumer* ann = group->create_consumer(heap, "ann", 1234);
      ann->active_ms = 1200;
      StreamConsumer* nameless = has_nameless ? group->create_consumer(heap, "", 99) : nullptr;
      for (uint64_t i = 1; i <= 150; ++i) {
        StreamConsumer* owner = i % 5 == 0 ? nullptr : i % 5 == 1 && has_nameless ? nameless : ann;
        ASSERT_TRUE(group->assign(heap, {i, 0}, owner, owner == nullptr ? 0 : 5'000, i));
      }
    });
    const Loaded loaded = travel(*keyspace);
    StreamValue& stream = only_stream(*loaded.keyspace);
    EXPECT_EQ(stream_commands(stream), stream_commands(only_stream(*keyspace)));
    StreamGroup* group = stream.find_group("g");
    group->check();
    EXPECT_EQ(group->unowned_count(), 30u);
    EXPECT_EQ(group->consumers().size(), has_nameless ? 2u : 1u);
    EXPECT_EQ(group->find_consumer("ann")->seen_ms, 1234);
    EXPECT_EQ(group->find_consumer("ann")->active_ms, GetParam() >= 11 ? 1200 : 1234);
    EXPECT_EQ(group->find_pending({150, 0})->deliveries, 150u);
  }
}

TEST_P(RdbStream, ProducersStandInFront) {
  auto keyspace = make([](Heap& heap, StreamValue& stream) {
    ASSERT_TRUE(stream.producers().configure(heap, 50, 40));
    for (uint64_t i = 1; i <= 100; ++i)
      ASSERT_TRUE(stream.producers().record(heap, i % 2 ? "odd" : "even", std::to_string(i), {i, 7}, 1));
    stream.producers().count_duplicate();
  });
  const Loaded loaded = travel(*keyspace);
  const StreamProducers& producers = only_stream(*loaded.keyspace).producers();
  EXPECT_EQ(producers.duration_s(), 50u);
  EXPECT_EQ(producers.entries_max(), 40u);
  EXPECT_EQ(producers.added_count(), 100u);
  EXPECT_EQ(producers.duplicate_count(), 1u);
  EXPECT_EQ(producers.tracked_count(), 80u);
  EXPECT_EQ(producers.find("odd", "99", 1), (StreamId{99, 7}));
  EXPECT_EQ(producers.find("odd", "19", 1), std::nullopt);
}

TEST(RdbProducers, LiesAreRefused) {
  Heap heap;
  StreamValue* stream = StreamValue::create(heap);
  StreamProducers& producers = stream->producers();
  ASSERT_TRUE(producers.record(heap, "a", "1", {1, 1}, 1));
  ASSERT_TRUE(producers.record(heap, "b", "1", {1, 1}, 1));
  const std::string text = rdb_producers_text(producers);
  ASSERT_TRUE(rdb_read_producers(heap, text, producers));
  EXPECT_EQ(rdb_producers_text(producers), text);
  for (size_t size = 0; size < text.size(); ++size) {
    // Between two entries it may end.
    const bool is_whole = size == 32 || size == 32 + 26;
    EXPECT_EQ(rdb_read_producers(heap, text.substr(0, size), producers).has_value(), is_whole) << size;
  }
  const auto refuses = [&](size_t at, char byte) {
    std::string changed = text;
    changed[at] = byte;
    return !rdb_read_producers(heap, changed, producers);
  };
  EXPECT_TRUE(refuses(7, 1));            // a duration of ages
  EXPECT_TRUE(refuses(8, 0));            // no entry at all
  EXPECT_TRUE(refuses(32 + 4, 'c'));     // producers out of order
  EXPECT_TRUE(refuses(32 + 4, 'b'));     // the same entry, the same ID
  EXPECT_TRUE(refuses(32 + 3, '\x7F'));  // a size beyond the end
  StreamValue::destroy(heap, stream);
  EXPECT_EQ(heap.used(), 0u);
}

TEST_P(RdbStream, EmptyOnesStay) {
  auto keyspace = make([](Heap&, StreamValue& stream) { stream.set_last_id({5, 5}); });
  const Loaded loaded = travel(*keyspace);
  EXPECT_EQ(loaded.report.empty_count, 0u);
  EXPECT_EQ(only_stream(*loaded.keyspace).last_id(), (StreamId{5, 5}));
}

// XSETID may set the last ID below that of a deleted entry, whose place in the last node is then behind.
TEST_P(RdbStream, IdsBelowADeletedOne) {
  auto keyspace = make([](Heap& heap, StreamValue& stream) {
    const Bytes pairs[] = {"f", "v"};
    for (uint64_t i : {1, 9}) ASSERT_TRUE(stream.append(heap, {}, {i, 0}, pairs));
    ASSERT_TRUE(stream.erase(heap, {9, 0}));
    stream.set_last_id({2, 0});
  });
  for (int turn = 0; turn < 3; ++turn) {
    Loaded loaded = travel(*keyspace);
    StreamValue& stream = only_stream(*loaded.keyspace);
    const Bytes pairs[] = {"f", "v"};
    const StreamId id = stream.next_id_in(3).value();
    ASSERT_TRUE(stream.append(loaded.keyspace->shard(0).heap(), {}, id, pairs));
    EXPECT_TRUE(stream.contains(id));
    EXPECT_TRUE(stream.contains({1, 0}));
    EXPECT_FALSE(stream.contains({9, 0}));
    EXPECT_EQ(stream.node_count(), 2u);
    keyspace = std::move(loaded.keyspace);
  }
}

INSTANTIATE_TEST_SUITE_P(Versions, RdbStream, testing::Values(10u, 11u, 12u));

TEST(Rdb, ValuesLargerThanAChunk) {
  auto keyspace = make_keyspace(4);
  Random random(7);
  std::string noise(3 << 20, '\0');
  for (char& byte : noise) byte = static_cast<char>(random.next());
  const RdbLimits limits;
  for (int i = 0; i < 3; ++i) {
    const std::string name = "large" + std::to_string(i);
    const Key key = keyspace->key(name);
    ASSERT_TRUE(database_for(*keyspace, 0, key).set_string(key, noise, kNoDeadline));
  }
  const Key key = keyspace->key("hash");
  Shard& shard = keyspace->shard(key.shard);
  Value hash = hash_create(shard.data()).value();
  for (int i = 0; i < 100'000; ++i) {
    ASSERT_TRUE(
        hash_set(shard.data(), limits.hash, hash, "field" + std::to_string(i), "value" + std::to_string(i)));
  }
  ASSERT_TRUE(shard.database(0).put(key, hash, 12345));
  SimFileSystem fs;
  ASSERT_TRUE(rdb_save(fs, "dump.rdb", *keyspace, {}));
  RdbLoadOptions options;
  options.thread_count = 2;
  int calls = 0;
  options.progress = [&](const RdbProgress& progress) {
    ++calls;
    EXPECT_LE(progress.bytes_done, progress.bytes_total);
    return true;
  };
  Loaded loaded = load_bytes(bytes_of(fs, "dump.rdb"), options, 0, 4);
  ASSERT_TRUE(loaded.status) << loaded.report.detail;
  EXPECT_EQ(difference(loaded.contents(), contents_of(*keyspace)), "");
  EXPECT_GT(calls, 3);
  options.progress = [](const RdbProgress&) { return false; };
  loaded = load_bytes(bytes_of(fs, "dump.rdb"), options, 0, 4);
  ASSERT_FALSE(loaded.status);
  EXPECT_EQ(loaded.status.error().code, Errc::kCancelled);
}

TEST(Rdb, AuxFieldsAreReported) {
  auto keyspace = make_keyspace();
  SimFileSystem fs;
  RdbSaveOptions options;
  options.aux.aof_base = true;
  options.aux.created_seconds = 1'700'000'000;
  ASSERT_TRUE(rdb_save(fs, "dump.rdb", *keyspace, options));
  const Loaded loaded = load_bytes(bytes_of(fs, "dump.rdb"));
  ASSERT_TRUE(loaded.status);
  EXPECT_EQ(loaded.report.aux_value("redis-ver"), "7.2.0");
  EXPECT_EQ(loaded.report.aux_value("aof-base"), "1");
  EXPECT_EQ(loaded.report.aux_value("ctime"), "1700000000");
  EXPECT_EQ(loaded.report.aux_value("redis-bits"), "64");
  EXPECT_EQ(loaded.report.aux_value("nothing"), "");
}

TEST(Rdb, AKeyThatIsThereAlreadyIsRefused) {
  FileOf source(one_key(RdbType::kString, str("v")));
  auto keyspace = make_keyspace();
  const Key key = keyspace->key("k");
  ASSERT_TRUE(database_for(*keyspace, 0, key).set_string(key, "mine", kNoDeadline));
  RdbLoadReport report;
  const Status status = rdb_load(source.file, 0, *keyspace, {}, &report);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Errc::kExists);
  EXPECT_NE(report.detail.find("RDB has duplicated key at key \"k\""), std::string::npos) << report.detail;
}

// ---- Saving that fails -----------------------------------------------------------------------------------

TEST(RdbSave, AFailureLeavesTheOldDumpAndNoTemporaryFile) {
  auto keyspace = make_keyspace(2);
  RandomFiller(5, RdbLimits{}).fill(*keyspace, 400);
  struct Case {
    SimOperation kind;
    uint64_t nth;
  };
  std::vector<Case> cases = {{SimOperation::kOpen, 1}, {SimOperation::kSync, 1}, {SimOperation::kRename, 1}};
  SimFileSystem probe;
  ASSERT_TRUE(probe.create_directory("d"));
  ASSERT_TRUE(rdb_save(probe, "d/dump.rdb", *keyspace, {}));
  const uint64_t writes = probe.operation_count(SimOperation::kWrite);
  ASSERT_GT(writes, 1u);
  for (uint64_t i = 1; i <= writes; ++i) cases.push_back({SimOperation::kWrite, i});
  for (const auto& [kind, nth] : cases) {
    SCOPED_TRACE(std::string(sim_operation_name(kind)) + " " + std::to_string(nth));
    SimFileSystem fs;
    ASSERT_TRUE(fs.create_directory("d") && fs.sync_directory("."));
    ASSERT_TRUE(replace_file(fs, "d/dump.rdb", "old"));
    fs.add_fault({.kind = kind, .error = Errc::kNoSpace, .nth = nth, .count = 1, .path_part = "temp-"});
    const auto saved = rdb_save(fs, "d/dump.rdb", *keyspace, {});
    ASSERT_FALSE(saved);
    EXPECT_EQ(saved.error().code, Errc::kNoSpace);
    EXPECT_EQ(fs.list("d").value(), Strings{"dump.rdb"});
    EXPECT_EQ(bytes_of(fs, "d/dump.rdb"), "old");
    fs.crash(nth);
    EXPECT_EQ(bytes_of(fs, "d/dump.rdb"), "old");
  }
}

TEST(RdbSave, APowerCutAnywhereLeavesOneOfTheTwo) {
  auto keyspace = make_keyspace(2);
  RandomFiller(6, RdbLimits{}).fill(*keyspace, 50);
  SimFileSystem reference;
  ASSERT_TRUE(rdb_save(reference, "dump.rdb", *keyspace, {}));
  const Contents expected = contents_of(*keyspace);
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    SimFileSystem fs({.seed = seed, .capacity_bytes = UINT64_MAX, .trace = false});
    ASSERT_TRUE(replace_file(fs, "dump.rdb", "old"));
    fs.cut_power_at(fs.operation_count() + 1 + seed % 7, seed % 2 ? CutWhen::kBefore : CutWhen::kAfter);
    const bool saved = rdb_save(fs, "dump.rdb", *keyspace, {}).has_value();
    fs.crash(seed);
    const std::string bytes = bytes_of(fs, "dump.rdb");
    if (bytes == "old") {
      EXPECT_FALSE(saved);
      continue;
    }
    const Loaded loaded = load_bytes(bytes);
    ASSERT_TRUE(loaded.status);
    EXPECT_EQ(difference(loaded.contents(), expected), "");
  }
}

TEST(RdbWriter, AnErrorSticks) {
  SimFileSystem fs;
  File file = fs.open("f", OpenMode::kCreate).value();
  fs.add_fault({.kind = SimOperation::kWrite, .error = Errc::kIo, .nth = 1, .count = 1, .path_part = ""});
  auto keyspace = make_keyspace();
  const Key key = keyspace->key("k");
  const Entry* entry =
      database_for(*keyspace, 0, key).set_string(key, std::string(1 << 20, 'x'), kNoDeadline).value();
  RdbWriter writer(file, {.compression = false, .checksum = true});
  EXPECT_TRUE(writer.begin({}));
  EXPECT_FALSE(writer.add(*entry));
  EXPECT_FALSE(writer.add(*entry));
  EXPECT_FALSE(writer.finish());
  EXPECT_EQ(fs.operation_count(SimOperation::kSync), 0u);
}

}  // namespace
}  // namespace strata

#include "data/stream.h"

#include <gtest/gtest.h>

#include <functional>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "data/stream_copy.h"
#include "memory/heap.h"

namespace strata {
namespace {

using Pairs = std::vector<std::string>;
using Entries = std::map<StreamId, Pairs>;

std::string text(const Element& element) {
  char scratch[kIntegerTextBytes];
  return std::string(element_text(element, scratch));
}

std::vector<Bytes> views(const Pairs& pairs) { return {pairs.begin(), pairs.end()}; }

std::vector<std::pair<StreamId, Pairs>> read(const StreamValue& stream, StreamId first, StreamId last,
                                             StreamCursor::Order order) {
  std::vector<std::pair<StreamId, Pairs>> entries;
  for (StreamCursor cursor(stream, first, last, order); !cursor.done(); cursor.next()) {
    Pairs pairs;
    // Every other entry is passed without a look, as XAUTOCLAIM's JUSTID does.
    if (cursor.id().sequence % 2 == 0) {
      cursor.visit([&](const Element& field, const Element& value) {
        pairs.push_back(text(field));
        pairs.push_back(text(value));
      });
      EXPECT_EQ(pairs.size(), 2 * cursor.field_count());
    }
    entries.emplace_back(cursor.id(), pairs);
  }
  return entries;
}

class StreamTest : public testing::Test {
 protected:
  ~StreamTest() override {
    StreamValue::destroy(heap_, stream_);
    EXPECT_EQ(heap_.used(), 0u);
  }
  void add(StreamId id, const Pairs& pairs = {"f", "v"}) {
    ASSERT_TRUE(stream_->append(heap_, limits_, id, views(pairs)));
  }
  void erase(StreamId id) {
    auto erased = stream_->erase(heap_, id);
    ASSERT_TRUE(erased && *erased);
  }
  uint64_t trim(StreamTrim trim) {
    EXPECT_TRUE(stream_->trim_some(heap_, trim, UINT64_MAX));
    EXPECT_TRUE(trim.done);
    return trim.removed;
  }

  Heap heap_;
  StreamValue* stream_ = StreamValue::create(heap_);
  StreamLimits limits_;
};

// ---- Against a model -------------------------------------------------------------------------------------

class StreamModel : public StreamTest, public testing::WithParamInterface<uint64_t> {
 protected:
  void append() {
    id_ = random_.below(3) != 0 ? StreamId{id_.ms, id_.sequence + 1 + random_.below(3)}
                                : StreamId{id_.ms + 1 + random_.below(500), random_.below(3)};
    Pairs pairs;
    bool is_odd = random_.below(8) == 0;
    for (uint64_t i = 0, n = is_odd ? 1 + random_.below(4) : 2; i < n; ++i) {
      pairs.push_back(is_odd ? std::to_string(random_.below(1000)) : "field" + std::to_string(i));
      pairs.push_back(std::string(random_.below(60), 'x') + std::to_string(random_.below(100)));
    }
    add(id_, pairs);
    model_[id_] = pairs;
    ++added_;
  }
  StreamId some_id() {
    if (model_.empty() || random_.below(4) == 0) return {random_.below(id_.ms + 2), random_.below(5)};
    return std::next(model_.begin(), static_cast<long>(random_.below(model_.size())))->first;
  }
  void erase_some() {
    StreamId id = some_id();
    auto erased = stream_->erase(heap_, id);
    ASSERT_TRUE(erased);
    ASSERT_EQ(*erased, model_.erase(id) == 1);
    if (*erased) max_deleted_ = std::max(max_deleted_, id);
  }
  void trim_some() {
    StreamTrim trim{.is_by_id = random_.below(2) != 0, .is_approximate = random_.below(2) != 0};
    trim.length_max = random_.below(model_.size() + 3);
    trim.id_min = some_id();
    if (random_.below(2) != 0) trim.limit = random_.below(200);
    while (!trim.done) ASSERT_TRUE(stream_->trim_some(heap_, trim, 1 + random_.below(100)));
    uint64_t wanted =
        trim.is_by_id ? static_cast<uint64_t>(std::distance(model_.begin(), model_.lower_bound(trim.id_min)))
        : model_.size() > trim.length_max ? model_.size() - trim.length_max
                                          : 0;
    if (!trim.is_approximate && trim.limit == 0) {
      ASSERT_EQ(trim.removed, wanted);
    } else {
      ASSERT_LE(trim.removed, wanted);
      if (trim.limit != 0) {
        ASSERT_LE(trim.removed, trim.limit);
      }
    }
    for (uint64_t i = 0; i < trim.removed; ++i) model_.erase(model_.begin());
  }
  void check_facts() {
    stream_->nodes().check();
    ASSERT_EQ(stream_->length(), model_.size());
    ASSERT_EQ(stream_->last_id(), added_ == 0 ? StreamId{} : id_);
    ASSERT_EQ(stream_->entries_added(), added_);
    ASSERT_EQ(stream_->max_deleted_id(), max_deleted_);
    ASSERT_EQ(stream_->first_id(), model_.empty() ? StreamId{} : model_.begin()->first);
    ASSERT_EQ(heap_.used(), stream_->memory());
  }
  void check_range(StreamId first, StreamId last) {
    std::vector<std::pair<StreamId, Pairs>> expected;
    if (first <= last) expected.assign(model_.lower_bound(first), model_.upper_bound(last));
    for (auto& [id, pairs] : expected) {
      if (id.sequence % 2 != 0) pairs.clear();
    }
    ASSERT_EQ(read(*stream_, first, last, StreamCursor::Order::kUp), expected);
    std::reverse(expected.begin(), expected.end());
    ASSERT_EQ(read(*stream_, first, last, StreamCursor::Order::kDown), expected);
  }

  Random random_{GetParam()};
  Entries model_;
  StreamId id_{1000, 0}, max_deleted_;
  uint64_t added_ = 0;
};

TEST_P(StreamModel, EqualsAMapUnderRandomChanges) {
  limits_.node_max_bytes = GetParam() % 3 == 0 ? 0 : 1024;
  limits_.node_max_entries = GetParam() % 2 == 0 ? 10 : 300;
  for (int step = 0; step < 4'000; ++step) {
    uint64_t kind = random_.below(100);
    if (kind < 60) {
      append();
    } else if (kind < 95) {
      erase_some();
    } else if (kind < 97) {
      trim_some();
    } else {
      check_range(some_id(), some_id());
    }
    ASSERT_EQ(stream_->contains(id_), model_.contains(id_));
    if (step % 50 == 0) check_facts();
  }
  check_facts();
  check_range(kStreamIdMin, kStreamIdMax);
}

INSTANTIATE_TEST_SUITE_P(Seeds, StreamModel, testing::Range<uint64_t>(1, 7));

// ---- Appending -------------------------------------------------------------------------------------------

TEST_F(StreamTest, NodesAreClosedWhereRedisClosesThem) {
  for (uint64_t i = 1; i <= 250; ++i) add({i, 0});
  EXPECT_EQ(stream_->node_count(), 3u);
  add({1000, 0}, {"f", std::string(4096, 'x')});
  EXPECT_EQ(stream_->node_count(), 4u);
  add({1001, 0}, {"f", std::string(5000, 'x')});
  EXPECT_EQ(stream_->node_count(), 5u);
  StreamCursor cursor(*stream_, {1000, 0}, {1000, 0});
  cursor.visit([](const Element&, const Element& value) { EXPECT_NE(value.blob, nullptr); });
}

TEST_F(StreamTest, IdsAreChosen) {
  EXPECT_EQ(stream_->next_id(5), (StreamId{5, 0}));
  add({7, UINT64_MAX});
  EXPECT_EQ(stream_->next_id(5), (StreamId{8, 0}));
  EXPECT_EQ(stream_->next_id_in(7), std::nullopt);
  EXPECT_EQ(stream_->next_id_in(6), std::nullopt);
  EXPECT_EQ(stream_->next_id_in(9), (StreamId{9, 0}));
  stream_->set_last_id({9, 4});
  EXPECT_EQ(stream_->next_id_in(9), (StreamId{9, 5}));
  stream_->set_last_id(kStreamIdMax);
  EXPECT_EQ(stream_->next_id(5), std::nullopt);
}

// XSETID may set the last ID below that of a deleted entry, which stands in a node where lower ones must not
// follow.
TEST_F(StreamTest, IdsBelowADeletedOneBeginANode) {
  add({1, 0});
  add({9, 0});
  erase({9, 0});
  stream_->set_last_id({2, 0});
  add({3, 0});
  EXPECT_EQ(stream_->node_count(), 2u);
  erase({3, 0});
  add({4, 0});
  EXPECT_EQ(stream_->node_count(), 2u);
  EXPECT_TRUE(stream_->contains({4, 0}));
  EXPECT_EQ(read(*stream_, {1, 0}, {5, 0}, StreamCursor::Order::kUp).size(), 2u);
  EXPECT_EQ(read(*stream_, {1, 0}, {5, 0}, StreamCursor::Order::kDown).size(), 2u);
}

TEST_F(StreamTest, HugeEntriesAreRefused) {
  std::string half(packed::kMaxNodeBytes / 2, 'x');
  std::vector<Bytes> pairs{"f", half};
  auto added = stream_->append(heap_, limits_, {1, 0}, pairs);
  ASSERT_FALSE(added);
  EXPECT_EQ(added.error().code, Errc::kTooLarge);
  EXPECT_EQ(stream_->length(), 0u);
}

TEST_F(StreamTest, PinnedNodesStayAsTheyWere) {
  add({1, 0}, {"f", "one"});
  add({2, 0}, {"f", "two"});
  auto* pinned = static_cast<Blob*>(stream_->nodes().first().value());
  pinned->pin();
  std::string before(pinned->view());
  add({3, 0});
  erase({1, 0});
  EXPECT_EQ(before, pinned->view());
  EXPECT_EQ(stream_->length(), 2u);
  Blob::unpin(pinned);
  heap_.collect();
}

// Counted by redis-server 7.0.15: XINFO STREAM's radix-tree-nodes after each of these, one entry per node.
TEST_F(StreamTest, RadixTreeNodesAreThoseOfRedis) {
  limits_.node_max_entries = 1;
  EXPECT_EQ(stream_->radix_node_count(), 1u);
  constexpr uint64_t kHigh = uint64_t{1} << 40, kTop = uint64_t{1} << 63;
  const std::vector<std::pair<StreamId, uint64_t>> added{
      {{1, 0}, 2},      {{2, 0}, 6},        {{255, 0}, 8},     {{256, 0}, 11},   {{256, 1}, 13},
      {{65536, 3}, 16}, {{65536, 300}, 20}, {{kHigh, 0}, 24},  {{kHigh, 7}, 26}, {{kHigh + 256, 0}, 30},
      {{kTop, 0}, 33},  {{kTop, 1}, 35},    {{kTop, kTop}, 39}};
  for (auto& [id, nodes] : added) {
    add(id);
    EXPECT_EQ(stream_->radix_node_count(), nodes) << id.ms << "-" << id.sequence;
  }
  const std::vector<std::pair<StreamId, uint64_t>> erased{
      {{256, 0}, 37},   {{1, 0}, 35},       {{kHigh, 7}, 33}, {{255, 0}, 30},
      {{65536, 3}, 26}, {{kTop, kTop}, 22}, {{2, 0}, 19}};
  for (auto& [id, nodes] : erased) {
    erase(id);
    EXPECT_EQ(stream_->radix_node_count(), nodes) << id.ms << "-" << id.sequence;
  }
}

// ---- Trimming and references ------------------------------------------------------------------------------

TEST_F(StreamTest, ApproximateTrimmingTakesWholeNodes) {
  limits_.node_max_entries = 10;
  for (uint64_t i = 1; i <= 100; ++i) add({i, 0});
  EXPECT_EQ(trim({.is_approximate = true, .length_max = 55}), 40u);
  EXPECT_EQ(trim({.is_by_id = true, .is_approximate = true, .id_min = {75, 0}}), 30u);
  EXPECT_EQ(trim({.is_approximate = true, .length_max = 0, .limit = 15}), 10u);
  EXPECT_EQ(stream_->length(), 20u);
  EXPECT_EQ(stream_->max_deleted_id(), StreamId{});
  EXPECT_EQ(trim({.length_max = 7}), 13u);
  EXPECT_EQ(stream_->first_id(), (StreamId{94, 0}));
}

TEST_F(StreamTest, ReferencesDecideWhatTrimmingTakes) {
  limits_.node_max_entries = 4;
  for (uint64_t i = 1; i <= 10; ++i) add({i, 0});
  StreamGroup* group = *stream_->create_group(heap_, "g", {6, 0}, 6);
  StreamConsumer* consumer = group->create_consumer(heap_, "c", 1);
  for (uint64_t i : {2, 5}) ASSERT_TRUE(group->assign(heap_, {i, 0}, consumer, 10, 1));
  EXPECT_TRUE(stream_->is_referenced({2, 0}));
  EXPECT_FALSE(stream_->is_referenced({3, 0}));
  EXPECT_TRUE(stream_->is_referenced({7, 0}));
  // 2 and 5 are not acknowledged; 7 to 10 were not read.
  EXPECT_EQ(trim({.length_max = 0, .references = StreamReferences::kAcked}), 4u);
  EXPECT_EQ(stream_->length(), 6u);
  EXPECT_TRUE(stream_->contains({2, 0}));
  EXPECT_EQ(trim({.length_max = 5, .references = StreamReferences::kDrop}), 1u);
  EXPECT_EQ(group->pending_count(), 1u);
  EXPECT_EQ(trim({.length_max = 0}), 5u);
  EXPECT_EQ(group->pending_count(), 1u);
  EXPECT_EQ(stream_->drop_references(heap_, {5, 0}), 1u);
}

// ---- Groups ----------------------------------------------------------------------------------------------

TEST_F(StreamTest, GroupsAreSortedAndUnique) {
  for (const char* name : {"b", "a", "c", "aa", ""}) ASSERT_TRUE(stream_->create_group(heap_, name, {}, 0));
  EXPECT_EQ(stream_->create_group(heap_, "aa", {}, 0).error().code, Errc::kExists);
  std::string names;
  for (const StreamGroup* group : stream_->groups()) names += std::string(group->name()) + ",";
  EXPECT_EQ(names, ",a,aa,b,c,");
  Value detached = *stream_->detach_group(heap_, stream_->find_group("b"));
  EXPECT_EQ(stream_->find_group("b"), nullptr);
  EXPECT_EQ(stream_->groups().size(), 4u);
  StreamValue::destroy(heap_, &StreamValue::of(detached));
}

TEST_F(StreamTest, PendingEntriesEqualAModel) {
  struct Known {
    std::string consumer;  // "": nobody's
    int64_t delivery_ms;
    uint64_t deliveries;
    int step;
  };
  std::map<StreamId, Known> model;
  StreamGroup* group = *stream_->create_group(heap_, "g", {}, 0);
  Random random(7);
  std::vector<std::string> names{"", "ann", "bob", "cem"};
  for (size_t i = 1; i < names.size(); ++i) ASSERT_NE(group->create_consumer(heap_, names[i], 5), nullptr);
  for (int step = 0; step < 20'000; ++step) {
    StreamId id{random.below(500), 0};
    if (random.below(3) != 0) {
      Known known{names[random.below(4)], static_cast<int64_t>(random.below(50)), random.below(9), step};
      if (known.consumer.empty()) known.delivery_ms = 0;
      StreamConsumer* consumer = known.consumer.empty() ? nullptr : group->find_consumer(known.consumer);
      ASSERT_TRUE(group->assign(heap_, id, consumer, known.delivery_ms, known.deliveries));
      model[id] = known;
    } else {
      ASSERT_EQ(group->remove_pending(heap_, id), model.erase(id) == 1);
    }
    if (step % 500 != 0) continue;
    group->check();
    ASSERT_EQ(group->pending_count(), model.size());
    auto expected = model.begin();
    for (auto at = group->pending_from(kStreamIdMin); !at.done(); at.next(), ++expected) {
      ASSERT_EQ(at->id, expected->first);
      ASSERT_EQ(at->deliveries, expected->second.deliveries);
      ASSERT_EQ(at->consumer == nullptr ? Bytes() : at->consumer->name(), expected->second.consumer);
    }
    std::pair<int64_t, int> before{-1, -1};
    for (auto at = group->pending_by_time(); !at.done(); at.next()) {
      std::pair<int64_t, int> key{at->delivery_ms, model[at->id].step};
      ASSERT_LT(before, key);
      before = key;
    }
  }
  uint64_t bobs = group->find_consumer("bob")->pending.size();
  uint64_t all = group->pending_count();
  while (!group->remove_consumer_some(heap_, group->find_consumer("bob"), 10)) group->check();
  EXPECT_EQ(group->pending_count(), all - bobs);
  EXPECT_EQ(group->find_consumer("bob"), nullptr);
  group->check();
}

// As redis-server 7.0.15 has it.
TEST_F(StreamTest, LagIsKnownWhereNothingWasDeletedBehind) {
  StreamGroup* group = *stream_->create_group(heap_, "g", {}, kEntriesReadUnknown);
  EXPECT_EQ(stream_->lag(*group), 0u);
  for (uint64_t i = 1; i <= 5; ++i) add({i, 0});
  EXPECT_EQ(stream_->lag(*group), 5u);
  stream_->advance_group(*group, {1, 0});
  EXPECT_EQ(group->entries_read, 1);
  stream_->advance_group(*group, {2, 0});
  EXPECT_EQ(group->entries_read, 2);
  EXPECT_EQ(stream_->lag(*group), 3u);
  erase({4, 0});
  EXPECT_EQ(stream_->lag(*group), std::nullopt);
  stream_->advance_group(*group, {3, 0});
  EXPECT_EQ(group->entries_read, kEntriesReadUnknown);
  stream_->advance_group(*group, {5, 0});
  EXPECT_EQ(group->entries_read, 5);
  EXPECT_EQ(stream_->lag(*group), 0u);
}

// ---- Copies and memory -----------------------------------------------------------------------------------

TEST_F(StreamTest, CopiesHaveEverything) {
  limits_.node_max_entries = 10;
  for (uint64_t i = 1; i <= 100; ++i) add({i, 0}, {"f", std::to_string(i)});
  erase({50, 0});
  StreamGroup* group = *stream_->create_group(heap_, "g", {40, 0}, 40);
  StreamConsumer* consumer = group->create_consumer(heap_, "c", 77);
  consumer->active_ms = 78;
  for (uint64_t i = 1; i <= 40; ++i)
    ASSERT_TRUE(group->assign(heap_, {i, 0}, i % 4 ? consumer : nullptr, 90, i));
  ASSERT_TRUE(stream_->producers().record(heap_, "p", "i", {3, 0}, 3));
  Heap other;
  StreamCopy copying(*stream_, other);
  while (!*copying.step(7)) {
  }
  StreamValue* copy = copying.take();
  auto order = StreamCursor::Order::kUp;
  EXPECT_EQ(read(*copy, kStreamIdMin, kStreamIdMax, order),
            read(*stream_, kStreamIdMin, kStreamIdMax, order));
  EXPECT_EQ(copy->last_id(), stream_->last_id());
  EXPECT_EQ(copy->max_deleted_id(), (StreamId{50, 0}));
  EXPECT_EQ(copy->entries_added(), 100u);
  StreamGroup* copied = copy->find_group("g");
  copied->check();
  EXPECT_EQ(copied->entries_read, 40);
  EXPECT_EQ(copied->unowned_count(), 10u);
  EXPECT_EQ(copied->find_consumer("c")->active_ms, 78);
  EXPECT_EQ(copied->find_pending({7, 0})->deliveries, 7u);
  EXPECT_EQ(copy->producers().find("p", "i", 4), (StreamId{3, 0}));
  EXPECT_EQ(other.used(), copy->memory());
  while (!StreamValue::destroy_some(other, copy, 1)) {
  }
  EXPECT_EQ(other.used(), 0u);
}

TEST(StreamMemory, FailuresChangeNothing) {
  constexpr size_t kLimitBytes = 3 << 20;
  Heap heap(kLimitBytes);
  StreamValue* stream = StreamValue::create(heap);
  StreamGroup* group = *stream->create_group(heap, "g", {}, 0);
  StreamConsumer* consumer = group->create_consumer(heap, "c", 1);
  StreamLimits limits;
  std::string value(100, 'v');
  std::vector<Bytes> pairs{"f", value};
  uint64_t added = 0, assigned = 0;
  for (int failures = 0; failures < 40;) {
    StreamId id{added + 1, 0};
    if (stream->append(heap, limits, id, pairs)) {
      ++added;
    } else {
      ++failures;
    }
    if (group->assign(heap, {assigned + 1, 0}, consumer, 1, 1)) {
      ++assigned;
    } else {
      ++failures;
    }
  }
  EXPECT_EQ(stream->length(), added);
  EXPECT_EQ(group->pending_count(), assigned);
  group->check();
  uint64_t seen = 0;
  for (StreamCursor cursor(*stream, {}, kStreamIdMax); !cursor.done(); cursor.next()) ++seen;
  EXPECT_EQ(seen, added);
  StreamValue::destroy(heap, stream);
  EXPECT_EQ(heap.used(), 0u);
}

// ---- Producers -------------------------------------------------------------------------------------------

TEST_F(StreamTest, ProducersRememberTheLatest) {
  StreamProducers& producers = stream_->producers();
  EXPECT_FALSE(producers.in_use());
  EXPECT_EQ(producers.duration_s(), kIdempotenceSecondsDefault);
  ASSERT_TRUE(producers.configure(heap_, 10, 3));
  for (uint64_t i = 1; i <= 5; ++i)
    ASSERT_TRUE(producers.record(heap_, "p", "i" + std::to_string(i), {1000 + i, 0}, 1000 + i));
  EXPECT_EQ(producers.tracked_count(), 3u);
  EXPECT_EQ(producers.added_count(), 5u);
  EXPECT_EQ(producers.find("p", "i2", 1010), std::nullopt);
  EXPECT_EQ(producers.find("p", "i3", 1010), (StreamId{1003, 0}));
  EXPECT_EQ(producers.find("q", "i3", 1010), std::nullopt);
  // Ten seconds after its entry's time it is forgotten, and may be used again.
  EXPECT_EQ(producers.find("p", "i3", 11'002), (StreamId{1003, 0}));
  EXPECT_EQ(producers.find("p", "i3", 11'003), std::nullopt);
  ASSERT_TRUE(producers.record(heap_, "p", "i3", {11'003, 0}, 11'003));
  EXPECT_EQ(producers.tracked_count(), 3u);
  // A producer that says nothing any more goes with the next ones' records.
  for (uint64_t i = 0; i < 4; ++i)
    ASSERT_TRUE(producers.record(heap_, "q", std::to_string(i), {99'000 + i, 0}, 99'000));
  EXPECT_EQ(producers.producer_count(), 1u);
  ASSERT_TRUE(producers.configure(heap_, 10, 3));
  EXPECT_EQ(producers.tracked_count(), 0u);
}

TEST_F(StreamTest, AnEntryHasOneIdempotentIdOfAProducer) {
  StreamProducers& producers = stream_->producers();
  ASSERT_TRUE(producers.record(heap_, "p", "one", {5, 1}, 0));
  ASSERT_TRUE(producers.record(heap_, "p", "two", {5, 1}, 0));
  ASSERT_TRUE(producers.record(heap_, "q", "one", {5, 1}, 0));
  EXPECT_EQ(producers.find("p", "one", 0), std::nullopt);
  EXPECT_EQ(producers.find("p", "two", 0), (StreamId{5, 1}));
  EXPECT_EQ(producers.find("q", "one", 0), (StreamId{5, 1}));
  EXPECT_EQ(producers.tracked_count(), 2u);
}

TEST_F(StreamTest, ProducersForgetAmongMany) {
  StreamProducers& producers = stream_->producers();
  ASSERT_TRUE(producers.configure(heap_, 100, 1000));
  for (uint64_t i = 0; i < 5000; ++i)
    ASSERT_TRUE(producers.record(heap_, "p", std::to_string(i), {i + 1, 0}, 1));
  EXPECT_EQ(producers.tracked_count(), 1000u);
  EXPECT_EQ(producers.find("p", "3999", 1), std::nullopt);
  EXPECT_EQ(producers.find("p", "4000", 1), (StreamId{4001, 0}));
  EXPECT_EQ(heap_.used(), stream_->memory());
}

}  // namespace
}  // namespace strata

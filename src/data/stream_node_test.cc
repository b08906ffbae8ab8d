#include "data/stream_node.h"

#include <gtest/gtest.h>

#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "base/random.h"

namespace strata::stream_node {
namespace {

using Pairs = std::vector<std::string>;

std::string text(const Element& element) {
  char scratch[kIntegerTextBytes];
  return std::string(element_text(element, scratch));
}

std::vector<Bytes> views(const Pairs& pairs) { return {pairs.begin(), pairs.end()}; }

Pairs read(Bytes node, const Entry& entry) {
  Pairs pairs;
  packed::Position behind = visit(node, entry, [&](const Element& field, const Element& value) {
    pairs.push_back(text(field));
    pairs.push_back(text(value));
  });
  EXPECT_EQ(behind, next(node, entry));
  return pairs;
}

// DUMP of redis-server 7.0.15 after XADD s 1000-1 a 1 bb hello, XADD s 1000-5 a 300 bb x, XADD s 1007-2 zz 9
// and XDEL s 1000-5.
constexpr char kRedisNode[] =
    "\x45\x00\x00\x00\x19\x00\x02\x01\x01\x01\x02\x01\x81"
    "a\x02\x82"
    "bb\x03\x00\x01\x02\x01\x00\x01\x00\x01\x01\x01\x85hello\x06\x05\x01\x03\x01\x00\x01\x04\x01\xc1,"
    "\x02\x81x\x02"
    "\x05\x01\x00\x01\a\x01\x01\x01\x01\x01\x82zz\x03\t\x01\x06\x01\xff";

TEST(StreamNode, IsByteForByteRedis) {
  Heap heap;
  StreamId master{1000, 1};
  Pairs first{"a", "1", "bb", "hello"}, second{"a", "300", "bb", "x"}, third{"zz", "9"};
  Blob* node = create(heap, views(first), 0);
  ASSERT_TRUE(append(heap, node, master, {1000, 1}, views(first)));
  ASSERT_TRUE(append(heap, node, master, {1000, 5}, views(second)));
  ASSERT_TRUE(append(heap, node, master, {1007, 2}, views(third)));
  Entry entry = entry_at(node->view(), master, begin(node->view()));
  ASSERT_TRUE(mark_deleted(heap, node, next(node->view(), entry)));
  EXPECT_EQ(node->view(), Bytes(kRedisNode, sizeof(kRedisNode) - 1));
  Summary summary;
  EXPECT_TRUE(validate(node->view(), master, &summary));
  EXPECT_EQ(summary.last, (StreamId{1007, 2}));
  Blob::destroy(heap, node);
  EXPECT_EQ(heap.used(), 0u);
}

TEST(StreamNode, EqualsAMapUnderRandomChanges) {
  Heap heap;
  Random random(20261127);
  StreamId master{7, 1'000'000}, id = master;
  std::map<StreamId, Pairs> model;
  Blob* node = create(heap, views({"f", "", "g", ""}), 64);
  for (int step = 0; step < 600; ++step) {
    if (random.below(4) != 0 || model.empty()) {
      Pairs pairs{"f", std::to_string(random.below(100'000)), random.below(2) ? "g" : "h", "v"};
      ASSERT_TRUE(append(heap, node, master, id, views(pairs)));
      model[id] = pairs;
      id = random.below(3) ? StreamId{id.ms, id.sequence + 1 + random.below(9)} : StreamId{id.ms + 1, 0};
    } else {
      auto victim = std::next(model.begin(), static_cast<long>(random.below(model.size())));
      packed::Position at = seek(node->view(), master, victim->first);
      ASSERT_TRUE(mark_deleted(heap, node, at));
      model.erase(victim);
    }
    Summary summary;
    ASSERT_TRUE(validate(node->view(), master, &summary));
    ASSERT_EQ(alive_count(node->view()), model.size());
  }
  std::map<StreamId, Pairs> forward, backward;
  Bytes view = node->view();
  for (packed::Position at = begin(view); at != packed::end(view);) {
    Entry entry = entry_at(view, master, at);
    at = next(view, entry);
    if (!entry.deleted) forward[entry.id] = read(view, entry);
  }
  for (packed::Position at = packed::end(view); at != begin(view);) {
    at = previous(view, at);
    Entry entry = entry_at(view, master, at);
    if (!entry.deleted) backward[entry.id] = read(view, entry);
  }
  EXPECT_EQ(forward, model);
  EXPECT_EQ(backward, model);
  Blob::destroy(heap, node);
}

TEST(StreamNode, DamagedBytesAreRefusedOrReadable) {
  Random random(5);
  StreamId master{1000, 1};
  size_t refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes(kRedisNode, sizeof(kRedisNode) - 1);
    bytes[random.below(bytes.size())] = static_cast<char>(random.below(256));
    Summary summary;
    if (!validate(bytes, master, &summary)) {
      ++refused;
      continue;
    }
    for (packed::Position at = stream_node::begin(bytes); at != packed::end(bytes);) {
      Entry entry = entry_at(bytes, master, at);
      EXPECT_EQ(read(bytes, entry).size(), 2 * entry.field_count);
      at = next(bytes, entry);
    }
  }
  EXPECT_GT(refused, 10'000u);
  Summary summary;
  EXPECT_FALSE(validate(Bytes(kRedisNode, sizeof(kRedisNode) - 1), StreamId{UINT64_MAX, 1}, &summary));
}

}  // namespace
}  // namespace strata::stream_node

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

std::vector<Element> elements(const Pairs& pairs) {
  std::vector<Element> all;
  for (const std::string& part : pairs) all.push_back(Element::of(Bytes(part)));
  return all;
}

Pairs read(Bytes node, const Entry& entry) {
  Pairs pairs;
  packed::Position field = fields_begin(node), at = entry.body;
  for (uint32_t i = 0; i < entry.field_count; ++i) {
    packed::Position& name_at = entry.same_fields ? field : at;
    pairs.push_back(text(packed::get(node, name_at)));
    name_at = packed::next(node, name_at);
    pairs.push_back(text(packed::get(node, at)));
    at = packed::next(node, at);
  }
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
  Blob* node = create(heap, elements(first));
  ASSERT_TRUE(append(heap, node, master, {1000, 1}, elements(first)));
  ASSERT_TRUE(append(heap, node, master, {1000, 5}, elements(second)));
  ASSERT_TRUE(append(heap, node, master, {1007, 2}, elements(third)));
  Entry entry = entry_at(node->view(), master, begin(node->view()));
  ASSERT_TRUE(mark_deleted(heap, node, entry.next));
  EXPECT_EQ(node->view(), Bytes(kRedisNode, sizeof(kRedisNode) - 1));
  EXPECT_TRUE(validate(node->view(), master));
  Blob::destroy(heap, node);
  EXPECT_EQ(heap.used(), 0u);
}

TEST(StreamNode, EqualsAMapUnderRandomChanges) {
  Heap heap;
  Random random(20261127);
  StreamId master{7, 1'000'000}, id = master;
  std::map<StreamId, Pairs> model;
  Blob* node = create(heap, elements({"f", "", "g", ""}));
  for (int step = 0; step < 600; ++step) {
    if (random.below(4) != 0 || model.empty()) {
      Pairs pairs{"f", std::to_string(random.below(100'000)), random.below(2) ? "g" : "h", "v"};
      ASSERT_TRUE(append(heap, node, master, id, elements(pairs)));
      model[id] = pairs;
      id = random.below(3) ? StreamId{id.ms, id.sequence + 1 + random.below(9)} : StreamId{id.ms + 1, 0};
    } else {
      auto victim = std::next(model.begin(), static_cast<long>(random.below(model.size())));
      packed::Position at = begin(node->view());
      while (entry_at(node->view(), master, at).id != victim->first)
        at = entry_at(node->view(), master, at).next;
      ASSERT_TRUE(mark_deleted(heap, node, at));
      model.erase(victim);
    }
    ASSERT_TRUE(validate(node->view(), master));
    ASSERT_EQ(alive_count(node->view()), model.size());
  }
  std::map<StreamId, Pairs> forward, backward;
  Bytes view = node->view();
  for (packed::Position at = begin(view); at != packed::end(view); at = entry_at(view, master, at).next) {
    Entry entry = entry_at(view, master, at);
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
    if (!validate(bytes, master)) {
      ++refused;
      continue;
    }
    for (packed::Position at = stream_node::begin(bytes); at != packed::end(bytes);) {
      Entry entry = entry_at(bytes, master, at);
      EXPECT_EQ(read(bytes, entry).size(), 2 * entry.field_count);
      at = entry.next;
    }
  }
  EXPECT_GT(refused, 10'000u);
  EXPECT_FALSE(validate(Bytes(kRedisNode, sizeof(kRedisNode) - 1), StreamId{UINT64_MAX, 1}));
}

}  // namespace
}  // namespace strata::stream_node

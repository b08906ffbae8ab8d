#include "data/list.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace strata::list {
namespace {

std::string text(const Element& element) {
  char scratch[kIntegerTextBytes];
  return std::string(element_text(element, scratch));
}

struct List : testing::Test {
  Heap heap;
  Value value{};
  Limits limits;

  List() { EXPECT_TRUE(create(heap, &value)); }
  ~List() override {
    if (value.pointer != nullptr) destroy(value, heap);
    while (!heap.collect()) {
    }
    EXPECT_EQ(heap.used(), 0u);
  }
  void push_back(std::initializer_list<std::string> elements) {
    for (const std::string& element : elements) {
      ASSERT_TRUE(push(value, heap, limits, End::kBack, Element::of(Bytes(element))));
    }
  }
  void push_numbers(int64_t first, int64_t behind) {
    for (; first < behind; first++) ASSERT_TRUE(push(value, heap, limits, End::kBack, Element::of(first)));
  }
  std::vector<std::string> contents() const {
    std::vector<std::string> all;
    for_each(value, {0, length(value)}, [&all](const Element& element) { all.push_back(text(element)); });
    return all;
  }
  std::vector<uint64_t> positions(Bytes needle, int64_t rank, uint64_t max_compared, size_t wanted) const {
    std::vector<uint64_t> all;
    find_positions(value, packed::Needle(needle), rank, max_compared, [&](uint64_t index) {
      all.push_back(index);
      return all.size() < wanted;
    });
    return all;
  }
  uint64_t remove(Bytes needle, int64_t count) {
    Removal removal(count);
    while (!removal.done) EXPECT_TRUE(remove_some(value, heap, limits, packed::Needle(needle), removal, 10));
    return removal.removed;
  }
};
using Strings = std::vector<std::string>;

TEST_F(List, PushesInTheOrderOfTheCommand) {
  Bytes front[] = {"a", "b", "c"};
  Bytes back[] = {"x", "12"};
  ASSERT_TRUE(push(value, heap, limits, End::kFront, front));
  ASSERT_TRUE(push(value, heap, limits, End::kBack, back));
  EXPECT_EQ(contents(), (Strings{"c", "b", "a", "x", "12"}));
  EXPECT_EQ(value.encoding, Encoding::kListpack);
}

TEST_F(List, PopsFromBothEnds) {
  push_back({"a", "b", "c", "d"});
  Strings popped;
  auto take = [&popped](const Element& element) { popped.push_back(text(element)); };
  ASSERT_TRUE(pop(value, heap, limits, End::kBack, 2, take));
  ASSERT_TRUE(pop(value, heap, limits, End::kFront, 9, take));
  EXPECT_EQ(popped, (Strings{"d", "c", "a", "b"}));
  EXPECT_EQ(length(value), 0u);
  ASSERT_TRUE(pop(value, heap, limits, End::kFront, 1, take));
  EXPECT_EQ(popped.size(), 4u);
}

TEST_F(List, EncodingFollowsTheLimit) {
  limits.listpack_size = 4;
  push_numbers(0, 4);
  EXPECT_EQ(value.encoding, Encoding::kListpack);
  push_numbers(4, 5);
  EXPECT_EQ(value.encoding, Encoding::kQuicklist);
  ASSERT_TRUE(erase_range(value, heap, limits, {0, 2}));
  EXPECT_EQ(value.encoding, Encoding::kQuicklist);
  ASSERT_TRUE(erase_range(value, heap, limits, {0, 1}));
  EXPECT_EQ(value.encoding, Encoding::kListpack);
  EXPECT_EQ(contents(), (Strings{"3", "4"}));
}

TEST_F(List, EncodingFollowsTheBytes) {
  push_back({std::string(8000, 'x')});
  EXPECT_EQ(value.encoding, Encoding::kListpack);
  push_back({std::string(300, 'y')});
  EXPECT_EQ(value.encoding, Encoding::kQuicklist);
  ASSERT_TRUE(pop(value, heap, limits, End::kFront, 1, [](const Element&) {}));
  EXPECT_EQ(value.encoding, Encoding::kListpack);
}

TEST_F(List, LimitsAreRedisOnes) {
  EXPECT_EQ(Limits{-1}.node_bytes(), 4096u);
  EXPECT_EQ(Limits{-2}.node_bytes(), 8192u);
  EXPECT_EQ(Limits{-5}.node_bytes(), 65536u);
  EXPECT_EQ(Limits{-9}.node_bytes(), 65536u);
  EXPECT_EQ(Limits{INT32_MIN + 1}.node_bytes(), 65536u);
  EXPECT_EQ(Limits{128}.node_elements(), 128u);
  EXPECT_EQ(Limits{0}.node_elements(), 1u);
}

TEST_F(List, RangesAreRedisOnes) {
  auto same = [](Range range, uint64_t first, uint64_t count) {
    return range.first == first && range.count == count;
  };
  EXPECT_TRUE(same(resolve_range(0, -1, 5), 0, 5));
  EXPECT_TRUE(same(resolve_range(-100, 100, 5), 0, 5));
  EXPECT_TRUE(same(resolve_range(-2, -1, 5), 3, 2));
  EXPECT_TRUE(same(resolve_range(3, 1, 5), 0, 0));
  EXPECT_TRUE(same(resolve_range(5, 9, 5), 0, 0));
  EXPECT_TRUE(same(resolve_range(0, -6, 5), 0, 0));
  EXPECT_TRUE(same(resolve_range(INT64_MIN, INT64_MAX, 5), 0, 5));
  EXPECT_TRUE(same(resolve_range(INT64_MAX, INT64_MIN, 5), 0, 0));
  EXPECT_TRUE(same(resolve_range(0, -1, 0), 0, 0));
}

TEST_F(List, IndexesFromBothEnds) {
  limits.listpack_size = 10;
  push_numbers(0, 2000);
  Element element;
  for (int64_t i = -2000; i < 2000; i++) {
    ASSERT_TRUE(index(value, i, &element));
    ASSERT_EQ(element.integer, i < 0 ? i + 2000 : i);
  }
  for (int64_t i : {int64_t{2000}, int64_t{-2001}, INT64_MIN, INT64_MAX})
    EXPECT_FALSE(index(value, i, &element));
}

TEST_F(List, SetAndInsert) {
  push_back({"a", "b", "c"});
  EXPECT_EQ(set(value, heap, limits, -1, Element::of("C")), Change::kDone);
  EXPECT_EQ(set(value, heap, limits, 3, Element::of("x")), Change::kNotFound);
  EXPECT_EQ(set(value, heap, limits, INT64_MIN, Element::of("x")), Change::kNotFound);
  EXPECT_EQ(insert(value, heap, limits, Side::kBefore, packed::Needle("a"), Element::of("0")), Change::kDone);
  EXPECT_EQ(insert(value, heap, limits, Side::kAfter, packed::Needle("C"), Element::of("9")), Change::kDone);
  EXPECT_EQ(insert(value, heap, limits, Side::kAfter, packed::Needle("z"), Element::of("9")),
            Change::kNotFound);
  EXPECT_EQ(contents(), (Strings{"0", "a", "b", "C", "9"}));
}

TEST_F(List, LargeElementsStandAlone) {
  std::string large(100'000, 'L');
  push_back({"a", "b", "c", large});
  EXPECT_EQ(set(value, heap, limits, 1, Element::of(Bytes(large))), Change::kDone);
  EXPECT_EQ(contents(), (Strings{"a", large, "c", large}));
  Element element;
  ASSERT_TRUE(index(value, 1, &element));
  ASSERT_NE(element.blob, nullptr);
  EXPECT_EQ(element.blob->view(), large);
  ASSERT_TRUE(index(value, 0, &element));
  EXPECT_EQ(element.blob, nullptr);
  EXPECT_EQ(set(value, heap, limits, 1, Element::of("b")), Change::kDone);
  EXPECT_EQ(set(value, heap, limits, 3, Element::of("d")), Change::kDone);
  EXPECT_EQ(value.encoding, Encoding::kListpack);
  EXPECT_EQ(contents(), (Strings{"a", "b", "c", "d"}));
}

TEST_F(List, RemovesFromEitherSide) {
  for (int32_t size : {-2, 3}) {
    limits.listpack_size = size;
    push_back({"x", "a", "x", "b", "x", "c", "x", "5", "x"});
    EXPECT_EQ(remove("x", 2), 2u);
    EXPECT_EQ(remove("x", -1), 1u);
    EXPECT_EQ(contents(), (Strings{"a", "b", "x", "c", "x", "5"}));
    EXPECT_EQ(remove("5", INT64_MIN), 1u);
    EXPECT_EQ(remove("x", 0), 2u);
    EXPECT_EQ(remove("x", 0), 0u);
    EXPECT_EQ(contents(), (Strings{"a", "b", "c"}));
    ASSERT_TRUE(trim(value, heap, limits, {}));
    EXPECT_EQ(length(value), 0u);
  }
}

TEST_F(List, FindsPositionsByRank) {
  for (int32_t size : {-2, 2}) {
    limits.listpack_size = size;
    push_back({"a", "b", "c", "1", "2", "3", "c", "c"});
    EXPECT_EQ(positions("c", 1, 0, 1), (std::vector<uint64_t>{2}));
    EXPECT_EQ(positions("c", 2, 0, 9), (std::vector<uint64_t>{6, 7}));
    EXPECT_EQ(positions("c", -1, 0, 9), (std::vector<uint64_t>{7, 6, 2}));
    EXPECT_EQ(positions("c", -3, 0, 9), (std::vector<uint64_t>{2}));
    EXPECT_EQ(positions("c", 1, 2, 9), (std::vector<uint64_t>{}));
    EXPECT_EQ(positions("3", 1, 6, 9), (std::vector<uint64_t>{5}));
    EXPECT_EQ(positions("c", INT64_MIN, 0, 9), (std::vector<uint64_t>{}));
    ASSERT_TRUE(trim(value, heap, limits, {}));
  }
}

TEST_F(List, NodesGoToAFileAndComeBack) {
  limits.listpack_size = 8;
  push_numbers(0, 100);
  push_back({std::string(50'000, 'p'), "tail"});
  Value loaded;
  ASSERT_TRUE(create(heap, &loaded));
  NodeCursor cursor(value);
  EXPECT_GT(cursor.nodes_left(), 12u);
  while (!cursor.done()) ASSERT_TRUE(copy_some(cursor, heap, loaded, 3));
  settle_encoding(loaded, heap, limits);
  EXPECT_EQ(loaded.encoding, Encoding::kQuicklist);
  EXPECT_EQ(memory_bytes(value) + memory_bytes(loaded), heap.used());
  std::swap(value, loaded);
  Strings copied = contents();
  std::swap(value, loaded);
  EXPECT_EQ(copied, contents());
  while (!destroy_some(loaded, heap, 2)) {
  }
  EXPECT_EQ(memory_bytes(value), heap.used());
}

TEST_F(List, AnAdoptedNodeMayStaySingleOrMustNot) {
  Element elements[] = {Element::of("a"), Element::of("b"), Element::of("c")};
  ASSERT_TRUE(append_node(value, heap, packed::create_from(heap, elements), false));
  settle_encoding(value, heap, limits);
  EXPECT_EQ(value.encoding, Encoding::kListpack);
  limits.listpack_size = 2;
  settle_encoding(value, heap, limits);
  EXPECT_EQ(value.encoding, Encoding::kQuicklist);
  limits.listpack_size = 4;
  settle_encoding(value, heap, limits);
  EXPECT_EQ(value.encoding, Encoding::kListpack);
  EXPECT_EQ(contents(), (Strings{"a", "b", "c"}));
}

TEST_F(List, AListMayStayInItsBirthHeap) {
  limits.listpack_size = 16;
  push_numbers(0, 1000);
  Heap other;
  for (int64_t i = 1000; i < 1100; i++) ASSERT_TRUE(push(value, other, limits, End::kBack, Element::of(i)));
  ASSERT_TRUE(erase_range(value, other, limits, {10, 500}));
  EXPECT_EQ(length(value), 600u);
  destroy(value, other);
  while (!other.collect() || !heap.collect()) {
  }
  EXPECT_EQ(other.used(), 0u);
  EXPECT_EQ(heap.used(), 0u);
}

TEST_F(List, PinnedBytesOutliveTheirElement) {
  std::string large(20'000, 'v');
  push_back({"a", large, "b"});
  Element element;
  ASSERT_TRUE(index(value, 1, &element));
  element.blob->pin();
  ASSERT_TRUE(erase_range(value, heap, limits, {1, 1}));
  EXPECT_EQ(contents(), (Strings{"a", "b"}));
  EXPECT_EQ(element.bytes, large);
  Blob::unpin(element.blob);
}

// Runs the change with ever more memory until it succeeds; every failure must leave the contents alone.
TEST_F(List, RunningOutOfMemoryChangesNothing) {
  constexpr size_t kHeapBytes = size_t{8} << 20;
  Heap small(kHeapBytes);
  Value list;
  ASSERT_TRUE(create(small, &list));
  limits.listpack_size = 8;
  std::string piece(1000, 'p');
  Bytes batch[] = {piece, "1", piece, "2", piece, "3", piece, "4", piece, "5", piece};
  uint64_t pushed = 0;
  while (push(list, small, limits, pushed % 2 ? End::kBack : End::kFront, batch)) pushed++;
  EXPECT_GT(pushed, 100u);
  EXPECT_EQ(length(list), pushed * std::size(batch));
  uint64_t before = length(list);
  std::string large(2'000'000, 'L');
  EXPECT_EQ(set(list, small, limits, static_cast<int64_t>(before / 2), Element::of(Bytes(large))),
            Change::kOutOfMemory);
  EXPECT_EQ(insert(list, small, limits, Side::kAfter, packed::Needle("4"), Element::of(Bytes(large))),
            Change::kOutOfMemory);
  EXPECT_EQ(length(list), before);
  uint64_t seen = 0;
  for_each(list, {0, before}, [&seen](const Element& element) {
    if (element.bytes.size() == 1000) seen++;
  });
  EXPECT_EQ(seen, pushed * 6);
  ASSERT_TRUE(trim(list, small, limits, {5, 3}));
  EXPECT_EQ(length(list), 3u);
  destroy(list, small);
  while (!small.collect()) {
  }
  EXPECT_EQ(small.used(), 0u);
}

}  // namespace
}  // namespace strata::list

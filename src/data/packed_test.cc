#include "data/packed.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/random.h"

namespace strata::packed {
namespace {

std::string text(const Element& element) {
  char scratch[kIntegerTextBytes];
  return std::string(element_text(element, scratch));
}

std::vector<std::string> contents(Bytes node) {
  std::vector<std::string> all;
  for (Cursor cursor(node); !cursor.done(); cursor.next()) all.push_back(text(cursor.element()));
  return all;
}

std::vector<std::string> contents_backwards(Bytes node) {
  std::vector<std::string> all;
  for (Position at = end(node); at != begin(node);) {
    at = prev(node, at);
    all.insert(all.begin(), text(get(node, at)));
  }
  return all;
}

struct Fixture : testing::Test {
  Heap heap;
  Blob* node = create(heap);
  ~Fixture() override {
    Blob::destroy(heap, node);
    EXPECT_EQ(heap.used(), 0u);
  }
  void append_text(Bytes bytes) { ASSERT_TRUE(append(heap, node, Element::of(bytes))); }
};
using Packed = Fixture;

TEST_F(Packed, EmptyNode) {
  EXPECT_EQ(node->view(), Bytes("\x07\0\0\0\0\0\xff", 7));
  EXPECT_TRUE(validate(node->view()));
  EXPECT_TRUE(empty(node->view()));
  EXPECT_EQ(count(node->view()), 0u);
  EXPECT_EQ(begin(node->view()), end(node->view()));
  EXPECT_EQ(seek(node->view(), 0), end(node->view()));
  EXPECT_EQ(seek(node->view(), -1), end(node->view()));
}

// The bytes that a redis-server 7.0.15 puts into DUMP after RPUSH k hi 1 -1 4095 -5000 100000 3000000000 ""
TEST_F(Packed, BytesAreRedisListpack) {
  for (const char* element : {"hi", "1", "-1", "4095", "-5000", "100000", "3000000000", ""})
    append_text(element);
  EXPECT_EQ(node->view(), Bytes("\x28\0\0\0\x08\0"
                                "\x82hi\x03"
                                "\x01\x01"
                                "\xdf\xff\x02"
                                "\xcf\xff\x02"
                                "\xf1\x78\xec\x03"
                                "\xf2\xa0\x86\x01\x04"
                                "\xf4\x00\x5e\xd0\xb2\0\0\0\0\x09"
                                "\x80\x01"
                                "\xff",
                                40));
  EXPECT_TRUE(validate(node->view()));
}

TEST_F(Packed, IntegersOfEveryWidthComeBackAsIntegers) {
  std::vector<int64_t> values = {INT64_MIN, INT64_MAX};
  for (int bit = 0; bit < 63; bit++) {
    for (int64_t off : {-1, 0, 1}) {
      values.push_back((int64_t{1} << bit) + off);
      values.push_back(-(int64_t{1} << bit) + off);
    }
  }
  for (int64_t value : values) ASSERT_TRUE(append(heap, node, Element::of(value)));
  ASSERT_TRUE(validate(node->view()));
  size_t i = 0;
  for (Cursor cursor(node->view()); !cursor.done(); cursor.next(), i++) {
    ASSERT_TRUE(cursor.element().is_integer);
    ASSERT_EQ(cursor.element().integer, values[i]);
    ASSERT_EQ(find(node->view(), cursor.position(), Needle(Element::of(values[i])), 0), cursor.position());
  }
  EXPECT_EQ(i, values.size());
  EXPECT_EQ(contents(node->view()), contents_backwards(node->view()));
}

TEST_F(Packed, TextThatOnlyLooksLikeAnIntegerStaysText) {
  std::vector<std::string> texts = {"01",
                                    "-0",
                                    "+1",
                                    " 1",
                                    "1 ",
                                    "9223372036854775808",
                                    "-9223372036854775809",
                                    "-",
                                    "",
                                    "1e3",
                                    std::string("1\0", 2)};
  for (const std::string& bytes : texts) append_text(bytes);
  for (Cursor cursor(node->view()); !cursor.done(); cursor.next()) EXPECT_FALSE(cursor.element().is_integer);
  EXPECT_EQ(contents(node->view()), texts);
}

TEST_F(Packed, StringsAroundEveryLengthLimit) {
  std::vector<std::string> texts;
  for (size_t limit : {63, 64, 126, 127, 4095, 4096, 16378, 16383, 2097146, 2097151}) {
    for (size_t size = limit - 2; size <= limit + 2; size++) {
      texts.emplace_back(size, static_cast<char>('a' + size % 26));
      append_text(texts.back());
    }
  }
  EXPECT_TRUE(validate(node->view()));
  EXPECT_EQ(contents(node->view()), texts);
  EXPECT_EQ(contents_backwards(node->view()), texts);
}

TEST_F(Packed, EncodedBytesSaysWhatAppendingTakes) {
  for (const char* element : {"", "x", "7", "-7", "123456789012", "abcdefghijklmnop"}) {
    uint32_t before = node->size;
    append_text(element);
    EXPECT_EQ(node->size - before, Encoded(Element::of(Bytes(element))).bytes());
  }
}

TEST_F(Packed, FindSkipsTheValuesOfAHash) {
  for (const char* element : {"a", "b", "b", "a", "7", "x"}) append_text(element);
  Bytes view = node->view();
  EXPECT_EQ(find(view, begin(view), Needle("b"), 1), seek(view, 2));
  EXPECT_EQ(find(view, begin(view), Needle("b"), 0), seek(view, 1));
  EXPECT_EQ(find(view, begin(view), Needle("7"), 1), seek(view, 4));
  EXPECT_EQ(find(view, begin(view), Needle("x"), 1), end(view));
  EXPECT_EQ(find(view, begin(view), Needle("07"), 0), end(view));
  EXPECT_EQ(find(view, begin(view), Needle(""), 0), end(view));
}

// A file may hold "5" as a string; it is still the element 5.
TEST_F(Packed, FindSeesIntegersStoredAsText) {
  Bytes odd("\x0a\0\0\0\x01\0\x81\x35\x02\xff", 10);
  ASSERT_TRUE(validate(odd));
  EXPECT_EQ(find(odd, begin(odd), Needle("5"), 0), begin(odd));
  EXPECT_EQ(find(odd, begin(odd), Needle(Element::of(int64_t{5})), 0), begin(odd));
}

TEST_F(Packed, ValidateRefusesEveryKindOfDamage) {
  for (const char* element : {"hello", "12345678901", "77", "world"}) append_text(element);
  append_text(std::string(200, 'y'));
  std::string good(node->view());
  ASSERT_TRUE(validate(good));
  for (size_t cut = 0; cut < good.size(); cut++) EXPECT_FALSE(validate(Bytes(good).substr(0, cut)));
  EXPECT_FALSE(validate(good + "\xff"));
  for (size_t at : {size_t{0}, size_t{4}, good.size() - 1, good.size() - 2, size_t{6}}) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    EXPECT_FALSE(validate(bad)) << at;
  }
  std::string uncounted = good;
  uncounted[4] = uncounted[5] = '\xff';
  EXPECT_TRUE(validate(uncounted));
  EXPECT_EQ(count(uncounted), 5u);
  EXPECT_FALSE(validate({}));
}

TEST_F(Packed, MoreElementsThanTheHeaderCounts) {
  constexpr uint32_t kElements = 70000;
  for (uint32_t i = 0; i < kElements; i++) ASSERT_TRUE(append(heap, node, Element::of(int64_t{i % 100})));
  EXPECT_EQ(count(node->view()), kElements);
  EXPECT_TRUE(validate(node->view()));
  EXPECT_EQ(get(node->view(), seek(node->view(), -2)).integer, (kElements - 2) % 100);
  ASSERT_TRUE(erase(heap, node, begin(node->view()), kElements - 10));
  EXPECT_EQ(count(node->view()), 10u);
  EXPECT_EQ(static_cast<uint8_t>(node->bytes[4]), 10);
  EXPECT_TRUE(validate(node->view()));
}

TEST_F(Packed, OutOfMemoryLeavesTheNodeAlone) {
  Heap small(size_t{4} << 20);
  Blob* full = create(small);
  std::string piece(100'000, 'p');
  while (append(small, full, Element::of(Bytes(piece)))) {
  }
  EXPECT_TRUE(validate(full->view()));
  EXPECT_FALSE(append_node(small, full, full->view()));
  EXPECT_TRUE(validate(full->view()));
  EXPECT_TRUE(erase(small, full, begin(full->view()), count(full->view()) - 1));
  EXPECT_EQ(contents(full->view()), std::vector<std::string>{piece});
  Blob::destroy(small, full);
}

std::string random_text(Random& random) {
  switch (random.below(6)) {
    case 0:
      return std::to_string(random.below(200));
    case 1:
      return std::to_string(static_cast<int64_t>(random.next()) >> random.below(64));
    case 2:
      return std::string(random.below(300), static_cast<char>('a' + random.below(26)));
    case 3:
      return random.one_in(50) ? std::string(4000 + random.below(200), 'L') : "z";
    default:
      return "k" + std::to_string(random.below(5));
  }
}

// Random changes against a vector, with pins taken now and then whose bytes must stay what they were.
struct Model {
  Heap heap;
  Blob* node = create(heap);
  std::vector<std::string> expected;
  std::vector<std::pair<Blob*, std::string>> pins;

  void check(uint64_t seed) const {
    ASSERT_TRUE(validate(node->view())) << "seed " << seed;
    ASSERT_EQ(count(node->view()), expected.size()) << "seed " << seed;
    ASSERT_EQ(contents(node->view()), expected) << "seed " << seed;
    ASSERT_EQ(contents_backwards(node->view()), expected) << "seed " << seed;
  }
  void pin() {
    node->pin();
    pins.emplace_back(node, std::string(node->view()));
  }
  void unpin_all() {
    for (auto& [blob, bytes] : pins) {
      ASSERT_EQ(blob->view(), bytes);
      Blob::unpin(blob);
    }
    pins.clear();
  }

  void change(Random& random) {
    size_t index = random.below(expected.size() + 1);
    auto place = expected.begin() + static_cast<ptrdiff_t>(index);
    Position at =
        index == expected.size() ? end(node->view()) : seek(node->view(), static_cast<int64_t>(index));
    std::string fresh = random_text(random);
    switch (random.below(8)) {
      case 0:
      case 1:
        ASSERT_TRUE(insert(heap, node, at, Element::of(Bytes(fresh))));
        expected.insert(place, fresh);
        break;
      case 2: {
        Element pair[] = {Element::of(Bytes(fresh)), Element::of(int64_t{42})};
        ASSERT_TRUE(insert_all(heap, node, at, pair));
        expected.insert(place, {fresh, "42"});
        break;
      }
      case 3:
        if (index == expected.size()) break;
        ASSERT_TRUE(replace(heap, node, at, Element::of(Bytes(fresh))));
        *place = fresh;
        break;
      case 4: {
        size_t erased = std::min<size_t>(random.below(4), expected.size() - index);
        ASSERT_TRUE(erase(heap, node, at, static_cast<uint32_t>(erased)));
        expected.erase(place, place + static_cast<ptrdiff_t>(erased));
        break;
      }
      case 5:
        remove_matches(random, fresh);
        break;
      case 6:
        if (expected.size() < 60) transfer(index, at);
        break;
      case 7:
        pin();
        break;
    }
  }
  void remove_matches(Random& random, const std::string& fresh) {
    Needle needle{Bytes(fresh)};
    uint32_t matches = count_matches(node->view(), needle);
    ASSERT_EQ(matches, std::count(expected.begin(), expected.end(), fresh));
    uint32_t kept = static_cast<uint32_t>(random.below(matches + 1));
    uint32_t erased = static_cast<uint32_t>(random.below(matches - kept + 1));
    ASSERT_TRUE(erase_matches(heap, node, needle, kept, erased));
    uint32_t seen = 0;
    std::erase_if(expected, [&](const std::string& element) {
      return element == fresh && seen++ >= kept && seen - kept <= erased;
    });
  }
  // Appends a copy of what begins at `at`.
  void transfer(size_t index, Position at) {
    Blob* tail =
        copy_range(heap, node->view(), at, end(node->view()), static_cast<uint32_t>(expected.size() - index));
    ASSERT_NE(tail, nullptr);
    ASSERT_TRUE(validate(tail->view()));
    ASSERT_TRUE(append_node(heap, node, tail->view()));
    Blob::destroy(heap, tail);
    std::vector<std::string> copied(expected.begin() + static_cast<ptrdiff_t>(index), expected.end());
    expected.insert(expected.end(), copied.begin(), copied.end());
  }
};

TEST(PackedProperty, BehavesLikeAVector) {
  for (uint64_t seed = 1; seed <= 60; seed++) {
    Random random(seed);
    Model model;
    for (int step = 0; step < 250; step++) {
      model.change(random);
      model.check(seed);
      if (testing::Test::HasFatalFailure()) return;
      if (random.one_in(20)) model.unpin_all();
    }
    model.unpin_all();
    Blob::destroy(model.heap, model.node);
    while (!model.heap.collect()) {
    }
    ASSERT_EQ(model.heap.used(), 0u) << "seed " << seed;
  }
}

}  // namespace
}  // namespace strata::packed

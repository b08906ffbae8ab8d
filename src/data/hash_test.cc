#include "data/hash.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "base/hash.h"
#include "data/blob.h"
#include "data/packed.h"
#include "data/value_test_tools.h"
#include "memory/heap.h"

namespace strata {
namespace {

using testing_tools::random_key;
using testing_tools::Starvation;
using testing_tools::test_seed;
using testing_tools::text;

class HashTest : public ::testing::Test {
 protected:
  using Model = std::map<std::string, std::string>;

  HashTest() : hash_(hash_create(context_).value()) {}
  ~HashTest() override {
    while (!hash_destroy_some(heap_, hash_, 100)) {
    }
    EXPECT_EQ(heap_.used(), 0u);
  }

  bool set(const std::string& field, const std::string& value) {
    return hash_set(context_, limits_, hash_, field, value).value();
  }
  std::string get(const std::string& field) {
    const std::optional<Element> element = hash_get(hash_, field);
    return element ? text(*element) : "(nil)";
  }
  Model contents(const Value& hash) {
    Model all;
    hash_visit(hash, [&](const Element& field, const Element& value) {
      EXPECT_TRUE(all.emplace(text(field), text(value)).second) << text(field);
    });
    EXPECT_EQ(all.size(), hash_size(hash));
    return all;
  }
  void fill(int fields) {
    for (int i = 0; i < fields; ++i) set("field" + std::to_string(i), std::to_string(i));
  }

  Heap heap_;
  const HashSeed seed_ = HashSeed::fixed(2);
  const DataContext context_{heap_, seed_};
  HashLimits limits_{.packed_entries = 128};
  Value hash_;
};

TEST_F(HashTest, SetsGetsAndRemoves) {
  for (const bool large : {false, true}) {
    if (large) fill(200);
    EXPECT_EQ(hash_.encoding, large ? Encoding::kTable : Encoding::kListpack);
    EXPECT_EQ(get("a"), "(nil)");
    EXPECT_TRUE(set("a", "1"));
    EXPECT_FALSE(set("a", "two"));
    EXPECT_EQ(get("a"), "two");
    EXPECT_FALSE(hash_set_if_absent(context_, limits_, hash_, "a", "3").value());
    EXPECT_TRUE(hash_set_if_absent(context_, limits_, hash_, "b", "").value());
    EXPECT_EQ(get("a"), "two");
    EXPECT_EQ(get("b"), "");
    EXPECT_TRUE(hash_contains(hash_, "b"));
    EXPECT_TRUE(hash_remove(context_, hash_, "a").value());
    EXPECT_FALSE(hash_remove(context_, hash_, "a").value());
    EXPECT_TRUE(hash_remove(context_, hash_, "b").value());
  }
}

TEST_F(HashTest, BecomesATableByCountAndNeverAgainPacked) {
  fill(128);
  EXPECT_EQ(hash_.encoding, Encoding::kListpack);
  set("field5", "changed");
  EXPECT_EQ(hash_.encoding, Encoding::kListpack);
  set("one more", "");
  EXPECT_EQ(hash_.encoding, Encoding::kTable);
  EXPECT_EQ(hash_size(hash_), 129u);
  EXPECT_EQ(get("field5"), "changed");
  for (int i = 0; i < 128; ++i) hash_remove(context_, hash_, "field" + std::to_string(i)).value();
  EXPECT_EQ(hash_.encoding, Encoding::kTable);
  EXPECT_EQ(hash_size(hash_), 1u);
}

TEST_F(HashTest, BecomesATableByLength) {
  set("f", std::string(64, 'x'));
  EXPECT_EQ(hash_.encoding, Encoding::kListpack);
  ASSERT_TRUE(hash_prepare(context_, limits_, hash_, 64));
  EXPECT_EQ(hash_.encoding, Encoding::kListpack);
  set("f", std::string(65, 'x'));
  EXPECT_EQ(hash_.encoding, Encoding::kTable);
  EXPECT_EQ(get("f"), std::string(65, 'x'));
}

TEST_F(HashTest, Increments) {
  for (const bool large : {false, true}) {
    if (large) fill(200);
    hash_remove(context_, hash_, "n").value();
    EXPECT_EQ(hash_increment(context_, limits_, hash_, "n", 5).value(), 5);
    EXPECT_EQ(hash_increment(context_, limits_, hash_, "n", -7).value(), -2);
    EXPECT_EQ(get("n"), "-2");
    set("n", "9223372036854775807");
    EXPECT_EQ(hash_increment(context_, limits_, hash_, "n", 1).error().code, Errc::kTooLarge);
    EXPECT_EQ(get("n"), "9223372036854775807");
    for (const char* no_integer : {"1.5", "x", "", " 1", "01", "9223372036854775808"}) {
      set("n", no_integer);
      EXPECT_EQ(hash_increment(context_, limits_, hash_, "n", 1).error().code, Errc::kInvalidArgument);
      EXPECT_EQ(get("n"), no_integer);
    }
  }
}

TEST_F(HashTest, AgreesWithAModel) {
  Random random(test_seed(31));
  for (int round = 0; round < 200; ++round) {
    hash_destroy(heap_, hash_);
    hash_ = hash_create(context_).value();
    limits_ = {static_cast<uint32_t>(random.below(20)), static_cast<uint32_t>(random.below(400))};
    Model model;
    const uint64_t variety = 1 + random.below(200);
    for (int i = 0; i < 300; ++i) {
      const std::string field = random_key(random, variety);
      const std::string value = random_key(random, 1'000, random.one_in(20) ? 9'000 : 100);
      if (random.below(3) > 0) {
        ASSERT_EQ(set(field, value), !model.contains(field));
        model[field] = value;
      } else {
        ASSERT_EQ(hash_remove(context_, hash_, field).value(), model.erase(field) == 1);
      }
      ASSERT_EQ(get(field), model.contains(field) ? model[field] : "(nil)");
    }
    ASSERT_EQ(contents(hash_), model);
    EXPECT_LE(hash_memory(hash_), heap_.used());
    Value copy = hash_copy(context_, hash_).value();
    ASSERT_EQ(contents(copy), model);
    hash_destroy(heap_, copy);
  }
}

TEST_F(HashTest, OutOfMemoryLeavesItAsItWas) {
  Random random(test_seed(32));
  Model model;
  size_t failures = 0;
  size_t successes = 0;
  for (int round = 0; round < 300; ++round) {
    if (model.size() > 400) {
      hash_destroy(heap_, hash_);
      hash_ = hash_create(context_).value();
      model.clear();
    }
    Starvation starvation(heap_);
    for (int tries = 0; tries < 200;) {
      const std::string field = random_key(random, 2'000);
      const std::string value = random_key(random, 1'000, 5'000);
      if (const Result<bool> done = hash_set(context_, limits_, hash_, field, value)) {
        ++successes;
        model[field] = value;
        continue;
      } else {
        ASSERT_EQ(done.error().code, Errc::kOutOfMemory);
      }
      ++failures;
      ++tries;
      ASSERT_EQ(get(field), model.contains(field) ? model[field] : "(nil)");
      starvation.allow_one(random);
    }
    ASSERT_EQ(contents(hash_), model);
  }
  EXPECT_GT(failures, 10'000u);
  EXPECT_GT(successes, 500u);
}

TEST_F(HashTest, PinnedValuesStayWhileTheHashChanges) {
  const std::string large(10'000, 'x');
  set("f", large);
  Element element = *hash_get(hash_, "f");
  ASSERT_NE(element.blob, nullptr);
  element.blob->pin();
  set("f", std::string(10'000, 'y'));
  EXPECT_EQ(element.bytes, large);
  Blob::unpin(element.blob);
  element = *hash_get(hash_, "f");
  element.blob->pin();
  hash_remove(context_, hash_, "f").value();
  EXPECT_EQ(element.bytes, std::string(10'000, 'y'));
  Blob::unpin(element.blob);
  heap_.collect();
}

TEST_F(HashTest, PinnedPackedNodeStaysWhileTheHashChanges) {
  limits_ = {128, 100'000};
  const std::string large(10'000, 'x');
  set("f", large);
  EXPECT_EQ(hash_.encoding, Encoding::kListpack);
  const Element element = *hash_get(hash_, "f");
  ASSERT_NE(element.blob, nullptr);
  element.blob->pin();
  set("f", "short");
  EXPECT_EQ(element.bytes, large);
  EXPECT_EQ(get("f"), "short");
  Blob::unpin(element.blob);
  heap_.collect();
}

TEST_F(HashTest, ScansAndVisitsInSlices) {
  for (const int fields : {0, 100, 5'000}) {
    fill(fields);
    Model met;
    uint64_t cursor = 0;
    do {
      cursor = hash_scan(hash_, cursor, 10, [&](const Element& field, const Element& value) {
        met.emplace(text(field), text(value));
      });
    } while (cursor != 0);
    EXPECT_EQ(met, contents(hash_));
    met.clear();
    while (!hash_visit_some(hash_, cursor, 7, [&](const Element& field, const Element& value) {
      EXPECT_TRUE(met.emplace(text(field), text(value)).second);
    })) {
    }
    EXPECT_EQ(met, contents(hash_));
  }
}

TEST_F(HashTest, ChoosesAtRandom) {
  Random random(test_seed(33));
  for (const int fields : {1, 50, 3'000}) {
    fill(fields);
    const Model model = contents(hash_);
    hash_random(hash_, random, [&](const Element& field, const Element& value) {
      EXPECT_EQ(model.at(text(field)), text(value));
    });
    size_t repeated = 0;
    hash_random_repeated(hash_, random, 500, [&](const Element& field, const Element&) {
      EXPECT_TRUE(model.contains(text(field)));
      ++repeated;
    });
    EXPECT_EQ(repeated, 500u);
    for (const uint64_t count : {0, 1, 7, 40, 900, 2'900, 100'000}) {
      Model chosen;
      ASSERT_TRUE(hash_random_distinct(context_, hash_, random, count,
                                       [&](const Element& field, const Element& value) {
                                         EXPECT_TRUE(chosen.emplace(text(field), text(value)).second);
                                       }));
      EXPECT_EQ(chosen.size(), std::min<uint64_t>(count, model.size()));
    }
  }
}

TEST_F(HashTest, AdoptsPackedNodes) {
  const Element good[] = {Element::of("a"), Element::of("1"), Element::of(5), Element::of("x")};
  Blob* node = packed::create_from(heap_, good);
  Value adopted = hash_adopt(context_, limits_, node).value();
  EXPECT_EQ(contents(adopted), (Model{{"a", "1"}, {"5", "x"}}));
  hash_destroy(heap_, adopted);

  node = packed::create_from(heap_, good);
  adopted = hash_adopt(context_, {1, 64}, node).value();
  EXPECT_EQ(adopted.encoding, Encoding::kTable);
  EXPECT_EQ(contents(adopted), (Model{{"a", "1"}, {"5", "x"}}));
  hash_destroy(heap_, adopted);

  const Element odd[] = {Element::of("a"), Element::of("1"), Element::of("b")};
  const Element twice[] = {Element::of("a"), Element::of("1"), Element::of("a"), Element::of("2")};
  for (const std::span<const Element> bad :
       {std::span<const Element>(odd), std::span<const Element>(twice)}) {
    node = packed::create_from(heap_, bad);
    EXPECT_EQ(hash_adopt(context_, limits_, node).error().code, Errc::kCorruption);
    Blob::destroy(heap_, node);
  }
}

TEST_F(HashTest, ReturnsMemoryToTheHeapOfItsBirth) {
  Heap other;
  const DataContext elsewhere{other, seed_};
  fill(1'000);
  for (int i = 0; i < 2'000; ++i) {
    hash_set(elsewhere, limits_, hash_, "field" + std::to_string(i), "changed").value();
  }
  for (int i = 0; i < 1'990; ++i) hash_remove(elsewhere, hash_, "field" + std::to_string(i)).value();
  EXPECT_EQ(hash_size(hash_), 10u);
  hash_destroy(other, hash_);
  while (!heap_.collect()) {
  }
  EXPECT_EQ(heap_.used(), 0u);
  EXPECT_EQ(other.used(), 0u);
  hash_ = hash_create(context_).value();
}

}  // namespace
}  // namespace strata

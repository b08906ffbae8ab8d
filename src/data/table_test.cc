#include "data/table.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "data/context.h"
#include "data/value_test_tools.h"
#include "memory/heap.h"

namespace strata {
namespace {

using testing_tools::random_key;
using testing_tools::Starvation;
using testing_tools::test_seed;

class TableTest : public ::testing::Test {
 protected:
  TableTest() : table_(Table::create(heap_, seed_)) {}
  ~TableTest() override {
    if (table_ != nullptr) Table::destroy(heap_, table_);
    EXPECT_EQ(heap_.used(), 0u);
  }

  bool add(const std::string& key) {
    const uint64_t hash = table_->hash(key);
    if (table_->find(key, hash) != nullptr) return false;
    TableEntry* entry = TableEntry::create_member(heap_, key);
    return table_->insert(heap_, entry, hash);
  }
  bool remove(const std::string& key) {
    TableEntry* entry = table_->remove(heap_, key, table_->hash(key));
    if (entry == nullptr) return false;
    TableEntry::destroy(heap_, entry);
    return true;
  }
  std::multiset<std::string> keys() const {
    std::multiset<std::string> all;
    uint64_t cursor = 0;
    while (!table_->visit_some(cursor, 10, [&](TableEntry* entry) { all.emplace(entry->key()); })) {
    }
    return all;
  }

  Heap heap_;
  const HashSeed seed_ = HashSeed::fixed(1);
  Table* table_;
};

// Sizes on both sides of the tags' renewals at 2^8 and 2^16 buckets, and while half of the buckets have
// theirs behind them, so that tags of the same hash bits meet and tags of different ones.
TEST_F(TableTest, FiltersTheEntriesOfOtherTables) {
  Random random(test_seed(15));
  std::vector<Table*> tables;
  for (const size_t size : {10u, 900u, 1'500u, 200'000u, 340'000u}) {
    Table* table = tables.emplace_back(Table::create(heap_, seed_));
    while (table->size() < size) {
      const std::string key = std::to_string(random.below(2 * size));
      const uint64_t hash = table->hash(key);
      if (table->find(key, hash) != nullptr) continue;
      ASSERT_TRUE(table->insert(heap_, TableEntry::create_member(heap_, key), hash));
    }
  }
  for (const Table* from : tables) {
    std::vector<Table::Walked> walked;
    for (uint64_t cursor : {uint64_t{0}, uint64_t{from->bucket_count() / 2}}) {
      from->walk_some(cursor, 2'000, walked);
    }
    for (const Table* table : tables) {
      for (const bool wanted : {true, false}) {
        std::vector<Table::Walked> kept = walked;
        kept.resize(table->filter(*from, kept, wanted));
        std::vector<Bytes> expected;
        for (const Table::Walked& one : walked) {
          if ((table->find(one.entry()->key()) != nullptr) == wanted) expected.push_back(one.entry()->key());
        }
        ASSERT_EQ(kept.size(), expected.size()) << from->size() << ' ' << table->size();
        for (size_t i = 0; i < kept.size(); ++i) ASSERT_EQ(kept[i].entry()->key(), expected[i]);
      }
    }
  }
  for (Table* table : tables) Table::destroy(heap_, table);
}

TEST_F(TableTest, GrowsAndShrinksThroughTagRenewals) {
  // 2^16 buckets, the second renewal of the tags, come at 327,680 entries.
  constexpr int kCount = 400'000;
  for (int i = 0; i < kCount; ++i) ASSERT_TRUE(add(std::to_string(i)));
  EXPECT_EQ(table_->size(), static_cast<uint64_t>(kCount));
  EXPECT_GE(table_->bucket_count(), size_t{kCount} / 5);
  table_->check();
  for (int i = 0; i < kCount; ++i) ASSERT_NE(table_->find(std::to_string(i)), nullptr);
  EXPECT_EQ(table_->find("x"), nullptr);
  for (int i = 0; i < kCount; ++i) {
    ASSERT_TRUE(remove(std::to_string(i)));
    ASSERT_FALSE(remove(std::to_string(i)));
    if (i % 50'000 == 0) table_->check();
  }
  EXPECT_EQ(table_->bucket_count(), 1u);
  table_->check();
}

TEST_F(TableTest, AgreesWithAModel) {
  Random random(test_seed(11));
  std::set<std::string> model;
  for (int round = 0; round < 12; ++round) {
    // Rounds of mostly adding and of mostly removing, so that the table breathes.
    const uint64_t adds_of_ten = round % 2 == 0 ? 8 : 2;
    for (int i = 0; i < 6'000; ++i) {
      const std::string key = random_key(random, 8'000);
      if (random.below(10) < adds_of_ten) {
        ASSERT_EQ(add(key), model.insert(key).second);
      } else {
        ASSERT_EQ(remove(key), model.erase(key) == 1);
      }
      if (i % 500 == 0) table_->check();
    }
    const std::multiset<std::string> found = keys();
    ASSERT_TRUE(std::equal(found.begin(), found.end(), model.begin(), model.end()));
  }
}

TEST_F(TableTest, ScanMeetsWhatStaysWhateverElseHappens) {
  Random random(test_seed(12));
  for (int round = 0; round < 30; ++round) {
    std::set<std::string> missing;
    const int staying = 1 + static_cast<int>(random.below(300));
    for (int i = 0; i < staying; ++i) {
      missing.insert("stay" + std::to_string(i));
      add("stay" + std::to_string(i));
    }
    const uint64_t before = random.below(3'000);
    for (uint64_t i = 0; i < before; ++i) add("go" + std::to_string(i));
    // Grows, shrinks or both while the scan is under way.
    uint64_t grown = before;
    uint64_t shrunk = 0;
    uint64_t cursor = 0;
    int steps = 0;
    do {
      cursor =
          table_->scan_some(cursor, 10, [&](TableEntry* entry) { missing.erase(std::string(entry->key())); });
      ASSERT_LT(cursor, uint64_t{1} << 32);
      for (int i = 0; round % 3 != 0 && i < 100 && grown < before + 20'000; ++i)
        add("go" + std::to_string(grown++));
      for (int i = 0; round % 3 != 1 && i < 70; ++i) remove("go" + std::to_string(shrunk++));
      ASSERT_LT(++steps, 5'000);
    } while (cursor != 0);
    EXPECT_TRUE(missing.empty()) << missing.size() << " of " << staying << " in round " << round;
    for (uint64_t i = 0; i < grown; ++i) remove("go" + std::to_string(i));
  }
}

TEST_F(TableTest, ScanWithoutChangesMeetsEveryEntryOnce) {
  for (const int count : {0, 1, 9, 100, 1'000, 5'555}) {
    for (int i = 0; i < count; ++i) add(std::to_string(i));
    std::multiset<std::string> met;
    uint64_t cursor = 0;
    do {
      cursor = table_->scan(cursor, [&](TableEntry* entry) { met.emplace(entry->key()); });
    } while (cursor != 0);
    EXPECT_EQ(met, keys());
  }
  for (const uint64_t hostile : {UINT64_MAX, uint64_t{1} << 63, uint64_t{0xDEADBEEF}}) {
    EXPECT_LT(table_->scan(hostile, [](TableEntry*) {}), uint64_t{1} << 32);
  }
}

TEST_F(TableTest, RandomIsUniform) {
  Random random(test_seed(13));
  constexpr int kCount = 700;
  constexpr int kDraws = 700 * 200;
  for (int i = 0; i < kCount; ++i) add(std::to_string(i));
  std::map<const TableEntry*, int> drawn;
  for (int i = 0; i < kDraws; ++i) ++drawn[table_->random(random)];
  ASSERT_EQ(drawn.size(), size_t{kCount});
  double chi_square = 0;
  for (const auto& [entry, times] : drawn) chi_square += (times - 200.0) * (times - 200.0) / 200.0;
  // 699 degrees of freedom: mean 699, standard deviation 37.
  EXPECT_LT(chi_square, 699 + 5 * 37);
  for (int i = 1; i < kCount; ++i) remove(std::to_string(i));
  EXPECT_EQ(table_->random(random)->key(), "0");
}

TEST_F(TableTest, OutOfMemoryLeavesItAsItWas) {
  Random random(test_seed(14));
  size_t failures = 0;
  for (int round = 0; round < 40; ++round) {
    const int base = round * 1'000;
    for (int i = 0; i < 300; ++i) add(std::to_string(base + i));
    Starvation starvation(heap_);
    for (int i = 300; i < 600; ++i) {
      const std::string key = std::to_string(base + i);
      TableEntry* entry = TableEntry::create_member(heap_, key);
      if (entry == nullptr || !table_->insert(heap_, entry, table_->hash(key))) {
        if (entry != nullptr) TableEntry::destroy(heap_, entry);
        ++failures;
        starvation.allow_one(random);
        EXPECT_EQ(table_->find(key), nullptr);
      }
      remove(std::to_string(base + i - static_cast<int>(random.below(300))));
    }
    table_->check();
  }
  EXPECT_GT(failures, 0u);
}

TEST_F(TableTest, IsDestroyedInSlices) {
  for (int i = 0; i < 10'000; ++i) add(std::to_string(i));
  int slices = 1;
  while (!Table::destroy_some(heap_, table_, 100)) ++slices;
  EXPECT_GE(slices, 50);
  EXPECT_LE(slices, 101);
  table_ = nullptr;
}

TEST_F(TableTest, IsCopied) {
  for (int i = 0; i < 3'000; ++i) add(std::to_string(i));
  Table* copy = Table::copy(heap_, *table_);
  ASSERT_NE(copy, nullptr);
  copy->check();
  EXPECT_EQ(copy->size(), table_->size());
  for (int i = 0; i < 3'000; ++i) EXPECT_NE(copy->find(std::to_string(i)), nullptr);
  Table::destroy(heap_, copy);
}

TEST_F(TableTest, MemoryIsWhatTheHeapSays) {
  for (int i = 0; i < 20'000; ++i) add(std::to_string(i) + std::string(i % 40, 'x'));
  const size_t exact = table_->memory(0);
  // Overflow buckets are not counted; they are few.
  EXPECT_LE(exact, heap_.used());
  EXPECT_GE(exact, heap_.used() * 9 / 10);
  const auto estimate = static_cast<double>(table_->memory(200));
  EXPECT_NEAR(estimate, static_cast<double>(exact), 0.2 * static_cast<double>(exact));
}

TEST_F(TableTest, EntriesKeepKeysAndValuesOfAnySize) {
  for (const size_t key_bytes : {0u, 1u, 14u, 255u, 256u, 70'000u}) {
    for (const size_t value_bytes : {0u, 1u, 255u, 256u, 4095u, 4096u, 100'000u}) {
      const std::string key(key_bytes, 'k');
      const std::string value(value_bytes, 'v');
      TableEntry* entry = TableEntry::create_field(heap_, key, value);
      ASSERT_NE(entry, nullptr);
      EXPECT_EQ(entry->key(), key);
      EXPECT_EQ(entry->value().bytes, value);
      EXPECT_EQ(entry->value().blob != nullptr, value_bytes >= kPinThresholdBytes);
      EXPECT_GE(entry->memory(), key_bytes + value_bytes);
      for (const size_t other_bytes : {3u, 254u, 300u, 4096u, 9000u, 0u}) {
        const std::string other(other_bytes, 'w');
        entry = TableEntry::with_value(heap_, entry, other);
        ASSERT_NE(entry, nullptr);
        EXPECT_EQ(entry->key(), key);
        EXPECT_EQ(entry->value().bytes, other);
      }
      TableEntry::destroy(heap_, entry);
    }
  }
  TableEntry* scored = TableEntry::create_scored(heap_, "member", 1.5);
  EXPECT_EQ(scored->score(), 1.5);
  scored->set_score(-2);
  EXPECT_EQ(scored->score(), -2);
  EXPECT_EQ(scored->key(), "member");
  TableEntry::destroy(heap_, scored);
}

}  // namespace
}  // namespace strata

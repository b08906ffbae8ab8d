#include "keyspace/key_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "keyspace/graveyard.h"
#include "keyspace/keyspace_test_tools.h"

namespace strata {
namespace {

using testing_tools::colliding_keys;
using testing_tools::make_entry;
using testing_tools::Starvation;
using testing_tools::test_seed;

class KeyTableTest : public ::testing::Test {
 protected:
  ~KeyTableTest() override {
    while (!entries_.empty()) remove(entries_.begin()->first);
    table_.reset();
    EXPECT_EQ(heap_.used(), 0u);
  }

  uint64_t hash(Bytes key) const { return hash_bytes(key, seed_); }
  bool insert(const std::string& key) {
    Entry* entry = make_entry(heap_, key);
    if (!entry) return false;
    if (!table_->insert(entry, hash(key))) return heap_.free(entry), false;
    entries_[key] = entry;
    entry_bytes_ += Heap::usable_size(entry);
    return true;
  }
  void remove(const std::string& key) {
    auto found = entries_.find(key);
    Entry* entry = table_->remove(key, hash(key));
    ASSERT_EQ(entry, found == entries_.end() ? nullptr : found->second) << key;
    if (!entry) return;
    entry_bytes_ -= Heap::usable_size(entry);
    heap_.free(entry);
    entries_.erase(found);
  }
  void relocate(const std::string& key) {
    Entry* from = entries_.at(key);
    Entry* to = make_entry(heap_, key, 1);
    table_->relocate(from, to, hash(key));
    heap_.free(from);
    entries_[key] = to;
  }
  void check() const {
    EXPECT_EQ(table_->count(), entries_.size());
    EXPECT_EQ(heap_.used(), table_->memory_bytes() + entry_bytes_);
    for (const auto& [key, entry] : entries_) ASSERT_EQ(table_->find(key, hash(key)), entry) << key;
    std::multiset<const Entry*> scanned;
    uint64_t cursor = 0;
    do cursor = table_->scan(cursor, [&](const Entry* entry) { scanned.insert(entry); });
    while (cursor != 0);
    ASSERT_EQ(scanned.size(), entries_.size());
    for (const auto& [key, entry] : entries_) ASSERT_EQ(scanned.count(entry), 1u) << key;
  }

  Heap heap_;
  const HashSeed seed_ = HashSeed::fixed(1);
  TurnGate gate_{1};
  Graveyard graveyard_{heap_, gate_};
  std::unique_ptr<KeyTable> table_ = std::make_unique<KeyTable>(heap_, seed_, graveyard_);
  std::unordered_map<std::string, Entry*> entries_;
  size_t entry_bytes_ = 0;
};

TEST_F(KeyTableTest, AgreesWithAMapWhileItGrowsAndShrinks) {
  Random random(test_seed(1));
  constexpr uint64_t kKeys = 200'000;
  std::vector<std::string> present;
  for (uint64_t i = 0; i < kKeys; ++i) {
    present.push_back("key:" + std::to_string(i));
    ASSERT_TRUE(insert(present.back()));
    std::string other = "key:" + std::to_string(random.below(2 * kKeys));
    auto found = entries_.find(other);
    ASSERT_EQ(table_->find(other, hash(other)), found == entries_.end() ? nullptr : found->second);
    if (random.one_in(10)) {
      std::swap(present[random.below(present.size())], present.back());
      remove(present.back());
      present.pop_back();
    }
    if (random.one_in(50)) relocate(present[random.below(present.size())]);
  }
  check();
  EXPECT_GE(table_->bucket_count() * 5, table_->count());
  while (!present.empty()) {
    std::swap(present[random.below(present.size())], present.back());
    remove(present.back());
    present.pop_back();
    if (present.size() == 30'000 || present.size() == 700) check();
    // It shrinks with its keys, always.
    ASSERT_LE(table_->bucket_count(), std::max<size_t>(1, (present.size() + 2) / 2));
  }
  check();
  EXPECT_EQ(table_->bucket_count(), 1u);
}

TEST_F(KeyTableTest, EveryCountFromNothingToThousands) {
  for (int i = 0; i < 6000; ++i) {
    ASSERT_TRUE(insert(std::to_string(i)));
    if (i < 100 || i % 997 == 0) check();
  }
  for (int i = 0; i < 6000; ++i) {
    remove(std::to_string(i));
    if (i > 5900 || i % 997 == 0) check();
  }
}

// Chains of a dozen overflow buckets, at the bucket that is never merged and at the one that is merged first.
TEST_F(KeyTableTest, OverflowChains) {
  Random random(test_seed(2));
  for (uint64_t ending : {uint64_t{0}, ~uint64_t{0}}) {
    std::vector<std::string> keys = colliding_keys(seed_, 120, 10, ending);
    for (int i = 0; i < 3000; ++i) ASSERT_TRUE(insert("plain:" + std::to_string(i)));
    for (const std::string& key : keys) ASSERT_TRUE(insert(key));
    check();
    for (int i = 0; i < 5000; ++i) {
      const std::string& key = keys[random.below(keys.size())];
      if (entries_.contains(key)) {
        random.one_in(3) ? relocate(key) : remove(key);
      } else {
        ASSERT_TRUE(insert(key));
      }
      if (i % 500 == 0) check();
    }
    // Merging with the long chain in the way.
    for (int i = 0; i < 3000; ++i) {
      remove("plain:" + std::to_string(i));
      if (i % 300 == 0) check();
      ASSERT_LE(table_->bucket_count(), (table_->count() + 2) / 2);
    }
    check();
    for (const std::string& key : keys) remove(key);
    check();
  }
}

TEST_F(KeyTableTest, MissesHaveNoEffect) {
  EXPECT_EQ(table_->find("a", hash("a")), nullptr);
  EXPECT_EQ(table_->remove("a", hash("a")), nullptr);
  table_->prefetch_bucket(hash("a"));
  table_->prefetch_entry(hash("a"));
  ASSERT_TRUE(insert(""));
  ASSERT_TRUE(insert(std::string("\0\r\n", 3)));
  EXPECT_EQ(table_->remove("a", hash("a")), nullptr);
  EXPECT_EQ(table_->count(), 2u);
  EXPECT_NE(table_->find("", hash("")), nullptr);
}

TEST_F(KeyTableTest, RandomEntriesAreUniform) {
  Random random(test_seed(3));
  EXPECT_EQ(table_->random(random), nullptr);
  ASSERT_TRUE(insert("only"));
  EXPECT_EQ(table_->random(random), entries_["only"]);
  for (int i = 0; i < 999; ++i) ASSERT_TRUE(insert(std::to_string(i)));
  std::map<const Entry*, int> drawn;
  constexpr int kMean = 300;
  for (int i = 0; i < 1000 * kMean; ++i) ++drawn[table_->random(random)];
  EXPECT_EQ(drawn.size(), 1000u);
  for (const auto& [entry, times] : drawn) {
    EXPECT_GT(times, kMean / 2) << entry->key();  // nine standard deviations
    EXPECT_LT(times, kMean * 3 / 2) << entry->key();
  }
}

TEST_F(KeyTableTest, RandomTerminatesInLongChainsAndAfterShrinking) {
  Random random(test_seed(4));
  std::vector<std::string> keys = colliding_keys(seed_, 60, 10, 5);
  for (const std::string& key : keys) ASSERT_TRUE(insert(key));
  std::set<const Entry*> drawn;
  for (int i = 0; i < 60'000; ++i) drawn.insert(table_->random(random));
  EXPECT_EQ(drawn.size(), keys.size());
  for (int i = 0; i < 50'000; ++i) ASSERT_TRUE(insert(std::to_string(i)));
  for (const std::string& key : keys) remove(key);
  for (int i = 1; i < 50'000; ++i) remove(std::to_string(i));
  EXPECT_EQ(table_->random(random), entries_["0"]);
}

TEST_F(KeyTableTest, ScanReturnsWhatStaysWhileTheTableGrowsAndShrinks) {
  Random random(test_seed(5));
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(insert("stays:" + std::to_string(i)));
  for (int round = 0; round < 15; ++round) {
    std::set<std::string> seen;
    size_t passing = 0;
    uint64_t cursor = 0;
    size_t calls = 0;
    do {
      cursor = table_->scan(cursor, [&](const Entry* entry) {
        if (entry->key().starts_with("stays:")) seen.emplace(entry->key());
      });
      ASSERT_LT(++calls, 100'000u);
      if (!random.one_in(40)) continue;
      const size_t wanted = random.below(random.one_in(4) ? 20'000 : 3'000);
      while (passing < wanted) ASSERT_TRUE(insert("passes:" + std::to_string(passing++)));
      while (passing > wanted) remove("passes:" + std::to_string(--passing));
    } while (cursor != 0);
    ASSERT_EQ(seen.size(), 1000u) << "round " << round;
    while (passing > 0) remove("passes:" + std::to_string(--passing));
  }
}

TEST_F(KeyTableTest, HostileCursorsTerminate) {
  Random random(test_seed(6));
  const auto walk = [&](uint64_t cursor) {
    for (size_t calls = 0; calls <= table_->bucket_count() + 1; ++calls) {
      cursor = table_->scan(cursor, [](const Entry* entry) { ASSERT_NE(entry, nullptr); });
      if (cursor == 0) return true;
      // What is handed to clients stays small: times 256 shards it is below 2^53.
      EXPECT_LT(cursor, 4 * table_->bucket_count());
    }
    return false;
  };
  for (int size : {0, 1, 9, 100, 1023, 5121, 20'000}) {
    for (int i = static_cast<int>(entries_.size()); i < size; ++i) ASSERT_TRUE(insert(std::to_string(i)));
    for (uint64_t cursor : {UINT64_MAX, UINT64_MAX - 1, uint64_t{1} << 63, uint64_t{1} << 53, uint64_t{1}}) {
      EXPECT_TRUE(walk(cursor)) << size << " keys, cursor " << cursor;
    }
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(walk(random.next()));
  }
}

TEST_F(KeyTableTest, DetachLeavesAnEmptyTableAndDrainsInSlices) {
  EXPECT_EQ(table_->detach(), nullptr);
  for (int i = 0; i < 30'000; ++i) ASSERT_TRUE(insert("old:" + std::to_string(i)));
  const auto old = std::exchange(entries_, {});
  const size_t old_bytes = std::exchange(entry_bytes_, 0);
  const size_t before = heap_.used();
  KeyTable::Detached* detached = table_->detach();
  EXPECT_EQ(table_->count(), 0u);
  EXPECT_EQ(table_->memory_bytes(), 0u);
  EXPECT_EQ(heap_.used(), before);

  size_t freed = 0;
  size_t slices = 0;
  for (bool done = false; !done; ++slices) {
    const size_t freed_before = freed;
    done = KeyTable::drain(detached, 100, [&](Entry* entry) {
      heap_.free(entry);
      ++freed;
    });
    EXPECT_LE(freed - freed_before, 200u);
    ASSERT_TRUE(insert("new:" + std::to_string(slices)));  // the table is used meanwhile
  }
  EXPECT_EQ(freed, old.size());
  EXPECT_GE(slices, 150u);
  EXPECT_GT(old_bytes, 0u);
  check();
}

// Whatever allocation fails: the insertion has happened or it has not, nothing else is lost, and it goes on
// afterwards.
TEST_F(KeyTableTest, OutOfMemory) {
  Random random(test_seed(7));
  std::vector<std::string> colliding = colliding_keys(seed_, 300, 10, 3);
  size_t refused = 0;
  for (int i = 0; i < 6000;) {
    const bool grows = random.one_in(3) ? random.one_in(2) : i < 4000;
    const int batch = static_cast<int>(random.below(40));
    std::vector<std::pair<std::string, Entry*>> fresh;
    for (int k = 0; k < batch; ++k, ++i) {
      std::string key = random.one_in(4) ? colliding[random.below(300)] : std::to_string(random.below(8000));
      if (entries_.contains(key)) continue;
      if (std::any_of(fresh.begin(), fresh.end(), [&](auto& f) { return f.first == key; })) continue;
      Entry* entry = make_entry(heap_, key);
      fresh.emplace_back(std::move(key), entry);
    }
    Starvation starvation(heap_);
    if (grows) {
      for (auto& [key, entry] : fresh) {
        if (random.one_in(4)) starvation.allow_one(random);
        if (table_->insert(entry, hash(key))) {
          entries_[key] = entry;
          entry_bytes_ += Heap::usable_size(entry);
        } else {
          ++refused;
          ASSERT_EQ(table_->find(key, hash(key)), nullptr);
          heap_.free(entry);
        }
        ASSERT_EQ(table_->count(), entries_.size());
      }
    } else {
      for (auto& [key, entry] : fresh) heap_.free(entry);
      while (!entries_.empty() && !random.one_in(60)) remove(entries_.begin()->first);
    }
  }
  check();
  EXPECT_GT(refused, 0u);
  std::cout << refused << " insertions refused\n";
  for (int i = 8000; i < 9000; ++i) ASSERT_TRUE(insert(std::to_string(i)));
  check();
}

// Two threads prefetch without pause, passing turns, while the owner grows, shrinks and flushes. What is
// freed too early the address sanitizer sees, what is not ordered the thread sanitizer.
TEST(KeyTablePrefetchTest, RacesWithTheOwner) {
  constexpr size_t kReaders = 2;
  Random random(test_seed(8));
  Heap heap;
  const HashSeed seed = HashSeed::fixed(2);
  TurnGate gate(kReaders + 1);
  {
    Graveyard graveyard(heap, gate);
    KeyTable table(heap, seed, graveyard);
    std::atomic<bool> stop{false};
    std::vector<std::thread> readers;
    for (size_t r = 0; r < kReaders; ++r) {
      readers.emplace_back([&, r] {
        Random own(r + 100);
        while (!stop.load(std::memory_order_relaxed)) {
          gate.pass(r);
          uint64_t hashes[32];
          for (uint64_t& h : hashes) h = own.next();
          for (uint64_t h : hashes) table.prefetch_bucket(h);
          for (uint64_t h : hashes) table.prefetch_entry(h);
          if (own.one_in(16)) gate.sleep(r);
        }
        gate.sleep(r);
      });
    }
    for (int round = 0; round < 40; ++round) {
      const uint64_t size = random.below(2) ? random.below(300) : random.below(12'000);
      for (uint64_t i = 0; i < size; ++i) {
        std::string key = std::to_string(i);
        ASSERT_TRUE(table.insert(make_entry(heap, key), hash_bytes(key, seed)));
        if (i % 64 == 0) graveyard.clear_passed();
      }
      if (random.one_in(2)) {
        for (uint64_t i = 0; i < size; ++i) {
          std::string key = std::to_string(i);
          heap.free(table.remove(key, hash_bytes(key, seed)));
          if (i % 64 == 0) graveyard.clear_passed();
        }
      } else if (KeyTable::Detached* detached = table.detach()) {
        while (!KeyTable::drain(detached, 500, [&](Entry* entry) { heap.free(entry); }))
          graveyard.clear_passed();
      }
    }
    stop = true;
    for (std::thread& reader : readers) reader.join();
    graveyard.clear_passed();
    EXPECT_TRUE(graveyard.empty());
  }
  EXPECT_EQ(heap.used(), 0u);
}

}  // namespace
}  // namespace strata

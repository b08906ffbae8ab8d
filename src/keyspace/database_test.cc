#include "keyspace/database.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/hash.h"
#include "keyspace/graveyard.h"
#include "keyspace/keyspace.h"
#include "keyspace/keyspace_test_tools.h"
#include "keyspace/lazy_free.h"
#include "text/numbers.h"

namespace strata {
namespace {

using testing_tools::Starvation;
using testing_tools::test_seed;
using testing_tools::text;

constexpr int64_t kNow = 1'750'000'000'000;

class DatabaseTest : public ::testing::Test {
 protected:
  DatabaseTest() { clock_.now_ms = kNow; }
  ~DatabaseTest() override {
    for (Blob* pin : pins_) Blob::unpin(pin);
    database_.reset();
    while (!lazy_free_.step(1000)) {
    }
    while (!heap_.collect()) {
    }
    EXPECT_EQ(heap_.used(), 0u);
  }

  Key key(Bytes name) const { return {name, hash_bytes(name, seed_), 0}; }
  Entry* find(Bytes name) const { return database_->find(key(name)); }
  std::string get(Bytes name) const { return text(find(name)->string()); }
  Entry* set(Bytes name, Bytes value, int64_t deadline_ms = kNoDeadline, bool may_be_integer = true) {
    auto entry = database_->set_string(key(name), value, deadline_ms, may_be_integer);
    return entry ? *entry : nullptr;
  }
  Value make_hash(int fields) {
    DataContext context{heap_, seed_};
    Value hash = *hash_create(context);
    for (int i = 0; i < fields; ++i) EXPECT_TRUE(hash_set(context, {}, hash, std::to_string(i), "value"));
    return hash;
  }

  Heap heap_;
  const HashSeed seed_ = HashSeed::fixed(1);
  TurnGate gate_{1};
  Graveyard graveyard_{heap_, gate_};
  LazyFree lazy_free_{heap_};
  ShardClock clock_;
  Keyspace keyspace_{{}};
  ShardSnapshot snapshot_{keyspace_.shard(0)};  // none ever begins
  std::unique_ptr<Database> database_ =
      std::make_unique<Database>(heap_, seed_, graveyard_, lazy_free_, clock_, snapshot_);
  std::vector<Blob*> pins_;
};

TEST_F(DatabaseTest, EncodingsOfStrings) {
  EXPECT_EQ(set("k", "12345")->encoding(), Encoding::kInt);
  EXPECT_EQ(set("k", "12345", kNoDeadline, false)->encoding(), Encoding::kInline);
  EXPECT_EQ(set("k", "-9223372036854775808")->encoding(), Encoding::kInt);
  EXPECT_EQ(get("k"), "-9223372036854775808");
  for (Bytes not_integers : {"", "-", "01", "+1", "9223372036854775808", "1 "}) {
    EXPECT_EQ(set("k", not_integers)->encoding(), Encoding::kInline) << not_integers;
    EXPECT_EQ(get("k"), not_integers);
  }
  EXPECT_EQ(set("k", std::string(kInlineStringMax, 'x'))->encoding(), Encoding::kInline);
  EXPECT_EQ(set("k", std::string(kInlineStringMax + 1, 'x'))->encoding(), Encoding::kRaw);
  EXPECT_STREQ(encoding_name(*set("k", std::string(44, 'x'))), "embstr");
  EXPECT_STREQ(encoding_name(*set("k", std::string(45, 'x'))), "raw");
  EXPECT_STREQ(encoding_name(*set("k", "1")), "int");
  EXPECT_EQ(database_->count(), 1u);
}

// Every size and kind of string after every other, with and without a deadline.
TEST_F(DatabaseTest, EveryTransition) {
  std::vector<std::string> values = {"",
                                     "7",
                                     "-1",
                                     "abc",
                                     std::string(44, 'a'),
                                     std::string(45, 'b'),
                                     std::string(500, 'c'),
                                     std::string(kInlineStringMax, 'd'),
                                     std::string(kInlineStringMax + 1, 'e'),
                                     std::string(100'000, 'f')};
  const Bytes name = "some key";
  for (const std::string& from : values) {
    for (const std::string& to : values) {
      for (int deadlines = 0; deadlines < 4; ++deadlines) {
        const int64_t before = deadlines & 1 ? kNow + 10 : kNoDeadline;
        const int64_t after = deadlines & 2 ? kNow + 20 : kNoDeadline;
        ASSERT_NE(set(name, from, before), nullptr);
        ASSERT_EQ(find(name)->deadline_ms(), before);
        ASSERT_EQ(get(name), from);
        ASSERT_NE(set(name, to, after), nullptr);
        ASSERT_EQ(find(name)->deadline_ms(), after);
        ASSERT_EQ(get(name), to);
        ASSERT_EQ(database_->deadline_count(), after == kNoDeadline ? 0u : 1u);
        ASSERT_EQ(database_->deadline_sum_ms(), after == kNoDeadline ? 0 : after);
        // Overwriting keeps the deadline.
        ASSERT_TRUE(database_->overwrite_string(key(name), find(name), from));
        ASSERT_EQ(get(name), from);
        ASSERT_EQ(find(name)->deadline_ms(), after);
        ASSERT_TRUE(database_->overwrite_integer(key(name), find(name), -42));
        ASSERT_EQ(get(name), "-42");
        ASSERT_EQ(find(name)->deadline_ms(), after);
      }
    }
  }
  EXPECT_LE(clock_.next_due_ms.load(), kNow + 10);
}

TEST_F(DatabaseTest, EditStringGrowsShrinksAndFills) {
  Random random(test_seed(1));
  for (int round = 0; round < 300; ++round) {
    std::string model = round % 3 == 0 ? "123" : std::string(random.below(2000), 'm');
    const int64_t deadline = round % 2 ? kNow + 5 : kNoDeadline;
    set("k", model, deadline);
    for (int i = 0; i < 20; ++i) {
      const size_t size = random.below(random.one_in(3) ? 5000 : model.size() + 100);
      auto bytes = database_->edit_string(key("k"), find("k"), size);
      ASSERT_TRUE(bytes);
      model.resize(size, '\0');
      ASSERT_EQ(Bytes(bytes->data(), bytes->size()), model);
      if (size > 0) model[size / 2] = (*bytes)[size / 2] = static_cast<char>('a' + i);
      ASSERT_EQ(get("k"), model);
      ASSERT_EQ(find("k")->deadline_ms(), deadline);
    }
    ASSERT_STREQ(encoding_name(*find("k")), "raw");  // as Redis says after SETRANGE and APPEND
  }
  EXPECT_FALSE(database_->edit_string(key("k"), find("k"), size_t{1} << 33));
}

// A socket still sends the old bytes.
TEST_F(DatabaseTest, PinnedStringsAreCopied) {
  set("k", std::string(3000, 'o'));
  Blob* pinned = find("k")->string().blob;
  ASSERT_NE(pinned, nullptr);
  pinned->pin();
  pins_.push_back(pinned);
  for (size_t size : {3000, 10, 9000}) {
    auto bytes = database_->edit_string(key("k"), find("k"), size);
    ASSERT_TRUE(bytes);
    (*bytes)[0] = 'n';
    EXPECT_EQ(pinned->view(), std::string(3000, 'o'));
  }
  EXPECT_EQ(get("k")[0], 'n');
  Blob* second = find("k")->string().blob;
  second->pin();
  pins_.push_back(second);
  EXPECT_TRUE(database_->erase(key("k")));
  EXPECT_EQ(second->view()[0], 'n');
}

TEST_F(DatabaseTest, Deadlines) {
  for (const std::string& value : {std::string("5"), std::string("abc"), std::string(2000, 'x')}) {
    set("k", value);
    Entry* entry = find("k");
    entry->access_clock = 77;
    EXPECT_FALSE(database_->clear_deadline(key("k"), entry));
    entry = *database_->set_deadline(key("k"), entry, kNow + 100);
    EXPECT_EQ(entry, find("k"));
    EXPECT_EQ(entry->deadline_ms(), kNow + 100);
    EXPECT_EQ(entry->access_clock, 77u);
    entry = *database_->set_deadline(key("k"), entry, kNow + 50);
    EXPECT_EQ(database_->wheel().next_due_ms(), kNow + 50);
    EXPECT_EQ(database_->deadline_sum_ms(), kNow + 50);
    EXPECT_EQ(get("k"), value);
    EXPECT_TRUE(database_->clear_deadline(key("k"), entry));
    EXPECT_EQ(find("k")->deadline_ms(), kNoDeadline);
    EXPECT_EQ(get("k"), value);
    EXPECT_EQ(database_->deadline_count(), 0u);
  }
  for (int64_t hostile : {INT64_MAX, int64_t{0}, int64_t{-2}, INT64_MIN}) {
    ASSERT_TRUE(database_->set_deadline(key("k"), find("k"), hostile));
    EXPECT_EQ(find("k")->deadline_ms(), hostile);
  }
}

TEST_F(DatabaseTest, TakeAndPut) {
  for (const std::string& value : {std::string("5"), std::string("abc"), std::string(2000, 'x')}) {
    set("from", value, kNow + 5);
    Value taken = *database_->take(key("from"));
    EXPECT_EQ(find("from"), nullptr);
    set("to", "whatever was there", kNow + 7);
    ASSERT_TRUE(database_->put(key("to"), taken, kNow + 9));
    EXPECT_EQ(get("to"), value);
    EXPECT_EQ(find("to")->deadline_ms(), kNow + 9);
    EXPECT_EQ(database_->deadline_count(), 1u);
    database_->discard(*database_->take(key("to")));
  }
  ASSERT_TRUE(database_->put(key("h"), make_hash(1000), kNoDeadline));
  Value hash = *database_->take(key("h"));
  ASSERT_TRUE(database_->put(key("h2"), hash, kNow + 1));
  EXPECT_EQ(hash_size(find("h2")->value()), 1000u);
  set("h2", "a string again");  // the hash goes, in slices
  EXPECT_EQ(lazy_free_.pending_count(), 1u);
  ASSERT_TRUE(database_->put(key("h3"), make_hash(10), kNoDeadline));
  EXPECT_TRUE(database_->erase(key("h3")));  // a small one at once
  EXPECT_EQ(lazy_free_.pending_count(), 1u);
  EXPECT_FALSE(database_->erase(key("h3")));
}

// Names may be views into the entry that goes away.
TEST_F(DatabaseTest, KeyOfTheEntryItself) {
  set("a key", "abc", kNow + 5);
  Key own = database_->key_of(*find("a key"), 0);
  EXPECT_TRUE(database_->erase(own));
  set("a key", "abc");
  own = database_->key_of(*find("a key"), 0);
  ASSERT_TRUE(database_->set_deadline(own, find("a key"), kNow));
  own = database_->key_of(*find("a key"), 0);
  ASSERT_NE(set(own.name, std::string(5000, 'x')), nullptr);
  EXPECT_EQ(get("a key"), std::string(5000, 'x'));
}

TEST_F(DatabaseTest, FlushGivesEverythingBack) {
  for (bool synchronously : {true, false}) {
    for (int round = 0; round < 2; ++round) {
      for (int i = 0; i < 3000; ++i) {
        const std::string name = std::to_string(i);
        const int64_t deadline = i % 3 == 0 ? kNow + i : kNoDeadline;
        if (i % 100 == 0) {
          ASSERT_TRUE(database_->put(key(name), make_hash(i % 1000), deadline));
        } else {
          ASSERT_NE(set(name, std::string(static_cast<size_t>(i), 'v'), deadline), nullptr);
        }
      }
      database_->flush(synchronously);
      EXPECT_EQ(database_->count(), 0u);
      EXPECT_EQ(database_->deadline_count(), 0u);
      EXPECT_EQ(find("7"), nullptr);
      EXPECT_TRUE(!synchronously || heap_.used() == 0);
    }
    size_t slices = 1;
    while (!lazy_free_.step(100)) ++slices;
    EXPECT_EQ(heap_.used(), 0u);
    EXPECT_EQ(slices > 50, !synchronously);
  }
  database_->flush(true);
  database_->flush(false);
}

// Everything at random against a map.
TEST_F(DatabaseTest, AgreesWithAMap) {
  struct Expected {
    std::string value;
    int64_t deadline;
  };
  Random random(test_seed(2));
  std::map<std::string, Expected> model;
  auto random_value = [&] {
    if (random.one_in(3)) return std::to_string(static_cast<int64_t>(random.next() >> random.below(64)));
    return std::string(random.below(random.one_in(8) ? 4000 : 60), static_cast<char>('a' + random.below(26)));
  };
  auto random_deadline = [&] {
    return random.one_in(2) ? kNoDeadline : kNow + static_cast<int64_t>(random.below(1'000'000));
  };
  for (int i = 0; i < 60'000; ++i) {
    const std::string name = testing_tools::random_key(random, 500, 100);
    const Key k = key(name);
    Entry* entry = database_->find(k);
    auto expected = model.find(name);
    ASSERT_EQ(entry != nullptr, expected != model.end());
    const uint64_t dice = random.below(11);
    if (dice < 3 || !entry) {
      Expected fresh{random_value(), random_deadline()};
      ASSERT_TRUE(database_->set_string(k, fresh.value, fresh.deadline, random.one_in(2)));
      model[name] = fresh;
    } else if (dice == 3) {
      Expected& e = expected->second;
      e.value = random_value();
      ASSERT_TRUE(database_->overwrite_string(k, entry, e.value));
    } else if (dice == 4) {
      const size_t size = random.below(3000);
      ASSERT_TRUE(database_->edit_string(k, entry, size));
      expected->second.value.resize(size, '\0');
    } else if (dice == 5) {
      const int64_t deadline = kNow + static_cast<int64_t>(random.below(1'000'000));
      ASSERT_TRUE(database_->set_deadline(k, entry, deadline));
      expected->second.deadline = deadline;
    } else if (dice == 6) {
      ASSERT_EQ(database_->clear_deadline(k, entry), expected->second.deadline != kNoDeadline);
      expected->second.deadline = kNoDeadline;
    } else if (dice == 7) {
      ASSERT_TRUE(database_->erase(k));
      model.erase(expected);
    } else if (dice == 8) {
      Value value = *database_->take(k);
      const std::string other = testing_tools::random_key(random, 500, 100);
      Expected moved{expected->second.value, random_deadline()};
      ASSERT_TRUE(database_->put(key(other), value, moved.deadline));
      model.erase(expected);
      model[other] = moved;
    } else if (dice == 9) {
      ASSERT_TRUE(database_->set_integer(k, i, kNoDeadline));
      expected->second = {std::to_string(i), kNoDeadline};
    } else if (Blob* blob = entry->string().blob; blob && random.one_in(4)) {
      blob->pin();
      pins_.push_back(blob);
    }
    if (i % 2000 != 0) continue;
    ASSERT_EQ(database_->count(), model.size());
    size_t deadlines = 0;
    int64_t sum = 0;
    for (const auto& [n, e] : model) {
      ASSERT_EQ(get(n), e.value) << n;
      ASSERT_EQ(find(n)->deadline_ms(), e.deadline);
      if (e.deadline != kNoDeadline) ++deadlines, sum += e.deadline;
    }
    ASSERT_EQ(database_->deadline_count(), deadlines);
    ASSERT_EQ(database_->deadline_sum_ms(), sum);
  }
}

// Each operation, with its n-th allocation failing, for every n: an error, and the key as it was; in the end
// success.
TEST_F(DatabaseTest, OutOfMemoryLeavesTheKeyAsItWas) {
  Random random(test_seed(3));
  const std::vector<std::string> values = {"", "12", "abcdef", std::string(700, 'i'), std::string(3000, 'b')};
  using Operation = bool (*)(DatabaseTest&, Database&, const Key&, Entry*);
  const std::vector<Operation> operations = {
      [](DatabaseTest&, Database& db, const Key& k, Entry*) {
        return db.set_string(k, "x", kNoDeadline).has_value();
      },
      [](DatabaseTest&, Database& db, const Key& k, Entry*) {
        return db.set_string(k, std::string(5000, 'y'), kNow + 1).has_value();
      },
      [](DatabaseTest&, Database& db, const Key& k, Entry*) {
        return db.set_integer(k, 5, kNow + 1).has_value();
      },
      [](DatabaseTest&, Database& db, const Key& k, Entry* e) {
        return !e || db.edit_string(k, e, 700).has_value();
      },
      [](DatabaseTest&, Database& db, const Key& k, Entry* e) {
        return !e || db.edit_string(k, e, 4000).has_value();
      },
      [](DatabaseTest&, Database& db, const Key& k, Entry* e) {
        return !e || db.set_deadline(k, e, kNow + 3).has_value();
      },
      [](DatabaseTest&, Database& db, const Key& k, Entry* e) {
        if (!e) return true;
        auto value = db.take(k);
        if (value) db.discard(*value);
        return value.has_value();
      },
      [](DatabaseTest&, Database& db, const Key& k, Entry*) {
        return db.put(k, {Type::kString, Encoding::kInt, nullptr}, kNow + 2).has_value();
      },
  };
  size_t refused = 0;
  size_t keys = 1000;
  for (size_t o = 0; o < operations.size(); ++o) {
    for (int v = -1; v < static_cast<int>(values.size()); ++v) {
      for (int64_t deadline : {kNoDeadline, kNow + 9}) {
        const std::string name = "key " + std::to_string(keys++);
        const std::string value = v < 0 ? "" : values[static_cast<size_t>(v)];
        ASSERT_TRUE(v < 0 || set(name, value, deadline));
        const size_t count = database_->count();
        Starvation starvation(heap_);
        for (int allowed = 0;; ++allowed) {
          ASSERT_LT(allowed, 20'000);
          if (operations[o](*this, *database_, key(name), find(name))) break;
          ++refused;
          ASSERT_EQ(database_->count(), count);
          ASSERT_EQ(find(name) != nullptr, v >= 0);
          if (v >= 0) {
            ASSERT_EQ(get(name), value);
            ASSERT_EQ(find(name)->deadline_ms(), deadline);
          }
          starvation.allow_one(random);
        }
      }
    }
  }
  EXPECT_GT(refused, 50u);
  std::cout << refused << " operations refused\n";

  // Without memory for the smaller entry the deadline goes all the same.
  set("k", "abc", kNow + 1);
  {
    Starvation starvation(heap_);
    EXPECT_TRUE(database_->clear_deadline(key("k"), find("k")));
  }
  EXPECT_GT(find("k")->has_deadline() ? find("k")->deadline_ms() : INT64_MAX, kNow + (int64_t{1} << 50));
}

TEST_F(DatabaseTest, MemoryUsageCoversTheValue) {
  EXPECT_GE(memory_usage(*set("k", std::string(100, 'x')), 0), 100u);
  EXPECT_GE(memory_usage(*set("k", std::string(100'000, 'x')), 0), 100'000u);
  ASSERT_TRUE(database_->put(key("h"), make_hash(1000), kNoDeadline));
  EXPECT_GE(memory_usage(*find("h"), 0), 8'000u);
}

}  // namespace
}  // namespace strata

// Work on large values in slices, beside writers of the same and of other keys: it looks as if it were
// atomic.

#include <algorithm>

#include "stress.h"

namespace stress {
namespace {

constexpr size_t kElements = 20'000;  // several slices

class Latches : public StressTest {
 protected:
  static void fill(Client& client) {
    Strings push = {"RPUSH", "list"}, set = {"HSET", "hash"};
    for (size_t i = 0; i < kElements; ++i) {
      push.push_back("keep");
      set.push_back("field" + std::to_string(i));
      set.push_back("0");
    }
    ASSERT_EQ(client.call(push).integer, static_cast<int64_t>(kElements));
    ASSERT_EQ(client.call(set).integer, static_cast<int64_t>(kElements));
  }
  static int64_t count_of(const Reply& list, std::string_view text) {
    return std::count_if(list.elements.begin(), list.elements.end(),
                         [&](const Reply& element) { return element.text == text; });
  }
  // The values of a hash that is moved about in pairs of +1 and -1.
  static int64_t sum_of(const Reply& pairs) {
    int64_t sum = 0;
    for (size_t i = 1; i < pairs.elements.size(); i += 2) sum += pairs.elements[i].number();
    return sum;
  }
};

TEST_F(Latches, ListIsWholeAtEveryMoment) {
  start();
  auto client = connect();
  fill(*client);
  std::atomic<int64_t> pushed{0}, removed{0};
  add(3, [&](Client& pusher, uint64_t stream) {
    const std::string end = stream % 2 ? "RPUSH" : "LPUSH";
    while (running()) {
      EXPECT_GT(pusher.call({end, "list", "drop", "drop"}).integer, static_cast<int64_t>(kElements));
      pushed += 2;
      EXPECT_EQ(pusher.call({"INCR", "other" + std::to_string(stream)}).type, ':');
    }
  });
  add(2, [&](Client& remover, uint64_t) {
    while (running()) {
      int64_t count = remover.call({"LREM", "list", "0", "drop"}).integer;
      EXPECT_EQ(count % 2, 0) << "half of a push";
      removed += count;
    }
  });
  add(1, [&](Client& reader, uint64_t) {
    while (running()) {
      Reply all = reader.call({"LRANGE", "list", "0", "-1"});
      EXPECT_EQ(count_of(all, "keep"), static_cast<int64_t>(kElements));
      EXPECT_EQ(count_of(all, "drop") % 2, 0) << "half of a push";
      EXPECT_EQ(all.elements.size() % 2, 0u);
    }
  });
  run();
  int64_t left = client->call({"LREM", "list", "0", "drop"}).integer;
  EXPECT_EQ(removed + left, pushed);
  EXPECT_GT(pushed, 0);
  EXPECT_EQ(client->call({"LLEN", "list"}).integer, static_cast<int64_t>(kElements));
}

TEST_F(Latches, HashIsWholeAtEveryMoment) {
  start();
  auto client = connect();
  fill(*client);
  add(3, [&](Client& mover, uint64_t stream) {
    Random random = random_for(stream);
    while (running()) {
      std::string from = "field" + std::to_string(below(random, kElements));
      std::string to = "field" + std::to_string(below(random, kElements));
      mover.send(encode({"MULTI"}) + encode({"HINCRBY", "hash", from, "-1"}) +
                 encode({"HINCRBY", "hash", to, "1"}) + encode({"EXEC"}));
      for (int i = 0; i < 3; ++i) EXPECT_FALSE(mover.read().is_error());
      EXPECT_EQ(mover.read().elements.size(), 2u);
    }
  });
  add(1, [&](Client& reader, uint64_t) {
    while (running()) {
      Reply all = reader.call({"HGETALL", "hash"});
      EXPECT_EQ(all.elements.size(), 2 * kElements);
      EXPECT_EQ(sum_of(all), 0) << "half of a transaction";
    }
  });
  add(1, [&](Client& copier, uint64_t) {
    while (running()) {
      EXPECT_EQ(copier.call({"COPY", "hash", "copy", "REPLACE"}).integer, 1);
      Reply all = copier.call({"HGETALL", "copy"});
      EXPECT_EQ(all.elements.size(), 2 * kElements);
      EXPECT_EQ(sum_of(all), 0) << "half of a transaction was copied";
    }
  });
  run();
  EXPECT_EQ(sum_of(client->call({"HGETALL", "hash"})), 0);
}

// COPY replaced a key while others were reading it in slices, who then looked for elements in what had come
// instead.
TEST_F(Latches, TargetOfACopyIsNotReplacedUnderAReader) {
  start();
  auto client = connect();
  fill(*client);
  ASSERT_EQ(client->call({"RPUSH", "short", "one"}).integer, 1);
  add(2, [&](Client& copier, uint64_t) {
    while (running()) {
      EXPECT_EQ(copier.call({"COPY", "list", "target", "DB", "0", "REPLACE"}).integer, 1);
      EXPECT_EQ(copier.call({"COPY", "short", "target", "REPLACE"}).integer, 1);
      EXPECT_EQ(copier.call({"COPY", "hash", "target", "REPLACE"}).integer, 1);
      EXPECT_EQ(copier.call({"SORT", "list", "BY", "nosort", "STORE", "target"}).integer,
                static_cast<int64_t>(kElements));
    }
  });
  // They come from another database.
  add(1, [&](Client& copier, uint64_t) {
    EXPECT_EQ(copier.call({"SELECT", "1"}).text, "OK");
    EXPECT_EQ(copier.call({"RPUSH", "few", "one"}).integer, 1);
    while (running()) {
      EXPECT_EQ(copier.call({"COPY", "few", "target", "DB", "0", "REPLACE"}).integer, 1);
      copier.call({"COPY", "few", "target", "REPLACE"});
      copier.call({"MOVE", "target", "0"});
    }
  });
  add(2, [&](Client& reader, uint64_t) {
    while (running()) {
      Reply all = reader.call({"LRANGE", "target", "0", "-1"});
      if (!all.is_error()) {
        EXPECT_TRUE(all.elements.size() <= 1 || all.elements.size() == kElements) << all.elements.size();
      }
    }
  });
  run();
}

// With BY and GET every key of the database may be looked at: the weights must be those of one moment.
TEST_F(Latches, SortSeesOneMoment) {
  start();
  auto client = connect();
  Strings push = {"RPUSH", "numbers"}, set = {"MSET"};
  for (size_t i = 0; i < kElements; ++i) {
    push.push_back(std::to_string(i));
    set.push_back("weight" + std::to_string(i));
    set.push_back("0");
  }
  ASSERT_EQ(client->call(push).integer, static_cast<int64_t>(kElements));
  ASSERT_EQ(client->call(set).text, "OK");
  add(3, [&](Client& mover, uint64_t stream) {
    Random random = random_for(stream);
    while (running()) {
      std::string from = "weight" + std::to_string(below(random, kElements));
      std::string to = "weight" + std::to_string(below(random, kElements));
      mover.send(encode({"MULTI"}) + encode({"DECR", from}) + encode({"INCR", to}) + encode({"EXEC"}));
      for (int i = 0; i < 3; ++i) EXPECT_FALSE(mover.read().is_error());
      EXPECT_EQ(mover.read().elements.size(), 2u);
    }
  });
  auto check = [](const Reply& all, size_t step) {
    ASSERT_EQ(all.elements.size(), step * kElements);
    int64_t sum = 0, last = INT64_MIN;
    for (size_t i = 0; i < all.elements.size(); i += step) {
      int64_t weight = all.elements[i].number();
      EXPECT_LE(last, weight);
      last = weight;
      sum += weight;
    }
    EXPECT_EQ(sum, 0) << "half of a transaction";
  };
  add(1, [&](Client& sorter, uint64_t) {
    while (running()) {
      check(sorter.call({"SORT", "numbers", "BY", "weight*", "GET", "weight*", "GET", "#"}), 2);
    }
  });
  add(1, [&](Client& sorter, uint64_t) {
    while (running()) {
      EXPECT_EQ(
          sorter.call({"SORT", "numbers", "BY", "weight*", "GET", "weight*", "STORE", "sorted"}).integer,
          static_cast<int64_t>(kElements));
      check(sorter.call({"LRANGE", "sorted", "0", "-1"}), 1);
    }
  });
  run();
}

// Long searches through lists and strings while writers wait or go on elsewhere.
TEST_F(Latches, SearchesAreWhole) {
  start();
  auto client = connect();
  fill(*client);
  std::atomic<int64_t> inserted{0};
  ASSERT_EQ(client->call({"RPUSH", "list", "pivot"}).integer, static_cast<int64_t>(kElements) + 1);
  ASSERT_EQ(client->call({"SET", "a", std::string(2000, 'x') + "abc"}).text, "OK");
  ASSERT_EQ(client->call({"SET", "b", "abc" + std::string(2000, 'x')}).text, "OK");
  add(2, [&](Client& inserter, uint64_t) {
    while (running()) {
      EXPECT_GT(inserter.call({"LINSERT", "list", "BEFORE", "pivot", "new"}).integer,
                static_cast<int64_t>(kElements));
      ++inserted;
      EXPECT_EQ(inserter.call({"LINSERT", "list", "AFTER", "nowhere", "new"}).integer, -1);
    }
  });
  add(1, [&](Client& searcher, uint64_t) {
    while (running()) {
      EXPECT_GE(searcher.call({"LPOS", "list", "pivot"}).integer, static_cast<int64_t>(kElements));
      EXPECT_EQ(searcher.call({"LPOS", "list", "keep", "COUNT", "0"}).elements.size(), kElements);
      EXPECT_EQ(searcher.call({"LPOS", "list", "keep", "RANK", "-1"}).integer,
                static_cast<int64_t>(kElements) - 1);
    }
  });
  add(1, [&](Client& comparer, uint64_t) {
    while (running()) {
      EXPECT_EQ(comparer.call({"LCS", "a", "b", "LEN"}).integer, 2000);
      EXPECT_EQ(comparer.call({"LCS", "a", "b"}).text, std::string(2000, 'x'));
      EXPECT_EQ(comparer.call({"LCS", "a", "b", "IDX"}).elements.size(), 4u);
    }
  });
  run();
  EXPECT_EQ(client->call({"LPOS", "list", "new", "COUNT", "0"}).elements.size(),
            static_cast<size_t>(inserted.load()));
}

}  // namespace
}  // namespace stress

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

}  // namespace
}  // namespace stress

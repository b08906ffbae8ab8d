// One connection's commands take effect in their order, also when the first had to queue for its shard.

#include "stress.h"

namespace stress {
namespace {

constexpr size_t kPairs = 4;  // some pair lies on two shards
constexpr size_t kRounds = 20;

class Order : public StressTest {};

// `SET a n; SET b n` for rising n: nobody ever sees b > a.
TEST_F(Order, LaterWriteIsNeverSeenFirst) {
  start();
  add(kPairs, [&](Client& client, uint64_t stream) {
    Random random = random_for(stream);
    std::string a = "a" + std::to_string(stream), b = "b" + std::to_string(stream);
    int64_t n = 0;
    while (running()) {
      std::string pipeline;
      size_t rounds = 1 + below(random, kRounds);
      for (size_t i = 0; i < rounds; ++i) {
        std::string value = std::to_string(++n);
        pipeline += encode({"SET", a, value}) + encode({"SET", b, value});
      }
      client.send(pipeline);
      for (size_t i = 0; i < 2 * rounds; ++i) EXPECT_EQ(client.read().text, "OK");
    }
    std::printf("  %lld rounds\n", static_cast<long long>(n));
  });
  // On the shards of a, so that SET a has to queue.
  add(kPairs, [&](Client& client, uint64_t stream) {
    std::string tag = "{a" + std::to_string(stream - kPairs) + "}";
    std::string pipeline;
    for (size_t i = 0; i < kRounds; ++i)
      pipeline += encode({"APPEND", tag + std::to_string(i % 3), "some bytes"});
    while (running()) {
      client.send(pipeline);
      for (size_t i = 0; i < kRounds; ++i) client.read();
      for (size_t i = 0; i < 3; ++i) client.call({"DEL", tag + std::to_string(i)});
    }
  });
  add(2 * kPairs, [&](Client& client, uint64_t stream) {
    std::string pair = std::to_string(stream % kPairs);
    std::string a = "a" + pair, b = "b" + pair;
    while (running()) {
      Reply both = client.call({"MGET", a, b});
      if (both.elements.size() != 2) return;
      EXPECT_GE(both.elements[0].number(), both.elements[1].number());
      client.send(encode({"GET", b}) + encode({"GET", a}));
      int64_t b_first = client.read().number();
      EXPECT_GE(client.read().number(), b_first);
    }
  });
  run();
}

// Own writes are read back, whatever queued in between.
TEST_F(Order, OwnWritesAreReadBack) {
  start();
  add(12, [&](Client& client, uint64_t stream) {
    Random random = random_for(stream);
    std::string own = std::to_string(stream);
    while (running()) {
      std::string pipeline;
      std::string expected;
      for (size_t i = 0; i < kRounds; ++i) {
        std::string value = std::to_string(random());
        pipeline += encode({"SET", "own" + own, value}) + encode({"INCR", "hot"}) +
                    encode({"MSET", "x" + own, value, "y" + own, value}) + encode({"GET", "own" + own}) +
                    encode({"MGET", "y" + own, "x" + own, "own" + own});
        expected += value + ",";
      }
      client.send(pipeline);
      std::string got;
      for (size_t i = 0; i < kRounds; ++i) {
        for (int k = 0; k < 3; ++k) client.read();
        std::string value = client.read().text;
        Reply three = client.read();
        if (three.elements.size() != 3) return;
        for (const Reply& element : three.elements) EXPECT_EQ(element.text, value);
        got += value + ",";
      }
      EXPECT_EQ(got, expected);
    }
  });
  run();
}

}  // namespace
}  // namespace stress

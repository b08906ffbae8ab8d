// A reply is what the value was, however slowly it is read and whatever happens to the value meanwhile; and
// clients that do not read at all are paused and cost nobody else anything.

#include <algorithm>

#include "stress.h"

namespace stress {
namespace {

constexpr int kSmallBuffer = 32 * 1024;
constexpr size_t kPieceBytes = 96 * 1024;

class SlowReader : public StressTest {
 protected:
  std::string pattern(size_t bytes, uint64_t stream) {
    Random random = random_for(stream);
    std::string text(bytes, '\0');
    for (size_t i = 0; i < bytes; i += 61) text[i] = static_cast<char>(random());
    return text;
  }
  // Asks, waits for the first bytes, lets `disturb` happen, reads the rest in pieces.
  void expect_unharmed(const std::string& question, const std::string& answer,
                       const std::function<void()>& disturb) {
    auto slow = connect(kSmallBuffer);
    slow->send(question);
    std::string got = slow->read_raw(16, kReplyDeadlineMs);
    disturb();
    int64_t pieces = 0;
    while (got.size() < answer.size()) {
      std::string piece = slow->read_raw(kPieceBytes, kReplyDeadlineMs);
      if (piece.empty()) break;
      got += piece;
      if (++pieces % 16 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    ASSERT_EQ(got.size(), answer.size());
    EXPECT_TRUE(got == answer) << "another value shines through";
  }
};

std::string bulk(const std::string& text) {
  return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
}

TEST_F(SlowReader, LargeStringIsWhatItWas) {
  start();
  const size_t bytes = settings().is_full ? 50'000'000 : 8'000'000;
  const std::string value = pattern(bytes, 1);
  auto other = connect();
  const std::vector<Strings> disturbances = {
      {"APPEND", "big", std::string(1000, 'a')},
      {"SETRANGE", "big", "0", std::string(100'000, 's')},
      {"SET", "big", pattern(bytes, 2)},
      {"DEL", "big"},
      {"UNLINK", "big"},
      {"FLUSHALL", "SYNC"},
      {"FLUSHALL", "ASYNC"},
      {"RENAME", "big", "elsewhere"},
      {"PEXPIRE", "big", "1"},
      {"GETDEL", "big"},
  };
  for (const Strings& disturbance : disturbances) {
    SCOPED_TRACE(disturbance[0]);
    ASSERT_EQ(other->call({"SET", "big", value}).text, "OK");
    expect_unharmed(encode({"GET", "big"}), bulk(value), [&] {
      Reply reply = other->call(disturbance);
      EXPECT_FALSE(reply.is_error()) << reply.describe();
      // What was freed would be used again by this.
      other->call({"SET", "filler", std::string(bytes, 'f')});
      other->call({"DEL", "filler"});
    });
  }
}

TEST_F(SlowReader, ListOfLargeElementsIsWhatItWas) {
  start();
  for (size_t element_bytes : {size_t{10'000}, size_t{40'000}}) {
    const size_t count = (settings().is_full ? 40'000'000 : 8'000'000) / element_bytes;
    auto other = connect();
    other->call({"FLUSHALL"});
    std::string answer = "*" + std::to_string(count) + "\r\n";
    for (size_t i = 0; i < count; ++i) {
      std::string element = pattern(element_bytes, 100 + i);
      other->call({"RPUSH", "list", element});
      answer += bulk(element);
    }
    expect_unharmed(encode({"LRANGE", "list", "0", "-1"}), answer, [&] {
      for (size_t i = 0; i < count / 2; ++i) {
        other->call({"LSET", "list", std::to_string(i), std::string(element_bytes, 'z')});
        other->call({"LPOP", "list"});
      }
      other->call({"LTRIM", "list", "0", "3"});
      other->call({"DEL", "list"});
    });
  }
}

// The default keeps a client that does not read its one large reply (until client-stall-timeout, a minute);
// client-output-buffer-limit does not.
TEST_F(SlowReader, OutputBufferLimitClosesWhoDoesNotRead) {
  start();
  auto other = connect();
  ASSERT_EQ(other->call({"SET", "large", pattern(16'000'000, 1)}).text, "OK");
  ASSERT_EQ(other->call({"SET", "small", pattern(100'000, 2)}).text, "OK");
  auto greedy = connect(kSmallBuffer), modest = connect(kSmallBuffer);
  greedy->send_without_reading(encode({"GET", "large"}), 1000);
  ASSERT_FALSE(greedy->read_raw(16, kReplyDeadlineMs).empty());
  modest->send_without_reading(encode({"GET", "small"}), 1000);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  std::string list = other->call({"CLIENT", "LIST"}).text;
  EXPECT_EQ(std::count(list.begin(), list.end(), '\n'), 3) << list;
  ASSERT_EQ(other->call({"CONFIG", "SET", "client-output-buffer-limit", "normal 4mb 0 0"}).text, "OK");
  for (int64_t end = now_ms() + 20'000; now_ms() < end;) {
    list = other->call({"CLIENT", "LIST"}).text;
    if (std::count(list.begin(), list.end(), '\n') == 2) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_EQ(std::count(list.begin(), list.end(), '\n'), 2) << list;
  EXPECT_EQ(modest->read().text.size(), 100'000u) << "below the limit nobody is closed";
  greedy.reset();
  modest.reset();
  expect_alone(*other);
}

// On a hot shard nearly all of their commands come back as queued jobs.
TEST_F(SlowReader, ClientThatNeverReadsIsPaused) {
  start();
  auto other = connect();
  other->call({"SET", "v", pattern(100'000, 7)});
  for (int i = 0; i < 50; ++i) other->call({"RPUSH", "list", pattern(2'000, 8)});
  std::string pipeline;
  for (int i = 0; i < 4000; ++i) pipeline += encode({"GET", "v"}) + encode({"LRANGE", "list", "0", "-1"});
  int64_t before_kib = server_.resident_kib();
  std::vector<std::unique_ptr<Client>> silent;
  for (int i = 0; i < 4; ++i) silent.push_back(connect(kSmallBuffer));
  add(1, [&](Client&, uint64_t) {
    for (auto& client : silent) client->send_without_reading(pipeline, 200);
  });
  add(4, [&](Client& client, uint64_t stream) {
    std::string value = pattern(100'000, stream);
    while (running()) {
      EXPECT_EQ(client.call({"SET", "v", value}).text, "OK");
      EXPECT_EQ(client.call({"LSET", "list", "1", value.substr(0, 2'000)}).text, "OK");
      EXPECT_EQ(client.call({"PING"}).text, "PONG");
    }
  });
  run();
  int64_t grown_kib = server_.resident_kib() - before_kib;
  std::printf("  four clients that do not read: %lld KiB\n", static_cast<long long>(grown_kib));
  if (!kSanitized) {
    EXPECT_LT(grown_kib, 64 * 1024);
  }
  // They may read after all.
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(silent[0]->read().text.size(), 100'000u);
    EXPECT_EQ(silent[0]->read().elements.size(), 50u);
  }
  silent[1]->reset();
  silent.clear();
  expect_alone(*other);
}

}  // namespace
}  // namespace stress

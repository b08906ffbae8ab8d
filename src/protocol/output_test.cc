#include "protocol/output.h"

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace strata {
namespace {

std::string gathered(const Output& output, uint64_t limit_bytes = UINT64_MAX, size_t slices = 4096) {
  std::vector<Bytes> out(slices);
  std::string text;
  const size_t count = output.gather(out, limit_bytes);
  for (size_t i = 0; i < count; ++i) {
    EXPECT_FALSE(out[i].empty());
    text += out[i];
  }
  return text;
}

std::string pattern(size_t bytes, size_t seed = 0) {
  std::string text(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>('a' + (i * 7 + seed) % 26);
  return text;
}

void count_release(void* token) { ++*static_cast<int*>(token); }

TEST(Output, HoldsNothingAtFirstAndWhenAllIsSent) {
  Output output;
  EXPECT_TRUE(output.empty());
  EXPECT_EQ(output.allocated_bytes(), 0u);
  output.append("hello");
  EXPECT_EQ(output.size(), 5u);
  EXPECT_EQ(output.allocated_bytes(), Output::kFirstChunkBytes);
  EXPECT_EQ(gathered(output), "hello");
  output.consume(5);
  EXPECT_TRUE(output.empty());
  EXPECT_EQ(output.allocated_bytes(), 0u);
  EXPECT_EQ(output.appended_total(), 5u);
  EXPECT_EQ(output.consumed_total(), 5u);
  EXPECT_EQ(gathered(output), "");
  output.append("");
  output.append(Bytes());
  EXPECT_EQ(output.allocated_bytes(), 0u);
}

TEST(Output, AppendsMoreThanAChunk) {
  Output output;
  const std::string text = pattern(200'000);
  output.append(text);
  EXPECT_EQ(gathered(output), text);
  EXPECT_LT(output.allocated_bytes(), text.size() + 2 * Output::kChunkBytes);
  output.consume(150'000);
  EXPECT_EQ(gathered(output), text.substr(150'000));
  EXPECT_LT(output.allocated_bytes(), 50'000 + 2 * Output::kChunkBytes);
}

TEST(Output, ReserveWithoutCommitLeavesNothing) {
  Output output;
  for (size_t i = 0; i < 100; ++i) {
    std::memcpy(output.reserve(Output::kMaxReserve), "xyz", 3);
    output.commit(i % 2);
  }
  EXPECT_EQ(gathered(output), std::string(50, 'x'));
}

TEST(Output, ReusesTheChunkItTouchedLast) {
  Output output;
  output.append("a");
  const char* const first = output.reserve(1);
  output.consume(1);
  output.append("b");
  EXPECT_EQ(output.reserve(1), first);
}

TEST(Output, SendsReferencesInPlaceAndReleasesThemOnce) {
  const std::string large = pattern(50'000);
  int released = 0;
  Output output;
  output.append("$50000\r\n");
  output.append_reference(large, &released, count_release);
  output.append("\r\n");
  EXPECT_EQ(output.size(), large.size() + 10);
  EXPECT_EQ(output.allocated_bytes(), Output::kFirstChunkBytes + large.size());
  Bytes slices[8];
  ASSERT_EQ(output.gather(slices), 3u);
  EXPECT_EQ(slices[1].data(), large.data());
  output.consume(8 + large.size() - 1);
  EXPECT_EQ(released, 0);
  EXPECT_EQ(gathered(output), large.substr(large.size() - 1) + "\r\n");
  output.consume(1);
  EXPECT_EQ(released, 1);
  EXPECT_EQ(output.allocated_bytes(), Output::kFirstChunkBytes);
  output.consume(2);
  EXPECT_EQ(released, 1);
  EXPECT_EQ(output.allocated_bytes(), 0u);
}

TEST(Output, ManyReferencesShareTheirChunks) {
  const std::string value = pattern(100);
  int released = 0;
  {
    Output output;
    for (int i = 0; i < 1000; ++i) {
      output.append("$100\r\n");
      output.append_reference(value, &released, count_release);
    }
    EXPECT_EQ(output.size(), 106'000u);
    EXPECT_LT(output.allocated_bytes(), 100'000 + 300'000u);
    output.consume(106 * 10);
    EXPECT_EQ(released, 10);
  }
  EXPECT_EQ(released, 1000);
}

TEST(Output, EmptyReferencesAndReferencesWithoutReleaseAreFine) {
  int released = 0;
  Output output;
  output.append_reference(Bytes(), &released, count_release);
  EXPECT_EQ(released, 1);
  output.append_reference("forever", nullptr, nullptr);
  EXPECT_EQ(gathered(output), "forever");
  output.clear();
  EXPECT_EQ(output.appended_total(), 7u);
  EXPECT_EQ(output.consumed_total(), 7u);
}

TEST(Output, GatherStopsAtItsLimits) {
  Output output;
  output.append("abc");
  output.append_reference("defghi", nullptr, nullptr);
  output.append("jkl");
  EXPECT_EQ(gathered(output, 0), "");
  EXPECT_EQ(gathered(output, 2), "ab");
  EXPECT_EQ(gathered(output, 3), "abc");
  EXPECT_EQ(gathered(output, 7), "abcdefg");
  EXPECT_EQ(gathered(output, UINT64_MAX, 2), "abcdefghi");
  output.consume(4);
  EXPECT_EQ(gathered(output, 3), "efg");
}

TEST(Output, HolesAreFilledInPlaceAndHoldBackWhatFollows) {
  Output output;
  output.append("before ");
  Output::Hole outer = output.open_hole();
  output.append("A");
  Output::Hole inner = output.open_hole();
  output.append(pattern(30'000));
  EXPECT_EQ(gathered(output), "before ");
  output.consume(7);
  EXPECT_EQ(gathered(output), "");
  output.fill_hole(inner, "<inner>");
  EXPECT_EQ(gathered(output), "");
  output.fill_hole(outer, "");
  EXPECT_EQ(gathered(output), "A<inner>" + pattern(30'000));
  EXPECT_EQ(output.size(), 30'008u);
  output.consume(30'008);
  EXPECT_EQ(output.allocated_bytes(), 0u);
}

// What a move leaves behind is an empty output that may be used.
// NOLINTBEGIN(bugprone-use-after-move, clang-analyzer-cplusplus.Move)
TEST(Output, SplicesInOrder) {
  Output a, b, c;
  a.splice(std::move(b));
  EXPECT_TRUE(a.empty());
  int released = 0;
  const std::string large = pattern(20'000);
  a.append("1");
  b.append("2");
  b.append_reference(large, &released, count_release);
  c.append("3");
  a.splice(std::move(b));
  a.splice(std::move(c));
  a.append("4");
  EXPECT_EQ(gathered(a), "12" + large + "34");
  EXPECT_EQ(a.size(), large.size() + 4);
  EXPECT_TRUE(b.empty());
  EXPECT_TRUE(c.empty());
  EXPECT_EQ(b.allocated_bytes() + c.allocated_bytes(), 0u);
  EXPECT_EQ(b.appended_total(), b.consumed_total());
  b.append("again");
  EXPECT_EQ(gathered(b), "again");
  EXPECT_EQ(released, 0);
  a.consume(a.size());
  EXPECT_EQ(released, 1);

  const uint64_t before = a.appended_total();
  a.splice(std::move(b));
  EXPECT_EQ(a.appended_total(), before + 5);
  EXPECT_EQ(gathered(a), "again");
}

TEST(Output, MovesKeepTotals) {
  Output a;
  a.append("abcdef");
  a.consume(2);
  Output b(std::move(a));
  EXPECT_EQ(gathered(b), "cdef");
  EXPECT_EQ(b.appended_total(), 6u);
  Output c;
  c.append("old");
  c = std::move(b);
  EXPECT_EQ(gathered(c), "cdef");
  EXPECT_EQ(b.size(), 0u);
}
// NOLINTEND(bugprone-use-after-move, clang-analyzer-cplusplus.Move)

// Against a plain string as the model.
TEST(Output, BehavesLikeAString) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const std::string source = pattern(70'000);
  int released = 0, referenced = 0;
  std::string model;
  uint64_t appended = 0;
  {
    Output output;
    for (int step = 0; step < 20'000; ++step) {
      const size_t bytes = random() % (random() % 20 == 0 ? 60'000 : 300);
      const Bytes part = Bytes(source).substr(random() % 1000, bytes);
      switch (random() % 6) {
        case 0:
        case 1:
          output.append(part);
          break;
        case 2:
          output.append_reference(part, &released, count_release);
          ++referenced;
          break;
        case 3: {
          Output other;
          other.append(part.substr(0, bytes / 2));
          if (random() % 2 == 0) {
            other.append_reference(part.substr(bytes / 2), &released, count_release);
            ++referenced;
          } else {
            other.append(part.substr(bytes / 2));
          }
          output.splice(std::move(other));
          break;
        }
        case 4: {
          Output::Hole hole = output.open_hole();
          const size_t filled = std::min<size_t>(part.size(), random() % 25);
          output.append(part.substr(filled));
          output.fill_hole(hole, part.substr(0, filled));
          break;
        }
        default: {
          const size_t sent = random() % 3 == 0 ? model.size() : random() % (model.size() + 1);
          output.consume(sent);
          model.erase(0, sent);
          continue;
        }
      }
      model += part;
      appended += part.size();
      ASSERT_EQ(output.size(), model.size());
      ASSERT_EQ(output.appended_total(), appended);
      if (step % 64 == 0) {
        ASSERT_EQ(gathered(output, UINT64_MAX, 1 << 20), model);
      }
    }
  }
  EXPECT_EQ(released, referenced);
}

TEST(Output, MemoryIsCountedAcrossThreads) {
  release_output_cache();
  const uint64_t before = output_memory_bytes();
  {
    Output output;
    std::thread filler([&output] { output.append(pattern(100'000)); });
    filler.join();
    EXPECT_GE(output_memory_bytes(), before + 100'000);
    EXPECT_EQ(gathered(output), pattern(100'000));
    std::thread sender([other = std::move(output)]() mutable { other.consume(100'000); });
    sender.join();
  }
  EXPECT_EQ(output_memory_bytes(), before);
}

// Outputs filled on one thread, spliced and sent on another, as queued requests do.
TEST(Output, WandersBetweenThreads) {
  constexpr int kRounds = 2000;
  std::atomic<Output*> mailbox{nullptr};
  std::atomic<int> released{0};
  const std::string large = pattern(1000);
  std::thread filler([&] {
    for (int i = 0; i < kRounds; ++i) {
      auto* const output = new Output;
      output->append(pattern(static_cast<size_t>(i) * 10));
      output->append_reference(large, &released,
                               [](void* token) { ++*static_cast<std::atomic<int>*>(token); });
      for (Output* empty = nullptr; !mailbox.compare_exchange_weak(empty, output); empty = nullptr) {
        std::this_thread::yield();
      }
    }
  });
  Output connection;
  uint64_t expected = 0;
  for (int i = 0; i < kRounds; ++i) {
    Output* output = nullptr;
    while ((output = mailbox.exchange(nullptr)) == nullptr) std::this_thread::yield();
    expected += static_cast<uint64_t>(i) * 10 + large.size();
    connection.splice(std::move(*output));
    delete output;
    connection.consume(connection.size() / 2);
  }
  filler.join();
  connection.consume(connection.size());
  EXPECT_EQ(connection.appended_total(), expected);
  EXPECT_EQ(released.load(), kRounds);
}

}  // namespace
}  // namespace strata

#include "server/input_buffer.h"

#include <gtest/gtest.h>

#include <string>

#include "base/random.h"

namespace strata {
namespace {

TEST(InputBuffer, IsAQueueOfBytes) {
  InputBuffer buffer;
  std::string model;
  Random random(7);
  for (int step = 0; step < 20'000; ++step) {
    if (random.below(2) == 0) {
      const std::string more(random.below(300), static_cast<char>('a' + step % 26));
      ASSERT_TRUE(buffer.append(more, random.below(4) == 0 ? random.below(100'000) : 0));
      model += more;
    } else {
      const size_t count = random.below(model.size() + 1);
      buffer.consume(count);
      model.erase(0, count);
    }
    ASSERT_EQ(buffer.bytes(), Bytes(model));
  }
}

TEST(InputBuffer, GrowsToWhatIsWantedAndGivesItBack) {
  InputBuffer buffer;
  const std::string piece(64 * 1024, 'x');
  constexpr size_t kPieces = 160;
  for (size_t count = 0; count < kPieces; ++count) {
    ASSERT_TRUE(buffer.append(piece, kPieces * piece.size()));
    EXPECT_LE(buffer.allocated_bytes(), 2 * buffer.size()) << "an announced size alone allocates nothing";
  }
  EXPECT_LE(buffer.allocated_bytes(), kPieces * piece.size() + 100);
  buffer.consume(buffer.size());
  EXPECT_EQ(buffer.allocated_bytes(), 0u);
}

TEST(InputBuffer, AnAnnouncedSizeThatWasTooSmallDoesNoHarm) {
  InputBuffer buffer;
  ASSERT_TRUE(buffer.append(std::string(5000, 'a'), 10));
  ASSERT_TRUE(buffer.append(std::string(5000, 'b'), 10));
  EXPECT_EQ(buffer.size(), 10'000u);
}

TEST(InputBuffer, SmallOnesKeepTheirMemory) {
  InputBuffer buffer;
  ASSERT_TRUE(buffer.append("abc", 0));
  buffer.consume(3);
  EXPECT_TRUE(buffer.empty());
  EXPECT_GT(buffer.allocated_bytes(), 0u);
}

}  // namespace
}  // namespace strata

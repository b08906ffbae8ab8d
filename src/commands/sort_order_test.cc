#include "commands/sort_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/random.h"
#include "memory/heap.h"

namespace strata {
namespace {

std::vector<std::string> texts_of(std::span<const SortItem> items) {
  std::vector<std::string> texts;
  for (const SortItem& item : items) texts.emplace_back(item.bytes());
  return texts;
}

// Whatever the slices, the order is that of std::sort; ends of runs and of pairs of runs are met.
TEST(SlicedSortTest, SortsAsAWholeWhateverTheSlices) {
  Random random(1);
  Heap heap;
  for (size_t count : {0, 1, 2, 127, 128, 2047, 2048, 2049, 4096, 4097, 6145, 8192, 8193, 20'481}) {
    std::vector<std::string> texts(count);
    std::vector<SortItem> items;
    for (std::string& text : texts) {
      text = std::to_string(random.below(count / 2 + 1));
      items.push_back(SortItem::of(text));
      // Halves from -12 to 12, and both zeros, which are equal.
      items.back().number =
          (random.below(2) != 0 ? 0.5 : -0.5) * (static_cast<double>(random.below(50)) - 25);
    }
    for (bool is_descending : {false, true}) {
      for (SortOrder::By by : {SortOrder::By::kNumber, SortOrder::By::kText}) {
        SortOrder order{by, is_descending};
        std::vector<SortItem> expected = items;
        std::sort(expected.begin(), expected.end(), order);
        for (size_t budget : {size_t{1}, size_t{700}, size_t{5000}, SIZE_MAX}) {
          if (budget == 1 && count > 5000) continue;
          std::vector<SortItem> given = items;
          auto sort = SlicedSort::create(heap, given, order);
          ASSERT_TRUE(sort);
          size_t steps = 0;
          while (!sort->step(budget)) ASSERT_LT(++steps, 100 * count + 100);
          EXPECT_EQ(texts_of(sort->items()), texts_of(expected)) << count << ' ' << budget;
          if (budget == SIZE_MAX) {
            EXPECT_EQ(steps, 0u);
          }
        }
      }
    }
  }
}

TEST(SortOrderTest, MissingWeightsComeFirst) {
  SortItem none = SortItem::of("z"), also_none = SortItem::of("a"), empty = SortItem::of("m"), x = empty;
  none.weight = also_none.weight = nullptr;
  empty.set_weight("");
  x.set_weight("x");
  SortOrder order{SortOrder::By::kWeightText, false};
  EXPECT_TRUE(order(none, empty));
  EXPECT_FALSE(order(empty, none));
  EXPECT_TRUE(order(empty, x));
  EXPECT_TRUE(order(also_none, none));
  EXPECT_FALSE(order(none, none));
  SortOrder down{SortOrder::By::kWeightText, true};
  EXPECT_TRUE(down(x, empty));
  EXPECT_TRUE(down(empty, none));
}

}  // namespace
}  // namespace strata

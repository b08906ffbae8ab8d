// function_ref.h and intrusive_list.h.

#include <gtest/gtest.h>

#include <string>

#include "base/function_ref.h"
#include "base/intrusive_list.h"

namespace strata {
namespace {

int apply(FunctionRef<int(int)> function, int value) { return function(value); }
void run(FunctionRef<void(std::string)> function) { function("moved in whole, whatever its length may be"); }

TEST(FunctionRef, CallsWhatItRefersTo) {
  int calls = 0;
  const auto count = [&calls](int value) {
    ++calls;
    return value + 1;
  };
  EXPECT_EQ(apply(count, 1), 2);
  EXPECT_EQ(apply([](int value) { return value * 2; }, 4), 8);
  EXPECT_EQ(calls, 1);
  std::string seen;
  run([&seen](std::string text) {
    seen = std::move(text);
    return 5;  // thrown away: the reference returns nothing
  });
  EXPECT_EQ(seen, "moved in whole, whatever its length may be");
}

TEST(FunctionRef, SharesTheStateOfTheCallable) {
  auto counter = [n = 0](int step) mutable { return n += step; };
  EXPECT_EQ(apply(counter, 2), 2);
  EXPECT_EQ(apply(counter, 2), 4);
}

struct OtherTag {};
struct Item : ListLink<>, ListLink<OtherTag> {
  explicit Item(int v) : value(v) {}
  int value;
};

std::string text_of(IntrusiveList<Item>& list) {
  std::string text;
  for (Item* item = list.front(); item != nullptr; item = list.next(*item))
    text += std::to_string(item->value);
  return text;
}

TEST(IntrusiveList, KeepsOrderAndUnlinksAnywhere) {
  Item a(1), b(2), c(3), d(4);
  IntrusiveList<Item> list;
  EXPECT_TRUE(list.empty());
  EXPECT_EQ(list.front(), nullptr);
  EXPECT_EQ(list.pop_front(), nullptr);
  list.push_back(b);
  list.push_back(c);
  list.push_back(d);
  list.push_front(a);
  EXPECT_EQ(text_of(list), "1234");
  list.remove(c);
  list.remove(c);
  EXPECT_EQ(text_of(list), "124");
  EXPECT_EQ(list.back(), &d);
  list.remove(d);
  list.push_front(d);
  EXPECT_EQ(text_of(list), "412");
  EXPECT_EQ(list.pop_front(), &d);
  list.clear();
  EXPECT_TRUE(list.empty());
  EXPECT_FALSE(static_cast<ListLink<>&>(a).linked());
}

TEST(IntrusiveList, OneObjectOnTwoLists) {
  Item a(1);
  IntrusiveList<Item> first;
  IntrusiveList<Item, OtherTag> second;
  first.push_back(a);
  second.push_back(a);
  first.remove(a);
  EXPECT_TRUE(first.empty());
  EXPECT_EQ(second.front(), &a);
  static_cast<ListLink<OtherTag>&>(a).unlink();
  EXPECT_TRUE(second.empty());
}

TEST(IntrusiveList, DyingListLetsGo) {
  Item a(1);
  {
    IntrusiveList<Item> list;
    list.push_back(a);
  }
  EXPECT_FALSE(static_cast<ListLink<>&>(a).linked());
}

TEST(IntrusiveListDeathTest, LinkedTwice) {
  Item a(1);
  IntrusiveList<Item> list;
  list.push_back(a);
  EXPECT_DEATH(list.push_back(a), "already on a list");
}

}  // namespace
}  // namespace strata

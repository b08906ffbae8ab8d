#include "text/quote.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace strata {
namespace {

using Arguments = std::vector<std::string>;

// What MONITOR of redis-server 7.0.15 shows.
TEST(Quote, EscapesAsRedis) {
  EXPECT_EQ(quote(Bytes("foo\0", 4)), "\"foo\\x00\"");
  EXPECT_EQ(quote("a\"b\\c"), "\"a\\\"b\\\\c\"");
  EXPECT_EQ(quote("\n\r\t\a\b\v\f"), "\"\\n\\r\\t\\a\\b\\x0b\\x0c\"");
  EXPECT_EQ(quote("\x7f\xff ~'"), "\"\\x7f\\xff ~'\"");
  EXPECT_EQ(quote(""), "\"\"");
}

TEST(SplitArgs, SpacesSeparate) {
  EXPECT_EQ(split_args(""), Arguments{});
  EXPECT_EQ(split_args(" \t\r\n\v\f "), Arguments{});
  EXPECT_EQ(split_args("set  a\tb\r\n"), (Arguments{"set", "a", "b"}));
  EXPECT_EQ(split_args(Bytes("a\0b c", 5)), Arguments{"a"});
}

TEST(SplitArgs, DoubleQuotes) {
  EXPECT_EQ(split_args(R"(save "")"), (Arguments{"save", ""}));
  EXPECT_EQ(split_args(R"("a b" c)"), (Arguments{"a b", "c"}));
  EXPECT_EQ(split_args(R"("\x41\xfF\n\q\"\\")"), Arguments{"A\xff\nq\"\\"});
  EXPECT_EQ(split_args(R"("\xg1")"), Arguments{"xg1"});
  EXPECT_EQ(split_args(R"(ab"c d")"), Arguments{"abc d"});
}

TEST(SplitArgs, SingleQuotes) {
  EXPECT_EQ(split_args(R"('a b' 'it\'s' '\n')"), (Arguments{"a b", "it's", "\\n"}));
  EXPECT_EQ(split_args(R"('"')"), Arguments{"\""});
}

TEST(SplitArgs, RefusesUnbalancedQuotes) {
  for (const Bytes line :
       {R"("a)", R"('a)", R"("a"b)", R"('a'b)", R"("a\")", R"("a\)", R"('a\')", R"("a"'b')"})
    EXPECT_FALSE(split_args(line)) << line;
}

TEST(SplitArgs, UndoesQuote) {
  Random random(1);
  for (int i = 0; i < 5000; ++i) {
    Arguments arguments(random.below(4));
    std::string line;
    for (std::string& argument : arguments) {
      argument.resize(random.below(10));
      for (char& c : argument) c = static_cast<char>(random.next());
      append_quoted(line, argument);
      line += ' ';
    }
    EXPECT_EQ(split_args(line), arguments) << line;
  }
}

}  // namespace
}  // namespace strata

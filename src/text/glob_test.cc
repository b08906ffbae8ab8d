#include "text/glob.h"

#include <gtest/gtest.h>

#include <string>

#include "base/random.h"
#include "text/ascii.h"

namespace strata {
namespace {

bool matches(Bytes pattern, Bytes text) { return glob_match(pattern, text, false); }

TEST(Glob, Wildcards) {
  EXPECT_TRUE(matches("*", ""));
  EXPECT_TRUE(matches("***", "anything"));
  EXPECT_TRUE(matches("", ""));
  EXPECT_FALSE(matches("", "a"));
  EXPECT_FALSE(matches("?", ""));
  EXPECT_TRUE(matches("h?llo", "hello"));
  EXPECT_TRUE(matches("h*llo", "hllo"));
  EXPECT_TRUE(matches("*a*b*c*", "xxaxxbxxcxx"));
  EXPECT_FALSE(matches("*a*b*c", "abcab"));
  EXPECT_TRUE(matches("*ab", "aab"));
  EXPECT_TRUE(matches("a*", "a"));
  EXPECT_FALSE(matches("a*b", "a"));
}

// KEYS of redis-server 7.0.15 lists the empty key for *, but not for **.
TEST(Glob, EmptyText) {
  EXPECT_TRUE(matches("", ""));
  EXPECT_TRUE(matches("*", ""));
  EXPECT_FALSE(matches("**", ""));
  EXPECT_FALSE(matches("[^]", ""));
}

TEST(Glob, Classes) {
  EXPECT_TRUE(matches("h[ae]llo", "hallo"));
  EXPECT_FALSE(matches("h[ae]llo", "hillo"));
  EXPECT_TRUE(matches("h[^e]llo", "hallo"));
  EXPECT_FALSE(matches("h[^e]llo", "hello"));
  EXPECT_TRUE(matches("[a-c]", "b"));
  EXPECT_TRUE(matches("[c-a]", "b"));
  EXPECT_TRUE(matches("[\\]]", "]"));
  EXPECT_FALSE(matches("[]]", "]"));  // empty class, then a literal ]
  EXPECT_TRUE(matches("[^]", "x"));
  EXPECT_TRUE(matches("*[0-9]", "key7"));
}

TEST(Glob, UnterminatedClassReachesToTheEnd) {
  EXPECT_TRUE(matches("[abc", "b"));
  EXPECT_FALSE(matches("[abc", "d"));
  EXPECT_FALSE(matches("[", "["));
  EXPECT_TRUE(matches("[^", "x"));
  EXPECT_TRUE(matches("[\\", "\\"));
  EXPECT_TRUE(matches("[a-]", "a"));  // a range from ] to a, unterminated
  EXPECT_TRUE(matches("[a-]", "^"));
}

TEST(Glob, Escapes) {
  EXPECT_TRUE(matches("h\\*llo", "h*llo"));
  EXPECT_FALSE(matches("h\\*llo", "hello"));
  EXPECT_TRUE(matches("a\\", "a\\"));
  EXPECT_TRUE(matches("\\a", "a"));
}

TEST(Glob, IgnoreCase) {
  EXPECT_TRUE(glob_match("MAX*", "maxmemory", true));
  EXPECT_TRUE(glob_match("[A-C]x", "bX", true));
  EXPECT_FALSE(glob_match("MAX*", "maxmemory", false));
  EXPECT_FALSE(glob_match("[\\X]", "x", true));  // an escape within a class means this very byte
  EXPECT_TRUE(glob_match("\\X", "x", true));
}

TEST(Glob, BytesAreBytes) {
  EXPECT_TRUE(matches(Bytes("a\0*", 3), Bytes("a\0b", 3)));
  EXPECT_TRUE(matches("[\x80-\xff]", "\x90"));
}

// Would take some 10^30 steps with backtracking to every star.
TEST(Glob, HostilePatternsEnd) {
  std::string pattern;
  for (int i = 0; i < 100; ++i) pattern += "a*";
  const std::string text(20000, 'a');
  EXPECT_FALSE(matches(pattern + "b", text));
  EXPECT_FALSE(matches(pattern + "?b", text));
  EXPECT_FALSE(glob_match(pattern + "B", text, true));
  std::string classes;
  for (int i = 0; i < 50; ++i) classes += "*[ab]";
  EXPECT_FALSE(matches(classes + "c", std::string(2000, 'a')));
}

TEST(Glob, Literals) {
  EXPECT_TRUE(glob_is_literal("plain:key{1}"));
  for (const Bytes pattern : {"a*", "?", "[a]", "a\\"}) EXPECT_FALSE(glob_is_literal(pattern)) << pattern;
}

// The same language, defined by recursion over the pattern; exponential.
bool model(Bytes pattern, Bytes text, bool ignore_case);

bool model_class(Bytes pattern, Bytes text, bool ignore_case) {
  const auto same = [&](char a, char b) { return ignore_case ? ascii_lower(a) == ascii_lower(b) : a == b; };
  if (text.empty()) return false;
  size_t at = 1;
  const bool negated = at < pattern.size() && pattern[at] == '^';
  if (negated) ++at;
  bool found = false;
  while (at < pattern.size() && pattern[at] != ']') {
    if (pattern[at] == '\\' && at + 1 < pattern.size()) {
      found |= pattern[at + 1] == text[0];
      at += 2;
    } else if (at + 2 < pattern.size() && pattern[at + 1] == '-') {
      // As Redis compares them: a byte above 127 is a negative number.
      // NOLINTBEGIN(bugprone-signed-char-misuse)
      int low = pattern[at];
      int high = pattern[at + 2];
      int c = text[0];
      if (low > high) std::swap(low, high);
      if (ignore_case) {
        low = ascii_lower(static_cast<char>(low));
        high = ascii_lower(static_cast<char>(high));
        c = ascii_lower(static_cast<char>(c));
      }
      // NOLINTEND(bugprone-signed-char-misuse)
      found |= low <= c && c <= high;
      at += 3;
    } else {
      found |= same(pattern[at], text[0]);
      ++at;
    }
  }
  at = std::min(at + 1, pattern.size());
  return found != negated && model(pattern.substr(at), text.substr(1), ignore_case);
}

bool model(Bytes pattern, Bytes text, bool ignore_case) {
  if (pattern.empty()) return text.empty();
  if (pattern[0] == '*') {
    for (size_t taken = 0; taken <= text.size(); ++taken)
      if (model(pattern.substr(1), text.substr(taken), ignore_case)) return true;
    return false;
  }
  if (pattern[0] == '[') return model_class(pattern, text, ignore_case);
  if (text.empty()) return false;
  if (pattern[0] == '?') return model(pattern.substr(1), text.substr(1), ignore_case);
  if (pattern[0] == '\\' && pattern.size() > 1) pattern.remove_prefix(1);
  const bool same = ignore_case ? ascii_lower(pattern[0]) == ascii_lower(text[0]) : pattern[0] == text[0];
  return same && model(pattern.substr(1), text.substr(1), ignore_case);
}

TEST(Glob, AgreesWithTheModel) {
  constexpr uint64_t kSeed = 7;
  Random random(kSeed);
  const std::string pattern_letters = "aabbAB***??[[]]^-\\c";
  const std::string text_letters = "aaabbbABc]-^\\[";
  for (int i = 0; i < 300000; ++i) {
    std::string pattern(random.below(9), ' ');
    std::string text(random.below(8), ' ');
    for (char& c : pattern) c = pattern_letters[random.below(pattern_letters.size())];
    for (char& c : text) c = text_letters[random.below(text_letters.size())];
    if (text.empty()) continue;  // see EmptyText
    const bool ignore_case = random.one_in(2);
    ASSERT_EQ(glob_match(pattern, text, ignore_case), model(pattern, text, ignore_case))
        << "seed " << kSeed << " pattern " << pattern << " text " << text << " ignore_case " << ignore_case;
  }
}

}  // namespace
}  // namespace strata

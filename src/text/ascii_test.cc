#include "text/ascii.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace strata {
namespace {

TEST(Ascii, OnlyLettersChange) {
  for (int i = 0; i < 256; ++i) {
    const char c = static_cast<char>(i);
    const bool upper = i >= 'A' && i <= 'Z';
    const bool lower = i >= 'a' && i <= 'z';
    EXPECT_EQ(ascii_lower(c), upper ? static_cast<char>(i + 32) : c);
    EXPECT_EQ(ascii_upper(c), lower ? static_cast<char>(i - 32) : c);
    constexpr uint64_t kOnes = 0x0101010101010101;
    EXPECT_EQ(ascii_lower8(kOnes * static_cast<uint64_t>(i)),
              kOnes * static_cast<unsigned char>(ascii_lower(c)));
  }
}

TEST(Ascii, HexDigits) {
  EXPECT_EQ(ascii_hex_value('0'), 0);
  EXPECT_EQ(ascii_hex_value('f'), 15);
  EXPECT_EQ(ascii_hex_value('A'), 10);
  for (const char c : {'g', 'G', '/', ':', '@', '`'}) EXPECT_EQ(ascii_hex_value(c), -1);
}

TEST(Ascii, EqualButForCase) {
  EXPECT_TRUE(iequals("", ""));
  EXPECT_TRUE(iequals("GeT", "get"));
  EXPECT_TRUE(iequals("INCRBYFLOAT", "incrbyfloat"));
  EXPECT_FALSE(iequals("get", "gets"));
  EXPECT_FALSE(iequals("[", "{"));
  EXPECT_FALSE(iequals("@@@@@@@@", "````````"));
}

TEST(Ascii, EqualAgreesWithLowering) {
  Random random(1);
  for (int i = 0; i < 20000; ++i) {
    std::string a(random.below(30), ' ');
    for (char& c : a) c = static_cast<char>(random.next());
    std::string b = random.one_in(2) ? to_upper(a) : to_lower(a);
    if (!b.empty() && random.one_in(2)) b[random.below(b.size())] = static_cast<char>(random.next());
    EXPECT_EQ(iequals(a, b), to_lower(a) == to_lower(b));
  }
}

}  // namespace
}  // namespace strata

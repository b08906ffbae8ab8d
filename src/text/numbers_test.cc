#include "text/numbers.h"

#include <gtest/gtest.h>

#include <bit>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"

namespace strata {
namespace {

std::string i64_text(int64_t value) {
  char out[kI64TextBytes];
  return {out, print_i64(value, out)};
}
std::string u64_text(uint64_t value) {
  char out[kI64TextBytes];
  return {out, print_u64(value, out)};
}
std::string double_text(double value) {
  char out[kDoubleTextBytes];
  return {out, print_double(value, out)};
}
std::string human_text(long double value) {
  char out[kLongDoubleTextBytes];
  return {out, print_long_double_human(value, out)};
}

// What a C library says about text, by the rules of numbers.h.
template <typename Float>
std::optional<Float> by_strtod(const std::string& text) {
  if (text.empty() || text.find('\0') != std::string::npos) return std::nullopt;
  if (std::isspace(static_cast<unsigned char>(text[0])) != 0) return std::nullopt;
  errno = 0;
  char* end = nullptr;
  Float value;
  if constexpr (std::is_same_v<Float, double>)
    value = std::strtod(text.c_str(), &end);
  else
    value = std::strtold(text.c_str(), &end);
  if (end != text.c_str() + text.size() || std::isnan(value)) return std::nullopt;
  if (errno == ERANGE && (std::isinf(value) || value == 0)) return std::nullopt;
  return value;
}

template <typename Float>
void expect_same(const std::optional<Float>& ours, const std::optional<Float>& theirs,
                 const std::string& text) {
  ASSERT_EQ(ours.has_value(), theirs.has_value()) << text;
  if (!ours) return;
  EXPECT_EQ(*ours, *theirs) << text;
  EXPECT_EQ(std::signbit(*ours), std::signbit(*theirs)) << text;
}

TEST(ParseI64, TakesWhatRedisStoresAsInteger) {
  EXPECT_EQ(parse_i64("0"), 0);
  EXPECT_EQ(parse_i64("-1"), -1);
  EXPECT_EQ(parse_i64("1234567890123"), 1234567890123);
  EXPECT_EQ(parse_i64("9223372036854775807"), INT64_MAX);
  EXPECT_EQ(parse_i64("-9223372036854775808"), INT64_MIN);
}

TEST(ParseI64, RefusesTheRest) {
  for (const std::string text :
       {"", "-", "-0", "00", "01", "-01", "+1", " 1", "1 ", "--1", "1.0", "1e3", "0x1", "9223372036854775808",
        "-9223372036854775809", "18446744073709551616", "99999999999999999999", "100000000000000000000", "a"})
    EXPECT_FALSE(parse_i64(text)) << text;
  EXPECT_FALSE(parse_i64(Bytes("1\0", 2)));
}

TEST(ParseU64, Limits) {
  EXPECT_EQ(parse_u64("18446744073709551615"), UINT64_MAX);
  EXPECT_EQ(parse_u64("0"), 0u);
  for (const std::string text : {"18446744073709551616", "18446744073709551620", "99999999999999999999", "-1",
                                 "00", "", "1844674407370955161x"})
    EXPECT_FALSE(parse_u64(text)) << text;
}

TEST(PrintI64, RoundTripsAndAgreesWithTheLibrary) {
  std::vector<uint64_t> values = {0, 1, UINT64_MAX, uint64_t{1} << 63, (uint64_t{1} << 63) - 1};
  for (uint64_t power = 1; power <= UINT64_MAX / 10; power *= 10)
    for (const uint64_t near : {power - 1, power, power + 1, power * 10 - 1}) values.push_back(near);
  for (unsigned bit = 0; bit < 64; ++bit) values.push_back(uint64_t{1} << bit);
  Random random(1);
  for (int i = 0; i < 20000; ++i) values.push_back(random.next() >> random.below(64));
  for (const uint64_t value : values) {
    const auto number = static_cast<int64_t>(value);
    EXPECT_EQ(u64_text(value), std::to_string(value));
    EXPECT_EQ(i64_text(number), std::to_string(number));
    EXPECT_EQ(parse_u64(u64_text(value)), value);
    EXPECT_EQ(parse_i64(i64_text(number)), number);
  }
}

// The replies of redis-server 7.0.15 to ZADD and ZSCORE.
TEST(PrintDouble, AsRedisReplies) {
  EXPECT_EQ(double_text(3.0), "3");
  EXPECT_EQ(double_text(0.1), "0.10000000000000001");
  EXPECT_EQ(double_text(1e16), "10000000000000000");
  EXPECT_EQ(double_text(1e17), "1e+17");
  EXPECT_EQ(double_text(-1e17), "-1e+17");
  EXPECT_EQ(double_text(123456789012345678.0), "1.2345678901234568e+17");
  EXPECT_EQ(double_text(1e-7), "9.9999999999999995e-08");
  EXPECT_EQ(double_text(1.1e300), "1.1000000000000001e+300");
  EXPECT_EQ(double_text(123456.789), "123456.789");
  EXPECT_EQ(double_text(4.9e-324), "4.9406564584124654e-324");
  EXPECT_EQ(double_text(-0.0), "-0");
  EXPECT_EQ(double_text(std::numeric_limits<double>::infinity()), "inf");
  EXPECT_EQ(double_text(-std::numeric_limits<double>::infinity()), "-inf");
}

TEST(PrintDouble, AgreesWithPrintf) {
  Random random(2);
  for (int i = 0; i < 50000; ++i) {
    double value;
    switch (random.below(3)) {
      case 0:
        value = std::bit_cast<double>(random.next());
        break;
      case 1:
        value = static_cast<double>(static_cast<int64_t>(random.next()) >> random.below(64));
        break;
      default:
        value = static_cast<double>(random.below(1'000'000'000)) / 1000;
    }
    if (!std::isfinite(value)) continue;
    char expected[64];
    std::snprintf(expected, sizeof expected, "%.17g", value);
    ASSERT_EQ(double_text(value), expected);
    ASSERT_EQ(parse_double(expected), value);
  }
}

// The replies of redis-server 7.0.15 to INCRBYFLOAT.
TEST(PrintLongDouble, AsRedisReplies) {
  EXPECT_EQ(human_text(3.0L), "3");
  EXPECT_EQ(human_text(0.1L), "0.1");
  EXPECT_EQ(human_text(1e20L), "100000000000000000000");
  EXPECT_EQ(human_text(1e-7L), "0.0000001");
  EXPECT_EQ(human_text(1e-17L), "0.00000000000000001");
  EXPECT_EQ(human_text(1e-18L), "0");
  EXPECT_EQ(human_text(-1e-18L), "0");
  EXPECT_EQ(human_text(-1e-17L), "-0.00000000000000001");
  EXPECT_EQ(human_text(-0.0L), "0");
  EXPECT_EQ(human_text(1.2345678901234567890123456789L), "1.23456789012345679");
  EXPECT_EQ(human_text(18446744073709551615.0L), "18446744073709551615");
  EXPECT_EQ(human_text(5000.0L), "5000");
  const std::string largest = human_text(std::numeric_limits<long double>::max());
  EXPECT_EQ(largest.size(), 4933u);
  EXPECT_EQ(largest.substr(0, 40), "1189731495357231765021263853030970205169");
}

std::string human_by_printf(long double value) {
  char text[kLongDoubleTextBytes + 32];
  std::string result(text, static_cast<size_t>(std::snprintf(text, sizeof text, "%.17Lf", value)));
  result.erase(result.find_last_not_of('0') + 1);
  if (result.back() == '.') result.pop_back();
  return result == "-0" ? "0" : result;
}

TEST(PrintLongDouble, AgreesWithPrintf) {
  Random random(3);
  for (int i = 0; i < 50000; ++i) {
    const auto mantissa = static_cast<long double>(random.next() >> random.below(64));
    const int exponent = static_cast<int>(random.below(200)) - 190;
    const long double value = std::ldexp(mantissa, exponent) * (random.one_in(2) ? 1 : -1);
    ASSERT_EQ(human_text(value), human_by_printf(value)) << i;
  }
  for (int i = 0; i < 200; ++i) {
    const long double value =
        std::ldexp(static_cast<long double>(random.next()), static_cast<int>(random.below(16000)));
    ASSERT_EQ(human_text(value), human_by_printf(value)) << i;
  }
}

TEST(PrintLongDouble, TiesRoundToEven) {
  // k × 2^-18 has its last digit exactly at the 18th place behind the point: always a tie or no rest.
  for (int k = 1; k < 4000; ++k) {
    const long double value = std::ldexp(static_cast<long double>(k), -18);
    ASSERT_EQ(human_text(value), human_by_printf(value));
  }
  EXPECT_EQ(human_text(1 - 0x1p-64L), "1");  // carries into the whole part
}

TEST(ParseDouble, AgreesWithTheLibrary) {
  for (const std::string text : {"3.0",
                                 "0.1",
                                 "1e20",
                                 "1e-7",
                                 "inf",
                                 "-inf",
                                 "+inf",
                                 "INF",
                                 "Infinity",
                                 "infinit",
                                 "infinityx",
                                 "-0",
                                 "1e-400",
                                 "1e400",
                                 "-1e400",
                                 "4.9e-324",
                                 "2e-324",
                                 "3e-324",
                                 "0x10",
                                 "0X1F",
                                 "0x1p-3",
                                 "0x.8",
                                 "0x1.",
                                 "0x",
                                 "0x.",
                                 "0x1p",
                                 "0x1p+-3",
                                 "0x1p-1074",
                                 "0x-1",
                                 "0xinf",
                                 "0xnan",
                                 "0x0x1",
                                 "0x1p-1076",
                                 "nan",
                                 "-nan",
                                 "nan(1)",
                                 " 1",
                                 "1 ",
                                 "",
                                 "+",
                                 "-",
                                 "+-1",
                                 "-+1",
                                 "--1",
                                 ".5",
                                 "5.",
                                 ".",
                                 "1e",
                                 "1e+",
                                 "1e+-5",
                                 "1_0",
                                 "inf0",
                                 "1d",
                                 "1,5",
                                 "1e5",
                                 "0e999999999999",
                                 "1e99999999999999999999",
                                 "0x1.fffffffffffff8p1023",
                                 "0x1.fffffffffffff7fp1023",
                                 "1.7976931348623159e308"}) {
    expect_same(parse_double(text), by_strtod<double>(text), text);
    expect_same(parse_long_double(text), by_strtod<long double>(text), text);
  }
  EXPECT_FALSE(parse_double(Bytes("1.5\0", 4)));
  EXPECT_EQ(parse_double(std::string(6000, '0') + "1"), 1.0);
}

// libstdc++ 12's from_chars of long double looks for the zero byte behind "inf" and "nan". Found by random
// commands under AddressSanitizer: HINCRBYFLOAT of a field whose value began with an n, at the end of its
// heap page.
TEST(ParseLongDouble, WordsThatEndWithTheirMemory) {
  for (const char* word : {"inf", "-inf", "infinity", "nan", "-nan", "n", "i", "information", "nan(1)"}) {
    const size_t size = std::strlen(word);
    const std::unique_ptr<char[]> exact(new char[size]);
    std::memcpy(exact.get(), word, size);
    expect_same(parse_long_double(Bytes(exact.get(), size)), by_strtod<long double>(word), word);
    expect_same(parse_double(Bytes(exact.get(), size)), by_strtod<double>(word), word);
  }
}

TEST(ParseLongDouble, LengthLimitOfRedis) {
  EXPECT_EQ(parse_long_double(std::string(5117, '0') + "1"), 1.0L);
  EXPECT_FALSE(parse_long_double(std::string(5118, '0') + "1"));
}

TEST(ParseDouble, RandomTextAgreesWithTheLibrary) {
  Random random(4);
  const std::string letters = "0123456789012345678901234567890123456789..ee+-xXpPinfa ";
  for (int i = 0; i < 100000; ++i) {
    std::string text(1 + random.below(12), ' ');
    for (char& c : text) c = letters[random.below(letters.size())];
    if (random.one_in(4)) text = "0x" + text;
    expect_same(parse_double(text), by_strtod<double>(text), text);
    expect_same(parse_long_double(text), by_strtod<long double>(text), text);
  }
}

TEST(ParseLongDouble, ShortDecimalsAreExact) {
  Random random(5);
  for (int i = 0; i < 50000; ++i) {
    std::string text = std::to_string(random.next() >> random.below(64));
    text.insert(random.below(text.size() + 1), ".");
    if (random.one_in(2)) text.insert(0, "-");
    expect_same(parse_long_double(text), by_strtod<long double>(text), text);
  }
}

// The answers of redis-server 7.0.15 to CONFIG SET maxmemory.
TEST(ParseMemory, UnitsOfRedisConf) {
  EXPECT_EQ(parse_memory("1"), 1u);
  EXPECT_EQ(parse_memory("100b"), 100u);
  EXPECT_EQ(parse_memory("1k"), 1000u);
  EXPECT_EQ(parse_memory("1Kb"), 1024u);
  EXPECT_EQ(parse_memory("1m"), 1000000u);
  EXPECT_EQ(parse_memory("64mb"), 64u << 20);
  EXPECT_EQ(parse_memory("1g"), 1000000000u);
  EXPECT_EQ(parse_memory("1gB"), 1u << 30);
  EXPECT_EQ(parse_memory("007kb"), 7168u);
  EXPECT_EQ(parse_memory(""), 0u);
  EXPECT_EQ(parse_memory("kb"), 0u);
  EXPECT_EQ(parse_memory("18446744073709551615"), UINT64_MAX);
  EXPECT_EQ(parse_memory("99999999999999999999999"), UINT64_MAX);
  EXPECT_EQ(parse_memory("17179869183gb"), 18446744072635809792u);
  EXPECT_EQ(parse_memory(std::string(126, '0') + "1"), 1u);
  for (const std::string text :
       {"1t", "1tb", "-1", "+1", "1 mb", "1.5gb", "1kk", "0x10", " 1", "1 ", "17179869184gb"})
    EXPECT_FALSE(parse_memory(text)) << text;
  EXPECT_FALSE(parse_memory(std::string(127, '0') + "1"));
}

}  // namespace
}  // namespace strata

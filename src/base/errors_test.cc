// errors.h, result.h and assert.h.

#include "base/errors.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "base/assert.h"
#include "base/result.h"

namespace strata {
namespace {

TEST(Errors, EveryCodeHasItsWords) {
  EXPECT_STREQ(error_name(Errc::kIo), "kIo");
  EXPECT_STREQ(error_text(Errc::kCorruption), "corrupt data");
  EXPECT_STREQ(error_resp_prefix(Errc::kOutOfMemory), "OOM");
  EXPECT_STREQ(error_resp_prefix(Errc::kWrongType), "WRONGTYPE");
#define X(name, text, prefix)                  \
  EXPECT_STREQ(error_name(Errc::name), #name); \
  EXPECT_STREQ(error_text(Errc::name), text);  \
  EXPECT_STREQ(error_resp_prefix(Errc::name), prefix);
  STRATA_ERROR_TABLE(X)
#undef X
}

Result<std::unique_ptr<int>> make(int value) {
  if (value < 0) return fail(Errc::kInvalidArgument, "negative", 5);
  return std::make_unique<int>(value);
}

Status check(int value) {
  TRY_ASSIGN(const std::unique_ptr<int> made, make(value));
  if (*made > 100) return fail_os(Errc::kIo, 28, "too big");
  return {};
}

Result<std::string> text_of(int value) {
  TRY(check(value));
  return std::to_string(value);
}

TEST(Result, MacrosPassErrorsOn) {
  EXPECT_EQ(text_of(7).value(), "7");
  const Result<std::string> negative = text_of(-1);
  ASSERT_FALSE(negative);
  EXPECT_EQ(negative.error().code, Errc::kInvalidArgument);
  EXPECT_STREQ(negative.error().what, "negative");
  EXPECT_EQ(negative.error().offset, 5u);
  const Result<std::string> big = text_of(101);
  ASSERT_FALSE(big);
  EXPECT_EQ(big.error().code, Errc::kIo);
  EXPECT_EQ(big.error().os_error, 28);
}

TEST(AssertDeathTest, SaysWhatAndWhere) {
  EXPECT_DEATH(STRATA_ASSERT(1 + 1 == 3, "arithmetic"), "1 \\+ 1 == 3");
  STRATA_ASSERT(1 + 1 == 2);
}

}  // namespace
}  // namespace strata

// What can happen is a value: Result<T> is a T or an Error.
//
// An Error is small, never allocates, and names its cause in a string literal. Code does not throw.
//
//   Result<Segment> Segment::open(FileSystem& fs, std::string_view path) {
//     TRY_ASSIGN(File file, fs.open(path, OpenMode::kReadWrite));
//     TRY_ASSIGN(uint64_t size, file.size());
//     if (size < kHeaderBytes) return fail(Errc::kCorruption, "segment shorter than its header");
//
// Coroutines use CO_TRY and CO_TRY_ASSIGN.

#pragma once

#include <cstdint>
#include <expected>
#include <utility>

#include "base/errors.h"

namespace strata {

struct Error {
  Errc code;
  int32_t os_error = 0;   // errno where the operating system spoke, else 0
  const char* what = "";  // a string literal: what was being done, or what is wrong
  uint64_t offset = 0;    // position in the file or input where that makes sense
};

template <typename T>
using Result = std::expected<T, Error>;
using Status = Result<void>;

inline std::unexpected<Error> fail(Errc code, const char* what, uint64_t offset = 0) {
  return std::unexpected(Error{code, 0, what, offset});
}
inline std::unexpected<Error> fail_os(Errc code, int os_error, const char* what) {
  return std::unexpected(Error{code, os_error, what, 0});
}

}  // namespace strata

#define STRATA_CONCAT_(a, b) a##b
#define STRATA_CONCAT(a, b) STRATA_CONCAT_(a, b)

#define STRATA_TRY_(result, keyword, expr)     \
  do {                                         \
    auto result = (expr);                      \
    if (!result) [[unlikely]]                  \
      keyword std::unexpected(result.error()); \
  } while (false)
#define STRATA_TRY_ASSIGN_(result, keyword, decl, expr) \
  auto result = (expr);                                 \
  if (!result) [[unlikely]]                             \
    keyword std::unexpected(result.error());            \
  decl = std::move(*result)

#define TRY(expr) STRATA_TRY_(STRATA_CONCAT(try_, __LINE__), return, expr)
#define TRY_ASSIGN(decl, expr) STRATA_TRY_ASSIGN_(STRATA_CONCAT(try_, __LINE__), return, decl, expr)
#define CO_TRY(expr) STRATA_TRY_(STRATA_CONCAT(try_, __LINE__), co_return, expr)
#define CO_TRY_ASSIGN(decl, expr) STRATA_TRY_ASSIGN_(STRATA_CONCAT(try_, __LINE__), co_return, decl, expr)

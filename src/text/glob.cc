#include "text/glob.h"

#include <cstring>
#include <utility>

#include "text/ascii.h"

namespace strata {

namespace {

char fold(char c, bool ignore_case) { return ignore_case ? ascii_lower(c) : c; }

struct ClassMatch {
  const char* after;  // the first byte of the pattern behind the class
  bool matched;
};

// `at` is the byte behind the '['. Bytes above 127 compare as negative numbers in a range, as they do in
// Redis on the machines it is mostly run on.
ClassMatch match_class(const char* at, const char* end, char c, bool ignore_case) {
  const char exact = c;  // an escaped byte of a class keeps its case even here, as in Redis
  c = fold(c, ignore_case);
  const bool negated = at != end && *at == '^';
  if (negated) ++at;
  bool matched = false;
  while (at != end && *at != ']') {
    if (*at == '\\' && end - at >= 2) {
      matched |= at[1] == exact;
      at += 2;
    } else if (end - at >= 3 && at[1] == '-') {
      auto low = static_cast<signed char>(at[0]);
      auto high = static_cast<signed char>(at[2]);
      if (low > high) std::swap(low, high);
      const auto folded_low = static_cast<signed char>(fold(static_cast<char>(low), ignore_case));
      const auto folded_high = static_cast<signed char>(fold(static_cast<char>(high), ignore_case));
      const auto value = static_cast<signed char>(c);
      matched |= value >= folded_low && value <= folded_high;
      at += 3;
    } else {
      matched |= fold(*at, ignore_case) == c;
      ++at;
    }
  }
  return {at == end ? end : at + 1, matched != negated};
}

// Matches one byte of text against the pattern's next element, which is not a star. Null: no match;
// else the pattern behind the element.
const char* match_one(const char* at, const char* end, char c, bool ignore_case) {
  switch (*at) {
    case '?':
      return at + 1;
    case '[': {
      const ClassMatch match = match_class(at + 1, end, c, ignore_case);
      return match.matched ? match.after : nullptr;
    }
    case '\\':
      if (end - at >= 2) ++at;
      [[fallthrough]];
    default:
      return fold(*at, ignore_case) == fold(c, ignore_case) ? at + 1 : nullptr;
  }
}

bool is_special(char c) { return c == '*' || c == '?' || c == '[' || c == '\\'; }

}  // namespace

bool glob_match(Bytes pattern, Bytes text, bool ignore_case) {
  // Redis looks at no pattern when there is no text; a lone star its callers take for "everything".
  if (text.empty()) return pattern.empty() || pattern == "*";

  const char* at = pattern.data();
  const char* const end = at + pattern.size();
  const char* c = text.data();
  const char* const text_end = c + text.size();
  const char* behind_star = nullptr;  // the pattern behind the last star met
  const char* star_text = nullptr;    // where in the text that star is now taken to end

  while (c != text_end) {
    if (at != end && *at == '*') {
      behind_star = ++at;
      star_text = c;
      if (at == end) return true;
      continue;
    }
    const char* next = at == end ? nullptr : match_one(at, end, *c, ignore_case);
    if (next != nullptr) {
      at = next;
      ++c;
      continue;
    }
    if (behind_star == nullptr) return false;
    // The star takes one byte more, or as many as bring the next literal byte.
    ++star_text;
    if (!ignore_case && !is_special(*behind_star)) {
      const auto left = static_cast<size_t>(text_end - star_text);
      star_text = left == 0 ? nullptr : static_cast<const char*>(std::memchr(star_text, *behind_star, left));
      if (star_text == nullptr) return false;
    }
    c = star_text;
    at = behind_star;
  }
  while (at != end && *at == '*') ++at;
  return at == end;
}

bool glob_is_literal(Bytes pattern) {
  for (const char c : pattern)
    if (is_special(c)) return false;
  return true;
}

}  // namespace strata

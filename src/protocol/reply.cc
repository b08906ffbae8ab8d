#include "protocol/reply.h"

#include <algorithm>
#include <array>

#include "base/assert.h"
#include "text/numbers.h"

namespace strata {

namespace reply_detail {

namespace {

constexpr std::array<Line, kLineCount> make_lines() {
  std::array<Line, kLineCount> lines{};
  for (size_t n = 0; n < kLineCount; ++n) {
    Line& line = lines[n];
    size_t digits = 1;
    for (size_t rest = n; rest >= 10; rest /= 10) ++digits;
    size_t rest = n;
    for (size_t i = digits; i-- > 0; rest /= 10) line.text[i] = static_cast<char>('0' + rest % 10);
    line.text[digits] = '\r';
    line.text[digits + 1] = '\n';
    line.size = static_cast<uint8_t>(digits + 2);
  }
  return lines;
}

}  // namespace

// Aligned to cache lines, eight entries each.
alignas(64) constinit const std::array<Line, kLineCount> kLines = make_lines();

}  // namespace reply_detail

namespace {

constexpr Bytes kLineEnd = "\r\n";

bool is_line_end(char c) { return c == '\r' || c == '\n'; }

}  // namespace

void Reply::number(char type, int64_t value) {
  if (muted_) return;
  static_assert(1 + kI64TextBytes + 2 <= kHeaderRoom);
  char* const from = output_->reserve(kHeaderRoom);
  *from = type;
  const size_t digits = print_i64(value, from + 1);
  std::memcpy(from + 1 + digits, "\r\n", 2);
  output_->commit(1 + digits + 2);
}

void Reply::large_bulk(Bytes bytes) {
  if (muted_) return;
  header('$', bytes.size());
  output_->append(bytes);
  output_->append(kLineEnd);
}

void Reply::bulk_integer(int64_t value) {
  char text[kI64TextBytes];
  bulk(Bytes(text, print_i64(value, text)));
}

void Reply::bulk_double(double value) {
  char text[kDoubleTextBytes];
  bulk(Bytes(text, print_double(value, text)));
}

void Reply::bulk_reference(Bytes bytes, void* token, Output::Release release) {
  if (muted_) {
    if (release != nullptr) release(token);
    return;
  }
  header('$', bytes.size());
  output_->append_reference(bytes, token, release);
  output_->append(kLineEnd);
}

// Appends with every CR and LF turned into a space.
void Reply::append_line_safe(Bytes text) {
  while (!text.empty()) {
    const Bytes part = text.substr(0, Output::kMaxReserve);
    char* const to = output_->reserve(part.size());
    std::transform(part.begin(), part.end(), to, [](char c) { return is_line_end(c) ? ' ' : c; });
    output_->commit(part.size());
    text.remove_prefix(part.size());
  }
}

void Reply::simple(Bytes text) {
  if (muted_) return;
  output_->append("+");
  append_line_safe(text);
  output_->append(kLineEnd);
}

void Reply::error_parts(const Bytes* parts, size_t count) {
  ++error_count_;
  // The code is the first word. A caller that passes none means a general error, as in Redis.
  const Bytes start = parts[0].substr(0, kMaxErrorCode + 1);
  const size_t space = start.find(' ');
  const Bytes code = space == Bytes::npos || space == 0 ? Bytes("ERR") : start.substr(0, space);
  std::memcpy(last_error_code_, code.data(), code.size());
  last_error_code_size_ = static_cast<uint8_t>(code.size());
  if (muted_) return;

  output_->append("-");
  // Line ends around the whole text are dropped, those within it become spaces.
  bool at_start = true;
  size_t last = count;
  while (last > 0 && std::all_of(parts[last - 1].begin(), parts[last - 1].end(), is_line_end)) --last;
  for (size_t i = 0; i < last; ++i) {
    // A client's bytes in an error end at NUL, as in Redis, which prints them as C strings.
    Bytes part = parts[i].substr(0, parts[i].find('\0'));
    while (at_start && !part.empty() && is_line_end(part.front())) part.remove_prefix(1);
    while (i + 1 == last && !part.empty() && is_line_end(part.back())) part.remove_suffix(1);
    if (!part.empty()) at_start = false;
    append_line_safe(part);
  }
  output_->append(kLineEnd);
}

void Reply::attribute(size_t pairs) {
  STRATA_ASSERT(resp3_);
  header('|', pairs);
}

void Reply::double_(double value) {
  if (!resp3_) {
    bulk_double(value);
    return;
  }
  if (muted_) return;
  char* const from = output_->reserve(1 + kDoubleTextBytes + 2);
  *from = ',';
  const size_t size = print_double(value, from + 1);
  std::memcpy(from + 1 + size, "\r\n", 2);
  output_->commit(1 + size + 2);
}

void Reply::boolean(bool value) {
  if (!resp3_) {
    integer(value ? 1 : 0);
  } else if (value) {
    literal("#t\r\n");
  } else {
    literal("#f\r\n");
  }
}

void Reply::big_number(Bytes digits) {
  if (!resp3_) {
    bulk(digits);
    return;
  }
  if (muted_) return;
  output_->append("(");
  append_line_safe(digits);
  output_->append(kLineEnd);
}

void Reply::verbatim(Bytes text, Bytes format) {
  STRATA_ASSERT(format.size() == 3);
  if (!resp3_) {
    bulk(text);
    return;
  }
  if (muted_) return;
  header('=', text.size() + format.size() + 1);
  output_->append(format);
  output_->append(":");
  output_->append(text);
  output_->append(kLineEnd);
}

Reply::Deferred Reply::begin(char type) {
  Deferred deferred;
  deferred.type = type;
  if (!muted_) deferred.hole = output_->open_hole();
  return deferred;
}

void Reply::end(Deferred& deferred, size_t count) {
  if (muted_) return;
  char text[Output::Hole::kMaxBytes];
  static_assert(1 + kI64TextBytes + 2 <= sizeof(text));
  text[0] = deferred.type;
  const size_t digits = print_u64(count, text + 1);
  std::memcpy(text + 1 + digits, "\r\n", 2);
  output_->fill_hole(deferred.hole, Bytes(text, 1 + digits + 2));
}

}  // namespace strata

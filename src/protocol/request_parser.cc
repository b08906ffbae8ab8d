#include "protocol/request_parser.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "base/assert.h"
#include "text/ascii.h"
#include "text/numbers.h"
#include "text/quote.h"

namespace strata {

// ---- the batch -------------------------------------------------------------------------------

ParsedBatch::ParsedBatch() = default;

void ParsedBatch::clear() {
  count_ = 0;
  argument_count_ = 0;
  if (argument_capacity_ > kKeptArguments) [[unlikely]] {
    arguments_.reset();
    argument_capacity_ = 0;
  }
  if (!unquoted_.empty()) unquoted_.clear();
  if (!error_.empty()) error_.clear();
}

// The commands' spans move along with the arguments.
void ParsedBatch::grow_arguments() {
  constexpr size_t kFirstCapacity = 4 * kMaxCommands;
  const size_t capacity = std::max(kFirstCapacity, 2 * argument_capacity_);
  auto grown = std::make_unique<Bytes[]>(capacity);
  std::copy_n(arguments_.get(), argument_count_, grown.get());
  size_t first = 0;
  for (size_t i = 0; i < count_; ++i) {
    const size_t size = commands_[i].args.size();
    commands_[i].args = {grown.get() + first, size};
    first += size;
  }
  arguments_ = std::move(grown);
  argument_capacity_ = capacity;
}

void ParsedBatch::add_command(size_t first_argument, Bytes raw, size_t end, bool canonical) {
  STRATA_DASSERT(count_ < kMaxCommands && first_argument < argument_count_);
  ParsedCommand& command = commands_[count_++];
  command.args = {arguments_.get() + first_argument, argument_count_ - first_argument};
  command.raw = raw;
  command.end = end;
  command.canonical = canonical;
}

// ---- the parser ------------------------------------------------------------------------------

struct RequestParser::Cursor {
  const char* input;  // the first byte given to parse()
  const char* begin;  // the first byte of the current command
  const char* at;
  const char* end;

  size_t offset() const { return static_cast<size_t>(at - begin); }
  size_t left() const { return static_cast<size_t>(end - at); }
  Bytes raw() const { return Bytes(begin, offset()); }
  size_t consumed() const { return static_cast<size_t>(at - input); }
};

struct RequestParser::Number {
  std::optional<int64_t> value;  // nothing if the text is no number
  char type = 0;                 // the line's first byte
  bool ended_by_crlf = true;
};

namespace {

// The common case of a number line, "<type>3\r\n" with up to nine digits, whole within the input. Returns
// where the next line begins, or null for everything else, which parse_number_line() then sorts out.
inline const char* short_number_line(const char* line, const char* end, uint32_t& value) {
  constexpr ptrdiff_t kMaxDigits = 9;
  constexpr ptrdiff_t kTwoDigitLine = 5;
  if (end - line >= kTwoDigitLine) [[likely]] {
    const uint32_t first = static_cast<uint8_t>(line[1]) - uint32_t{'0'};
    const uint32_t second = static_cast<uint8_t>(line[2]) - uint32_t{'0'};
    if (first <= 9 && line[2] == '\r' && line[3] == '\n') {
      value = first;
      return line + 4;
    }
    if (first <= 9 && first != 0 && second <= 9 && line[3] == '\r' && line[4] == '\n') {
      value = first * 10 + second;
      return line + 5;
    }
  }
  const char* at = line + 1;
  if (at >= end) return nullptr;
  uint32_t number = static_cast<uint8_t>(*at) - uint32_t{'0'};
  if (number > 9) return nullptr;
  const char* const digits_end = std::min(end, at + kMaxDigits);
  for (++at; at < digits_end; ++at) {
    const uint32_t digit = static_cast<uint8_t>(*at) - uint32_t{'0'};
    if (digit > 9) break;
    if (number == 0) return nullptr;  // a leading zero
    number = number * 10 + digit;
  }
  if (end - at < 2 || at[0] != '\r' || at[1] != '\n') return nullptr;
  value = number;
  return at + 2;
}

}  // namespace

RequestParser::Step RequestParser::wait_for(size_t needed_bytes) {
  needed_bytes_ = needed_bytes;
  return Step::kIncomplete;
}

RequestParser::Step RequestParser::protocol_error(ParsedBatch& batch, Bytes text) {
  batch.error_ = "ERR Protocol error: ";
  batch.error_ += text;
  return Step::kError;
}

void RequestParser::reset() {
  needed_bytes_ = 1;
  position_ = 0;
  remaining_ = 0;
  canonical_ = true;
  resumed_ = std::vector<Slice>();  // an idle connection holds nothing
  line_begin_ = 0;
  line_scanned_ = 0;
}

size_t RequestParser::parse(Bytes input, ParsedBatch& batch) {
  batch.clear();
  if (input.size() < needed_bytes_) return 0;
  needed_bytes_ = 1;
  const size_t room = limits_.authenticated ? ParsedBatch::kMaxCommands : 1;
  Cursor cursor{input.data(), input.data(), input.data(), input.data() + input.size()};
  while (batch.count_ < room && cursor.at < cursor.end) {
    cursor.begin = cursor.at;
    const Step step = *cursor.at == '*' ? parse_array(cursor, batch) : parse_inline(cursor, batch);
    if (step == Step::kDone) [[likely]] {
      line_scanned_ = 0;
      continue;
    }
    if (step == Step::kError) reset();
    return static_cast<size_t>(cursor.begin - input.data());
  }
  return cursor.consumed();
}

// Searches the line at the cursor for `wanted`. Where the input ends first, the part seen is remembered, so
// that a line that comes byte by byte is searched once. kError: the line is longer than allowed.
RequestParser::Step RequestParser::find_line_end(Cursor& cursor, char wanted, const char*& found) {
  const size_t window = std::min(cursor.left(), limits_.max_line_bytes + 1);
  const size_t seen = line_begin_ == cursor.offset() ? std::min(line_scanned_, window) : 0;
  const void* const hit = std::memchr(cursor.at + seen, wanted, window - seen);
  if (hit != nullptr) {
    found = static_cast<const char*>(hit);
    return Step::kDone;
  }
  if (window > limits_.max_line_bytes) return Step::kError;
  line_begin_ = cursor.offset();
  line_scanned_ = window;
  return wait_for(cursor.offset() + cursor.left() + 1);
}

RequestParser::Step RequestParser::parse_number_line(Cursor& cursor, ParsedBatch& batch, const char* too_big,
                                                     Number& number) {
  const char* carriage_return = nullptr;
  const Step step = find_line_end(cursor, '\r', carriage_return);
  if (step == Step::kError) return protocol_error(batch, too_big);
  if (step == Step::kIncomplete) return step;
  if (carriage_return + 1 == cursor.end) return wait_for(cursor.offset() + cursor.left() + 1);
  number.type = *cursor.at;
  // A line without even a type begins with its CR; parse_size() then complains about the type.
  if (carriage_return > cursor.at) number.value = parse_i64(Bytes(cursor.at + 1, carriage_return));
  number.ended_by_crlf = carriage_return[1] == '\n';
  cursor.at = carriage_return + 2;
  return Step::kDone;
}

RequestParser::Step RequestParser::parse_array(Cursor& cursor, ParsedBatch& batch) {
  if (position_ > 0) [[unlikely]] {
    cursor.at = cursor.begin + position_;
    return parse_bulks(cursor, batch, remaining_, canonical_);
  }
  uint32_t short_count = 0;
  Number number;
  if (const char* const next = short_number_line(cursor.at, cursor.end, short_count)) [[likely]] {
    number.value = short_count;
    cursor.at = next;
  } else {
    const Step step = parse_number_line(cursor, batch, "too big mbulk count string", number);
    if (step != Step::kDone) return step;
  }
  if (!number.value || *number.value > limits_.max_arguments) {
    return protocol_error(batch, "invalid multibulk length");
  }
  if (!limits_.authenticated && *number.value > RequestLimits::kMaxUnauthenticatedArguments) {
    return protocol_error(batch, "unauthenticated multibulk length");
  }
  if (*number.value <= 0) return Step::kDone;
  return parse_bulks(cursor, batch, static_cast<size_t>(*number.value), number.ended_by_crlf);
}

// The line "$<size>". When it is done, number.value is a size within the limits.
RequestParser::Step RequestParser::parse_size(Cursor& cursor, ParsedBatch& batch, Number& number) {
  const Step step = parse_number_line(cursor, batch, "too big bulk count string", number);
  if (step != Step::kDone) return step;
  if (number.type != '$') {
    const bool is_line_end = number.type == '\r' || number.type == '\n';
    const char got[] = {is_line_end ? ' ' : number.type, '\''};
    return protocol_error(batch, std::string("expected '$', got '").append(got, sizeof(got)));
  }
  if (!number.value || *number.value < 0) return protocol_error(batch, "invalid bulk length");
  return Step::kDone;
}

RequestParser::Step RequestParser::parse_bulks(Cursor& cursor, ParsedBatch& batch, size_t remaining,
                                               bool canonical) {
  const bool resuming = position_ > 0;
  const size_t first_argument = batch.argument_count_;
  while (remaining > 0) {
    const char* const header = cursor.at;
    uint32_t short_size = 0;
    uint64_t size = 0;
    const char* next = nullptr;
    if (header < cursor.end && *header == '$') [[likely]] {
      next = short_number_line(header, cursor.end, short_size);
    }
    if (next != nullptr) [[likely]] {
      size = short_size;
      cursor.at = next;
    } else {
      Number number;
      const Step step = parse_size(cursor, batch, number);
      if (step == Step::kIncomplete) suspend(cursor, batch, remaining, canonical);
      if (step != Step::kDone) return step;
      size = static_cast<uint64_t>(*number.value);
      canonical &= number.ended_by_crlf;
    }
    if (size > static_cast<uint64_t>(limits_.max_bulk_bytes)) {
      return protocol_error(batch, "invalid bulk length");
    }
    if (!limits_.authenticated && size > RequestLimits::kMaxUnauthenticatedBulkBytes) {
      return protocol_error(batch, "unauthenticated bulk length");
    }
    if (cursor.left() < size + 2) [[unlikely]] {
      wait_for(cursor.offset() + size + 2);
      cursor.at = header;
      suspend(cursor, batch, remaining, canonical);
      return Step::kIncomplete;
    }
    if (resuming) [[unlikely]] {
      resumed_.push_back({cursor.offset(), size});
    } else {
      batch.add_argument(Bytes(cursor.at, size));
    }
    const char* const after = cursor.at + size;
    canonical &= after[0] == '\r' && after[1] == '\n';
    cursor.at = after + 2;
    --remaining;
  }
  if (resuming) [[unlikely]] {
    for (const Slice& slice : resumed_) batch.add_argument(Bytes(cursor.begin + slice.offset, slice.size));
    reset();
  }
  batch.add_command(first_argument, cursor.raw(), cursor.consumed(), canonical);
  return Step::kDone;
}

// The input ended within a command; the cursor is at the header of the first argument that is not whole.
void RequestParser::suspend(const Cursor& cursor, ParsedBatch& batch, size_t remaining, bool canonical) {
  size_t first = 0;
  for (const ParsedCommand& command : batch.commands()) first += command.args.size();
  const std::span<const Bytes> found(batch.arguments_.get() + first, batch.argument_count_ - first);
  if (position_ == 0) {
    if (found.size() < kResumeArguments) return;
    resumed_.reserve(2 * found.size());
    for (const Bytes argument : found) {
      resumed_.push_back({static_cast<size_t>(argument.data() - cursor.begin), argument.size()});
    }
  }
  batch.argument_count_ = first;
  position_ = cursor.offset();
  remaining_ = remaining;
  canonical_ = canonical;
}

RequestParser::Step RequestParser::parse_inline(Cursor& cursor, ParsedBatch& batch) {
  const char* line_feed = nullptr;
  const Step step = find_line_end(cursor, '\n', line_feed);
  if (step == Step::kError) return protocol_error(batch, "too big inline request");
  if (step == Step::kIncomplete) return step;
  Bytes line(cursor.at, line_feed);
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.find('\0') != Bytes::npos) return protocol_error(batch, "NUL byte in inline request");
  const size_t first_argument = batch.argument_count_;
  if (line.find_first_of("\"'") != Bytes::npos) {
    std::optional<std::vector<std::string>> words = split_args(line);
    if (!words) return protocol_error(batch, "unbalanced quotes in request");
    // A vector's elements stay where they are when the vector itself is moved.
    batch.unquoted_.push_back(std::move(*words));
    for (const std::string& word : batch.unquoted_.back()) batch.add_argument(word);
  } else {
    // As split_args() would: any space is skipped before a word, but only these four end one.
    for (size_t i = 0; i < line.size();) {
      if (ascii_is_space(line[i])) {
        ++i;
        continue;
      }
      const Bytes word = line.substr(i, line.find_first_of(" \t\r\n", i) - i);
      batch.add_argument(word);
      i += word.size();
    }
  }
  cursor.at = line_feed + 1;
  if (batch.argument_count_ > first_argument) {
    batch.add_command(first_argument, cursor.raw(), cursor.consumed(), false);
  }
  return Step::kDone;
}

Bytes peek_second_argument(Bytes input) {
  const char* const end = input.data() + input.size();
  if (input.empty() || input.front() != '*') return {};
  uint32_t count = 0;
  const char* at = short_number_line(input.data(), end, count);
  if (at == nullptr || count < 2) return {};
  Bytes argument;
  for (int i = 0; i < 2; ++i) {
    uint32_t size = 0;
    if (at == end || *at != '$') return {};
    at = short_number_line(at, end, size);
    if (at == nullptr || static_cast<size_t>(end - at) < size_t{size} + 2) return {};
    argument = Bytes(at, size);
    at += size + 2;
  }
  return argument;
}

}  // namespace strata

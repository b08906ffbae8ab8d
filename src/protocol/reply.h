// Writes RESP2 or RESP3 replies into an Output.
//
//   Reply reply(output, client.resp3);
//   reply.array(2);
//   reply.bulk("a");
//   reply.integer(7);
//
// Who: commands. One Reply lives as long as its client or its command, as the server likes.
// Threads: those of its Output.
// Types that RESP2 does not have fall back as in Redis: a map is an array of 2n elements, a set or
// push an array, a double, big number or verbatim text a bulk, a boolean :1 or :0.
// A muted Reply (CLIENT REPLY OFF and SKIP) writes nothing but still counts errors and releases
// references.
// Invariants: simple strings and errors never contain CR or LF, whatever the caller passes:
//   a client's bytes in an error text cannot forge a second reply.
// Cost: integers and lengths below 1,024 come from a table; a small bulk is one reserve and one
//   memcpy.

#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <limits>

#include "base/bytes.h"
#include "protocol/output.h"

namespace strata {

namespace reply_detail {

// Entry n holds "n\r\n" in its first bytes and the length of that text in the last.
inline constexpr size_t kLineCount = 1024;
struct Line {
  char text[7];
  uint8_t size;
};
static_assert(sizeof(Line) == 8);
extern const std::array<Line, kLineCount> kLines;

}  // namespace reply_detail

class Reply {
 public:
  explicit Reply(Output& output, bool resp3 = false) : output_(&output), resp3_(resp3) {}

  Output& output() const { return *output_; }
  void set_output(Output& output) { output_ = &output; }
  bool resp3() const { return resp3_; }
  void set_resp3(bool resp3) { resp3_ = resp3; }
  bool muted() const { return muted_; }
  void set_muted(bool muted) { muted_ = muted; }

  void ok() { literal("+OK\r\n"); }
  void simple(Bytes text);

  // `text` begins with its code: "ERR syntax error". Leading and trailing CR and LF go, those
  // between become spaces. The second form concatenates: error("ERR unknown command '", name, "'").
  void error(Bytes text) { error_parts(&text, 1); }
  template <typename... Parts>
  void error(Bytes first, const Parts&... rest) {
    const Bytes parts[] = {first, Bytes(rest)...};
    error_parts(parts, 1 + sizeof...(rest));
  }

  // Errors so far, muted ones too, and the code of the last ("WRONGTYPE"): the server compares the
  // count before and after a command for errorstats and failed_calls.
  uint64_t error_count() const { return error_count_; }
  Bytes last_error_code() const { return Bytes(last_error_code_, last_error_code_size_); }

  void integer(int64_t value) {
    if (static_cast<uint64_t>(value) < reply_detail::kLineCount) [[likely]] {
      line(':', static_cast<size_t>(value));
    } else {
      number(':', value);
    }
  }
  void bulk(Bytes bytes) {
    if (bytes.size() <= kMaxInlineBulk && !muted_) [[likely]] {
      small_bulk(bytes);
    } else {
      large_bulk(bytes);
    }
  }
  void bulk_integer(int64_t value);  // "$2\r\n42\r\n"
  void bulk_double(double value);    // the text of the number, in both protocols

  // A value that stays where it is (pinned) until it was sent; see Output::append_reference.
  void bulk_reference(Bytes bytes, void* token, Output::Release release);

  // A bulk of which only the length is known yet: write `bytes` bytes with output().append…, then
  // call bulk_end(). Not for a muted Reply.
  void bulk_begin(size_t bytes) { header('$', bytes); }
  void bulk_end() { literal("\r\n"); }

  // What data's collections hold: bytes or an integer; both are bulks on the wire.
  void element(Bytes bytes) { bulk(bytes); }
  void element(int64_t value) { bulk_integer(value); }

  void null() { resp3_ ? literal("_\r\n") : literal("$-1\r\n"); }
  void null_array() { resp3_ ? literal("_\r\n") : literal("*-1\r\n"); }
  void empty_array() { literal("*0\r\n"); }

  void array(size_t count) { header('*', count); }
  void map(size_t pairs) { resp3_ ? header('%', pairs) : header('*', 2 * pairs); }
  void set(size_t count) { header(resp3_ ? '~' : '*', count); }
  void push(size_t count) { header(resp3_ ? '>' : '*', count); }
  void attribute(size_t pairs);  // RESP3 only: RESP2 has no such thing

  void double_(double value);
  void boolean(bool value);
  void big_number(Bytes digits);
  void verbatim(Bytes text, Bytes format = "txt");  // `format` has three letters

  // Aggregates whose count is known only after their elements. Every begin has its end; they nest.
  //
  //   auto array = reply.begin_array();
  //   for (…) reply.bulk(…), ++count;
  //   reply.end_array(array, count);
  struct Deferred {
    Output::Hole hole;
    char type = '*';
  };
  Deferred begin_array() { return begin('*'); }
  Deferred begin_set() { return begin(resp3_ ? '~' : '*'); }
  Deferred begin_map() { return begin(resp3_ ? '%' : '*'); }
  void end_array(Deferred& deferred, size_t count) { end(deferred, count); }
  void end_set(Deferred& deferred, size_t count) { end(deferred, count); }
  void end_map(Deferred& deferred, size_t pairs) { end(deferred, deferred.type == '%' ? pairs : 2 * pairs); }

  // Bytes that are RESP already: a stored reply, a forwarded one.
  void raw(Bytes bytes) {
    if (!muted_) output_->append(bytes);
  }

 private:
  static constexpr size_t kMaxInlineBulk = 1000;
  static constexpr size_t kHeaderRoom = 32;  // type, 20 digits, CR, LF, and what a wide store spills
  static constexpr size_t kMaxErrorCode = 31;
  static_assert(kMaxInlineBulk + 1 + sizeof(reply_detail::Line) + 2 <= Output::kMaxReserve);
  static_assert(kMaxInlineBulk < reply_detail::kLineCount);

  // Writes type and line `n` at `to`, returns the end. Stores nine bytes.
  static char* put_line(char* to, char type, size_t n) {
    const reply_detail::Line& line = reply_detail::kLines[n];
    *to = type;
    std::memcpy(to + 1, &line, sizeof(line));
    return to + 1 + line.size;
  }
  void line(char type, size_t n) {
    if (muted_) [[unlikely]]
      return;
    char* to = output_->reserve(kHeaderRoom);
    output_->commit(static_cast<size_t>(put_line(to, type, n) - to));
  }
  void header(char type, size_t n) {
    if (n < reply_detail::kLineCount) [[likely]] {
      line(type, n);
    } else {
      number(type, static_cast<int64_t>(n));
    }
  }
  void small_bulk(Bytes bytes) {
    char* const from = output_->reserve(bytes.size() + kMaxInlineBulkOverhead);
    char* to = put_line(from, '$', bytes.size());
    if (!bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());
    to += bytes.size();
    std::memcpy(to, "\r\n", 2);
    output_->commit(static_cast<size_t>(to + 2 - from));
  }
  static constexpr size_t kMaxInlineBulkOverhead = 1 + sizeof(reply_detail::Line) + 2;

  template <size_t N>
  void literal(const char (&text)[N]) {
    static_assert(N - 1 <= kHeaderRoom);
    if (muted_) [[unlikely]]
      return;
    std::memcpy(output_->reserve(kHeaderRoom), text, N - 1);
    output_->commit(N - 1);
  }

  void number(char type, int64_t value);
  void large_bulk(Bytes bytes);
  void error_parts(const Bytes* parts, size_t count);
  void append_line_safe(Bytes text);
  Deferred begin(char type);
  void end(Deferred& deferred, size_t count);

  Output* output_;
  bool resp3_;
  bool muted_ = false;
  uint8_t last_error_code_size_ = 0;
  char last_error_code_[kMaxErrorCode];
  uint64_t error_count_ = 0;
};

}  // namespace strata

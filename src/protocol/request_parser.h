// Cuts what a client sends into commands, without copying: RESP arrays of bulks, and inline
// commands (a line of words, quoted as in text/quote.h).
//
//   size_t consumed = parser.parse(input, batch);
//   for (const ParsedCommand& command : batch.commands()) run(command);
//   if (!batch.error().empty()) reply.error(batch.error()), close after sending;
//   drop `consumed` bytes from the front of input; receive at least until parser.needed_bytes()
//
// Wire:  *<count>\r\n  then count times  $<size>\r\n<bytes>\r\n
//        A first byte other than '*' begins an inline command, which ends with \n.
//        *0, *-1 and empty lines are skipped without a reply.
// As in redis-server 7.0, the two bytes after a bulk and the byte after a CR are not looked at;
// ParsedCommand::canonical says whether they were what they should be.
//
// Two differences from redis-server, which searches lines as C strings: a NUL in an inline command is
// an error (there the rest of the connection is never answered), and one in a number line an invalid
// number (there it waits for more).
//
// Who: one parser for each connection, one batch for each event loop, both of one thread.
// Invariants: the commands found do not depend on where the input was cut into pieces.
// Lifetime: arguments are views into `input` (of inline commands with quotes: into the batch) and die with it
//   or with the batch's next parse.
// Cost: nothing is allocated in the steady state. Total work is linear in the bytes received
//   however small the pieces: an incomplete command that is long is resumed, a short one re-read.
// Failure: batch.error() is the text of Redis's reply, "ERR Protocol error: …". The commands before it
//   are good; the connection must be closed after them, because the stream cannot be followed on.

#pragma once

#include <climits>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace strata {

struct RequestLimits {
  int64_t max_bulk_bytes = 512LL * 1024 * 1024;  // proto-max-bulk-len
  int64_t max_arguments = INT_MAX;
  size_t max_line_bytes = 64 * 1024;  // an inline command, a count or a size

  // Until a client has authenticated, it gets the tight limits, and parse() returns one command at a
  // time because that command may be the AUTH that lifts them.
  bool authenticated = true;
  static constexpr int64_t kMaxUnauthenticatedArguments = 10;
  static constexpr int64_t kMaxUnauthenticatedBulkBytes = 16384;
};

struct ParsedCommand {
  std::span<const Bytes> args;  // never empty
  Bytes raw;                    // the command's whole bytes
  size_t end = 0;               // offset in the input just after it
  bool canonical = false;       // raw is a plain RESP array that may be logged verbatim
};

// The commands of one parse(). Reused: it keeps its memory up to a bound.
class ParsedBatch {
 public:
  static constexpr size_t kMaxCommands = 64;

  ParsedBatch();
  ParsedBatch(const ParsedBatch&) = delete;
  ParsedBatch& operator=(const ParsedBatch&) = delete;

  std::span<const ParsedCommand> commands() const { return {commands_, count_}; }
  size_t size() const { return count_; }
  bool full() const { return count_ == kMaxCommands; }
  Bytes error() const { return error_; }  // empty if none; comes after all commands
  void clear();

 private:
  friend class RequestParser;
  static constexpr size_t kKeptArguments = 16 * 1024;

  void grow_arguments();
  void add_argument(Bytes argument) {
    if (argument_count_ == argument_capacity_) [[unlikely]]
      grow_arguments();
    arguments_[argument_count_++] = argument;
  }
  void add_command(size_t first_argument, Bytes raw, size_t end, bool canonical);

  ParsedCommand commands_[kMaxCommands];
  size_t count_ = 0;
  std::unique_ptr<Bytes[]> arguments_;
  size_t argument_count_ = 0;
  size_t argument_capacity_ = 0;
  std::vector<std::vector<std::string>> unquoted_;  // words of inline commands that had quotes
  std::string error_;
};

class RequestParser {
 public:
  RequestLimits& limits() { return limits_; }
  const RequestLimits& limits() const { return limits_; }

  // Parses whole commands from the front of `input` into `batch` (cleared first) until the input or
  // the batch's room ends. Returns the bytes consumed. The next call's input must begin with the
  // bytes this one did not consume; they may have moved in memory.
  size_t parse(Bytes input, ParsedBatch& batch);

  // Size the unconsumed input must reach before parse() can do more: exact inside a bulk, one more
  // byte than there is inside a line. 1 when nothing is pending.
  size_t needed_bytes() const { return needed_bytes_; }

  // Forgets what is known of an incomplete command. Needed when the next input will begin somewhere
  // else than after the consumed bytes, as after stopping in the middle of a batch.
  void reset();

  // Memory held for an incomplete command, for the client's accounting.
  size_t allocated_bytes() const { return resumed_.capacity() * sizeof(Slice); }

 private:
  enum class Step : uint8_t { kDone, kIncomplete, kError };
  struct Slice {
    size_t offset, size;  // from the start of the incomplete command
  };
  struct Cursor;  // where parse() is in its input
  struct Number;  // of a line "*<count>" or "$<size>"

  // An incomplete command of fewer arguments is parsed again from its start when more has come: cheaper
  // than keeping what was found, and still linear.
  static constexpr size_t kResumeArguments = 64;

  Step parse_array(Cursor& cursor, ParsedBatch& batch);
  Step parse_bulks(Cursor& cursor, ParsedBatch& batch, size_t remaining, bool canonical);
  Step parse_size(Cursor& cursor, ParsedBatch& batch, Number& number);
  Step parse_number_line(Cursor& cursor, ParsedBatch& batch, const char* too_big, Number& number);
  Step parse_inline(Cursor& cursor, ParsedBatch& batch);
  Step find_line_end(Cursor& cursor, char wanted, const char*& found);
  Step wait_for(size_t needed_bytes);
  Step protocol_error(ParsedBatch& batch, Bytes text);
  void suspend(const Cursor& cursor, ParsedBatch& batch, size_t remaining, bool canonical);

  RequestLimits limits_;
  size_t needed_bytes_ = 1;

  // What is known of a long incomplete command; offsets count from its first byte. position_ 0: nothing.
  size_t position_ = 0;    // the header of the first argument still to come
  size_t remaining_ = 0;   // arguments still to come, that one included
  bool canonical_ = true;  // so far
  std::vector<Slice> resumed_;

  // The line in which the input ended, and how far it was searched for its end.
  size_t line_begin_ = 0;
  size_t line_scanned_ = 0;
};

// The second argument of the command that `input` begins with, which is the key of most commands; empty if
// that is not there in plain form. A hint for prefetching, far cheaper than a parse.
Bytes peek_second_argument(Bytes input);

}  // namespace strata

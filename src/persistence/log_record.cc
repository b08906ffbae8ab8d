#include "persistence/log_record.h"

#include <charconv>
#include <cstring>

#include "base/assert.h"

namespace strata {
namespace {

constexpr Bytes kMulti = "*1\r\n$5\r\nMULTI\r\n";
constexpr Bytes kExec = "*1\r\n$4\r\nEXEC\r\n";
constexpr size_t kDigitsMax = 20;

size_t decimal_digits(size_t value) {
  size_t digits = 1;
  while (value >= 10) {
    value /= 10;
    ++digits;
  }
  return digits;
}

char* put_length(char* out, char mark, size_t value) {
  *out++ = mark;
  out = std::to_chars(out, out + kDigitsMax, value).ptr;
  *out++ = '\r';
  *out++ = '\n';
  return out;
}

}  // namespace

size_t command_bytes(std::span<const Bytes> args) {
  size_t bytes = 1 + decimal_digits(args.size()) + 2;
  for (Bytes arg : args) bytes += 1 + decimal_digits(arg.size()) + 2 + arg.size() + 2;
  return bytes;
}

char* format_command(char* out, std::span<const Bytes> args) {
  out = put_length(out, '*', args.size());
  for (Bytes arg : args) {
    out = put_length(out, '$', arg.size());
    if (!arg.empty()) std::memcpy(out, arg.data(), arg.size());
    out += arg.size();
    *out++ = '\r';
    *out++ = '\n';
  }
  return out;
}

void append_command_to(std::string& out, std::span<const Bytes> args) {
  const size_t begin = out.size();
  const size_t bytes = command_bytes(args);
  out.resize(begin + bytes);
  const char* end = format_command(out.data() + begin, args);
  STRATA_DASSERT(end == out.data() + begin + bytes);
  static_cast<void>(end);
}

void append_select_to(std::string& out, uint16_t db) {
  char digits[kDigitsMax];
  const Bytes number(digits, std::to_chars(digits, digits + sizeof(digits), db).ptr - digits);
  const Bytes args[] = {"SELECT", number};
  append_command_to(out, args);
}

size_t select_bytes(uint16_t db) {
  constexpr Bytes kZeros = "00000";
  const size_t digits = 1 + (db >= 10) + (db >= 100) + (db >= 1000) + (db >= 10000);
  const Bytes args[] = {"SELECT", kZeros.substr(0, digits)};
  return command_bytes(args);
}

bool is_group(Bytes record) { return record.starts_with(kMulti); }

void RecordBuilder::open(uint16_t db) {
  STRATA_ASSERT(!finished_, "clear() begins the next record");
  if (command_count_ == 0) {
    text_.assign(kMulti);
    first_db_ = db;
  } else if (db != last_db_) {
    append_select_to(text_, db);
  }
  last_db_ = db;
}

void RecordBuilder::add(uint16_t db, std::span<const Bytes> args) {
  open(db);
  append_command_to(text_, args);
  ++command_count_;
}

void RecordBuilder::add_resp(uint16_t db, Bytes commands, size_t count) {
  open(db);
  text_.append(commands);
  command_count_ += count;
}

void RecordBuilder::clear() {
  text_.clear();
  command_count_ = 0;
  finished_ = false;
}

Bytes RecordBuilder::finish() {
  if (command_count_ == 0) return {};
  if (command_count_ == 1) return Bytes(text_).substr(kMulti.size());
  if (!finished_) text_.append(kExec);
  finished_ = true;
  return text_;
}

}  // namespace strata

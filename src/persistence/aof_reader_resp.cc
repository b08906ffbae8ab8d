#include "persistence/aof_reader_resp.h"

#include <algorithm>
#include <charconv>

#include "persistence/aof_reader.h"

namespace strata {
namespace {

constexpr size_t kLengthLineBytesMax = 32;  // "$" and a number; far more than any number has
constexpr size_t kArgumentBytesMin = 6;     // "$0\r\n\r\n"

// "<mark><number>\r\n" at `at`; moves `at` behind it.
AofParse parse_length(Bytes in, size_t& at, char mark, uint64_t limit, uint64_t& value) {
  if (at == in.size()) return AofParse::kIncomplete;
  if (in[at] != mark) return AofParse::kMalformed;
  const Bytes line = in.substr(at + 1, kLengthLineBytesMax);
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
  const Bytes rest = line.substr(static_cast<size_t>(end - line.data()));
  const bool line_may_go_on = at + 1 + line.size() == in.size();
  if (error == std::errc::result_out_of_range || (error != std::errc{} && !line.empty()))
    return AofParse::kMalformed;
  if (line.empty() || (line_may_go_on && (rest.empty() || rest == "\r"))) return AofParse::kIncomplete;
  if (!rest.starts_with("\r\n") || value > limit) return AofParse::kMalformed;
  at += 1 + (line.size() - rest.size()) + 2;
  return AofParse::kOk;
}

AofParse skip_annotations(Bytes in, size_t& at) {
  while (at < in.size() && in[at] == '#') {
    const size_t end = in.substr(at, kAofLineBytesMax).find('\n');
    if (end == Bytes::npos)
      return in.size() - at < kAofLineBytesMax ? AofParse::kIncomplete : AofParse::kMalformed;
    at += end + 1;
  }
  return AofParse::kOk;
}

AofParse parse_argument(Bytes in, size_t& at, AofCommand& command) {
  uint64_t bytes = 0;
  command.bytes_wanted = std::max(command.bytes_wanted, at + kArgumentBytesMin);
  const AofParse length = parse_length(in, at, '$', kAofArgumentBytesMax, bytes);
  if (length != AofParse::kOk) return length;
  if (in.size() - at < bytes + 2) {
    command.bytes_wanted = at + bytes + 2;
    return AofParse::kIncomplete;
  }
  if (in[at + bytes] != '\r' || in[at + bytes + 1] != '\n') return AofParse::kMalformed;
  command.args.push_back(in.substr(at, bytes));
  at += bytes + 2;
  return AofParse::kOk;
}

}  // namespace

AofParse parse_aof_command(Bytes in, AofCommand& command) {
  command.args.clear();
  command.record_bytes = 0;
  command.bytes_wanted = in.size() + 1;
  size_t at = 0;
  AofParse parsed = skip_annotations(in, at);
  if (parsed != AofParse::kOk) return parsed;
  command.bytes = at;
  if (at == in.size()) return AofParse::kOk;
  const size_t begin = at;
  uint64_t count = 0;
  parsed = parse_length(in, at, '*', kAofArgumentsMax, count);
  if (parsed == AofParse::kOk && count == 0) parsed = AofParse::kMalformed;
  for (uint64_t i = 0; parsed == AofParse::kOk && i < count; ++i) parsed = parse_argument(in, at, command);
  command.bytes = at;
  command.record_bytes = at - begin;
  return parsed;
}

bool is_command(const AofCommand& command, Bytes upper_name, size_t arg_count) {
  if (command.args.size() != arg_count || command.args[0].size() != upper_name.size()) return false;
  return std::equal(upper_name.begin(), upper_name.end(), command.args[0].begin(),
                    [](char upper, char c) { return upper == (c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c); });
}

AofParse scan_aof_unit(Bytes in, AofCommand& command, AofUnit& unit) {
  unit = AofUnit{};
  AofParse parsed = parse_aof_command(in, command);
  unit.bytes = command.bytes;
  unit.record_bytes = command.record_bytes;
  unit.bytes_wanted = command.bytes_wanted;
  if (parsed != AofParse::kOk || command.args.empty()) return parsed;
  if (is_command(command, "EXEC", 1)) return AofParse::kMalformed;
  if (!is_command(command, "MULTI", 1)) return AofParse::kOk;
  unit.is_group = true;
  do {
    parsed = parse_aof_command(in.substr(unit.bytes), command);
    unit.bytes_wanted = unit.bytes + command.bytes_wanted;
    if (parsed != AofParse::kOk) return parsed;
    if (command.args.empty()) return AofParse::kIncomplete;
    if (is_command(command, "MULTI", 1)) return AofParse::kMalformed;
    unit.bytes += command.bytes;
    unit.record_bytes += command.record_bytes;
  } while (!is_command(command, "EXEC", 1));
  return AofParse::kOk;
}

bool parse_database(Bytes text, uint16_t& db) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), db);
  return error == std::errc{} && !text.empty() && end == text.data() + text.size();
}

}  // namespace strata

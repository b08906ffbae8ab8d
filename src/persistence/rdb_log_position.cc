#include "persistence/rdb_log_position.h"

#include "persistence/rdb_format.h"

namespace strata {
namespace {

constexpr size_t kHeadBytes = 1024;  // our own fields take less than 200
constexpr Bytes kMagic = "REDIS";

// A short plain string, or an integer, as fields have them.
bool take_string(Bytes& rest, Bytes& out) {
  if (rest.empty()) return false;
  const auto first = static_cast<uint8_t>(rest.front());
  const bool is_plain = first < 0x40;
  const bool is_integer = first >= 0xC0 && first <= 0xC2;
  if (!is_plain && !is_integer) return false;
  const size_t bytes = is_plain ? first : size_t{1} << (first - 0xC0);
  if (rest.size() < 1 + bytes) return false;
  out = rest.substr(1, bytes);
  rest.remove_prefix(1 + bytes);
  return true;
}

std::optional<uint64_t> parse_position(Bytes digits) {
  if (digits.size() != kRdbLogPositionBytes) return {};
  uint64_t position = 0;
  for (const char c : digits) {
    const bool is_letter = c >= 'a' && c <= 'f';
    if (!is_letter && (c < '0' || c > '9')) return {};
    position = position << 4 | static_cast<uint64_t>(is_letter ? c - 'a' + 10 : c - '0');
  }
  return position;
}

}  // namespace

void format_log_position(char (&out)[kRdbLogPositionBytes], uint64_t position) {
  for (size_t i = kRdbLogPositionBytes; i-- > 0; position >>= 4) out[i] = "0123456789abcdef"[position & 15];
}

std::optional<uint64_t> find_log_position(Bytes head) {
  if (!head.starts_with(kMagic) || head.size() < kRdbHeaderBytes) return {};
  Bytes rest = head.substr(kRdbHeaderBytes);
  while (!rest.empty() && static_cast<uint8_t>(rest.front()) == static_cast<uint8_t>(RdbOpcode::kAux)) {
    rest.remove_prefix(1);
    Bytes name;
    Bytes value;
    if (!take_string(rest, name) || !take_string(rest, value)) break;
    if (name == kRdbLogPositionField) return parse_position(value);
  }
  return {};
}

Result<std::optional<uint64_t>> read_log_position(File& file) {
  char head[kHeadBytes];
  TRY_ASSIGN(const size_t got, file.read_at(0, head));
  return find_log_position(Bytes(head, got));
}

}  // namespace strata

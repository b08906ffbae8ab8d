#include "commands/bits.h"

#include <algorithm>

#include "commands/groups.h"
#include "data/bits.h"
#include "text/numbers.h"

namespace strata {

bool parse_bit_offset(Context& context, size_t i, unsigned width, uint64_t& offset) {
  Bytes text = context.arg(i);
  const bool is_counted = width > 0 && text.starts_with('#');
  if (is_counted) text.remove_prefix(1);
  std::optional<int64_t> parsed = parse_i64(text);
  int64_t bit = parsed.value_or(-1);
  if (is_counted && __builtin_mul_overflow(bit, int64_t{width}, &bit)) bit = -1;
  // What was once accepted and logged is accepted again while the log is replayed, whatever the limit is now.
  const bool is_loading = !context.keyspace().expiry_enabled();
  const auto limit = is_loading ? static_cast<int64_t>(Blob::kMaxBytes) : context.options().max_bulk_bytes;
  if (bit < 0 || bit / 8 >= limit) {
    context.reply().error("ERR bit offset is not an integer or out of range");
    return false;
  }
  offset = static_cast<uint64_t>(bit);
  return true;
}

std::optional<EditedBytes> edit_bytes(Context& context, const Key& key, Entry* entry, size_t size) {
  Database& database = context.database(key);
  const bool is_new = entry == nullptr;
  const size_t old_size = StringBytes(entry).bytes().size();
  if (is_new) {
    Result<Entry*> created = database.set_string(key, {}, kNoDeadline);
    if (!context.check(created)) return std::nullopt;
    entry = *created;
  }
  Result<MutableBytes> edited = database.edit_string(key, entry, std::max(old_size, size));
  if (!edited && is_new) database.erase(key);
  if (!context.check(edited)) return std::nullopt;
  return EditedBytes{*edited, is_new || size > old_size};
}

namespace {

bool parse_bit(Context& context, size_t i, bool& bit) {
  int64_t value;
  if (!context.parse_integer_in(i, 0, 1, value, "ERR bit is not an integer or out of range")) return false;
  bit = value == 1;
  return true;
}

void setbit(Context& context) {
  uint64_t offset;
  bool bit;
  if (!parse_bit_offset(context, 2, 0, offset) || !parse_bit(context, 3, bit)) return;
  Key key = context.key(1);
  Entry* entry;
  if (!context.find_for_write(key, Type::kString, entry)) return;
  std::optional<EditedBytes> edited = edit_bytes(context, key, entry, offset / 8 + 1);
  if (!edited) return;
  const Bytes bytes(edited->bytes.data(), edited->bytes.size());
  const bool old_bit = read_bits(bytes, offset, 1) != 0;
  write_bits(edited->bytes.data(), offset, 1, bit);
  if (edited->has_grown || old_bit != bit) context.changed(key);
  context.reply().integer(old_bit);
}

void getbit(Context& context) {
  uint64_t offset;
  if (!parse_bit_offset(context, 2, 0, offset)) return;
  Entry* entry;
  if (!context.find(context.key(1), Type::kString, entry)) return;
  context.reply().integer(static_cast<int64_t>(read_bits(StringBytes(entry).bytes(), offset, 1)));
}

constexpr KeySpec kTargetAndSources[] = {
    {.flags = kKeyOW | kKeyUpdate, .index = 2},
    {.flags = kKeyRO | kKeyAccess, .index = 3, .last = -1},
};
constexpr KeySpec kFirstKeyMaybeUpdate[] = {{.flags = kKeyRW | kKeyAccess | kKeyUpdate | kKeyVariableFlags}};

// clang-format off
constexpr Command kBitCommands[] = {
    {.name = "setbit", .syntax = "key offset value", .flags = kWrite | kDenyOom, .keys = kFirstKeyAccessUpdate,
     .acl = kAclBitmap, .since = "2.2.0",
     .summary = "Sets or clears the bit at offset in the string value stored at key", .run = setbit},
    {.name = "getbit", .syntax = "key offset", .flags = kReadOnly | kFast, .keys = kFirstKeyRead,
     .acl = kAclBitmap, .since = "2.2.0",
     .summary = "Returns the bit value at offset in the string value stored at key", .run = getbit},
    {.name = "bitcount", .syntax = "key [start end [BYTE | BIT]]", .flags = kReadOnly, .keys = kFirstKeyRead,
     .acl = kAclBitmap, .since = "2.6.0", .complexity = "O(N)", .summary = "Count set bits in a string",
     .run = bitcount, .history = "7.0.0=Added the `BYTE|BIT` option."},
    {.name = "bitpos", .syntax = "key bit [start [end [BYTE | BIT]]]", .flags = kReadOnly, .keys = kFirstKeyRead,
     .acl = kAclBitmap, .since = "2.8.7", .complexity = "O(N)",
     .summary = "Find first bit set or clear in a string", .run = bitpos,
     .history = "7.0.0=Added the `BYTE|BIT` option."},
    {.name = "bitop", .syntax = "<AND | OR | XOR | NOT | DIFF | DIFF1 | ANDOR | ONE> destkey key [key ...]",
     .flags = kWrite | kDenyOom, .keys = kTargetAndSources, .acl = kAclBitmap, .since = "2.6.0",
     .complexity = "O(N)", .summary = "Perform bitwise operations between strings", .run = bitop,
     .history = "8.2.0=Added the `DIFF`, `DIFF1`, `ANDOR` and `ONE` operations."},
    {.name = "bitfield",
     .syntax = "key [GET encoding offset | [OVERFLOW <WRAP | SAT | FAIL>] <SET encoding offset value | "
               "INCRBY encoding offset increment> [GET encoding offset | [OVERFLOW <WRAP | SAT | FAIL>] "
               "<SET encoding offset value | INCRBY encoding offset increment> ...]]",
     .flags = kWrite | kDenyOom, .keys = kFirstKeyMaybeUpdate, .acl = kAclBitmap, .since = "3.2.0",
     .complexity = "O(1) for each subcommand specified",
     .summary = "Perform arbitrary bitfield integer operations on strings", .run = bitfield},
    {.name = "bitfield_ro", .syntax = "key [GET encoding offset [GET encoding offset ...]]",
     .flags = kReadOnly | kFast, .keys = kFirstKeyRead, .acl = kAclBitmap, .since = "6.0.0",
     .complexity = "O(1) for each subcommand specified",
     .summary = "Perform arbitrary bitfield integer operations on strings. Read-only variant of BITFIELD",
     .run = bitfield_ro},
};
// clang-format on
static_assert(well_formed(kBitCommands));

}  // namespace

const CommandGroup kBitmapGroup = {"bitmap", kBitCommands};

}  // namespace strata

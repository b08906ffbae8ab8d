// BITCOUNT and BITPOS: both look at a range of bytes, or of bits.

#include <algorithm>

#include "commands/bits.h"
#include "commands/collections.h"
#include "data/bits.h"

namespace strata {
namespace {

// About 100 us of counting.
constexpr uint64_t kSliceBits = uint64_t{8} << 20;

// Bits [first, last).
struct BitRange {
  uint64_t first = 0;
  uint64_t last = 0;

  bool is_empty() const { return first >= last; }
};

struct RangeArguments {
  int64_t start = 0;
  int64_t end = -1;
  bool is_in_bits = false;
};

// [BYTE | BIT] at args[i], if it is there.
bool parse_unit(Context& context, size_t i, RangeArguments& range) {
  if (i >= context.argc()) return true;
  range.is_in_bits = context.is_word(i, "BIT");
  if (!range.is_in_bits && !context.is_word(i, "BYTE")) return context.syntax_error(), false;
  return true;
}

// Negative ends count from the end of the string; what lies outside is cut off.
BitRange resolve(const RangeArguments& range, size_t bytes) {
  const int64_t size = static_cast<int64_t>(bytes) * (range.is_in_bits ? 8 : 1);
  int64_t start = range.start;
  int64_t end = range.end;
  if (start < 0) start = std::max<int64_t>(size + start, 0);
  if (end < 0) end = std::max<int64_t>(size + end, 0);
  end = std::min(end, size - 1);
  if (start > end) return {};
  const uint64_t unit = range.is_in_bits ? 1 : 8;
  return {static_cast<uint64_t>(start) * unit, (static_cast<uint64_t>(end) + 1) * unit};
}

uint64_t count_range(Bytes bytes, BitRange range) {
  uint64_t count = 0;
  for (; range.first < range.last && range.first % 8 != 0; ++range.first) {
    count += read_bits(bytes, range.first, 1);
  }
  for (; range.last > range.first && range.last % 8 != 0; --range.last) {
    count += read_bits(bytes, range.last - 1, 1);
  }
  return count + count_bits(bytes.substr(range.first / 8, (range.last - range.first) / 8));
}

// Calls look(bytes, range) for one slice of the range after the other until it returns false, then
// finish(context).
template <typename Look, typename Finish>
void in_bit_slices(Context& context, BitRange range, const Look& look, const Finish& finish) {
  in_slices(context, false, [=](Context& slice) mutable {
    const StringBytes string(latched_entry(slice));
    const uint64_t end = std::min(range.last, (range.first / kSliceBits + 1) * kSliceBits);
    const bool goes_on = look(string.bytes(), BitRange{range.first, end});
    range.first = end;
    if (goes_on && end < range.last) return false;
    finish(slice);
    return true;
  });
}

bool wants_bit_slices(const Context& context, BitRange range) {
  return context.may_slice() && range.last - range.first > kSliceBits;
}

}  // namespace

void bitcount(Context& context) {
  Entry* entry;
  if (!context.find(context.key(1), Type::kString, entry)) return;
  if (!entry) return context.reply().integer(0);
  RangeArguments arguments;
  if (context.argc() == 3 || context.argc() > 5) return context.syntax_error();
  if (context.argc() > 3) {
    if (!context.parse_integer(2, arguments.start) || !context.parse_integer(3, arguments.end)) return;
    // Before the ends are cut off, and the unit is looked at; BITPOS does not look.
    const bool is_reversed = arguments.start < 0 && arguments.end < 0 && arguments.start > arguments.end;
    if (is_reversed) return context.reply().integer(0);
    if (!parse_unit(context, 4, arguments)) return;
  }
  const StringBytes string(entry);
  const BitRange range = resolve(arguments, string.bytes().size());
  if (range.is_empty()) return context.reply().integer(0);
  if (!wants_bit_slices(context, range)) {
    return context.reply().integer(static_cast<int64_t>(count_range(string.bytes(), range)));
  }
  auto count = std::make_shared<uint64_t>(0);
  in_bit_slices(
      context, range,
      [count](Bytes bytes, BitRange some) {
        *count += count_range(bytes, some);
        return true;
      },
      [count](Context& slice) { slice.reply().integer(static_cast<int64_t>(*count)); });
}

void bitpos(Context& context) {
  constexpr Bytes kNoBit = "ERR The bit argument must be 1 or 0.";
  int64_t bit;
  if (!context.parse_integer(2, bit)) return;
  if (bit != 0 && bit != 1) return context.reply().error(kNoBit);
  Entry* entry;
  if (!context.find(context.key(1), Type::kString, entry)) return;
  if (!entry) return context.reply().integer(bit == 1 ? -1 : 0);
  RangeArguments arguments;
  const bool has_end = context.argc() > 4;
  if (context.argc() > 6) return context.syntax_error();
  if (context.argc() > 3 && !context.parse_integer(3, arguments.start)) return;
  // Redis looks at the unit before the end.
  if (has_end && !parse_unit(context, 5, arguments)) return;
  if (has_end && !context.parse_integer(4, arguments.end)) return;
  const StringBytes string(entry);
  const BitRange range = resolve(arguments, string.bytes().size());
  if (range.is_empty()) return context.reply().integer(-1);
  // Behind a string without a given end come zeros for ever.
  const int64_t none = bit == 0 && !has_end ? static_cast<int64_t>(string.bytes().size() * 8) : -1;
  auto position = [none](const std::optional<uint64_t>& found) {
    return found ? static_cast<int64_t>(*found) : none;
  };
  if (!wants_bit_slices(context, range)) {
    return context.reply().integer(position(find_bit(string.bytes(), range.first, range.last, bit == 1)));
  }
  auto found = std::make_shared<std::optional<uint64_t>>();
  in_bit_slices(
      context, range,
      [found, bit](Bytes bytes, BitRange some) {
        *found = find_bit(bytes, some.first, some.last, bit == 1);
        return !*found;
      },
      [found, position](Context& slice) { slice.reply().integer(position(*found)); });
}

}  // namespace strata

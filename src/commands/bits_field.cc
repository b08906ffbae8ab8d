// BITFIELD: a row of reads and writes of integers of any width.

#include <algorithm>
#include <vector>

#include "commands/bits.h"
#include "data/bits.h"
#include "text/numbers.h"

namespace strata {
namespace {

struct FieldOperation {
  enum class Kind : uint8_t { kGet, kSet, kIncrement };
  Kind kind;
  BitField field;
  uint64_t offset;
  int64_t operand;  // what is set or added
  BitOverflow policy;
};

// u1 to u63, i1 to i64
bool parse_field(Context& context, size_t i, BitField& field) {
  const Bytes text = context.arg(i);
  field.is_signed = text.starts_with('i');
  std::optional<int64_t> width;
  if (field.is_signed || text.starts_with('u')) width = parse_i64(text.substr(1));
  if (!width || *width < 1 || *width > (field.is_signed ? 64 : 63)) {
    context.reply().error(
        "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.");
    return false;
  }
  field.width = static_cast<unsigned>(*width);
  return true;
}

bool parse_overflow(Context& context, size_t i, BitOverflow& policy) {
  if (context.is_word(i, "WRAP")) return policy = BitOverflow::kWrap, true;
  if (context.is_word(i, "SAT")) return policy = BitOverflow::kSaturate, true;
  if (context.is_word(i, "FAIL")) return policy = BitOverflow::kFail, true;
  context.reply().error("ERR Invalid OVERFLOW type specified");
  return false;
}

// The operation at args[i], which moves behind it.
bool parse_operation(Context& context, size_t& i, FieldOperation& operation) {
  using Kind = FieldOperation::Kind;
  const size_t words_left = context.argc() - i - 1;
  if (context.is_word(i, "GET") && words_left >= 2) {
    operation.kind = Kind::kGet;
  } else if (context.is_word(i, "SET") && words_left >= 3) {
    operation.kind = Kind::kSet;
  } else if (context.is_word(i, "INCRBY") && words_left >= 3) {
    operation.kind = Kind::kIncrement;
  } else {
    context.syntax_error();
    return false;
  }
  if (!parse_field(context, i + 1, operation.field)) return false;
  if (!parse_bit_offset(context, i + 2, operation.field.width, operation.offset)) return false;
  i += 3;
  return operation.kind == Kind::kGet || context.parse_integer(i++, operation.operand);
}

bool parse_operations(Context& context, std::vector<FieldOperation>& operations) {
  BitOverflow policy = BitOverflow::kWrap;
  for (size_t i = 2; i < context.argc();) {
    if (context.is_word(i, "OVERFLOW") && i + 1 < context.argc()) {
      if (!parse_overflow(context, i + 1, policy)) return false;
      i += 2;
      continue;
    }
    FieldOperation operation{};
    if (!parse_operation(context, i, operation)) return false;
    operation.policy = policy;
    operations.push_back(operation);
  }
  return true;
}

void reply_fields(Context& context, Bytes bytes, std::span<const FieldOperation> operations) {
  context.reply().array(operations.size());
  for (const FieldOperation& operation : operations) {
    const uint64_t bits = read_bits(bytes, operation.offset, operation.field.width);
    context.reply().integer(bit_field_value(operation.field, bits));
  }
}

// Replies and performs one operation; true when a field was written.
bool perform(Reply& reply, MutableBytes bytes, const FieldOperation& operation) {
  using Kind = FieldOperation::Kind;
  const uint64_t bits = read_bits({bytes.data(), bytes.size()}, operation.offset, operation.field.width);
  const int64_t old_value = bit_field_value(operation.field, bits);
  if (operation.kind == Kind::kGet) return reply.integer(old_value), false;
  const bool is_set = operation.kind == Kind::kSet;
  std::optional<int64_t> value = bit_field_sum(operation.field, is_set ? operation.operand : old_value,
                                               is_set ? 0 : operation.operand, operation.policy);
  if (!value) return reply.null(), false;
  write_bits(bytes.data(), operation.offset, operation.field.width, static_cast<uint64_t>(*value));
  reply.integer(is_set ? old_value : *value);
  return true;
}

void write_fields(Context& context, std::span<const FieldOperation> operations) {
  uint64_t bits = 0;
  for (const FieldOperation& operation : operations) {
    if (operation.kind != FieldOperation::Kind::kGet)
      bits = std::max(bits, operation.offset + operation.field.width);
  }
  const Key key = context.key(1);
  Entry* entry;
  if (!context.find_for_write(key, Type::kString, entry)) return;
  std::optional<EditedBytes> edited = edit_bytes(context, key, entry, (bits + 7) / 8);
  if (!edited) return;
  uint64_t changes = edited->has_grown;
  context.reply().array(operations.size());
  for (const FieldOperation& operation : operations) {
    changes += perform(context.reply(), edited->bytes, operation);
  }
  if (changes > 0) context.changed(key, changes);
}

bool only_reads(std::span<const FieldOperation> operations) {
  return std::all_of(operations.begin(), operations.end(), [](const FieldOperation& operation) {
    return operation.kind == FieldOperation::Kind::kGet;
  });
}

void run(Context& context, bool may_write) {
  std::vector<FieldOperation> operations;
  if (!parse_operations(context, operations)) return;
  if (!only_reads(operations)) {
    if (may_write) return write_fields(context, operations);
    return context.reply().error("ERR BITFIELD_RO only supports the GET subcommand");
  }
  Entry* entry;
  if (!context.find(context.key(1), Type::kString, entry)) return;
  const StringBytes string(entry);
  reply_fields(context, string.bytes(), operations);
}

}  // namespace

void bitfield(Context& context) { run(context, true); }
void bitfield_ro(Context& context) { run(context, false); }

}  // namespace strata

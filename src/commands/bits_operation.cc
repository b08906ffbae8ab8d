// BITOP. The result is complete before the target is touched: the target may be one of the sources.

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "commands/algebra.h"
#include "commands/bits.h"
#include "commands/collections.h"
#include "data/bits.h"

namespace strata {
namespace {

// About 200 us with two sources.
constexpr size_t kBytesPerSlice = size_t{1} << 20;

std::optional<BitOperation> parse_operation(const Context& context) {
  constexpr std::pair<const char*, BitOperation> kNames[] = {
      {"AND", BitOperation::kAnd}, {"OR", BitOperation::kOr},       {"XOR", BitOperation::kXor},
      {"NOT", BitOperation::kNot}, {"DIFF", BitOperation::kDiff},   {"DIFF1", BitOperation::kDiff1},
      {"ONE", BitOperation::kOne}, {"ANDOR", BitOperation::kAndOr},
  };
  for (const auto& [name, operation] : kNames) {
    if (context.is_word(1, name)) return operation;
  }
  return std::nullopt;
}

bool parse(Context& context, BitOperation& operation) {
  std::optional<BitOperation> parsed = parse_operation(context);
  if (!parsed) return context.syntax_error(), false;
  operation = *parsed;
  const size_t sources = context.argc() - 3;
  const bool needs_others = operation == BitOperation::kDiff || operation == BitOperation::kDiff1 ||
                            operation == BitOperation::kAndOr;
  if (operation == BitOperation::kNot && sources != 1) {
    context.reply().error("ERR BITOP NOT must be called with a single source key.");
    return false;
  }
  if (needs_others && sources < 2) {
    const Bytes name = operation == BitOperation::kDiff    ? "DIFF"
                       : operation == BitOperation::kDiff1 ? "DIFF1"
                                                           : "ANDOR";
    context.reply().error("ERR BITOP ", name, " must be called with at least two source keys.");
    return false;
  }
  return true;
}

// The sources as bytes. Those stored as integers are printed.
class Sources {
 public:
  // False: one is of another type, and that was replied.
  bool find(Context& context) {
    for (size_t i = 3; i < context.argc(); ++i) {
      Entry* entry;
      if (!context.find(context.key(i), Type::kString, entry)) return false;
      add(entry);
    }
    return true;
  }
  // Again, while all keys are latched.
  void find_latched(Context& context) {
    for (size_t i = 3; i < context.argc(); ++i) {
      const Key key = context.key(i);
      add(context.database(key).find(key));
    }
  }
  size_t longest() const {
    size_t size = 0;
    for (Bytes bytes : bytes_) size = std::max(size, bytes.size());
    return size;
  }
  std::span<const Bytes> bytes() const { return bytes_; }

 private:
  void add(const Entry* entry) {
    strings_.push_back(std::make_unique<StringBytes>(entry));
    bytes_.push_back(strings_.back()->bytes());
  }

  std::vector<std::unique_ptr<StringBytes>> strings_;
  std::vector<Bytes> bytes_;
};

// A result that fits into an entry; Redis says that its encoding is "raw".
void store_small(Context& context, const Key& target, Bytes bytes) {
  Database& database = context.database(target);
  context.find_for_write(target);  // expired: its deletion is logged before
  Result<Entry*> stored = database.set_string(target, bytes, kNoDeadline, false);
  if (!context.check(stored)) return;
  static_cast<void>(database.edit_string(target, *stored, bytes.size()));
  context.shard(target).ask_for_cleaning();
  context.changed(target);
  context.reply().integer(static_cast<int64_t>(bytes.size()));
}

class BitopWork final : public SlicedWork {
 public:
  BitopWork(BitOperation operation, Blob* result, size_t size)
      : operation_(operation), result_(result), size_(size) {}

  bool step(Context& context) override {
    Sources sources;
    sources.find_latched(context);
    const size_t some = std::min(kBytesPerSlice, size_ - result_->size);
    combine_bits(operation_, sources.bytes(), result_->size, result_->bytes + result_->size, some);
    result_->size += static_cast<uint32_t>(some);
    if (result_->size < size_) return false;
    store_result(context, context.key(2), Value{Type::kString, Encoding::kRaw, result_}, size_);
    return true;
  }

 private:
  const BitOperation operation_;
  Blob* const result_;
  const size_t size_;
};

}  // namespace

void bitop(Context& context) {
  BitOperation operation;
  if (!parse(context, operation)) return;
  const Key target = context.key(2);
  Sources sources;
  if (!sources.find(context)) return;
  const size_t size = sources.longest();
  if (size == 0) return store_result(context, target, std::nullopt, 0);
  if (size <= kInlineStringMax) {
    char result[kInlineStringMax];
    combine_bits(operation, sources.bytes(), 0, result, size);
    return store_small(context, target, {result, size});
  }
  Blob* result = Blob::create(context.data(target).heap, size);
  if (!check_memory(context, result != nullptr)) return;
  auto work = std::make_unique<BitopWork>(operation, result, size);
  if (context.may_slice() && size > kBytesPerSlice)
    return context.slice(std::move(work), algebra_latches(context, {3, context.argc(), 2}));
  while (!work->step(context)) {
  }
}

}  // namespace strata

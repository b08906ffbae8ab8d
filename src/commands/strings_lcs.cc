// LCS: the longest common subsequence of two strings, by dynamic programming over all pairs of prefixes.
//
// Redis keeps the whole matrix of lengths, 4 bytes a cell, and refuses what would exceed proto-max-bulk-len.
// We refuse the same sizes but keep one row of lengths, and one bit a cell: all that the way back needs to
// know is whether it leads up or to the left. So the largest allowed comparison takes 16 MB instead of 512.

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>

#include "commands/strings.h"
#include "text/numbers.h"

namespace strata {
namespace {

// Cells of the matrix in a slice: some 200 us.
constexpr size_t kCellsInSlice = 128 * 1024;

struct LcsOptions {
  bool length = false;   // LEN
  bool indexes = false;  // IDX
  bool with_match_length = false;
  int64_t match_length_min = 0;
};

bool parse_options(Context& context, LcsOptions& options) {
  for (size_t i = 3; i < context.argc(); ++i) {
    if (context.is_word(i, "IDX")) {
      options.indexes = true;
    } else if (context.is_word(i, "LEN")) {
      options.length = true;
    } else if (context.is_word(i, "WITHMATCHLEN")) {
      options.with_match_length = true;
    } else if (context.is_word(i, "MINMATCHLEN") && i + 1 < context.argc()) {
      if (!context.parse_integer(++i, options.match_length_min)) return false;
    } else {
      context.syntax_error();
      return false;
    }
  }
  if (!options.length || !options.indexes) return true;
  context.reply().error("ERR If you want both the length and indexes, please just use IDX.");
  return false;
}

// Both strings are given anew at every step: between two of them they may have moved.
class Subsequence {
 public:
  // Gets the memory; with a path when the way is wanted and not only the length. False: there is none.
  bool begin(size_t a_size, size_t b_size, bool with_path) {
    a_size_ = a_size;
    b_size_ = b_size;
    // calloc() gives large blocks as pages that are zero already, and touched one by one.
    row_.reset(static_cast<uint32_t*>(std::calloc(b_size + 1, sizeof(uint32_t))));
    if (!row_) return false;
    if (!with_path) return true;
    leads_up_.reset(static_cast<uint64_t*>(std::calloc((a_size * b_size + 64) / 64, sizeof(uint64_t))));
    return leads_up_ != nullptr;
  }

  // Compares some `budget` pairs of bytes. True when the length is known.
  bool find_some(Bytes a, Bytes b, size_t budget) {
    while (row_index_ < a_size_ && b_size_ > 0) {
      size_t end = b_size_ - column_ <= budget ? b_size_ : column_ + budget;
      budget -= end - column_;
      leads_up_ ? compare<true>(a, b, end) : compare<false>(a, b, end);
      if (column_ == b_size_) {
        column_ = 0;
        corner_ = 0;
        ++row_index_;
      }
      if (budget == 0) break;
    }
    if (row_index_ < a_size_ && b_size_ > 0) return false;
    i_ = a_size_;
    j_ = b_size_;
    return true;
  }

  uint32_t length() const { return row_[b_size_]; }

  // Walks some `budget` steps of the path back from the ends: visit(a_first, b_first, count) for every
  // stretch that both have, last first. True at the end.
  template <typename Visit>
  bool walk_some(Bytes a, Bytes b, size_t budget, Visit&& visit) {
    for (; i_ > 0 && j_ > 0; --budget) {
      if (budget == 0) return false;
      if (a[i_ - 1] == b[j_ - 1]) {
        --i_, --j_, ++count_;
        continue;
      }
      if (count_ > 0) visit(i_, j_, count_);
      count_ = 0;
      leads_up(i_ - 1, j_ - 1) ? --i_ : --j_;
    }
    if (count_ > 0) visit(i_, j_, count_);
    return true;
  }

 private:
  struct Free {
    void operator()(void* block) const { std::free(block); }
  };

  // The row from column_ to `end`. row_[j + 1] still is the length for (i, j + 1); corner_ the one for (i,
  // j), already overwritten.
  template <bool kWithPath>
  void compare(Bytes a, Bytes b, size_t end) {
    uint32_t* row = row_.get();
    uint32_t corner = corner_;
    const char byte = a[row_index_];
    for (size_t j = column_; j < end; ++j) {
      uint32_t above = row[j + 1];
      uint32_t left = row[j];
      if (kWithPath && above > left) set_leads_up(row_index_, j);
      row[j + 1] = byte == b[j] ? corner + 1 : std::max(above, left);
      corner = above;
    }
    corner_ = corner;
    column_ = end;
  }
  bool leads_up(size_t i, size_t j) const {
    size_t bit = i * b_size_ + j;
    return leads_up_[bit / 64] >> (bit % 64) & 1;
  }
  void set_leads_up(size_t i, size_t j) {
    size_t bit = i * b_size_ + j;
    leads_up_[bit / 64] |= uint64_t{1} << (bit % 64);
  }

  size_t a_size_ = 0, b_size_ = 0;
  size_t row_index_ = 0, column_ = 0;
  uint32_t corner_ = 0;
  size_t i_ = 0, j_ = 0, count_ = 0;  // on the way back
  std::unique_ptr<uint32_t[], Free> row_;
  std::unique_ptr<uint64_t[], Free> leads_up_;
};

void reply_range(Reply& reply, size_t first, size_t count) {
  reply.array(2);
  reply.integer(static_cast<int64_t>(first));
  reply.integer(static_cast<int64_t>(first + count - 1));
}

// LCS, or a slice of it: finds the length, then the way to it, which is replied as it goes or as a whole.
class Comparison {
 public:
  explicit Comparison(const LcsOptions& options) : options_(options) {}

  bool begin(Context& context) {
    Strings strings(context);
    return subsequence_.begin(strings.a.size(), strings.b.size(), options_.indexes || !options_.length);
  }

  // True when all is done and replied.
  bool step(Context& context, size_t budget) {
    Strings strings(context);
    if (!is_found_) {
      is_found_ = subsequence_.find_some(strings.a, strings.b, budget);
      return is_found_ && begin_reply(context.reply());
    }
    bool is_end = subsequence_.walk_some(strings.a, strings.b, budget,
                                         [&](size_t a_first, size_t b_first, size_t count) {
                                           if (options_.indexes)
                                             return reply_match(context.reply(), a_first, b_first, count);
                                           strings.a.copy(text_.data() + text_left_ - count, count, a_first);
                                           text_left_ -= count;
                                         });
    if (is_end) end_reply(context.reply());
    return is_end;
  }

 private:
  // What the keys hold now.
  struct Strings {
    explicit Strings(Context& context)
        : a(text_of(context, 1, scratch[0])), b(text_of(context, 2, scratch[1])) {}
    static Bytes text_of(Context& context, size_t i, char (&scratch)[kIntegerTextBytes]) {
      Key key = context.key(i);
      const Entry* entry = context.database(key).find(key);
      if (!entry || entry->type() != Type::kString) return {};
      return element_text(entry->string(), scratch);
    }
    char scratch[2][kIntegerTextBytes];
    Bytes a, b;
  };

  // True when the length is all that was asked for.
  bool begin_reply(Reply& reply) {
    if (options_.indexes) {
      reply.map(2);
      reply.bulk("matches");
      matches_ = reply.begin_array();
      return false;
    }
    if (options_.length) {
      reply.integer(subsequence_.length());
      return true;
    }
    text_.resize(subsequence_.length());
    text_left_ = text_.size();
    return false;
  }
  void reply_match(Reply& reply, size_t a_first, size_t b_first, size_t count) {
    if (static_cast<int64_t>(count) < options_.match_length_min) return;
    ++match_count_;
    reply.array(options_.with_match_length ? 3 : 2);
    reply_range(reply, a_first, count);
    reply_range(reply, b_first, count);
    if (options_.with_match_length) reply.integer(static_cast<int64_t>(count));
  }
  void end_reply(Reply& reply) {
    if (!options_.indexes) return reply.bulk(text_);
    reply.end_array(matches_, match_count_);
    reply.bulk("len");
    reply.integer(subsequence_.length());
  }

  LcsOptions options_;
  Subsequence subsequence_;
  bool is_found_ = false;
  Reply::Deferred matches_;
  size_t match_count_ = 0;
  std::string text_;
  size_t text_left_ = 0;
};

class LcsWork final : public SlicedWork {
 public:
  explicit LcsWork(std::unique_ptr<Comparison> comparison) : comparison_(std::move(comparison)) {}
  bool step(Context& context) override { return comparison_->step(context, kCellsInSlice); }

 private:
  std::unique_ptr<Comparison> comparison_;
};

}  // namespace

void lcs(Context& context) {
  const Entry* entries[2] = {context.find(context.key(1)), context.find(context.key(2))};
  unsigned __int128 matrix_bytes = sizeof(uint32_t);
  for (const Entry* entry : entries) {
    if (entry && entry->type() != Type::kString) {
      return context.reply().error("ERR The specified keys must contain string values");
    }
    char scratch[kIntegerTextBytes];
    matrix_bytes *= (entry ? element_text(entry->string(), scratch).size() : 0) + 1;
  }
  LcsOptions options;
  if (!parse_options(context, options)) return;
  if (matrix_bytes > static_cast<uint64_t>(context.options().max_bulk_bytes)) {
    return context.reply().error(
        "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
  }
  auto comparison = std::make_unique<Comparison>(options);
  if (!comparison->begin(context)) {
    return context.reply().error("ERR Insufficient memory, failed allocating transient memory for LCS");
  }
  if (context.may_slice() && matrix_bytes > kCellsInSlice * sizeof(uint32_t)) {
    return context.slice(std::make_unique<LcsWork>(std::move(comparison)),
                         {{.arg = 1, .is_exclusive = false}, {.arg = 2, .is_exclusive = false}});
  }
  while (!comparison->step(context, SIZE_MAX)) {
  }
}

}  // namespace strata

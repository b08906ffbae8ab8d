// LCS: the longest common subsequence of two strings, by dynamic programming over all pairs of prefixes.
//
// Redis keeps the whole matrix of lengths, 4 bytes a cell, and refuses what would exceed proto-max-bulk-len.
// We refuse the same sizes but keep one row of lengths, and one bit a cell: all that the way back needs to
// know is whether it leads up or to the left. So the largest allowed comparison takes 16 MB instead of 512.

#include <algorithm>
#include <memory>
#include <new>
#include <string>

#include "commands/strings.h"
#include "text/numbers.h"

namespace strata {
namespace {

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

class Subsequence {
 public:
  Subsequence(Bytes a, Bytes b) : a_(a), b_(b) {}

  // Finds the length, and the way to it when asked for. False: out of memory.
  bool find(bool with_path) {
    std::unique_ptr<uint32_t[]> row(new (std::nothrow) uint32_t[b_.size() + 1]());
    if (!row) return false;
    if (with_path) {
      size_t words = (a_.size() * b_.size() + 63) / 64;
      leads_up_.reset(new (std::nothrow) uint64_t[words]());
      if (!leads_up_) return false;
    }
    for (size_t i = 0; i < a_.size(); ++i) {
      // row[j + 1] still is the length for (i, j + 1); `corner` the one for (i, j), already overwritten.
      uint32_t corner = 0;
      for (size_t j = 0; j < b_.size(); ++j) {
        uint32_t above = row[j + 1];
        uint32_t left = row[j];
        if (with_path && above > left) set_leads_up(i, j);
        row[j + 1] = a_[i] == b_[j] ? corner + 1 : std::max(above, left);
        corner = above;
      }
    }
    length_ = row[b_.size()];
    return true;
  }

  uint32_t length() const { return length_; }

  // Walks the path back from the ends. visit(a_first, b_first, count) for every stretch that both have, last
  // first.
  template <typename Visit>
  void for_each_match(Visit&& visit) const {
    size_t i = a_.size(), j = b_.size(), count = 0;
    while (i > 0 && j > 0) {
      if (a_[i - 1] == b_[j - 1]) {
        --i, --j, ++count;
        continue;
      }
      if (count > 0) visit(i, j, count);
      count = 0;
      leads_up(i - 1, j - 1) ? --i : --j;
    }
    if (count > 0) visit(i, j, count);
  }

 private:
  bool leads_up(size_t i, size_t j) const {
    size_t bit = i * b_.size() + j;
    return leads_up_[bit / 64] >> (bit % 64) & 1;
  }
  void set_leads_up(size_t i, size_t j) {
    size_t bit = i * b_.size() + j;
    leads_up_[bit / 64] |= uint64_t{1} << (bit % 64);
  }

  Bytes a_, b_;
  uint32_t length_ = 0;
  std::unique_ptr<uint64_t[]> leads_up_;
};

void reply_range(Reply& reply, size_t first, size_t count) {
  reply.array(2);
  reply.integer(static_cast<int64_t>(first));
  reply.integer(static_cast<int64_t>(first + count - 1));
}

void reply_indexes(Reply& reply, const Subsequence& subsequence, const LcsOptions& options) {
  reply.map(2);
  reply.bulk("matches");
  auto matches = reply.begin_array();
  size_t match_count = 0;
  subsequence.for_each_match([&](size_t a_first, size_t b_first, size_t count) {
    if (static_cast<int64_t>(count) < options.match_length_min) return;
    ++match_count;
    reply.array(options.with_match_length ? 3 : 2);
    reply_range(reply, a_first, count);
    reply_range(reply, b_first, count);
    if (options.with_match_length) reply.integer(static_cast<int64_t>(count));
  });
  reply.end_array(matches, match_count);
  reply.bulk("len");
  reply.integer(subsequence.length());
}

}  // namespace

void lcs(Context& context) {
  Entry* entries[2] = {context.find(context.key(1)), context.find(context.key(2))};
  for (const Entry* entry : entries) {
    if (entry && entry->type() != Type::kString) {
      return context.reply().error("ERR The specified keys must contain string values");
    }
  }
  LcsOptions options;
  if (!parse_options(context, options)) return;

  char scratch[2][kIntegerTextBytes];
  Bytes a = entries[0] ? element_text(entries[0]->string(), scratch[0]) : Bytes{};
  Bytes b = entries[1] ? element_text(entries[1]->string(), scratch[1]) : Bytes{};
  unsigned __int128 matrix_bytes = sizeof(uint32_t);
  matrix_bytes *= (a.size() + 1);
  matrix_bytes *= (b.size() + 1);
  if (matrix_bytes > static_cast<uint64_t>(context.options().max_bulk_bytes)) {
    return context.reply().error(
        "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
  }
  Subsequence subsequence(a, b);
  if (!subsequence.find(options.indexes || !options.length)) {
    return context.reply().error("ERR Insufficient memory, failed allocating transient memory for LCS");
  }
  if (options.indexes) return reply_indexes(context.reply(), subsequence, options);
  if (options.length) return context.reply().integer(subsequence.length());

  std::string text(subsequence.length(), '\0');
  size_t at = text.size();
  subsequence.for_each_match([&](size_t a_first, size_t, size_t count) {
    at -= count;
    a.copy(text.data() + at, count, a_first);
  });
  context.reply().bulk(text);
}

}  // namespace strata

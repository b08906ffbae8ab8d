#include "data/zset_packed.h"

#include <cmath>
#include <limits>

#include "base/assert.h"
#include "text/numbers.h"

namespace strata::zset_packed {
namespace {

// Walks the pairs of a node.
class Pairs {
 public:
  explicit Pairs(Bytes node) : cursor_(node) { read(); }
  bool done() const { return done_; }
  const Element& member() const { return member_; }
  double score() const { return score_of(cursor_.element()); }
  packed::Position position() const { return position_; }
  uint64_t rank() const { return rank_; }
  void next() {
    cursor_.next();
    ++rank_;
    read();
  }
  // Compares the member's bytes.
  int compare(Bytes other) const {
    char scratch[kIntegerTextBytes];
    return element_text(member_, scratch).compare(other);
  }

 private:
  void read() {
    done_ = cursor_.done();
    position_ = cursor_.position();
    if (done_) return;
    member_ = cursor_.element();
    cursor_.next();
    STRATA_DASSERT(!cursor_.done());
  }

  packed::Cursor cursor_;
  Element member_;
  packed::Position position_ = 0;
  uint64_t rank_ = 0;
  bool done_ = false;
};

// The element that stores a score; its text, if it has one, lies in `scratch`.
Element score_element(double score, char (&scratch)[kDoubleTextBytes]) {
  constexpr double kExactLimit = 4503599627370496.0;  // 2^52
  // Minus zero loses its sign here, as in Redis, and keeps it in a tree.
  if (score >= -kExactLimit && score <= kExactLimit) {
    const auto whole = static_cast<int64_t>(score);
    if (static_cast<double>(whole) == score) return Element::of(whole);
  }
  return Element::of(Bytes(scratch, print_double(score, scratch)));
}

bool comes_after(const Pairs& pairs, double score, Bytes member) {
  const double other = pairs.score();
  return other > score || (other == score && pairs.compare(member) > 0);
}

}  // namespace

double score_of(const Element& element) {
  if (element.is_integer) return static_cast<double>(element.integer);
  return parse_double(element.bytes).value_or(std::numeric_limits<double>::quiet_NaN());
}

bool validate(Bytes node) {
  if (packed::count(node) % 2 != 0) return false;
  Element before;
  double score_before = 0;
  for (Pairs pairs(node); !pairs.done(); pairs.next()) {
    const double score = pairs.score();
    if (std::isnan(score)) return false;
    char scratch[kIntegerTextBytes];
    if (pairs.rank() > 0 && !comes_after(pairs, score_before, element_text(before, scratch))) return false;
    before = pairs.member();
    score_before = score;
  }
  return true;
}

std::optional<Pair> find(Bytes node, Bytes member) {
  const packed::Needle needle(member);
  uint64_t rank = 0;
  for (packed::Cursor cursor(node); !cursor.done(); cursor.next(), ++rank) {
    const packed::Position at = cursor.position();
    const bool found = needle.equals(cursor.element());
    cursor.next();
    if (found) return Pair{at, rank, score_of(cursor.element())};
  }
  return std::nullopt;
}

Pair find_above(Bytes node, double score, Bytes member) {
  for (Pairs pairs(node);; pairs.next()) {
    if (pairs.done()) return {pairs.position(), pairs.rank(), 0};
    if (comes_after(pairs, score, member)) return {pairs.position(), pairs.rank(), pairs.score()};
  }
}

uint64_t count_below_score(Bytes node, double score, bool inclusive) {
  Pairs pairs(node);
  while (!pairs.done() && (inclusive ? pairs.score() <= score : pairs.score() < score)) pairs.next();
  return pairs.rank();
}

uint64_t count_below_member(Bytes node, Bytes member, bool inclusive) {
  Pairs pairs(node);
  while (!pairs.done() && pairs.compare(member) < (inclusive ? 1 : 0)) pairs.next();
  return pairs.rank();
}

bool insert(Heap& heap, Blob*& node, packed::Position at, double score, Bytes member) {
  char scratch[kDoubleTextBytes];
  const Element pair[] = {Element::of(member), score_element(score, scratch)};
  return packed::insert_all(heap, node, at, pair);
}

bool update(Heap& heap, Blob*& node, const Pair& pair, double score, Bytes member) {
  const Bytes view = node->view();
  const packed::Position score_at = packed::next(view, pair.at);
  const packed::Position behind = packed::next(view, score_at);
  const packed::Position target = find_above(view, score, member).at;
  if (target == pair.at || target == behind) {
    char scratch[kDoubleTextBytes];
    return packed::replace(heap, node, score_at, score_element(score, scratch));
  }
  const uint32_t old_bytes = node->size;
  if (!insert(heap, node, target, score, member)) return false;
  // The insertion has made the node this set's own, so erasing cannot fail.
  const uint32_t grown = node->size - old_bytes;
  const bool erased = packed::erase(heap, node, target < pair.at ? pair.at + grown : pair.at, 2);
  STRATA_ASSERT(erased);
  return true;
}

}  // namespace strata::zset_packed

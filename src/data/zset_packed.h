// The small form of a sorted set: a packed node of members and scores in order. Internal to zset.h.
//
// A score is stored as Redis's listpacks have it: an integer where the double is a whole number within
// ±2^52, otherwise its text with 17 significant digits. All functions walk the node; a few dozen pairs.

#pragma once

#include <optional>

#include "base/bytes.h"
#include "data/packed.h"
#include "data/zset.h"

namespace strata::zset_packed {

struct Pair {
  packed::Position at;  // the member's; end() when there is none
  uint64_t rank;
  double score;
};

// NaN for what is no number, which only bytes from outside can hold.
double score_of(const Element& element);

// True when the node holds pairs in order, with numbers as scores. Expects a valid node.
bool validate(Bytes node);

std::optional<Pair> find(Bytes node, Bytes member);
// The first pair with (score, member) greater than these.
Pair find_above(Bytes node, double score, Bytes member);
uint64_t count_below_score(Bytes node, double score, bool inclusive);
uint64_t count_below_member(Bytes node, Bytes member, bool inclusive);

// False when out of memory; the node is then untouched. insert(): the member is not there, and `at` is what
// find_above() says.
[[nodiscard]] bool insert(Heap& heap, Blob*& node, packed::Position at, double score, Bytes member);
[[nodiscard]] bool update(Heap& heap, Blob*& node, const Pair& pair, double score, Bytes member);

}  // namespace strata::zset_packed

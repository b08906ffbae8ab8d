// The members of one set that all of some other sets have, or that none of them has: what intersections and
// differences are made of, some dozens at a time.
//
// Large sets are compared table with table (Table::filter): there most members are decided by what lies in
// the buckets. Used inside the shards of all the sets, which must not change from the first step to the last;
// the members live as long as the set they are from. Holds two small vectors.

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/set.h"
#include "data/table.h"

namespace strata {

class SetSieve {
 public:
  // Keeps what the others have (`wanted` true) or what they have not.
  explicit SetSieve(bool wanted) : wanted_(wanted) {}

  // Looks at some members more of the set, from the cursor on, which begins as 0. True at the end. With no
  // others it keeps all.
  bool step(const Value& set, std::span<const Value> others, uint64_t& cursor);
  // Of the last step: how many members it looked at, and which it kept.
  size_t seen() const { return seen_; }
  std::span<const Element> members() const { return members_; }

 private:
  static constexpr size_t kBatch = 64;

  bool step_by_tables(const Value& set, std::span<const Value> others, uint64_t& cursor);

  const bool wanted_;
  size_t seen_ = 0;
  std::vector<Element> members_;
  std::vector<Table::Walked> walked_;
};

}  // namespace strata

#include "data/set_sieve.h"

#include <algorithm>

namespace strata {
namespace {

bool is_table(const Value& set) { return set.encoding == Encoding::kTable; }
const Table& table_of(const Value& set) { return *static_cast<const Table*>(set.pointer); }

}  // namespace

bool SetSieve::step(const Value& set, std::span<const Value> others, uint64_t& cursor) {
  members_.clear();
  if (is_table(set) && !others.empty() && std::all_of(others.begin(), others.end(), is_table)) {
    return step_by_tables(set, others, cursor);
  }
  const bool is_end =
      set_visit_some(set, cursor, kBatch, [&](const Element& member) { members_.push_back(member); });
  seen_ = members_.size();
  for (const Value& other : others) members_.resize(set_filter(other, members_, wanted_));
  return is_end;
}

bool SetSieve::step_by_tables(const Value& set, std::span<const Value> others, uint64_t& cursor) {
  walked_.clear();
  const bool is_end = table_of(set).walk_some(cursor, kBatch, walked_);
  seen_ = walked_.size();
  std::span<Table::Walked> kept = walked_;
  for (const Value& other : others) {
    kept = kept.first(table_of(other).filter(table_of(set), kept, wanted_));
  }
  for (const Table::Walked& walked : kept) members_.push_back(Element::of(walked.entry()->key()));
  return is_end;
}

}  // namespace strata

// What the algebra of sets and that of sorted sets share: counted keys, and latches on all keys of a command.

#pragma once

#include <optional>
#include <vector>

#include "commands/context.h"

namespace strata {

// The keys args[first…last), and the key that the result is stored in, if it is.
struct AlgebraKeys {
  size_t first;
  size_t last;
  std::optional<size_t> target;
};

// Each key once: the target alone for the work, the others shared with who reads.
std::vector<LatchWish> algebra_latches(const Context& context, const AlgebraKeys& keys);

// Replaces whatever the target holds by the result, which is empty when there is no value, and replies its
// size. A value for which there is no memory is given back.
void store_result(Context& context, const Key& target, const std::optional<Value>& result, uint64_t size);

// Adds a member that the result, a sorted set, does not have yet; the first one creates it.
[[nodiscard]] Status add_new_member(const DataContext& data, const ZsetLimits& limits,
                                    std::optional<Value>& result, const Element& member, double score);

// numkeys key [key …], in args[at] and behind, in the words of SINTERCARD.
bool parse_counted_keys(Context& context, size_t at, AlgebraKeys& keys);

}  // namespace strata

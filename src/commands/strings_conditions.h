// Conditions on a string's value: IFEQ, IFNE, IFDEQ and IFDNE of SET and DELEX, and the digest that the last
// two compare.

#pragma once

#include "commands/context.h"

namespace strata {

struct ValueCondition {
  enum class Kind : uint8_t { kNone, kEqual, kNotEqual, kDigestEqual, kDigestNotEqual };

  Kind kind = Kind::kNone;
  size_t index = 0;  // of the argument to compare with

  explicit operator bool() const { return kind != Kind::kNone; }
  // Without a value nothing equals it. The entry must hold a string.
  bool is_met(const Context& context, const Entry* entry) const;
};

// The condition that args[i] names.
ValueCondition::Kind find_condition(const Context& context, size_t i);
// False: the argument is no digest, which was replied.
bool check_digest(Context& context, const ValueCondition& condition);

}  // namespace strata

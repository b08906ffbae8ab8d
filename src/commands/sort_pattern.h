// The patterns of SORT's BY and GET: the name of a key, or of a hash's field, with the element's text where
// the first asterisk stands.
//
//   weight_*        the string at weight_<element>
//   object_*->name  the field `name` of the hash at object_<element>
//   #               the element itself (GET)

#pragma once

#include <optional>
#include <string>

#include "commands/context.h"

namespace strata {

inline bool has_asterisk(Bytes pattern) { return pattern.find('*') != Bytes::npos; }

// What the pattern leads to; nothing where there is no such key or field, or it is of another type. Good
// until the next look-up. `name` is scratch.
std::optional<Element> look_up_pattern(Context& context, Bytes pattern, Bytes element, std::string& name);

}  // namespace strata

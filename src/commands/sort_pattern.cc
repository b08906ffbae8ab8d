#include "commands/sort_pattern.h"

namespace strata {

std::optional<Element> look_up_pattern(Context& context, Bytes pattern, Bytes element, std::string& name) {
  if (pattern == "#") return Element::of(element);
  size_t asterisk = pattern.find('*');
  if (asterisk == Bytes::npos) return std::nullopt;
  // An arrow with nothing behind it is a part of the key's name.
  Bytes field;
  size_t arrow = pattern.find("->", asterisk + 1);
  if (arrow != Bytes::npos && arrow + 2 < pattern.size()) {
    field = pattern.substr(arrow + 2);
    pattern = pattern.substr(0, arrow);
  }
  name.assign(pattern.substr(0, asterisk)).append(element).append(pattern.substr(asterisk + 1));

  Key key = context.keyspace().key(name);
  const Entry* entry = context.find(key);
  if (!entry || entry->type() != (field.empty() ? Type::kString : Type::kHash)) return std::nullopt;
  return field.empty() ? std::optional(entry->string()) : hash_get(entry->value(), field);
}

}  // namespace strata

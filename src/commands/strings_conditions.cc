// DIGEST, DELEX, DELIFEQ, and the conditions they share with SET.

#include "commands/strings_conditions.h"

#include "base/hash.h"
#include "commands/collections.h"
#include "commands/strings.h"
#include "text/ascii.h"

namespace strata {
namespace {

constexpr size_t kDigestCharacters = 16;

struct DigestText {
  char text[kDigestCharacters];
  operator Bytes() const { return {text, sizeof text}; }
};

DigestText digest_of(const Entry& entry) {
  char scratch[kIntegerTextBytes];
  uint64_t digest = value_digest(element_text(entry.string(), scratch));
  DigestText hex;
  for (size_t i = kDigestCharacters; i > 0; --i, digest >>= 4)
    hex.text[i - 1] = "0123456789abcdef"[digest & 15];
  return hex;
}

bool equals(const Entry& entry, Bytes value) {
  char scratch[kIntegerTextBytes];
  return element_text(entry.string(), scratch) == value;
}

// Deletes what is there, and logs just that.
void delete_key(Context& context, const Key& key) {
  context.erase(key);
  context.effect({"DEL", key.name});
  context.reply().integer(1);
}

}  // namespace

bool ValueCondition::is_met(const Context& context, const Entry* entry) const {
  const Bytes wanted = kind == Kind::kNone ? Bytes() : context.arg(index);
  switch (kind) {
    case Kind::kNone:
      return true;
    case Kind::kEqual:
      return entry && equals(*entry, wanted);
    case Kind::kNotEqual:
      return !entry || !equals(*entry, wanted);
    case Kind::kDigestEqual:
      return entry && iequals(digest_of(*entry), wanted);
    case Kind::kDigestNotEqual:
      return !entry || !iequals(digest_of(*entry), wanted);
  }
  return false;
}

ValueCondition::Kind find_condition(const Context& context, size_t i) {
  if (context.is_word(i, "IFEQ")) return ValueCondition::Kind::kEqual;
  if (context.is_word(i, "IFNE")) return ValueCondition::Kind::kNotEqual;
  if (context.is_word(i, "IFDEQ")) return ValueCondition::Kind::kDigestEqual;
  return context.is_word(i, "IFDNE") ? ValueCondition::Kind::kDigestNotEqual : ValueCondition::Kind::kNone;
}

bool check_digest(Context& context, const ValueCondition& condition) {
  const bool is_digest = condition.kind == ValueCondition::Kind::kDigestEqual ||
                         condition.kind == ValueCondition::Kind::kDigestNotEqual;
  if (!is_digest || context.arg(condition.index).size() == kDigestCharacters) return true;
  context.reply().error("ERR must be exactly 16 hexadecimal characters");
  return false;
}

void digest(Context& context) {
  Entry* entry;
  if (!context.find(context.key(1), Type::kString, entry)) return;
  entry ? context.reply().bulk(digest_of(*entry)) : context.reply().null();
}

void delex(Context& context) {
  ValueCondition condition;
  if (context.argc() != 2 && context.argc() != 4) return reply_wrong_arity(context);
  if (context.argc() == 4) {
    condition = {find_condition(context, 2), 3};
    if (!condition) return context.syntax_error();
    if (!check_digest(context, condition)) return;
  }
  const Key key = context.key(1);
  Entry* entry = context.find_for_write(key);
  if (entry && condition && entry->type() != Type::kString) return context.wrong_type();
  if (!entry || !condition.is_met(context, entry)) return context.reply().integer(0);
  delete_key(context, key);
}

void delifeq(Context& context) {
  const Key key = context.key(1);
  Entry* entry;
  if (!context.find_for_write(key, Type::kString, entry)) return;
  if (!entry || !equals(*entry, context.arg(2))) return context.reply().integer(0);
  delete_key(context, key);
}

}  // namespace strata

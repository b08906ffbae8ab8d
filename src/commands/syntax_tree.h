// The arguments of a command as a tree, for COMMAND DOCS: parsed at run time from the same text that gives
// the arity (syntax.h).
//
//   key <EX seconds | KEEPTTL> [NX | XX]     a key; one of a token with a number and a bare token; an
//   optional one of two element [element ...]                    one argument, "multiple" field value [field
//   value ...]            a block of two, "multiple" [KEYS key [key ...]]                     an optional
//   argument with a token, "multiple"
//
// Types that the notation does not say (integer, double, pattern, unix-time) follow from the arguments'
// names, which are Redis's.

#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace strata {

enum class ArgumentType : uint8_t {
  kString,
  kInteger,
  kDouble,
  kKey,
  kPattern,
  kUnixTime,
  kPureToken,
  kOneOf,
  kBlock
};

struct SyntaxArgument {
  std::string name;
  ArgumentType type = ArgumentType::kString;
  std::string token;
  bool is_optional = false;
  bool is_multiple = false;
  int key_spec_index = -1;  // of a key: which of the command's key specifications it belongs to
  std::vector<SyntaxArgument> arguments;
};

const char* argument_type_name(ArgumentType type);

// `key_spec_count`: keys are given the specifications in order, the last one to all that remain.
std::vector<SyntaxArgument> parse_syntax(std::string_view text, int key_spec_count);

}  // namespace strata

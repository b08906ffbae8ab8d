#include "commands/syntax_tree.h"

#include <algorithm>
#include <iterator>

#include "text/ascii.h"

namespace strata {
namespace {

constexpr std::string_view kIntegers[] = {
    "count",   "cursor", "db",        "decrement", "destination-db", "index",
    "index1",  "index2", "len",       "limit",     "milliseconds",   "num-matches",
    "numkeys", "offset", "protover",  "rank",      "seconds",        "start",
    "stop",    "end",    "client-id", "timeout",   "numlocal",       "numreplicas",
};
constexpr std::string_view kKeys[] = {"key", "newkey", "source", "destination", "key1", "key2", "destkey"};
constexpr std::string_view kDoubles[] = {"score", "weight"};
constexpr int kDepthMax = 16;

template <size_t N>
bool is_one_of(const std::string_view (&names)[N], std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

// Upper case and punctuation, at least one letter: a keyword to be written as it stands.
bool is_token(std::string_view word) {
  bool has_letter = false;
  for (char c : word) {
    if (c >= 'a' && c <= 'z') return false;
    has_letter |= c >= 'A' && c <= 'Z';
  }
  return has_letter;
}

bool same_shape(const SyntaxArgument& a, const SyntaxArgument& b) {
  return a.name == b.name && a.token == b.token;
}

class SyntaxParser {
 public:
  explicit SyntaxParser(std::string_view text) : rest_(text) {}

  // Until the end or a closing bracket; alternatives, if there are any, become one argument.
  std::vector<SyntaxArgument> alternatives(int depth) {
    std::vector<SyntaxArgument> first = sequence(depth);
    if (peek() != '|') return first;
    SyntaxArgument choice{.type = ArgumentType::kOneOf};
    choice.arguments.push_back(one(std::move(first)));
    while (peek() == '|') {
      rest_.remove_prefix(1);
      choice.arguments.push_back(one(sequence(depth)));
    }
    for (const SyntaxArgument& option : choice.arguments)
      choice.name += (choice.name.empty() ? "" : "_") + option.name;
    std::vector<SyntaxArgument> whole;
    whole.push_back(std::move(choice));
    return whole;
  }

 private:
  char peek() {
    while (rest_.starts_with(' ')) rest_.remove_prefix(1);
    return rest_.empty() ? '\0' : rest_.front();
  }

  // Several arguments that stand where one is wanted: a token with its argument, or a block.
  static SyntaxArgument one(std::vector<SyntaxArgument> parts) {
    if (parts.size() == 1) return std::move(parts[0]);
    if (parts.size() > 1 && parts[0].type == ArgumentType::kPureToken) {
      std::string token = parts[0].token;
      parts.erase(parts.begin());
      SyntaxArgument argument = one(std::move(parts));
      if (argument.type == ArgumentType::kPureToken || !argument.token.empty()) {
        SyntaxArgument block{.name = argument.name, .type = ArgumentType::kBlock};
        block.arguments.push_back(std::move(argument));
        argument = std::move(block);
      }
      argument.token = token;
      return argument;
    }
    SyntaxArgument block{.type = ArgumentType::kBlock};
    for (const SyntaxArgument& part : parts) block.name += (block.name.empty() ? "" : "_") + part.name;
    block.arguments = std::move(parts);
    return block;
  }

  std::vector<SyntaxArgument> sequence(int depth) {
    std::vector<SyntaxArgument> parts;
    while (char c = peek()) {
      if (c == ']' || c == '>' || c == '|') break;
      if ((c == '[' || c == '<') && depth >= kDepthMax) break;
      if (c == '[') {
        rest_.remove_prefix(1);
        optional(parts, depth);
      } else if (c == '<') {
        rest_.remove_prefix(1);
        parts.push_back(one(alternatives(depth + 1)));
        close('>');
      } else {
        word(parts);
      }
    }
    return parts;
  }

  void close(char bracket) {
    if (peek() == bracket) rest_.remove_prefix(1);
  }

  void word(std::vector<SyntaxArgument>& parts) {
    size_t size = std::min(rest_.find_first_of(" []<>|"), rest_.size());
    std::string_view text = rest_.substr(0, size);
    rest_.remove_prefix(size);
    SyntaxArgument argument{.name = std::string(text)};
    if (text == "...") {
      argument.is_multiple = true;
    } else if (is_token(text)) {
      argument = {.name = to_lower(text), .type = ArgumentType::kPureToken, .token = std::string(text)};
    } else if (is_one_of(kKeys, text)) {
      argument.type = ArgumentType::kKey;
    } else if (is_one_of(kIntegers, text)) {
      argument.type = ArgumentType::kInteger;
    } else if (is_one_of(kDoubles, text)) {
      argument.type = ArgumentType::kDouble;
    } else if (text == "pattern") {
      argument.type = ArgumentType::kPattern;
    } else if (text.starts_with("unix-time")) {
      argument.type = ArgumentType::kUnixTime;
    }
    parts.push_back(std::move(argument));
  }

  // The inside of [ ]: what may be left out, or the repetition of what stands before it.
  void optional(std::vector<SyntaxArgument>& parts, int depth) {
    std::vector<SyntaxArgument> inside = alternatives(depth + 1);
    close(']');
    if (!inside.empty() && inside.back().name == "...") {
      inside.pop_back();
      return repeat(parts, std::move(inside));
    }
    // Options that stand behind each other in one bracket after a token are that token's.
    if (inside.empty()) return;
    SyntaxArgument argument = one(std::move(inside));
    argument.is_optional = true;
    parts.push_back(std::move(argument));
  }

  static void repeat(std::vector<SyntaxArgument>& parts, std::vector<SyntaxArgument> repeated) {
    size_t count = std::max<size_t>(repeated.size(), 1);
    if (parts.size() < count) return;
    auto from = parts.end() - static_cast<ptrdiff_t>(count);
    bool matches = repeated.empty() || std::equal(repeated.begin(), repeated.end(), from, same_shape);
    if (!matches) return;
    std::vector<SyntaxArgument> group(std::make_move_iterator(from), std::make_move_iterator(parts.end()));
    parts.erase(from, parts.end());
    SyntaxArgument argument = group.size() == 1 ? std::move(group[0]) : one(std::move(group));
    argument.is_multiple = true;
    parts.push_back(std::move(argument));
  }

  std::string_view rest_;
};

void number_keys(std::vector<SyntaxArgument>& arguments, int key_spec_count, int& next) {
  for (SyntaxArgument& argument : arguments) {
    if (argument.type == ArgumentType::kKey && key_spec_count > 0) {
      argument.key_spec_index = std::min(next++, key_spec_count - 1);
    }
    number_keys(argument.arguments, key_spec_count, next);
  }
}

}  // namespace

const char* argument_type_name(ArgumentType type) {
  switch (type) {
    case ArgumentType::kString:
      return "string";
    case ArgumentType::kInteger:
      return "integer";
    case ArgumentType::kDouble:
      return "double";
    case ArgumentType::kKey:
      return "key";
    case ArgumentType::kPattern:
      return "pattern";
    case ArgumentType::kUnixTime:
      return "unix-time";
    case ArgumentType::kPureToken:
      return "pure-token";
    case ArgumentType::kOneOf:
      return "oneof";
    case ArgumentType::kBlock:
      return "block";
  }
  return "string";
}

std::vector<SyntaxArgument> parse_syntax(std::string_view text, int key_spec_count) {
  std::vector<SyntaxArgument> arguments = SyntaxParser(text).alternatives(0);
  int next = 0;
  number_keys(arguments, key_spec_count, next);
  return arguments;
}

}  // namespace strata

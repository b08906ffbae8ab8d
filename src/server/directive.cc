#include "server/directive.h"

#include <fmt/format.h>

#include "text/ascii.h"
#include "text/numbers.h"
#include "text/quote.h"

namespace strata {
namespace {

Fault out_of_range(const Directive& directive) {
  if (directive.kind == ValueKind::kOctal) {
    return fmt::format("argument must be between {:o} and {:o} inclusive", directive.least, directive.most);
  }
  if (directive.kind == ValueKind::kMemory) {
    return fmt::format("argument must be between {} and {} inclusive", static_cast<uint64_t>(directive.least),
                       static_cast<uint64_t>(directive.most));
  }
  return fmt::format("argument must be between {} and {} inclusive", directive.least, directive.most);
}

bool parse_octal(std::string_view text, int64_t& value) {
  constexpr size_t kOctalDigitsMax = 20;
  if (text.empty() || text.size() > kOctalDigitsMax) return false;
  value = 0;
  for (char c : text) {
    if (c < '0' || c > '7') return false;
    value = value * 8 + (c - '0');
  }
  return true;
}

Fault parse_integer(const Directive& directive, const std::string& word, int64_t& value) {
  switch (directive.kind) {
    case ValueKind::kOctal:
      if (!parse_octal(word, value)) return "argument couldn't be parsed as an octal number";
      break;
    case ValueKind::kMemory: {
      auto size = parse_memory(word);
      if (!size) return "argument must be a memory value";
      value = static_cast<int64_t>(*size);
      bool fits =
          *size >= static_cast<uint64_t>(directive.least) && *size <= static_cast<uint64_t>(directive.most);
      return fits ? Fault() : out_of_range(directive);
    }
    default: {
      auto parsed = parse_i64(word);
      if (!parsed) return "argument couldn't be parsed into an integer";
      value = *parsed;
    }
  }
  if (value < directive.least || value > directive.most) return out_of_range(directive);
  return {};
}

Fault parse_choices(const Directive& directive, Words words, ParsedValue& value) {
  for (const std::string& word : words) {
    const Choice* found = nullptr;
    for (const Choice& choice : directive.choices) {
      if (iequals(choice.name, word)) found = &choice;
    }
    if (!found) {
      std::string names;
      for (const Choice& choice : directive.choices)
        names.append(names.empty() ? "" : ", ").append(choice.name);
      return "argument(s) must be one of the following: " + names;
    }
    value.number = found->value;
    value.text.append(value.text.empty() ? "" : " ").append(found->name);
  }
  return {};
}

Fault parse_one(const Directive& directive, Words words, ParsedValue& value) {
  switch (directive.kind) {
    case ValueKind::kBool:
      value.number = iequals(words[0], "yes");
      if (!value.number && !iequals(words[0], "no")) return "argument must be 'yes' or 'no'";
      value.text = value.number ? "yes" : "no";
      return {};
    case ValueKind::kInteger:
    case ValueKind::kOctal:
    case ValueKind::kMemory: {
      Fault fault = parse_integer(directive, words[0], value.number);
      value.text = print_number(directive, value.number);
      return fault;
    }
    case ValueKind::kChoice:
    case ValueKind::kChoices:
      return parse_choices(directive, words, value);
    case ValueKind::kText:
      value.text = words[0];
      return directive.check ? directive.check(words[0]) : Fault();
    case ValueKind::kOwn:
      for (const std::string& word : words) value.text.append(value.text.empty() ? "" : " ").append(word);
      return directive.check ? directive.check(value.text) : Fault();
  }
  return {};
}

}  // namespace

bool parse_value(const Directive& directive, Words words, ParsedValue& value, Fault& fault) {
  bool takes_several = directive.kind == ValueKind::kOwn || directive.kind == ValueKind::kChoices;
  if (words.empty() || (words.size() > 1 && !takes_several)) {
    fault = "wrong number of arguments";
    return false;
  }
  fault = parse_one(directive, words, value);
  return fault.empty();
}

std::string print_number(const Directive& directive, int64_t value) {
  switch (directive.kind) {
    case ValueKind::kBool:
      return value ? "yes" : "no";
    case ValueKind::kOctal:
      return fmt::format("{:o}", value);
    case ValueKind::kMemory:
      return std::to_string(static_cast<uint64_t>(value));
    case ValueKind::kChoice:
      for (const Choice& choice : directive.choices) {
        if (choice.value == value) return choice.name;
      }
      return {};
    default:
      return std::to_string(value);
  }
}

std::string quoted_if_needed(const std::string& word) {
  bool is_plain = !word.empty() && word.front() != '#';
  for (char c : word) is_plain = is_plain && c > ' ' && c <= '~' && c != '"' && c != '\'' && c != '\\';
  return is_plain ? word : quote(word);
}

std::string rewritten_value(const Directive& directive, const std::string& value) {
  if (directive.kind == ValueKind::kText) return quote(value);
  if (directive.kind != ValueKind::kMemory) return value.empty() ? "\"\"" : value;
  uint64_t bytes = parse_u64(value).value_or(0);
  constexpr std::pair<uint64_t, const char*> kUnits[] = {{1 << 30, "gb"}, {1 << 20, "mb"}, {1 << 10, "kb"}};
  for (auto [unit, name] : kUnits) {
    if (bytes > 0 && bytes % unit == 0) return std::to_string(bytes / unit) + name;
  }
  return value;
}

std::vector<std::string> words_of(const Directive& directive, Bytes value) {
  std::vector<std::string> words;
  bool splits = directive.kind == ValueKind::kOwn || directive.kind == ValueKind::kChoices;
  if (!splits || value.find(' ') == value.npos) return {std::string(value)};
  while (!value.empty()) {
    size_t space = std::min(value.find(' '), value.size());
    if (space > 0) words.emplace_back(value.substr(0, space));
    value.remove_prefix(std::min(space + 1, value.size()));
  }
  return words;
}

}  // namespace strata

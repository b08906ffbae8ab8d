#include "server/config.h"

#include <fmt/format.h>

#include <algorithm>

#include "server/directive.h"
#include "server/server.h"
#include "text/ascii.h"
#include "text/glob.h"
#include "text/quote.h"

namespace strata {
namespace {

std::string set_failed(std::string_view name, std::string_view why) {
  return fmt::format("ERR CONFIG SET failed (possibly related to argument '{}') - {}", name, why);
}

}  // namespace

Configuration::Configuration() {
  for (std::span<const Directive> part : {honoured_directives(), elsewhere_directives()}) {
    for (const Directive& directive : part) {
      Row row{.directive = &directive, .value = directive.initial ? directive.initial : "", .initial = {}};
      row.initial = value_of(row);
      rows_.push_back(std::move(row));
    }
  }
}

Configuration::~Configuration() = default;

Configuration::Row* Configuration::find(std::string_view name) {
  for (Row& row : rows_) {
    const Directive& directive = *row.directive;
    if (iequals(directive.name, name) || (directive.alias && iequals(directive.alias, name))) return &row;
  }
  return nullptr;
}

std::string Configuration::value_of(const Row& row) const {
  const Directive& directive = *row.directive;
  if (directive.number.read) return print_number(directive, directive.number.read(options_));
  if (directive.text.read) return directive.text.read(options_);
  if (directive.own.read) return directive.own.read(options_);
  return row.value;
}

std::string Configuration::value_of(std::string_view name) const {
  const Row* row = const_cast<Configuration*>(this)->find(name);
  return row ? value_of(*row) : std::string();
}

// Parses and stores. On a fault nothing has changed.
std::string Configuration::assign(Row& row, Words words, bool adds) {
  const Directive& directive = *row.directive;
  ParsedValue value;
  Fault fault;
  if (!parse_value(directive, words, value, fault)) return fault;
  if (directive.treatment == Treatment::kDefaultOnly) {
    bool is_off = directive.kind == ValueKind::kOwn && iequals(value.text, "no one");
    if (value.text != row.initial && !is_off) {
      return fmt::format("{} '{}' is refused: {}", directive.name, value.text, directive.reason);
    }
    return {};
  }
  if (directive.number.write) {
    directive.number.write(options_, value.number);
  } else if (directive.text.write) {
    directive.text.write(options_, std::move(value.text));
  } else if (directive.own.write) {
    return directive.own.write(options_, words, adds);
  } else {
    row.value = std::move(value.text);
  }
  return {};
}

std::vector<std::pair<std::string, std::string>> Configuration::get(std::span<const Bytes> patterns) const {
  std::vector<std::pair<std::string, std::string>> found;
  auto add = [&](std::string name, const Row& row) {
    auto same = [&](const auto& pair) { return iequals(pair.first, name); };
    if (std::none_of(found.begin(), found.end(), same)) found.emplace_back(std::move(name), value_of(row));
  };
  for (Bytes pattern : patterns) {
    bool is_literal = pattern.find_first_of("[*?") == pattern.npos;
    for (const Row& row : rows_) {
      for (const char* name : {row.directive->name, row.directive->alias}) {
        if (!name) continue;
        // A plain name comes back as it was written.
        if (is_literal && iequals(name, pattern)) add(std::string(pattern), row);
        if (!is_literal && glob_match(pattern, name, true)) add(name, row);
      }
    }
  }
  return found;
}

std::expected<void, std::string> Configuration::set(std::span<const Bytes> names_and_values, Server* server,
                                                    bool may_protected) {
  struct Assignment {
    Row* row;
    Bytes name;
    std::vector<std::string> words;
    std::vector<std::string> old_words;
  };
  std::vector<Assignment> assignments;
  for (size_t i = 0; i + 1 < names_and_values.size(); i += 2) {
    Bytes name = names_and_values[i];
    Row* row = find(name);
    if (!row) {
      return std::unexpected(
          fmt::format("ERR Unknown option or number of arguments for CONFIG SET - '{}'", name));
    }
    const Directive& directive = *row->directive;
    if (directive.change == Change::kAtStart)
      return std::unexpected(set_failed(name, "can't set immutable config"));
    if (directive.change == Change::kProtected && !may_protected) {
      return std::unexpected(set_failed(name, "can't set protected config"));
    }
    for (const Assignment& other : assignments) {
      // By name, so that a directive may stand beside its alias.
      if (iequals(other.name, name)) return std::unexpected(set_failed(name, "duplicate parameter"));
    }
    assignments.push_back(
        {row, name, words_of(directive, names_and_values[i + 1]), words_of(directive, value_of(*row))});
  }

  std::string error;
  size_t assigned = 0;
  while (assigned < assignments.size() && error.empty()) {
    Assignment& a = assignments[assigned];
    Fault fault = assign(*a.row, a.words, false);
    if (fault.empty()) {
      ++assigned;
    } else {
      error = set_failed(a.name, fault);
    }
  }
  auto apply = [&](size_t i) {
    auto* hook = assignments[i].row->directive->apply;
    return hook && server ? hook(*server) : Fault();
  };
  size_t applied = 0;
  for (; error.empty() && applied < assignments.size(); ++applied) {
    if (Fault fault = apply(applied); !fault.empty()) error = set_failed(assignments[applied].name, fault);
  }
  if (error.empty()) {
    for (Assignment& a : assignments) a.row->given = true;
    return {};
  }
  while (assigned > 0) {
    Assignment& a = assignments[--assigned];
    assign(*a.row, a.old_words, false);
  }
  for (size_t i = 0; i < applied; ++i) apply(i);
  return std::unexpected(error);
}

std::vector<std::string> Configuration::notices() const {
  std::vector<std::string> notices;
  for (const Row& row : rows_) {
    if (row.directive->treatment != Treatment::kHarmless || !row.given) continue;
    std::string value = value_of(row);
    if (value == row.initial) continue;
    notices.push_back(fmt::format("{} {} has no effect here: {}", row.directive->name, quote(value),
                                  row.directive->reason));
  }
  return notices;
}

}  // namespace strata

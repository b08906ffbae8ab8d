// One row of the configuration's table: a directive, its type, where its value lives, and what may be done
// with it.
//
//   {.name = "timeout", .kind = ValueKind::kInteger, .number = number<&Options::timeout_s>, .most = INT_MAX},
//
// config_directives.cc holds the directives that Strata honours, config_elsewhere.cc those of Redis that mean
// nothing here or are refused. Everything else about directives reads these rows: the configuration file, the
// command line, CONFIG GET, SET and REWRITE.

#pragma once

#include <climits>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "server/options.h"

namespace strata {

class Server;

using Words = std::span<const std::string>;
// Why a value is not taken, as Redis says it. Empty: it was taken.
using Fault = std::string;

enum class ValueKind : uint8_t {
  kBool,
  kInteger,
  kOctal,
  kMemory,   // "64mb"
  kChoice,   // one of `choices`
  kChoices,  // one or several of them
  kText,
  kOwn,  // a syntax of its own
};

enum class Change : uint8_t {
  kLive,
  kAtStart,    // "immutable config"
  kProtected,  // by enable-protected-configs
};

enum class Treatment : uint8_t {
  kHonoured,
  kHarmless,     // accepted; has no effect here, which is said at start when the value is not the default
  kDefaultOnly,  // any other value asks for what Strata cannot do, and is refused
};

struct Choice {
  const char* name;
  int64_t value = 0;
};

namespace directive_detail {

template <auto First, auto... Rest>
auto& reach(auto& object) {
  if constexpr (sizeof...(Rest) == 0) {
    return object.*First;
  } else {
    return reach<Rest...>(object.*First);
  }
}

template <typename T>
int64_t load(const T& value) {
  if constexpr (requires { value.load(); }) {
    return static_cast<int64_t>(value.load(std::memory_order_relaxed));
  } else {
    return static_cast<int64_t>(value);
  }
}

// Numbers too large for a narrow field become its largest: they mean "no limit" all the same.
template <typename T>
void store(T& field, int64_t value) {
  if constexpr (requires { field.load(); }) {
    field.store(static_cast<typename T::value_type>(value), std::memory_order_relaxed);
  } else if constexpr (std::is_integral_v<T> && sizeof(T) < sizeof(int64_t) && !std::is_same_v<T, bool>) {
    constexpr int64_t kMost = std::numeric_limits<T>::max();
    field = static_cast<T>(value > kMost ? kMost : value);
  } else {
    field = static_cast<T>(value);
  }
}

}  // namespace directive_detail

// How to reach a bool, integer, size or enumeration in Options, atomic or not.
struct NumberField {
  int64_t (*read)(const Options&) = nullptr;
  void (*write)(Options&, int64_t) = nullptr;
};
struct TextField {
  std::string (*read)(const Options&) = nullptr;
  void (*write)(Options&, std::string) = nullptr;
};

// The members to go through: number<&Options::data, &DataOptions::hash, &HashLimits::packed_entries>.
template <auto... Path>
inline constexpr NumberField number = {
    [](const Options& o) { return directive_detail::load(directive_detail::reach<Path...>(o)); },
    [](Options& o, int64_t value) { directive_detail::store(directive_detail::reach<Path...>(o), value); }};
template <auto... Path>
inline constexpr TextField text = {
    [](const Options& o) -> std::string { return directive_detail::reach<Path...>(o); },
    [](Options& o, std::string value) { directive_detail::reach<Path...>(o) = std::move(value); }};

// A directive with a syntax of its own.
struct OwnSyntax {
  std::string (*read)(const Options&) = nullptr;
  // `adds`: an earlier line of the same file has given the directive already.
  Fault (*write)(Options&, Words words, bool adds) = nullptr;
  // The words of each line that CONFIG REWRITE writes. Null: one line, the value as CONFIG GET shows it.
  std::vector<std::string> (*lines)(const Options&) = nullptr;
};

struct Directive {
  const char* name;
  const char* alias = nullptr;
  ValueKind kind = ValueKind::kText;
  Change change = Change::kLive;
  Treatment treatment = Treatment::kHonoured;
  NumberField number = {};
  TextField text = {};
  OwnSyntax own = {};
  int64_t least = 0;
  int64_t most = INT64_MAX;  // of memory: compared without sign
  std::span<const Choice> choices = {};
  const char* initial = nullptr;               // the default of what has no place in Options
  const char* reason = nullptr;                // why it has no effect here, or is refused
  Fault (*check)(std::string_view) = nullptr;  // of a text or of words, beyond its type
  Fault (*apply)(Server&) = nullptr;  // after CONFIG SET has changed values; an error undoes them all

  bool has_place() const { return number.read || text.read || own.read; }
};

std::span<const Directive> honoured_directives();
std::span<const Directive> elsewhere_directives();

// A value in the form of CONFIG GET. False: it is not one of this directive's values; `fault` says why.
struct ParsedValue {
  int64_t number = 0;
  std::string text;
};
bool parse_value(const Directive& directive, Words words, ParsedValue& value, Fault& fault);
std::string print_number(const Directive& directive, int64_t value);
// A word as a line of a file has it.
std::string quoted_if_needed(const std::string& word);
// As CONFIG REWRITE writes it: sizes with units, texts quoted.
std::string rewritten_value(const Directive& directive, const std::string& value);

// One argument (of CONFIG SET, of the command line) as the words of a line; only syntaxes of several words
// split it.
std::vector<std::string> words_of(const Directive& directive, Bytes value);

}  // namespace strata

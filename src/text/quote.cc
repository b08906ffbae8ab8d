#include "text/quote.h"

#include <utility>

#include "text/ascii.h"

namespace strata {

namespace {

constexpr char kHexDigits[] = "0123456789abcdef";

// The letter behind the backslash, or 0 where there is none.
char short_escape(char c) {
  switch (c) {
    case '\\':
    case '"':
      return c;
    case '\n':
      return 'n';
    case '\r':
      return 'r';
    case '\t':
      return 't';
    case '\a':
      return 'a';
    case '\b':
      return 'b';
    default:
      return 0;
  }
}

char unescape(char c) {
  switch (c) {
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'a':
      return '\a';
    case 'b':
      return '\b';
    default:
      return c;
  }
}

// Cuts arguments off the front of a line. A NUL ends the line, as it does in Redis.
class ArgumentReader {
 public:
  explicit ArgumentReader(std::string_view line) : rest_(line.substr(0, line.find('\0'))) {}

  void skip_space() {
    while (!rest_.empty() && ascii_is_space(rest_.front())) rest_.remove_prefix(1);
  }
  bool at_end() const { return rest_.empty(); }

  // False when a quote is unbalanced or glued to what follows.
  bool read(std::string& argument) {
    while (!rest_.empty()) {
      const char c = take();
      switch (c) {
        case ' ':
        case '\n':
        case '\r':
        case '\t':
          return true;
        case '"':
          return read_double_quoted(argument);
        case '\'':
          return read_single_quoted(argument);
        default:
          argument.push_back(c);
      }
    }
    return true;
  }

 private:
  char take() {
    const char c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }

  bool closed_properly() const { return rest_.empty() || ascii_is_space(rest_.front()); }

  bool read_double_quoted(std::string& argument) {
    while (!rest_.empty()) {
      const char c = take();
      if (c == '"') return closed_properly();
      if (c != '\\' || rest_.empty())
        argument.push_back(c);
      else
        argument.push_back(take_escaped());
    }
    return false;
  }

  char take_escaped() {
    if (rest_.size() >= 3 && rest_[0] == 'x') {
      const int high = ascii_hex_value(rest_[1]);
      const int low = ascii_hex_value(rest_[2]);
      if (high >= 0 && low >= 0) {
        rest_.remove_prefix(3);
        return static_cast<char>(high * 16 + low);
      }
    }
    return unescape(take());
  }

  bool read_single_quoted(std::string& argument) {
    while (!rest_.empty()) {
      char c = take();
      if (c == '\'') return closed_properly();
      if (c == '\\' && !rest_.empty() && rest_.front() == '\'') c = take();
      argument.push_back(c);
    }
    return false;
  }

  std::string_view rest_;
};

}  // namespace

void append_quoted(std::string& out, Bytes bytes) {
  out.reserve(out.size() + bytes.size() + 2);
  out.push_back('"');
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (const char letter = short_escape(c); letter != 0) {
      out.push_back('\\');
      out.push_back(letter);
    } else if (byte >= 0x20 && byte < 0x7f) {
      out.push_back(c);
    } else {
      out.append("\\x");
      out.push_back(kHexDigits[byte >> 4]);
      out.push_back(kHexDigits[byte & 15]);
    }
  }
  out.push_back('"');
}

std::string quote(Bytes bytes) {
  std::string result;
  append_quoted(result, bytes);
  return result;
}

std::optional<std::vector<std::string>> split_args(std::string_view line) {
  std::vector<std::string> arguments;
  ArgumentReader reader(line);
  for (reader.skip_space(); !reader.at_end(); reader.skip_space()) {
    std::string argument;
    if (!reader.read(argument)) return std::nullopt;
    arguments.push_back(std::move(argument));
  }
  return arguments;
}

}  // namespace strata

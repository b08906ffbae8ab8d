#include "persistence/manifest.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/crc.h"
#include "platform/file_system.h"

namespace strata {
namespace {

constexpr size_t kWordsMax = 64;  // of one line; Redis writes six
constexpr Bytes kChecksumMark = "#SM:";
constexpr size_t kChecksumDigits = 8;

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f'; }

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The byte that "\?" at the front of `line` stands for; removes it.
char take_escape(Bytes& line) {
  if (line.size() >= 4 && line[1] == 'x' && hex_value(line[2]) >= 0 && hex_value(line[3]) >= 0) {
    const char c = static_cast<char>(hex_value(line[2]) * 16 + hex_value(line[3]));
    line.remove_prefix(4);
    return c;
  }
  const char c = line[1];
  line.remove_prefix(2);
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

// A quoted word: "…" with escapes, '…' with only \'. False when it does not end, or runs into another.
bool take_quoted(Bytes& line, std::string& word) {
  const char quote = line.front();
  line.remove_prefix(1);
  while (!line.empty() && line.front() != quote) {
    if (quote == '"' && line.front() == '\\' && line.size() >= 2) {
      word += take_escape(line);
    } else if (quote == '\'' && line.starts_with("\\'")) {
      word += '\'';
      line.remove_prefix(2);
    } else {
      word += line.front();
      line.remove_prefix(1);
    }
  }
  if (line.empty()) return false;
  line.remove_prefix(1);
  return line.empty() || is_blank(line.front());
}

bool split_words(Bytes line, std::vector<std::string>& words) {
  words.clear();
  for (;;) {
    while (!line.empty() && is_blank(line.front())) line.remove_prefix(1);
    if (line.empty()) return true;
    if (words.size() == kWordsMax) return false;
    std::string& word = words.emplace_back();
    if (line.front() == '"' || line.front() == '\'') {
      if (!take_quoted(line, word)) return false;
      continue;
    }
    while (!line.empty() && !is_blank(line.front())) {
      word += line.front();
      line.remove_prefix(1);
    }
  }
}

bool is_plain_name(Bytes name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == Bytes::npos &&
         name.find('\0') == Bytes::npos;
}

bool parse_seq(Bytes text, uint64_t& seq) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seq);
  return error == std::errc{} && end == text.data() + text.size() && seq != 0 &&
         seq <= static_cast<uint64_t>(INT64_MAX);
}

struct Line {
  ManifestFile file;
  char type = 0;
};

// Pairs of key and value in any order; Redis skips keys it does not know, and so do we.
const char* parse_line(const std::vector<std::string>& words, Line& line) {
  if (words.size() < 6 || words.size() % 2 != 0) return "manifest: a line is not made of pairs";
  for (size_t i = 0; i < words.size(); i += 2) {
    // A line break that turned into a blank makes one line of two.
    for (size_t k = 0; k < i; k += 2)
      if (words[k] == words[i]) return "manifest: a key stands twice in a line";
    if (words[i] == "file") {
      if (!is_plain_name(words[i + 1])) return "manifest: not a plain file name";
      line.file.name = words[i + 1];
    } else if (words[i] == "seq") {
      if (!parse_seq(words[i + 1], line.file.seq)) return "manifest: bad sequence number";
    } else if (words[i] == "since") {
      if (!parse_seq(words[i + 1], line.file.since)) return "manifest: bad second";
    } else if (words[i] == "type") {
      if (words[i + 1].size() != 1) return "manifest: bad file type";
      line.type = words[i + 1][0];
    }
  }
  if (line.file.name.empty() || line.file.seq == 0 || line.type == 0)
    return "manifest: a line needs file, seq and type";
  return nullptr;
}

const char* add_line(Manifest& manifest, Line line) {
  switch (line.type) {
    case 'b':
      if (manifest.has_base()) return "manifest: two base files";
      manifest.base = std::move(line.file);
      return nullptr;
    case 'h':
      manifest.history.push_back(std::move(line.file));
      return nullptr;
    case 'i':
      if (!manifest.increments.empty() && manifest.increments.back().seq >= line.file.seq)
        return "manifest: increments out of order";
      manifest.increments.push_back(std::move(line.file));
      return nullptr;
    default:
      return "manifest: unknown file type";
  }
}

void format_name(std::string& out, Bytes name) {
  const bool plain = std::all_of(name.begin(), name.end(), [](char c) {
    return c > ' ' && c != '"' && c != '\'' && c != '\\' && c != '\x7f';
  });
  if (plain) {
    out += name;
    return;
  }
  out += '"';
  for (char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < ' ' || byte == 0x7f) {
      out += "\\x";
      out += "0123456789abcdef"[byte >> 4];
      out += "0123456789abcdef"[byte & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

void format_line(std::string& out, const ManifestFile& file, char type) {
  out += "file ";
  format_name(out, file.name);
  out += " seq " + std::to_string(file.seq) + " type ";
  out += type;
  if (file.since != 0) out += " since " + std::to_string(file.since);
  out += '\n';
}

std::string checksum_line(Bytes rest) {
  std::string line(kChecksumMark);
  const uint32_t checksum = crc32c(0, rest);
  for (size_t i = kChecksumDigits; i-- > 0;) line += "0123456789abcdef"[checksum >> (4 * i) & 15];
  return line + '\n';
}

}  // namespace

std::string increment_name(const AofLocation& location, uint64_t seq) {
  return location.append_filename + "." + std::to_string(seq) + ".incr.aof";
}

std::string rdb_base_name(const AofLocation& location, uint64_t seq) {
  return location.append_filename + "." + std::to_string(seq) + ".base.rdb";
}

Result<Manifest> parse_manifest(Bytes text) {
  if (text.starts_with(kChecksumMark)) {
    const size_t line_end = std::min(text.find('\n'), text.size() - 1);
    if (!text.starts_with(checksum_line(text.substr(line_end + 1))))
      return fail(Errc::kCorruption,
                  "manifest: wrong checksum (if it was edited by hand, remove the #SM: line)", 1);
  }
  Manifest manifest;
  std::vector<std::string> words;
  size_t file_count = 0;
  for (uint64_t number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    if (end == Bytes::npos) return fail(Errc::kCorruption, "manifest: the last line has no end", number);
    const Bytes content = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (content.size() > kManifestLineBytesMax)
      return fail(Errc::kCorruption, "manifest: line too long", number);
    if (content.starts_with('#')) continue;
    Line line;
    if (!split_words(content, words)) return fail(Errc::kCorruption, "manifest: unbalanced quotes", number);
    if (const char* wrong = parse_line(words, line)) return fail(Errc::kCorruption, wrong, number);
    if (++file_count > kManifestFilesMax) return fail(Errc::kTooLarge, "manifest: too many files", number);
    if (const char* wrong = add_line(manifest, std::move(line)))
      return fail(Errc::kCorruption, wrong, number);
  }
  if (file_count == 0) return fail(Errc::kCorruption, "manifest: empty", 1);
  return manifest;
}

std::string format_manifest(const Manifest& manifest) {
  std::string out;
  if (manifest.has_base()) format_line(out, manifest.base, 'b');
  for (const ManifestFile& file : manifest.history) format_line(out, file, 'h');
  for (const ManifestFile& file : manifest.increments) format_line(out, file, 'i');
  return checksum_line(out) + out;
}

Result<Manifest> load_manifest(FileSystem& fs, const AofLocation& location) {
  TRY_ASSIGN(const std::string text, read_whole_file(fs, location.manifest_path(), kManifestBytesMax));
  return parse_manifest(text);
}

Status store_manifest(FileSystem& fs, const AofLocation& location, const Manifest& manifest) {
  return replace_file(fs, location.manifest_path(), format_manifest(manifest));
}

}  // namespace strata

// Reads lengths and strings of the RDB format from bytes that may be hostile, or not all there yet.
//
// The reader skims a window of the file with it and asks for more when the bytes run out; the decoder reads
// whole values. Calls answer false and keep why in state(): kShort, the bytes ended where more could follow,
// or kBad with a text. A length is believed only as far as the file reaches, so none leads to an absurd
// allocation.
//
// One thread, on the stack; views returned point into the bytes or into the scratch that was passed.

#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "data/value.h"
#include "persistence/rdb_format.h"

namespace strata {

struct Blob;
class Heap;

class RdbInput {
 public:
  enum class State : uint8_t { kOk, kShort, kBad };

  // `offset`: of the first byte in the file, for errors. `beyond`: bytes that the file has behind these.
  RdbInput(Bytes bytes, uint64_t offset, uint64_t beyond = 0)
      : begin_(bytes.data()), at_(begin_), end_(begin_ + bytes.size()), offset_(offset), beyond_(beyond) {}

  State state() const { return state_; }
  Error error() const;
  size_t consumed() const { return static_cast<size_t>(at_ - begin_); }
  size_t left() const { return static_cast<size_t>(end_ - at_); }
  Bytes rest() const { return {at_, left()}; }
  uint64_t offset() const { return offset_ + consumed(); }
  // With kShort: how many bytes from the first on are needed at least.
  uint64_t needed() const { return needed_; }

  bool bad(const char* what, Errc code = Errc::kCorruption);

  bool byte(uint8_t* out);
  bool bytes(uint64_t count, Bytes* out);
  bool skip(uint64_t count) {
    Bytes ignored;
    return bytes(count, &ignored);
  }
  bool length(uint64_t* out);
  // A number of things that take at least a byte each.
  bool count(uint64_t* out);

  bool skip_string();
  // An integer, a view, or what LZF gives, in `scratch`.
  bool element(Element* out, std::string& scratch);
  // The same as text; integers are printed into `scratch`.
  bool string(Bytes* out, std::string& scratch);
  // A string in a block of its own; null when it fails, and for integers, which no packed node is.
  Blob* blob(Heap& heap);

  // A score as text with a length byte (type zset), and as eight bytes (zset2). Never NaN.
  bool skip_text_score();
  bool text_score(double* out);
  bool binary_score(double* out);

 private:
  // What stands in front of a string.
  struct Header {
    enum class Kind : uint8_t { kPlain, kInteger, kLzf } kind;
    uint64_t stored;  // bytes that follow
    uint64_t size;    // of the string itself
  };
  bool short_by(uint64_t count);
  bool header(Header* out);
  bool lzf_header(Header* out);
  bool length_or_encoding(uint64_t* out, bool* is_encoding);
  int64_t integer(Bytes stored) const;
  bool decompress(const Header& header, char* out);

  const char* begin_;
  const char* at_;
  const char* end_;
  uint64_t offset_;
  uint64_t beyond_;
  uint64_t needed_ = 0;
  const char* what_ = "";
  Errc code_ = Errc::kCorruption;
  State state_ = State::kOk;
};

// Moves past a value of this type; false when it is short or bad. The type must be one that rdb_is_known().
bool rdb_skim_value(RdbInput& input, RdbType type);

// Types that Strata loads.
bool rdb_is_known(RdbType type);
// What a type is called that Strata does not have: "module value"; null for what is no type at all.
const char* rdb_unsupported_name(RdbType type);

}  // namespace strata

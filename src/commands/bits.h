// Strings as bits: what the handlers share, and those that do not stand beside the table (bits.cc).

#pragma once

#include "commands/context.h"

namespace strata {

// A string as bytes, also when it is stored as an integer. Valid until its entry changes.
class StringBytes {
 public:
  explicit StringBytes(const Entry* entry) {
    if (entry) bytes_ = element_text(entry->string(), scratch_);
  }
  StringBytes(const StringBytes&) = delete;
  StringBytes& operator=(const StringBytes&) = delete;
  Bytes bytes() const { return bytes_; }

 private:
  char scratch_[kIntegerTextBytes];
  Bytes bytes_;
};

// An offset in bits that lies within the largest string. With a `width`, "#n" is the n-th field of that
// width.
bool parse_bit_offset(Context& context, size_t i, unsigned width, uint64_t& offset);

// The bytes of the string at the key, `size` or more of them, ready to be written to; the key is made when it
// is missing. Nothing: no memory, which was replied.
struct EditedBytes {
  MutableBytes bytes;
  bool has_grown;
};
std::optional<EditedBytes> edit_bytes(Context& context, const Key& key, Entry* entry, size_t size);

// bits_search.cc
void bitcount(Context& context);
void bitpos(Context& context);

// bits_operation.cc
void bitop(Context& context);

// bits_field.cc
void bitfield(Context& context);
void bitfield_ro(Context& context);

}  // namespace strata

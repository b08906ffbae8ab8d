// LZF as RDB files use it, with the memory that its output takes.
//
// One owner at a time; keeps the room of the largest string it has tried.

#pragma once

#include <cstddef>
#include <memory>

#include "base/bytes.h"

namespace strata {

class RdbLzf {
 public:
  // The packed string, valid until the next call; empty when that does not save at least four bytes (as in
  // Redis), or there is no memory for trying.
  Bytes pack(Bytes string);

 private:
  std::unique_ptr<char[]> packed_;
  size_t capacity_ = 0;
};

}  // namespace strata

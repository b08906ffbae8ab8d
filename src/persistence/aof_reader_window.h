// A file seen through a buffer that slides over it, so that what is looked at is contiguous.
//
// Belongs to one reader. Views into rest() live until fill() has to move or grow the buffer; it calls
// before_move first. Memory: kAofWindowBytes, more while a single look needs more (never more than the
// file has). Failure: kIo from the file, kOutOfMemory.

#pragma once

#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>

#include "base/bytes.h"
#include "base/result.h"
#include "platform/file_system.h"

namespace strata {

class AofWindow {
 public:
  AofWindow(File& file, uint64_t file_bytes, uint64_t offset, std::function<Status()> before_move)
      : file_(file), file_bytes_(file_bytes), offset_(offset), before_move_(std::move(before_move)) {}

  uint64_t offset() const { return offset_; }
  uint64_t remaining() const { return file_bytes_ - offset_; }
  // What is buffered from offset() on.
  Bytes rest() const { return Bytes(buffer_.get() + begin_, end_ - begin_); }
  bool at_end() const { return remaining() == 0; }

  // Makes rest() at least min(bytes, remaining()) long.
  Status fill(uint64_t bytes);
  void advance(size_t bytes) {
    begin_ += bytes;
    offset_ += bytes;
  }

 private:
  struct Free {
    void operator()(char* block) const { std::free(block); }
  };

  Status make_room(uint64_t bytes);

  File& file_;
  const uint64_t file_bytes_;
  uint64_t offset_;
  std::function<Status()> before_move_;
  std::unique_ptr<char, Free> buffer_;
  size_t capacity_ = 0;
  size_t begin_ = 0;
  size_t end_ = 0;
};

}  // namespace strata

// How far a gather send has come: the slices that are left, the first of them perhaps in part.

#pragma once

#include <cstddef>
#include <span>

#include "base/bytes.h"

namespace strata {

class SendCursor {
 public:
  SendCursor() = default;
  explicit SendCursor(std::span<const Bytes> slices) : slices_(slices) { skip_empty(); }

  bool at_end() const { return slices_.empty(); }
  size_t total() const { return total_; }  // bytes passed so far
  bool is_inside_slice() const { return offset_ > 0; }
  Bytes first() const { return slices_.front().substr(offset_); }
  // Whole only while !is_inside_slice().
  std::span<const Bytes> slices() const { return slices_; }

  void advance(size_t bytes) {
    total_ += bytes;
    while (bytes > 0) {
      const size_t rest = slices_.front().size() - offset_;
      if (bytes < rest) {
        offset_ += bytes;
        return;
      }
      bytes -= rest;
      offset_ = 0;
      slices_ = slices_.subspan(1);
    }
    if (offset_ == 0) skip_empty();
  }

 private:
  void skip_empty() {
    while (!slices_.empty() && slices_.front().empty()) slices_ = slices_.subspan(1);
  }

  std::span<const Bytes> slices_;
  size_t offset_ = 0;
  size_t total_ = 0;
};

}  // namespace strata

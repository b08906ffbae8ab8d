// What a connection has received and not yet executed: the beginning of a command, or commands that wait.
//
// Bytes are appended at the back and consumed from the front. It grows with realloc(), because for large
// buffers that moves pages instead of bytes: a value of 200 MB that arrives in pieces was copied for 85 ms
// at a time when a std::string doubled, and other clients waited.
//
// Who: one connection, on its own thread.
// Cost: one allocation, given back when all is consumed unless it is small. A pending command is moved to
//   the front at most once for each time its size in bytes was consumed before it.
// Failure: append() says false when there is no memory; what was there stays.

#pragma once

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "base/bytes.h"

namespace strata {

class InputBuffer {
 public:
  InputBuffer() = default;
  InputBuffer(const InputBuffer&) = delete;
  InputBuffer& operator=(const InputBuffer&) = delete;
  ~InputBuffer() { std::free(data_); }

  bool empty() const { return begin_ == end_; }
  size_t size() const { return end_ - begin_; }
  size_t allocated_bytes() const { return capacity_; }
  Bytes bytes() const { return {data_ + begin_, size()}; }

  // `wanted_bytes`: what size() is known to become, so that the last growth is exact; 0 if unknown. It is
  // only trusted as bytes arrive: nobody makes us allocate by announcing.
  bool append(Bytes more, size_t wanted_bytes) {
    if (more.empty()) return true;  // whose data may be null, as ours may be
    if (more.size() > capacity_ - end_ && !grow(more.size(), wanted_bytes)) return false;
    std::memcpy(data_ + end_, more.data(), more.size());
    end_ += more.size();
    return true;
  }

  void consume(size_t count) {
    begin_ += count;
    if (begin_ == end_) {
      begin_ = end_ = 0;
      if (capacity_ > kKeptBytes) {
        std::free(data_);
        data_ = nullptr;
        capacity_ = 0;
      }
    } else if (begin_ > size()) {
      move_to_front();
    }
  }

 private:
  static constexpr size_t kKeptBytes = 4096;
  static constexpr size_t kSlackBytes = 64;  // the end of the command behind a long argument

  void move_to_front() {
    std::memmove(data_, data_ + begin_, size());
    end_ -= begin_;
    begin_ = 0;
  }

  bool grow(size_t more_bytes, size_t wanted_bytes) {
    const size_t least = end_ + more_bytes;
    const size_t doubled = 2 * std::max(least, kKeptBytes / 4);
    const size_t wanted = begin_ + wanted_bytes + kSlackBytes;
    const size_t room = wanted_bytes > 0 && wanted >= least ? std::min(doubled, wanted) : doubled;
    char* grown = static_cast<char*>(std::realloc(data_, room));
    if (!grown) return false;
    data_ = grown;
    capacity_ = room;
    return true;
  }

  char* data_ = nullptr;
  size_t capacity_ = 0;
  size_t begin_ = 0;
  size_t end_ = 0;
};

}  // namespace strata

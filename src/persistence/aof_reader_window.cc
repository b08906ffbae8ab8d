#include "persistence/aof_reader_window.h"

#include <algorithm>
#include <cstring>

#include "persistence/aof_reader.h"

namespace strata {

Status AofWindow::fill(uint64_t bytes) {
  bytes = std::min(bytes, remaining());
  if (end_ - begin_ >= bytes) return {};
  TRY(before_move_());
  TRY(make_room(bytes));
  const uint64_t wanted = std::min<uint64_t>(capacity_, remaining());
  while (end_ < wanted) {
    TRY_ASSIGN(const size_t got,
               file_.read_at(offset_ + end_, MutableBytes(buffer_.get() + end_, wanted - end_)));
    if (got == 0) return fail(Errc::kIo, "the file became shorter while it was read", offset_ + end_);
    end_ += got;
  }
  return {};
}

// Moves the rest to the front of a buffer of at least `bytes`.
Status AofWindow::make_room(uint64_t bytes) {
  const size_t kept = end_ - begin_;
  const size_t usual = static_cast<size_t>(std::min<uint64_t>(kAofWindowBytes, kept + remaining()));
  if (capacity_ < bytes || buffer_ == nullptr) {
    const size_t capacity = std::max<size_t>({static_cast<size_t>(bytes), usual, 1});
    char* larger = static_cast<char*>(std::malloc(capacity));
    if (larger == nullptr) return fail(Errc::kOutOfMemory, "no memory to read a batch of the log", offset_);
    if (kept > 0) std::memcpy(larger, buffer_.get() + begin_, kept);
    buffer_.reset(larger);
    capacity_ = capacity;
  } else if (kept > 0) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, kept);
  }
  begin_ = 0;
  end_ = kept;
  return {};
}

}  // namespace strata

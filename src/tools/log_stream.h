// The pieces of one file of a log, one after the other, as far as it is intact, through a window that slides
// over the file: so files of any size are checked and copied in little memory.
//
// Of a file without damage the pieces are those of scan_log(). At damage it stops, and knows nothing of what
// is behind it: log_scan.h does, with the whole file in memory.
//
// Memory: kAofWindowBytes, more for a larger batch or foreign transaction. Failure: of reading, kOutOfMemory.

#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "persistence/aof_reader_resp.h"
#include "persistence/aof_reader_window.h"
#include "platform/file_system.h"
#include "tools/log_scan.h"

namespace strata {

class LogStream {
 public:
  // `from`: behind an RDB at the beginning. The file outlives the stream.
  LogStream(File& file, uint64_t file_bytes, uint64_t from)
      : window_(file, file_bytes, from, [] { return Status(); }) {}

  // False: the end, or damage. `bytes` lives until the next call.
  Result<bool> next(LogPiece& piece, Bytes& bytes);
  // Where it begins. What a real Redis has appended is damage, too, when a batch comes behind it.
  std::optional<uint64_t> damaged_at() const { return damaged_at_; }
  const std::optional<LogOpening>& opening() const { return opening_; }
  uint64_t command_count() const { return command_count_; }

 private:
  Result<bool> take(LogPiece& piece);
  Result<bool> take_batch(LogPiece& piece, Bytes header);
  Result<bool> is_batch_out_of_form();
  Result<bool> take_filler(LogPiece& piece);
  Result<bool> take_foreign(LogPiece& piece);
  bool count_commands(Bytes body);

  AofWindow window_;
  uint64_t taken_ = 0;  // of the window, by the piece before
  bool has_begun_ = false;
  std::optional<LogOpening> opening_;
  std::optional<uint64_t> foreign_at_;
  std::optional<uint64_t> damaged_at_;
  uint64_t command_count_ = 0;
  AofCommand command_;
  AofUnit unit_;
};

}  // namespace strata

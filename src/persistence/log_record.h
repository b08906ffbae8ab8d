// Records: what one write leaves in the log, as RESP ("*3\r\n$3\r\nSET\r\n…").
//
// Commands format theirs straight into the ring (LogRing::append_command). What needs several commands
// in one record, EXEC and scripts, collects them in a RecordBuilder; the record is MULTI … EXEC and is
// never split over batches or files, so it is replayed whole or not at all.
//
// A builder belongs to one thread and keeps its capacity over clear().

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/bytes.h"

namespace strata {

// The size of a command as RESP, and its bytes at `out`; returns the end.
size_t command_bytes(std::span<const Bytes> args);
char* format_command(char* out, std::span<const Bytes> args);
void append_command_to(std::string& out, std::span<const Bytes> args);
void append_select_to(std::string& out, uint16_t db);
size_t select_bytes(uint16_t db);
bool is_group(Bytes record);  // MULTI … EXEC

class RecordBuilder {
 public:
  // Commands in the order in which they take effect; SELECT is put in where `db` changes.
  void add(uint16_t db, std::span<const Bytes> args);
  // The same for `count` whole commands that are RESP already.
  void add_resp(uint16_t db, Bytes commands, size_t count);
  void clear();

  size_t command_count() const { return command_count_; }
  uint16_t first_db() const { return first_db_; }
  uint16_t last_db() const { return last_db_; }
  // The whole record; one command stands alone, more are wrapped in MULTI … EXEC. Valid until the next
  // call. Empty when nothing was added.
  Bytes finish();

 private:
  void open(uint16_t db);

  std::string text_;  // begins with MULTI, which finish() leaves out for a single command
  size_t command_count_ = 0;
  uint16_t first_db_ = 0;
  uint16_t last_db_ = 0;
  bool finished_ = false;
};

}  // namespace strata

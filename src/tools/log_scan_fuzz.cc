// Hostile log files, as strata-check meets them: whatever they hold, the pieces cover the file without gaps,
// and what a window that slides over the file takes for intact is so.

#include <cstdlib>

#include "platform/sim_file_system.h"
#include "tools/log_scan.h"
#include "tools/log_stream.h"

using namespace strata;

namespace {

bool is_damaged(const LogScan& scan) {
  for (const LogPiece& piece : scan.pieces) {
    if (*piece.what != '\0') return true;
  }
  return false;
}

// Only where the scan went through, and with as many commands.
void compare_stream(Bytes text, const LogScan& scan) {
  SimFileSystem fs({.seed = 1, .trace = false});
  File file = fs.open("/log", OpenMode::kCreateNew).value();
  if (!file.write_at(0, text)) std::abort();
  LogStream stream(file, text.size(), 0);
  LogPiece piece;
  Bytes bytes;
  uint64_t covered = 0;
  while (stream.next(piece, bytes).value()) {
    if (piece.offset != covered || bytes.size() != piece.bytes) std::abort();
    covered += piece.bytes;
  }
  const bool is_whole = !stream.damaged_at();
  if (is_whole == (is_damaged(scan) || scan.gave_up)) std::abort();
  if (is_whole && (covered != text.size() || stream.command_count() != scan.command_count)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Bytes file(reinterpret_cast<const char*>(data), size);
  const LogScan scan = scan_log(file, 0);
  uint64_t covered = 0;
  for (const LogPiece& piece : scan.pieces) {
    if (piece.offset != covered || piece.bytes == 0 || piece.record_bytes > piece.bytes) std::abort();
    covered += piece.bytes;
  }
  if (covered != size) std::abort();
  compare_stream(file, scan);
  return 0;
}

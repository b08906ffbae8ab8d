// Hostile log files, as strata-check meets them: whatever they hold, the pieces cover the file without gaps.

#include <cstdlib>

#include "tools/log_scan.h"

using namespace strata;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Bytes file(reinterpret_cast<const char*>(data), size);
  const LogScan scan = scan_log(file, 0);
  uint64_t covered = 0;
  for (const LogPiece& piece : scan.pieces) {
    if (piece.offset != covered || piece.bytes == 0 || piece.record_bytes > piece.bytes) std::abort();
    covered += piece.bytes;
  }
  if (covered != size) std::abort();
  return 0;
}

// RESTORE with a right checksum over any body: refused, or a value that bears every command on its type.
//
// The first byte of the input chooses the limits of small values, the second what is done with the result;
// the rest is the payload's type and value, to which the footer is added here. After the commands the value
// must survive DUMP and RESTORE, and nothing may be left allocated that was not before.

#include <cstdint>
#include <cstdlib>

#include "commands/restore_checker.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3 || size > strata::RestoreChecker::kBodyBytesMax) return 0;
  static strata::RestoreChecker checker;
  checker.check(strata::Bytes(reinterpret_cast<const char*>(data) + 2, size - 2), data[0], data[1]);
  return 0;
}

// The one table of error codes: name, text, RESP prefix. A code earns its place when some caller
// acts differently on it.

#pragma once

#include <cstdint>

namespace strata {

#define STRATA_ERROR_TABLE(X)                                                     \
  X(kIo, "input/output error", "ERR")                                             \
  X(kNotFound, "not found", "ERR")                                                \
  X(kExists, "already exists", "ERR")                                             \
  X(kPermission, "permission denied", "ERR")                                      \
  X(kNoSpace, "no space left on device", "MISCONF")                               \
  X(kCorruption, "corrupt data", "ERR")                                           \
  X(kUnsupported, "not supported", "ERR")                                         \
  X(kInvalidArgument, "invalid argument", "ERR")                                  \
  X(kOutOfMemory, "out of memory", "OOM")                                         \
  X(kTooLarge, "too large", "ERR")                                                \
  X(kWouldBlock, "would block", "ERR")                                            \
  X(kCancelled, "cancelled", "ERR")                                               \
  X(kTimedOut, "timed out", "ERR")                                                \
  X(kClosed, "closed by the other side", "ERR")                                   \
  X(kAddressInUse, "address already in use", "ERR")                               \
  X(kReadOnly, "generation is read-only after a failed write or sync", "MISCONF") \
  X(kWrongType, "Operation against a key holding the wrong kind of value", "WRONGTYPE")

enum class Errc : uint8_t {
#define X(name, text, prefix) name,
  STRATA_ERROR_TABLE(X)
#undef X
};

const char* error_name(Errc code);         // "kCorruption"
const char* error_text(Errc code);         // "corrupt data"
const char* error_resp_prefix(Errc code);  // "ERR"

}  // namespace strata

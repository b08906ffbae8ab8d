// Where the effects of commands go: the operation log, above. Called while inside the shards that the
// effect concerns, so the order of calls is a serial order of the whole database.

#pragma once

#include <cstdint>
#include <span>

#include "base/bytes.h"

namespace strata {

class EffectSink {
 public:
  virtual ~EffectSink() = default;
  // `count` whole RESP commands that take effect together in database `db`. Returns the sequence number after
  // them; a reply that waits for the log waits for this number. Never blocks and never fails: room was asked
  // for before entering.
  virtual uint64_t append(uint16_t db, Bytes commands, size_t count) = 0;
  virtual uint64_t append_command(uint16_t db, std::span<const Bytes> args) = 0;
};

}  // namespace strata

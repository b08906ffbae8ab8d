// The options of streams, apart from streams themselves: everything that knows options would else be compiled
// with them.

#pragma once

#include <cstdint>

namespace strata {

// stream-node-max-bytes and stream-node-max-entries; 0: no bound (but packed::kMaxNodeBytes).
struct StreamLimits {
  uint64_t node_max_bytes = 4096;
  uint64_t node_max_entries = 100;
  // stream-idmp-duration and stream-idmp-maxsize: what new streams begin with (stream_producers.h).
  uint64_t idempotence_seconds = 100;
  uint64_t idempotence_entries = 100;
};

}  // namespace strata

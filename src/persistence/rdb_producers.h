// What a stream remembers of idempotent producers (data/stream_producers.h), in a dump file.
//
// The types of streams have no place for it, so it stands in front of the record, as an AUX field with this
// name; redis-server passes over fields that it does not know.
//
//   8     idmp-duration, seconds, little-endian like all numbers here
//   8     idmp-maxsize
//   8, 8  idempotent IDs ever added, duplicates ever met
//   then for each that is remembered, producers in the order of their names, each from its oldest on:
//   4     size of the producer's ID      …  the ID
//   4     size of the idempotent ID      …  the ID
//   16    ID of the entry, both halves big-endian
//
// In the form of DUMP it stands behind the value, as the same AUX field, and in front of the footer:
// redis-server does not look at bytes there.
//
// Input may be hostile: what is not exactly so is kCorruption.

#pragma once

#include <string>

#include "base/result.h"
#include "data/stream.h"

namespace strata {

inline constexpr Bytes kRdbProducersField = "strata-producers";

std::string rdb_producers_text(const StreamProducers& producers);
// Into a stream without producers. On failure it may hold some.
Status rdb_read_producers(Heap& heap, Bytes text, StreamProducers& producers);
// `behind` are the bytes behind a dump's value. What is no such field is ignored, as redis-server ignores it.
Status rdb_read_dumped_producers(Heap& heap, Bytes behind, StreamProducers& producers);

}  // namespace strata

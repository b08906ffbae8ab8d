// Decodes streams, in as many steps as one likes.
//
// Internal to the RDB decoder; see rdb_plain.h, which hands streams on to this. docs/formats/rdb.md draws the
// bytes.
//
//   1. Nodes are checked to their last byte (stream_node::validate), and that their living entries' IDs rise
//   from one
//      node to the next. The number of entries, the last ID, and every pending entry's owner must agree with
//      the rest.
//   2. Nodes without a living entry are dropped.
//   3. A pending entry that XNACK gave back is nobody's. Up to type 21 there is no place for that: such
//   entries
//      stand under a consumer without a name, delivered at time 0 (kUnowned…).

#pragma once

#include <cstdint>
#include <string>

#include "data/stream.h"
#include "persistence/rdb_builders.h"
#include "persistence/rdb_input.h"

namespace strata {

// Who owns, in files, what nobody owns: redis-server insists on an owner.
inline constexpr Bytes kRdbUnownedConsumer = "";
inline constexpr int64_t kRdbUnownedDeliveryMs = 0;

inline constexpr size_t kRdbStreamIdBytes = 16;  // both halves big-endian
void rdb_store_stream_id(char* out, StreamId id);

bool rdb_is_stream(RdbType type);
bool rdb_skim_stream(RdbInput& input, RdbType type);

class RdbStreamDecoder {
 public:
  RdbStreamDecoder(const DataContext& context, RdbType type, RdbInput& input)
      : heap_(context.heap), type_(type), input_(input), draft_(context.heap) {}

  // Takes in `budget` nodes, pending entries and consumers. True when the value is complete.
  [[nodiscard]] Result<bool> step(size_t budget);
  Value finish() { return draft_.release(); }
  Value take() { return draft_.take(); }

 private:
  enum class Stage : uint8_t { kNodes, kFacts, kGroup, kPending, kConsumer, kOwned, kGroupEnd, kDone };

  Status begin();
  Status next();
  Status node();
  Status facts();
  Status group();
  Status pending();
  Status consumer();
  Status owned();
  Status group_end();
  Result<StreamId> id();      // two lengths
  Result<StreamId> raw_id();  // sixteen bytes
  Result<uint64_t> length();
  Result<uint64_t> le64();
  std::unexpected<Error> input_error() const { return std::unexpected(input_.error()); }
  bool has_counters() const { return type_ != RdbType::kStreamListpacks; }

  Heap& heap_;
  const RdbType type_;
  RdbInput& input_;
  RdbDraft draft_;
  StreamValue* stream_ = nullptr;
  Stage stage_ = Stage::kNodes;
  uint64_t left_ = 0;  // of what the stage counts
  uint64_t groups_left_ = 0;
  uint64_t consumers_left_ = 0;
  StreamId master_, last_alive_;  // of the nodes so far
  StreamGroup* group_ = nullptr;
  StreamConsumer* consumer_ = nullptr;
  std::string scratch_;
};

}  // namespace strata

// Decodes the values that an RDB file stores element by element, or node by node, in as many steps as one
// likes.
//
// Internal to the decoder (rdb_decode.h), and used by RESTORE, which must not hold a shard for the whole of a
// large value. Inside the shard whose heap the context names, at every step. What is built belongs to this
// object until take().
//
// Input may be hostile: see rdb_decode.h.

#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "persistence/rdb_builders.h"
#include "persistence/rdb_input.h"
#include "persistence/rdb_stream.h"

namespace strata {

class RdbPlainDecoder {
 public:
  // Whether the type is one of them.
  static bool handles(RdbType type);

  // The record's payload must live as long.
  RdbPlainDecoder(const RdbRecord& record, const DataContext& context, const RdbLimits& limits)
      : context_(context), limits_(limits), type_(record.type), input_(record.payload, record.offset) {}
  RdbPlainDecoder(const RdbPlainDecoder&) = delete;
  RdbPlainDecoder& operator=(const RdbPlainDecoder&) = delete;

  // Takes in about `budget` elements, or one node of a list. True when the value is complete.
  [[nodiscard]] Result<bool> step(size_t budget);
  // The value, when it is complete.
  [[nodiscard]] Result<Value> finish();
  // After a failure: what is there of it, so that it can be freed in slices (type kString: nothing).
  Value take();

  uint64_t offset() const { return input_.offset(); }

 private:
  Status begin();
  Status next();
  Status next_node(RdbListBuilder& builder);
  Status plain_node(RdbListBuilder& builder);
  Status packed_node(RdbListBuilder& builder);
  Status ziplist_node(RdbListBuilder& builder);
  std::unexpected<Error> input_error() const { return std::unexpected(input_.error()); }

  const DataContext context_;
  const RdbLimits limits_;
  const RdbType type_;
  RdbInput input_;
  uint64_t left_ = 0;               // elements, or nodes
  uint64_t first_deadline_ms_ = 0;  // of a hash's fields
  std::variant<std::monostate, RdbListBuilder, RdbSetBuilder, RdbHashBuilder, RdbZsetBuilder,
               RdbStreamDecoder>
      builder_;
  std::string scratch_;
  std::string second_scratch_;
};

}  // namespace strata

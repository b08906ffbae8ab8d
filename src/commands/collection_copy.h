// A copy of a collection that is made in slices while the original does not change.
//
// Inside the shards of both keys at every step. The copy belongs to this object until take().

#pragma once

#include <optional>

#include "commands/context.h"
#include "data/stream_copy.h"

namespace strata {

class CollectionCopy {
 public:
  CollectionCopy(const Value& from, const DataContext& data, const DataOptions& options)
      : from_(from), data_(data), options_(options) {}

  // Copies about `budget` elements. True when it is complete. On failure what is there can be given back with
  // take().
  Result<bool> step(size_t budget);
  // Type kString when nothing was begun.
  Value take();

 private:
  Result<bool> step_list(size_t budget);
  Result<bool> step_hash(size_t budget);
  Result<bool> step_set(size_t budget);
  Result<bool> step_zset(size_t budget);
  Result<bool> step_stream(size_t budget);

  const Value from_;
  const DataContext data_;
  const DataOptions& options_;
  std::optional<Value> copy_;
  std::optional<list::NodeCursor> nodes_;
  std::optional<StreamCopy> stream_;
  uint64_t cursor_ = 0;
};

}  // namespace strata

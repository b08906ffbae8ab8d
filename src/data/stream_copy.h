// A copy of a stream, groups and all, made in slices while the original does not change.
//
//   StreamCopy copy(stream, heap);
//   for (;;) { TRY_ASSIGN(bool done, copy.step(1000)); if (done) break; }
//   StreamValue* fresh = copy.take();
//
// The copy belongs to this object until take(); what was not taken is freed.

#pragma once

#include <cstddef>

#include "base/result.h"
#include "data/stream.h"

namespace strata {

class StreamCopy {
 public:
  StreamCopy(const StreamValue& from, Heap& heap) : from_(from), heap_(heap) {}
  ~StreamCopy();
  StreamCopy(const StreamCopy&) = delete;
  StreamCopy& operator=(const StreamCopy&) = delete;

  // Copies about `budget` nodes and pending entries. True when it is complete. After kOutOfMemory nothing but
  // take() or the end may follow.
  [[nodiscard]] Result<bool> step(size_t budget);
  // Null when nothing was begun.
  StreamValue* take();

 private:
  Status begin();
  Status copy_node();
  Status begin_group();
  Status copy_pending();

  const StreamValue& from_;
  Heap& heap_;
  StreamValue* to_ = nullptr;
  IdTree::Position node_;                            // the next one to copy
  uint32_t group_index_ = 0;                         // of the group that is being copied
  StreamGroup* group_ = nullptr;                     // its copy
  StreamPendingCursor pending_{IdTree::Position{}};  // its next pending entry
};

}  // namespace strata

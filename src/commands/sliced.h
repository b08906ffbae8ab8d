// Work that is done in slices, between which other requests are inside the shard.
//
// A handler that finds its value large, and is allowed to (Context::may_slice()), replies nothing, changes
// nothing and hands over a SlicedWork instead:
//
//   if (context.may_slice() && list::length(value) > kSliceElements) {
//     return context.slice(std::make_unique<RemoveMatches>(…), {{.arg = 1, .is_exclusive = true}});
//   }
//
// The keys it names stay latched until the last slice (keyspace/latch.h), so the value is there and
// unchanged, but for the work's own changes, at every step. A key that the work will replace at its end is
// latched as well: another command may be working on what it holds now. The last step replies and calls
// Context::changed() or effect(), like a handler. The work owns what it needs: the arguments it was made with
// are copied and are Context::args() at each step.
//
// What is stated in a step that is not the last is lost, unless the step calls Context::log_slice(). Work
// whose effects are too many for one record, a delivery for each of a million entries, logs each slice by
// itself. A crash in between leaves the slices that were logged, so these must be something that a client
// could have asked for: deliveries of the first entries, acknowledgements of the first IDs. The command
// itself is then not logged any more, whether the last step states something or not. changed() belongs to the
// last step all the same: it has waiters served, for whom the key is still latched.

#pragma once

#include <cstddef>
#include <functional>

#include "keyspace/shard_set.h"

namespace strata {

class Context;

// About 100 us of work on packed or hashed elements.
inline constexpr size_t kSliceElements = 4096;

struct LatchWish {
  size_t arg;             // index of the key
  bool is_exclusive;      // the work changes the value, or puts one there
  int32_t db = -1;        // the key's database; -1: the selected one
  bool is_whole = false;  // every key of the database, in all shards, for work that reads any of them
};

class SlicedWork {
 public:
  virtual ~SlicedWork() = default;
  // One slice, inside the shards. True when all is done.
  virtual bool step(Context& context) = 0;
  // Called before each step but the first: work that wanders over the shards says which it needs next.
  virtual void choose_shards(ShardSet& shards) { static_cast<void>(shards); }
  // Called between steps, outside the shards, on the thread of the client's own loop. True: the work waits
  // for something else there, and the next step comes when it has called `resume` on that thread.
  virtual bool wait(
      std::function<void()> resume) {  // NOLINT(performance-unnecessary-value-param): to be kept
    static_cast<void>(resume);
    return false;
  }

 private:
  friend class Dispatcher;
  bool has_logged_slices_ = false;
};

}  // namespace strata

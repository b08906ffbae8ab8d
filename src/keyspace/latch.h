// Keys that a command works on in slices.
//
// A command too long for one stay in its shard latches its key, leaves, and comes back for slice after slice.
// Commands that would see or change the half-done value wait in the latch's queue, in order of arrival, while
// other keys go on (DESIGN §3). A shared latch, of a command that only reads, holds back writers; an
// exclusive one everybody. A whole latch, of a command that may read any key of a database, is shared and
// stands for all its keys, in every shard; names that die meanwhile are still found by it.
//
// One table per shard, used inside it. It is empty nearly always, and then costs its users one load.

#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace strata {

class ShardJob;

struct Latch {
  uint16_t db;
  std::string key;
  bool is_exclusive;
  bool is_whole = false;
  bool is_for_serving = false;     // waiters of the key (waiters.h) are yet to be served
  int64_t since_ms = 0;            // of a whole latch: the time that its command sees
  std::vector<ShardJob*> waiters;  // oldest first; started again from their beginning when the latch goes

  // Who comes behind a waiter waits too, so that readers cannot starve a writer.
  bool blocks(bool for_write) const { return for_write || is_exclusive || !waiters.empty(); }
};

class LatchTable {
 public:
  bool empty() const { return latches_.empty(); }
  static constexpr int32_t kAnyDatabase = -1;
  // The latch that a command on this key must wait for; null: none.
  Latch* find(int32_t db, Bytes key, bool for_write) { return find_if(db, key, for_write, true); }
  // The same for serving: who serves the waiters of a key is not held back by others who want to.
  Latch* find_for_serving(uint16_t db, Bytes key) { return find_if(db, key, true, false); }
  // The same for a command on the whole shard.
  Latch* find_any(bool for_write) {
    for (auto& latch : latches_) {
      if (for_write || latch->is_exclusive) return latch.get();
    }
    return nullptr;
  }
  bool holds(uint16_t db, Bytes key) const {
    return std::any_of(latches_.begin(), latches_.end(), [&](const auto& latch) {
      return latch->db == db && !latch->is_whole && latch->key == key;
    });
  }
  // Whether a key must outlive its deadline for now. One whose time had come before a whole latch does not
  // exist for the latch's command either.
  bool hold_back_expiry(uint16_t db, Bytes key, int64_t deadline_ms) const {
    return std::any_of(latches_.begin(), latches_.end(), [&](const auto& latch) {
      if (latch->db != db) return false;
      return latch->is_whole ? deadline_ms > latch->since_ms : latch->key == key;
    });
  }
  Latch& add(uint16_t db, Bytes key, bool is_exclusive) {
    latches_.push_back(std::make_unique<Latch>());
    Latch& latch = *latches_.back();
    latch.db = db;
    latch.key = key;
    latch.is_exclusive = is_exclusive;
    return latch;
  }
  Latch& add_whole(uint16_t db, int64_t since_ms) {
    Latch& latch = add(db, {}, false);
    latch.is_whole = true;
    latch.since_ms = since_ms;
    return latch;
  }
  // The caller starts the waiters again.
  [[nodiscard]] std::vector<ShardJob*> remove(const Latch& latch) {
    auto found = std::find_if(latches_.begin(), latches_.end(),
                              [&](const auto& other) { return other.get() == &latch; });
    std::vector<ShardJob*> waiters = std::move((*found)->waiters);
    latches_.erase(found);
    return waiters;
  }

 private:
  Latch* find_if(int32_t db, Bytes key, bool for_write, bool with_serving) {
    for (auto& latch : latches_) {
      bool concerns = (latch->is_whole || latch->key == key) && (latch->db == db || db == kAnyDatabase);
      if (concerns && latch->blocks(for_write) && (with_serving || !latch->is_for_serving))
        return latch.get();
    }
    return nullptr;
  }

  std::vector<std::unique_ptr<Latch>> latches_;
};

}  // namespace strata

// Keys that a command works on in slices.
//
// A command too long for one stay in its shard latches its key, leaves, and comes back for slice after slice.
// Commands that would see or change the half-done value wait in the latch's queue, in order of arrival, while
// other keys go on (DESIGN §3). A shared latch, of a command that only reads, holds back writers; an
// exclusive one everybody.
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
  std::vector<ShardJob*> waiters;  // oldest first; started again from their beginning when the latch goes

  // Who comes behind a waiter waits too, so that readers cannot starve a writer.
  bool blocks(bool for_write) const { return for_write || is_exclusive || !waiters.empty(); }
};

class LatchTable {
 public:
  bool empty() const { return latches_.empty(); }
  // The latch that a command on this key must wait for; null: none.
  Latch* find(uint16_t db, Bytes key, bool for_write) {
    for (auto& latch : latches_) {
      if (latch->db == db && latch->key == key && latch->blocks(for_write)) return latch.get();
    }
    return nullptr;
  }
  // The same for a command on the whole shard.
  Latch* find_any(bool for_write) {
    for (auto& latch : latches_) {
      if (for_write || latch->is_exclusive) return latch.get();
    }
    return nullptr;
  }
  bool holds(uint16_t db, Bytes key) const {
    return std::any_of(latches_.begin(), latches_.end(),
                       [&](const auto& latch) { return latch->db == db && latch->key == key; });
  }
  Latch& add(uint16_t db, Bytes key, bool is_exclusive) {
    latches_.push_back(std::make_unique<Latch>(Latch{db, std::string(key), is_exclusive, {}}));
    return *latches_.back();
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
  std::vector<std::unique_ptr<Latch>> latches_;
};

}  // namespace strata

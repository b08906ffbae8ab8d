// Who waits for a key: the clients of BLPOP, XREAD BLOCK and the like.
//
// A blocking command that finds nothing registers a KeyWaiter with each of its keys, while it holds the
// shards of all of them. Commands that change a key look here afterwards and serve those who wait, in the
// order of their registration, inside the shard. What a waiter wants and how it is served is known above
// (commands/blocking.h, server/waiting.h); here it is one word:
//
//   waiting ──claim()──> claimed, for ever
//
//   1. Whoever wants to end the wait (a push, the timeout, CLIENT KILL, CLIENT UNBLOCK, the client's leaving)
//      claims the waiter first. One of them succeeds, and it alone touches what belongs to the waiter.
//   2. Nothing is popped before the claim. So nothing is popped twice, and nothing for a client that left.
//   3. Registrations outlive the wait: they are taken out when their shards are free. A claimed waiter found
//      in a queue is stale and passed over.
//
// Threads: claim() and is_waiting() may be called by anyone; a table belongs to its shard.
// Cost: an empty table costs its users one load; a queue is a list per key.

#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "data/value.h"

namespace strata {

class KeyWaiter {
 public:
  virtual ~KeyWaiter() = default;
  bool is_waiting() const { return !is_claimed_.load(std::memory_order_acquire); }
  // True for exactly one caller.
  [[nodiscard]] bool claim() {
    bool expected = false;
    return is_claimed_.compare_exchange_strong(expected, true, std::memory_order_acq_rel);
  }

 private:
  std::atomic<bool> is_claimed_{false};
};

// What may serve a waiter: a key of this type, or (XREADGROUP, for which that is an error) none at all or one
// of another type.
struct WaitWish {
  Type type;
  bool on_deletion = false;
};

class WaiterTable {
 public:
  struct Registration {
    std::shared_ptr<KeyWaiter> waiter;
    WaitWish wish;
  };
  class Queue {
   public:
    bool wants(std::optional<Type> type) const {
      return on_deletion_ > 0 || (type && of_type_[static_cast<size_t>(*type)] > 0);
    }
    std::list<Registration>& registrations() { return registrations_; }

   private:
    friend class WaiterTable;
    static constexpr size_t kTypes = 8;
    std::list<Registration> registrations_;  // oldest first
    std::array<uint32_t, kTypes> of_type_{};
    uint32_t on_deletion_ = 0;
  };

  bool empty() const { return queues_.empty(); }
  // A waiter that is registered with the key already is not registered again.
  void add(uint16_t db, Bytes key, WaitWish wish, std::shared_ptr<KeyWaiter> waiter);
  // Nothing happens if it is not registered.
  void remove(uint16_t db, Bytes key, const KeyWaiter& waiter);
  // Takes one registration out of a queue; the queue stays, even if it is empty now.
  static std::list<Registration>::iterator erase(Queue& queue, std::list<Registration>::iterator at);
  // Null: nobody waits for the key. Good until the table changes.
  Queue* find(uint16_t db, Bytes key);
  void drop_if_empty(uint16_t db, Bytes key);
  // Calls visit(key) for every key of the database that somebody waits for; for FLUSHDB and SWAPDB.
  template <typename Visit>
  void for_each(uint16_t db, Visit&& visit) {
    for (auto& [name, queue] : queues_) {
      if (name_db(name) == db) visit(Bytes(name).substr(sizeof(uint16_t)));
    }
  }
  // Keys whose time has come are deleted where nobody serves: they are remembered here, if somebody waits for
  // that, and served by whoever asks next.
  void note_gone(uint16_t db, Bytes key);
  bool has_gone() const { return !gone_.empty(); }
  std::vector<std::pair<uint16_t, std::string>> take_gone() { return std::exchange(gone_, {}); }
  // For INFO, by any thread.
  uint32_t key_count() const { return key_count_.load(std::memory_order_relaxed); }

 private:
  static std::string name_of(uint16_t db, Bytes key);
  static uint16_t name_db(const std::string& name);

  std::unordered_map<std::string, Queue> queues_;  // by two bytes of database, then the key
  std::vector<std::pair<uint16_t, std::string>> gone_;
  std::atomic<uint32_t> key_count_{0};
};

}  // namespace strata

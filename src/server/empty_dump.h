// The empty dump that FLUSHALL leaves behind where there are save points, written off the loops.
//
// All shards are held while one is asked for, and free again while it is written; the reply that tells of it
// waits (Connection::wait_for_dump). So a kill after the reply finds an empty database, as with Redis, and
// nobody else waits for the disk. A failure is told in the log and ends the wait: the command does not fail.
//
// Dumps replace each other in the order of what they hold:
//   1. A BGSAVE that is running is cancelled, and the empty dump waits until it can take no place any more.
//   2. A save that begins later, of any kind, lets the empty dump go first.
//
// The thread that writes lives while there is something to write. Orders that wait behind one that is being
// written become one, if they are for the same file.

#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "persistence/rdb_save.h"

namespace strata {

class Server;

class EmptyDump {
 public:
  explicit EmptyDump(Server& server) : server_(server) {}
  ~EmptyDump();
  EmptyDump(const EmptyDump&) = delete;
  EmptyDump& operator=(const EmptyDump&) = delete;

  // All shards are held, every database is empty, `changes` have been counted by the server, and the
  // background save of that number was cancelled (0: none). Returns what has_written() is asked with.
  uint64_t write_soon(uint64_t changes, uint64_t cancelled_save);
  // Or has failed to. Any thread.
  bool has_written(uint64_t number) const { return number <= written_.load(std::memory_order_acquire); }
  // The number of the newest.
  uint64_t wanted() const { return wanted_.load(std::memory_order_acquire); }
  // Until has_written(number), or the caller is told that its own dump is unwanted: by the next FLUSHALL.
  void wait_for(uint64_t number, const std::function<bool()>& is_unwanted);
  void wait() {
    wait_for(wanted(), [] { return false; });
  }

 private:
  struct Order {
    uint64_t number;
    uint64_t changes;
    uint64_t cancelled_save;
    std::string path;
    RdbSaveOptions options;
  };
  Order make_order(uint64_t changes, uint64_t cancelled_save) const;
  void accept(Order order);
  void run();
  void write(const Order& order);

  Server& server_;
  std::mutex mutex_;  // orders_, is_running_, thread_
  std::condition_variable changed_;
  std::deque<Order> orders_;  // the oldest first
  bool is_running_ = false;
  std::thread thread_;
  std::atomic<uint64_t> wanted_{0};
  std::atomic<uint64_t> written_{0};
};

}  // namespace strata

// WATCH: who wants to know that a key has changed.
//
// A connection owns a WatchMark and registers it with the keys it watches; a change of a key sets the marks
// that are registered for it. Registration and changes happen inside the key's shard; the mark is read by
// EXEC on any thread.

#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"

namespace strata {

struct WatchMark {
  std::atomic<bool> touched{false};
};

class WatchTable {
 public:
  void add(uint16_t db, Bytes key, WatchMark* mark);
  void remove(uint16_t db, Bytes key, WatchMark* mark);
  void touch(uint16_t db, Bytes key) {
    if (!marks_.empty()) [[unlikely]]
      touch_slow(db, key);
  }
  // Calls visit(key, mark) for every watched key of the database; for FLUSHDB and SWAPDB.
  template <typename Visit>
  void for_each(uint16_t db, Visit&& visit) {
    for (auto& [name, marks] : marks_) {
      if (name_db(name) != db) continue;
      for (WatchMark* mark : marks) visit(Bytes(name).substr(sizeof(uint16_t)), *mark);
    }
  }
  bool empty() const { return marks_.empty(); }
  size_t key_count() const { return marks_.size(); }

 private:
  static std::string name_of(uint16_t db, Bytes key);
  static uint16_t name_db(const std::string& name);
  void touch_slow(uint16_t db, Bytes key);

  std::unordered_map<std::string, std::vector<WatchMark*>> marks_;  // by two bytes of database, then the key
};

}  // namespace strata

// Which hashes of a database have fields with deadlines, by key, and when the first field of each is due.
//
// Database notes what its hashes say whenever one of them comes, changes or goes, so count() is exact. Used
// inside the shard only, but for count(). One entry of a map and a link of the wheel for each such hash;
// plain hashes are not here.

#pragma once

#include <string>
#include <type_traits>
#include <unordered_map>

#include "base/bytes.h"
#include "base/function_ref.h"
#include "keyspace/expiry_wheel.h"

namespace strata {

class FieldTimers {
 public:
  // The hash at the key has its first deadline at `first_ms` now.
  void note(Bytes key, int64_t first_ms, int64_t now_ms);
  void forget(Bytes key);
  void clear();

  // Hands out keys whose time has come, until `budget` steps of the wheel are spent; true when none is due
  // any more. expire() returns false where the fields must wait for a while; otherwise it has noted or
  // forgotten the key.
  bool advance(int64_t now_ms, size_t budget, FunctionRef<bool(Bytes key)> expire);

  int64_t next_due_ms() const { return wheel_.next_due_ms(); }
  // Any thread.
  size_t count() const { return wheel_.count(); }

 private:
  struct Timer {
    ExpiryLink link;  // first: a link is its timer's address
    std::string key;
  };
  static_assert(std::is_standard_layout_v<Timer>);
  struct KeyHash {
    using is_transparent = void;
    size_t operator()(Bytes key) const { return std::hash<Bytes>{}(key); }
  };
  using Timers = std::unordered_map<std::string, Timer, KeyHash, std::equal_to<>>;

  Timers timers_;
  ExpiryWheel wheel_;
};

}  // namespace strata

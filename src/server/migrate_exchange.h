// What MIGRATE says to the other server, and what it makes of the answer.
//
//   → [AUTH [user] password]  SELECT db  RESTORE key ttl payload [REPLACE]…
//   ← one line for each, +… or -…
//
// No sockets here: MIGRATE (migrate.cc) sends request() and gives what it receives to take().

#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"

namespace strata {

class MigrateExchange {
 public:
  // Longer lines than this end the exchange: nothing that a server answers here is longer.
  static constexpr size_t kLineBytesMax = 64 << 10;

  // `user` and `password` may be empty: none.
  void begin(Bytes user, Bytes password, int64_t db);
  // RESTORE of a key, whose payload is taken as it is.
  void add(Bytes key, int64_t ttl_ms, Bytes payload, bool replace);

  const std::string& request() const { return request_; }

  enum class State : uint8_t { kMore, kDone, kMalformed };
  // Replies, in any pieces.
  State take(Bytes bytes);

  // For each key, in the order of add(): whether the other server has it now. Shorter when replies are
  // missing.
  const std::vector<bool>& arrived() const { return arrived_; }
  // The first error that the other server answered, without its '-'; empty: none.
  const std::string& error() const { return error_; }

 private:
  void command(std::initializer_list<Bytes> words);
  void finish_line();

  std::string request_;
  std::string line_;
  std::string error_;
  bool is_ready_ = true;      // AUTH and SELECT were not refused
  size_t preliminaries_ = 0;  // replies to them that are still to come
  size_t keys_ = 0;
  std::vector<bool> arrived_;
};

}  // namespace strata

// Runs the commands of a log against the keyspace.
//
// Commands on keys of one shard go to the thread that owns the shard for the time of loading, in batches; so
// what concerns different shards is replayed in parallel, and what concerns one in its order. Transactions,
// commands over several shards and commands without keys are barriers: everything before them is done first.
// One thread calls; the bytes behind the arguments live until drain() returns.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "persistence/aof_reader.h"

namespace strata {

class Server;

class Replay final : public Applier {
 public:
  explicit Replay(Server& server);
  ~Replay() override;

  Status apply(uint16_t db, std::span<const Bytes> args) override;
  Status begin_group() override;
  Status end_group() override;
  Status drain() override;

  uint64_t command_count() const { return command_count_; }
  // What apply() could not run.
  const std::string& detail() const { return detail_; }

 private:
  class Lane;
  Status check_memory() const;
  Status refuse(Errc code, const char* what, std::span<const Bytes> args);

  Server& server_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  bool in_group_ = false;
  uint64_t command_count_ = 0;
  std::string detail_;
};

}  // namespace strata

// Requests that need shards, and the thread that carries them through.
//
// A job acquires its shards in ascending order and keeps those it holds. Where one is taken it queues there,
// and whoever leaves that shard continues the acquisition and runs the job (DESIGN §3). Deadlock-free by
// order, fair by queue. Because all are held while it runs, commands over several shards are atomic.
//
// Threads: a job is touched by one thread at a time, but by different ones: the thread that started it, then
// those that leave the shards it waited for. Its owner must not touch it between start() and finished().

#pragma once

#include <cstdint>
#include <vector>

#include "keyspace/keyspace.h"
#include "keyspace/shard_set.h"

namespace strata {

class ShardJob : public ShardWaiter {
 public:
  ShardSet shards;

  // All shards are held. True: done, and finished() comes when they are left. False: the job has found itself
  // another place to be continued from (a latch's queue, a loop) and is not touched again here.
  virtual bool execute() = 0;
  // The shards are left; the last call. May destroy the job.
  virtual void finished() = 0;
  // Has JobRunner::resume() called on the thread that the job calls home, soon, keeping the shards it holds.
  virtual void send_home() = 0;
  // False: only at home. Asked when all shards are held.
  virtual bool may_run_here() const { return true; }

 protected:
  virtual ~ShardJob() = default;

 private:
  friend class JobRunner;
  uint32_t next_shard_ = 0;  // all below that are in `shards` are held
};

// One per thread.
class JobRunner {
 public:
  explicit JobRunner(Keyspace& keyspace) : keyspace_(keyspace) {}

  // Begins, or begins again. May have finished when this returns, or go on elsewhere.
  void start(ShardJob& job);
  // The same for a job whose shards below `shard` the caller has entered for it.
  void start_from(ShardJob& job, uint32_t shard);
  // Continues a job that was sent home.
  void resume(ShardJob& job);
  // Leaves a shard that was entered directly, and sees to who waits for it.
  void leave(Shard& shard) {
    if (ShardWaiter* next = shard.ownership.leave()) [[unlikely]]
      serve(next);
  }

 private:
  // How much this thread does for others before it sends their jobs home, so that nobody becomes the
  // captive of a hot shard.
  static constexpr int kJobsMax = 64;
  static constexpr int64_t kStayUs = 100;

  void serve(ShardWaiter* first);
  void advance(ShardJob& job);
  void drain();

  Keyspace& keyspace_;
  std::vector<ShardJob*> granted_;  // they hold the shard they waited for; oldest first
  bool draining_ = false;
};

}  // namespace strata

#include "keyspace/shard_job.h"

#include "platform/clock.h"

namespace strata {

void JobRunner::start(ShardJob& job) { start_from(job, 0); }

void JobRunner::start_from(ShardJob& job, uint32_t shard) {
  job.next_shard_ = shard;
  granted_.push_back(&job);
  drain();
}

void JobRunner::resume(ShardJob& job) {
  granted_.push_back(&job);
  drain();
}

void JobRunner::serve(ShardWaiter* first) {
  granted_.push_back(static_cast<ShardJob*>(first));
  drain();
}

// Leaving shards grants them to further jobs, which drain() takes up in turn instead of recursing.
void JobRunner::drain() {
  if (draining_) return;
  draining_ = true;
  int64_t began_us = 0;
  for (size_t done = 0; done < granted_.size(); ++done) {
    ShardJob& job = *granted_[done];
    if (done == 1) began_us = system_clock().monotonic_us();
    // The clock is read for every job (40 ns): one command may be as long as a thousand others.
    bool stayed_long = done >= kJobsMax || (done > 1 && system_clock().monotonic_us() - began_us > kStayUs);
    if (stayed_long) {
      for (size_t rest = done; rest < granted_.size(); ++rest) granted_[rest]->send_home();
      break;
    }
    advance(job);
  }
  granted_.clear();
  draining_ = false;
}

void JobRunner::advance(ShardJob& job) {
  for (uint32_t s; (s = job.shards.next(job.next_shard_)) != ShardSet::kEnd;) {
    Ownership& ownership = keyspace_.shard(s).ownership;
    job.next_shard_ = s + 1;  // before queueing: afterwards the job is somebody else's
    if (!ownership.try_enter_for_a_while() && !ownership.enter_or_queue(job)) return;
  }
  if (!job.may_run_here()) return job.send_home();
  const ShardSet held = job.shards;
  bool is_done = job.execute();
  for (uint32_t s = 0; (s = held.next(s)) != ShardSet::kEnd; ++s) {
    if (ShardWaiter* next = keyspace_.shard(s).ownership.leave())
      granted_.push_back(static_cast<ShardJob*>(next));
  }
  if (is_done) job.finished();
}

}  // namespace strata
